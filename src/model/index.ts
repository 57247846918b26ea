// The model: what a trace holds once it is in memory, columnar. Everything else speaks in it: the
// ledger fills it, trace/ stores and loads it, symbols/ names it, report/ and commands/ show it.
//
// Must not import anything but its own parts: not from this project, not from Node.
import type { Checkpoint, ResourceLedger } from './checkpoint.js';
import type { MemoryTimeline } from './memory.js';
import type { Announced, PoolLedger } from './pools.js';

export * from './checkpoint.js';
export * from './memory.js';
export * from './pools.js';
export * from './v8.js';

/** An address of the traced process: never mix it with an index or a size. Exact up to 2^53. */
export type Address = number & { readonly __brand: 'Address' };
/** A stack: the id of its leaf node in the stack table. 0 is the empty stack. */
export type StackId = number & { readonly __brand: 'StackId' };

/** Kinds of frames, as MP_FRAME_* in interpose/wire.h. */
export const FrameKind = {
  native: 1,
  nativePc: 2,
  jsBytecode: 3,
  jsCode: 4,
  builtin: 5,
  unknown: 6,
  v8Unnamed: 7,
  marker: 8,
  /** As native; the frame above it was found by reading code that has no unwind rows. */
  nativeRecovered: 9,
} as const;

/** Facts about a stack that stand in it like a frame, as MP_MARKER_* in interpose/wire.h. */
export const Marker = {
  cut: 1,
  nested: 2,
  tableFull: 3,
  notTaken: 4,
  broken: 5,
  gap: 6,
  queued: 8,
} as const;

/**
 * The stack table: a trie, one node a frame; node 0 is the end. A parent's id is below its child's.
 * Frame payloads (see interpose/wire.h): native kinds: moduleId in `index`, address - base in
 * `offset`; JS kinds and builtins: codeId and offset; unknown kinds: the address in `offset`;
 * markers: the Marker in `index`.
 */
export interface StackTable {
  count: number;
  parent: Uint32Array;
  kind: Uint8Array;
  index: Uint32Array;
  offset: Float64Array;
}

export interface ModuleInfo {
  id: number;
  path: string;
  /** Lower-case hex; empty when the image has none. */
  buildId: string;
  base: Address;
  low: Address;
  high: Address;
  isExecutable: boolean;
  isVdso: boolean;
  /** libmemprof.so itself. */
  isShim: boolean;
  loadedNs: number;
  /** null while it is loaded. */
  unloadedNs: number | null;
}

export interface CodeInfo {
  id: number;
  kind: 'bytecode' | 'jit' | 'builtin' | 'other';
  isolate: number;
  /** As V8 announced it: "JS:~name /file.js:12:3", "Builtin:ArrayMap". */
  rawName: string;
}

/**
 * Where the code stands in its script's source, as V8 announced it, still encoded (MP_META_CODE_LINES in
 * interpose/wire.h says how). A long table comes in several, which continue each other.
 */
export interface CodeLines {
  codeId: number;
  /** V8's number of the script: unique in an isolate. */
  scriptId: number;
  entryCount: number;
  runCount: number;
  bytes: Uint8Array;
}

export interface ThreadInfo {
  /** Dense, from 0 in order of first event: the value in threadIndex columns. */
  index: number;
  /** Kernel thread id. */
  tid: number;
  /** '' where it was never named. */
  name: string;
  beginNs: number;
  /** null: alive at the end. */
  endNs: number | null;
}

export type EndedHow =
  | 'exit' // main returned or exit() was called
  | 'process.exit' // Node: process.exit() or process.reallyExit()
  | 'uncaught-exception' // Node ended by an uncaught error
  | '_exit' // _exit(), no atexit handlers
  | 'quick_exit'
  | 'signal'
  | 'exec' // replaced by another image
  | 'still-running' // when memprof-run stopped looking
  | 'unknown'; // gone without a word, and not our child to ask about

export interface Ended {
  how: EndedHow;
  /** Exit status; null where none is known. */
  code: number | null;
  /** 'SIGKILL'; null unless how is 'signal'. */
  signal: string | null;
}

