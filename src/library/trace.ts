// What openTrace() answers with: plain objects and columns, the same as the JSON outputs of the commands
// have (docs/schema), so what is learnt from one holds for the other.
//
// Must not import anything: it is what users' compilers read.

/** How many blocks, and how many bytes the program asked for in them. */
export interface Amount {
  blockCount: number;
  sizeBytes: number;
}

/** The npm package that a module belongs to: the nearest package.json above it that has a name. */
export interface PackageRef {
  name: string;
  version: string | null;
}

/**
 * Whose memory it is: an npm package's native code, Node itself (V8 included), memprof's own agent, a program
 * or library by its path, or nobody known.
 */
export type OwnerKind = 'package' | 'node' | 'memprof' | 'module' | 'unknown';

/** One function on a stack. An inlined call is a frame of its own. */
export interface Frame {
  kind: 'native' | 'js' | 'builtin';
  /** Demangled. null: not known for certain. */
  function: string | null;
  /** As the debug information, V8 or a source map names it. */
  file: string | null;
  /** From 1. */
  line: number | null;
  /** From 1. */
  column: number | null;
  /** Of JavaScript: `function` where only the line of the function is known, not the call's. */
  lineIs?: 'call' | 'function';
  /** The place in the script that ran, where a source map led from it to `file`. */
  generated?: { file: string; line: number; column: number };
  /** Path of the program or library; null for JavaScript and for code in no file. */
  module: string | null;
  inlined: boolean;
  /** Where no function is known: the nearest exported symbol below the address, perhaps another function's. */
  near: { symbol: string; offsetBytes: number } | null;
  /** Where no function is known: the address, as the module's file has it. */
  offset: number | null;
  /** Found by reading code that has no unwind rows. */
  recovered?: true;
}

/** A fact about a stack; it stands before the frame of that index: "stack cut here", "queued from". */
export interface StackMarker {
  at: number;
  marker: string;
  text: string;
}

/** A stack with names, the allocating function first. */
export interface Stack {
  package: PackageRef | null;
  owner: OwnerKind;
  /** Path of the module that allocated for itself; null: not known. */
  module: string | null;
  frames: Frame[];
  markers: StackMarker[];
}

/** All blocks whose stacks read the same. */
export interface Site extends Stack, Amount {
  moment: MomentName;
  /** null: blocks of several threads. */
  thread: string | null;
  threads: (Amount & { name: string; tid: number | null })[];
  /** Over the whole run, whatever the moment. */
  allocationCount: number;
  allocatedBytes: number;
  /** Blocks that the next event of the same thread freed. */
  temporaryCount: number;
  /** At the moment; null: nothing is live. */
  oldestAgeNs: number | null;
}

/**
 * `before-teardown`: when Node began to tear down its environment, after the program's last JavaScript. A
 * program that is no Node, or was killed, never came to it.
 */
export type MomentName = 'before-teardown' | 'at-end';

/** What lived at a moment. */
export interface MomentFacts extends Amount {
  name: MomentName;
  /** Since the process's start. */
  atNs: number;
}

/** One live block. */
export interface Block {
  /** In the traced process. Exact: addresses are below 2^53. */
  address: number;
  /** As the program asked for it. */
  sizeBytes: number;
  /** Time of allocation since the process's start. */
  bornNs: number;
  /** At the moment. */
  ageNs: number;
  /** `main`, the thread's name, or `tid N`. */
  thread: string;
  /** The function that was called: `malloc`, `posix_memalign`, ... */
  entry: string;
  /** Equal for equal stacks of the trace: see Trace.stack. */
  stackId: number;
  /** The same object for all blocks of a stack; null with `names: false`. */
  stack: Stack | null;
  /** Only of blocks at the last checkpoint (`moment: 'last-checkpoint'`). */
  verdict?: Verdict;
}

/** Who holds a block; docs/verdicts.md says how each is found. */
export type Verdict =
  | 'lost'
  | 'lost-indirect'
  | 'orphaned'
  | 'pending'
  | 'held-by-js'
  | 'held-by-native'
  | 'runtime'
  | 'ignored'
  | 'unknown';

/** A node of the call tree. Sums of a node are those of all blocks under it. */
export interface TreeNode extends Amount {
  /** null: the root of the tree, or a marker. */
  frame: Frame | null;
  /** A fact about the stack that stands in it like a frame; else null. */
  marker: string | null;
  /** Of blocks whose stacks end here. */
  selfBytes: number;
  /** Largest first. */
  children: TreeNode[];
}

/** Memory of one package, module or of Node's runtime. */
export interface PackageMemory {
  owner: OwnerKind;
  package: PackageRef | null;
  /** Of owner `module`. */
  module: string | null;
  /** null: the program never came to it. */
  beforeTeardown: Amount | null;
  atEnd: Amount;
}

/** JavaScript objects of one class, and the native memory that they hold, blocks behind blocks included. */
export interface OwnerClass extends Amount {
  className: string;
  objectCount: number;
  /** Sum of what JavaScript itself sees (byteLength); null: not kept, or none says. */
  jsBytes: number | null;
}