export interface ProcessInfo {
  pid: number;
  ppid: number;
  /** 0 for the first image, one more for each exec in the same pid. */
  generation: number;
  executable: string;
  cwd: string;
  argv: string[];
  /** 'v20.20.2'; null when it is not Node or the agent never ran. */
  nodeVersion: string | null;
  v8Version: string | null;
  startRealtimeMs: number;
  durationNs: number;
  ended: Ended;
  /** Absent in older traces, and where it is not known. */
  allocator?: ProcessAllocator;
}

/** Whose malloc a process has. */
export interface ProcessAllocator {
  /** The image whose malloc is behind the shim. */
  module: string;
  /** An image with a malloc of its own, which the program calls in the shim's place: not recorded. null: none. */
  passedBy: string | null;
  /** Its operator new and delete do not go through malloc: not recorded. */
  hasOwnNew: boolean;
}

/** What could not be recorded, counted: shown whenever it is not zero. */
export interface Losses {
  lostEventCount: number;
  untracedThreadCount: number;
  nestedEventCount: number;
  cutStackCount: number;
  fullTableStackCount: number;
  /** Releases of addresses that the ledger did not know (allocated before recording began). */
  unknownReleaseCount: number;
  /** Allocations at an address that was live already: a lost release. */
  doubleAllocationCount: number;
  ringWaitCount: number;
  ringWaitNs: number;
  bootstrapBytes: number;
  /** True when the process was gone before its rings were read to their end. */
  stoppedEarly: 'reader-gone' | 'detached' | 'no-space' | null;
}

/** Counts over a whole process. All sizes are what the program asked for. */
export interface Totals {
  allocationCount: number;
  allocatedBytes: number;
  releaseCount: number;
  releasedBytes: number;
  liveCount: number;
  liveBytes: number;
  peakBytes: number;
  peakBlockCount: number;
  peakNs: number;
  /** By record type (interpose/wire.h): how often each entry point was called, by type number. */
  eventCounts: Float64Array;
}

/** Live blocks at one moment, one row a block, in order of allocation. */
export interface LiveSet {
  count: number;
  address: Float64Array;
  sizeBytes: Float64Array;
  stackId: Uint32Array;
  threadIndex: Uint32Array;
  /** Time of allocation since the start of the process. */
  bornNs: Float64Array;
  /** The entry point: MP_ALLOC_*. */
  entry: Uint8Array;
  /** Absent where the program said nothing of these blocks. */
  announced?: Announced;
}

/** Totals per stack, indexed by stack id (columns as long as the stack table). */
export interface StackTotals {
  allocationCount: Float64Array;
  allocatedBytes: Float64Array;
  liveCount: Float64Array;
  liveBytes: Float64Array;
  /** Freed by the next event of the same thread. */
  temporaryCount: Float64Array;
}

/** Live blocks by stack id, at one moment. */
export interface StackSums {
  liveCount: Float64Array;
  liveBytes: Float64Array;
}

export interface Mapping {
  address: Address;
  sizeBytes: number;
  stackId: StackId;
  bornNs: number;
  prot: number;
  flags: number;
}

export interface Mark {
  kind: 'before-teardown' | 'malloc_trim' | 'user' | 'checkpoint';
  atNs: number;
  text: string;
  value: number;
}

export interface Moment {
  name: 'before-teardown' | 'at-end';
  atNs: number;
  live: LiveSet;
}

/** Everything that a trace says, without its event stream (see trace/ for that). */
export interface TraceModel {
  formatVersion: number;
  process: ProcessInfo;
  modules: ModuleInfo[];
  codes: CodeInfo[];
  /** Absent in traces from before they were recorded. */
  codeLines?: readonly CodeLines[];
  threads: ThreadInfo[];
  stacks: StackTable;
  stackTotals: StackTotals;
  totals: Totals;
  losses: Losses;
  /** null when the program never reached it (no Node, killed, _exit). */
  beforeTeardown: Moment | null;
  atEnd: Moment;
  mappings: Mapping[];
  marks: Mark[];
  /** In order; absent where none was taken. */
  checkpoints?: readonly Checkpoint[];
  /** Absent where no addon was watched. */
  resources?: ResourceLedger;
  /** Absent where the program announced none (memprof.h). */
  pools?: PoolLedger;
  /** Absent in older traces, and of processes that were gone before anybody looked. */
  timeline?: MemoryTimeline;
  hasEvents: boolean;
  /** False when the file ended before its last chunk: everything is as of the last whole chunk. */
  complete: boolean;
}