/** Blocks of one stack with one verdict and one class of owner. */
export interface LeakSite extends Omit<Stack, 'owner'>, Amount {
  verdict: Verdict;
  /** What is lost with them, behind them. */
  behind: Amount;
  /** C++ class or category, where it is known. */
  type: string | null;
  /** The program said it (memprof.h). */
  isTypeAnnounced: boolean;
  /** The pool that handed them out: their bytes lie in other blocks. null: they are of malloc. */
  pool: string | null;
  /** Where the blocks are what a pool hands out in pieces. */
  memoryOfPool: { name: string; usedBytes: number; memoryBytes: number } | null;
  /** The JavaScript class that holds them, or held them. */
  owner: { className: string; lastSeen: number | null } | null;
  /** What holds most of their bytes, in words. */
  heldBy: { kind: string; text: string } | null;
  /** Least squares over the checkpoints so far; null: it does not grow. */
  growth: {
    blocksPerCheckpoint: number;
    bytesPerCheckpoint: number;
    firstBlockCount: number;
    lastBlockCount: number;
    checkpointCount: number;
  } | null;
  memoryOf: OwnerKind;
}

/** What one checkpoint says. */
export interface Leaks {
  checkpoint: CheckpointFacts;
  /** Up to this one. */
  checkpointCount: number;
  /** By verdict, of addons and the program's own code. */
  totals: Partial<Record<Verdict, Amount>>;
  /** By verdict, of Node and memprof. Together with `totals`: all that was live. */
  runtimeTotals: Partial<Record<Verdict, Amount>>;
  /** Worst first. */
  sites: LeakSite[];
}

/** When and how one checkpoint was taken, and what lived then. */
export interface CheckpointFacts {
  /** From 1. */
  number: number;
  reason: 'exit' | 'program' | 'demand' | 'interval' | 'signal';
  atNs: number;
  /** How long other threads stood still. */
  pauseNs: number;
  /** null: scanned. Else why there are no verdicts. */
  scanFailure: string | null;
  liveCount: number;
  liveBytes: number;
}

/** Counts of one kind of Node-API or V8 resource. */
export interface ResourceCounts {
  createdCount: number;
  /** Of them, without a finalizer: nobody tells when they end. */
  unwatchedCount: number;
  releasedCount: number;
  finalizedCount: number;
  /** Taken by the environment's end. */
  tornDownCount: number;
  outstandingCount: number;
  /** Of outstanding ones: bytes, strong holds or threads, by kind. */
  outstandingValue: number;
}

/** What one addon got from Node-API and V8. */
export interface NapiAddon {
  package: PackageRef | null;
  owner: OwnerKind;
  module: string | null;
  /** Native memory that it allocated and that lives. */
  holdsBytes: number;
  /** What V8 was told of it. */
  tellsBytes: number;
  /** What is out of balance, in words. */
  findings: { kind: string; count: number; text: string }[];
  resources: (ResourceCounts & { kind: string })[];
  sites: (ResourceCounts & Stack & { kind: string; className: string | null })[];
}

/** What an event did. */
export const EventKind = { allocation: 1, release: 2 } as const;

/** Allocations and releases in the process's one order; a row an event. The columns are yours to keep. */
export interface EventBatch {
  count: number;
  /** EventKind. */
  kind: Uint8Array;
  /** The function that was called, by its number: entryName() of the trace says its name. */
  entry: Uint8Array;
  /** Since the process's start; exact to a microsecond or so, the order is exact. */
  timeNs: Float64Array;
  threadIndex: Uint32Array;
  address: Float64Array;
  /** Of a release: its block's; 0: the recording does not know the block. */
  sizeBytes: Float64Array;
  /** Of a release: the stack that allocated the block. */
  stackId: Uint32Array;
  /** Number of the allocation, from 0 in order: a release has its allocation's. -1: not known. */
  serial: Float64Array;
}

/** The process that was recorded. */
export interface ProcessFacts {
  pid: number;
  ppid: number;
  argv: string[];
  executable: string;
  cwd: string;
  /** null: no Node. */
  nodeVersion: string | null;
  /** Since 1970. */
  startRealtimeMs: number;
  durationNs: number;
  ended: { how: string; code: number | null; signal: string | null };
}

/** Counts over the whole run. All sizes are what the program asked for. */
export interface TraceTotals {
  allocationCount: number;
  allocatedBytes: number;
  releaseCount: number;
  releasedBytes: number;
  liveCount: number;
  liveBytes: number;
  peakBytes: number;
  peakBlockCount: number;
  peakNs: number;
}

/** A thread that allocated. Times are since the process's start. */
export interface ThreadFacts {
  /** The `threadIndex` of events. */
  index: number;
  /** The kernel's. */
  tid: number;
  name: string;
  beginNs: number;
  /** null: alive at the end. */
  endNs: number | null;
}

/** A program or library that was loaded, at these addresses of the process. */
export interface ModuleFacts {
  path: string;
  /** Lower-case hex; '' without one. */
  buildId: string;
  base: number;
  low: number;
  high: number;
  loadedNs: number;
  /** null: it was loaded to the end. */
  unloadedNs: number | null;
}

/** A moment that the program or memprof marked. */
export interface MarkFacts {
  kind: string;
  atNs: number;
  text: string;
}

/** Both ends belong to it. */
export interface Range {
  min: number;
  max: number;
}

/** Which blocks count; what is left out passes all. */
export interface Filters {
  /** `sharp`, `sharp@0.34.1`, or `node` for Node itself. */
  package?: string;
  /** Stacks through this module, by path or file name. */
  module?: string;
  /** Stacks with this text in the name of a function. */
  function?: string;
  /** `main`, a thread's name, or its kernel id. */
  thread?: string;
  /** In bytes. */
  size?: Range;
  /** In nanoseconds, at the moment. */
  age?: Range;
}

/** Which blocks count, at which moment. */
export interface MomentFilters extends Filters {
  /** Default: before teardown where the program came to it. */
  moment?: MomentName;
}

/** Which sites are wanted. */
export interface SiteOptions extends MomentFilters {
  /**
   * Every site that ever allocated, also where nothing is live. Cannot be combined with thread, size and age,
   * which only live blocks have.
   */
  all?: boolean;
}

/** Which blocks are wanted, of which moment. */
export interface BlockOptions extends Filters {
  moment?: MomentName | 'last-checkpoint';
  /** false: stacks are not named, which saves reading symbols. */
  names?: boolean;
}

/** Which way round the call tree is. */
export interface TreeOptions extends MomentFilters {
  /** From the allocating functions up to their callers. */
  inverted?: boolean;
}

/** Which of a checkpoint's sites are wanted. */
export interface LeakOptions extends Pick<Filters, 'package' | 'module' | 'function'> {
  /** The checkpoint's number; default: the last. */
  at?: number;
  /** Every site, also what is merely held. */
  all?: boolean;
}

/**
 * An opened trace. It costs memory by live blocks and sites, never by events, which are read from the file
 * when they are asked for. Names come from the files of this machine (docs/symbols.md).
 *
 * Every method throws a MemprofError: ERR_MEMPROF_CLOSED after close(), and what is said of it.
 */
export interface Trace {
  readonly path: string;
  readonly formatVersion: number;
  readonly process: ProcessFacts;
  readonly totals: TraceTotals;
  /** What could not be recorded, by kind; all 0: nothing was lost. */
  readonly losses: Readonly<Record<string, number | string | null>>;
  /** False: the file ends before its last part; everything is as of its last whole part. */
  readonly complete: boolean;
  /** False for traces of `memprof-run --events none`. */
  readonly hasEvents: boolean;
  /** Sentences: the trace is cut, symbols could not be had. Grows as stacks are named. */
  readonly warnings: readonly string[];
  /** One or two, in order. */
  readonly moments: readonly MomentFacts[];
  readonly threads: readonly ThreadFacts[];
  readonly modules: readonly ModuleFacts[];
  readonly marks: readonly MarkFacts[];
  readonly checkpoints: readonly CheckpointFacts[];

  /** Live memory by package, module and Node's runtime; largest first, Node's runtime last. */
  packages(): Promise<PackageMemory[]>;
  /**
   * Where memory was allocated, largest first.
   * @throws ERR_MEMPROF_NO_MOMENT: the program never came to that moment.
   */
  sites(options?: SiteOptions): Promise<Site[]>;
  /**
   * Live blocks in order of allocation.
   * @throws ERR_MEMPROF_NO_MOMENT, ERR_MEMPROF_NO_CHECKPOINT
   */
  blocks(options?: BlockOptions): AsyncGenerator<Block, void, undefined>;
  /** The call tree of live memory. @throws ERR_MEMPROF_NO_MOMENT */
  tree(options?: TreeOptions): Promise<TreeNode>;
  /**
   * Native memory by class of the JavaScript objects that hold it, at a checkpoint (default: the last).
   * @throws ERR_MEMPROF_NO_CHECKPOINT
   */
  owners(options?: { at?: number }): OwnerClass[];
  /**
   * What is lost, orphaned or grows. Blocks are kept one by one of the last checkpoint only: sites of older
   * ones have no owner and no type.
   * @throws ERR_MEMPROF_NO_CHECKPOINT
   */
  leaks(options?: LeakOptions): Promise<Leaks>;
  /** What addons got from Node-API and V8; those with findings first. */
  napi(options?: Pick<Filters, 'package' | 'module' | 'function'>): Promise<NapiAddon[]>;
  /** Names of stacks, by their ids; the ids of blocks, sites and events. One call for many is much cheaper. */
  stacks(stackIds: Iterable<number>): Promise<Map<number, Stack>>;
  /**
   * Every allocation and release, batch by batch, read from the file as you go on.
   * @throws ERR_MEMPROF_NO_EVENTS: recorded with `--events none`. ERR_MEMPROF_TRACE_DAMAGED: a part in the
   * middle of the file is damaged.
   */
  events(): Generator<EventBatch, void, undefined>;
  /** Name of an event's or block's entry point: `malloc`. */
  entryName(entry: number): string;
  /** Nothing can be asked any more. What was answered stays valid. */
  close(): void;
}
