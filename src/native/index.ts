// The door to the Rust crate: what TypeScript cannot do (shared memory, ELF and DWARF, zstd), and what it
// does too slowly (events to bytes).
// Analysis never imports it; src/record and src/commands do. Must import nothing of the project
// but errors and paths.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { MemprofError } from '../errors.js';
import { packageRoot } from '../paths.js';

export interface ClockPair {
  /** The raw counter, as clockBase in wire.h. */
  tsc: bigint;
  monotonicNs: bigint;
  realtimeNs: bigint;
}

export interface Inspection {
  kind: 'elf' | 'script' | 'other';
  elfClass: 32 | 64 | null;
  /** "x86-64", "aarch64", ... or "machine <number>". */
  machine: string | null;
  /** PT_INTERP; null in an ELF file: static, nothing can be preloaded. */
  interpreter: string | null;
  /** setuid or setgid: the loader ignores LD_PRELOAD. */
  isSetuid: boolean;
  /** Of a script: the interpreter, and at most one argument. */
  shebang: string[] | null;
  /** Lower-case hex. */
  buildId: string | null;
}

/** Quality of an answer, per address. */
export const SymbolQuality = { none: 0, nearestExport: 1, symbol: 2, debugInfo: 3 } as const;

/** Address i owns the frames start[i] to start[i + 1] - 1, innermost inlined frame first. */
export interface ResolvedModule {
  /** The file is there (its build id may still be another one: see reason). */
  found: boolean;
  reason: 'ok' | 'missing' | 'changed' | 'not-elf' | 'no-symbols';
  hasDebugInfo: boolean;
  /** It has a whole symbol table, of its own or in a debug file. */
  hasSymbols: boolean;
  /** The files that the answers come from, where these and no others decide; else empty. */
  sources: string[];
  start: Uint32Array;
  /** Per frame, demangled; null: unknown. */
  functionName: (string | null)[];
  /** Per frame, absolute where the debug info allows it; null: unknown. */
  file: (string | null)[];
  /** Per frame; 0: unknown. */
  line: Uint32Array;
  /** Per frame; 0: unknown. */
  column: Uint32Array;
  /** Per frame: it was inlined into the frame that follows. */
  inlined: boolean[];
  /** Per address: SymbolQuality. */
  quality: Uint8Array;
  /** Per address: bytes from the symbol's start; 0 where no symbol was used. */
  symbolOffset: Float64Array;
}

export interface SymbolizerOptions {
  /** Where separate debug files are looked for. Default: /usr/lib/debug. */
  debugFolders?: string[];
}

/** An address each. */
export interface ResolvedData {
  /** The symbol of the object (a global, a vtable) that holds it, demangled; null: none does. */
  symbol: (string | null)[];
  /** Bytes from the symbol's start. */
  offset: Float64Array;
}

/** Of EventBatch in src/ledger/events.ts. */
export interface BatchMemory {
  readonly memory: Float64Array;
  readonly rareWords: Uint32Array;
  readonly count: number;
}

interface NativeEventEncoder {
  add(
    memory: Float64Array,
    rareWords: Uint32Array,
    start: number,
    count: number,
    nsPerTick: number,
  ): number;
  eventCount(): number;
  finish(): Buffer;
}

interface NativeSymbolizer {
  useDebugFile(buildId: string, path: string): void;
  resolve(path: string, expectedBuildId: string, addresses: Float64Array): Promise<ResolvedModule>;
}

interface Native {
  mapShared(path: string): ArrayBuffer;
  mapMemory(sizeBytes: number): ArrayBuffer;
  unmap(buffer: ArrayBuffer): void;
  consumeBlocks(
    batch: Float64Array,
    start: number,
    count: number,
    slots: Int32Array,
    rowOfStack: Uint32Array,
    stackSums: Float64Array,
    lastOfThread: Float64Array,
    state: Float64Array,
  ): number;
  liveBlocks(
    slots: Int32Array,
    stackSums: Float64Array,
    nsPerTick: number,
    address: Float64Array,
    sizeBytes: Float64Array,
    stackId: Uint32Array,
    threadIndex: Uint32Array,
    bornNs: Float64Array,
    entry: Uint8Array,
  ): void;
  stackTotals(
    stackSums: Float64Array,
    rowLimit: number,
    allocationCount: Float64Array,
    allocatedBytes: Float64Array,
    liveCount: Float64Array,
    liveBytes: Float64Array,
    temporaryCount: Float64Array,
  ): void;
  readStackNodes(
    chunk: Uint32Array,
    first: number,
    from: number,
    end: number,
    isFinal: boolean,
    parent: Uint32Array,
    kind: Uint8Array,
    index: Uint32Array,
    offset: Float64Array,
    counts: Uint32Array,
  ): number;
  moveLive(old: Int32Array, slots: Int32Array): void;
  purgeReleased(slots: Int32Array): void;
  reserveFile(path: string, sizeBytes: number): void;
  wakeWord(path: string, offset: number): number;
  fence(clockBase: bigint): number;
  membarrier(): void;
  clockPair(): ClockPair;
  hasInvariantTsc(): boolean;
  lockFile(path: string): number;
  unlockFile(descriptor: number): void;
  isLocked(path: string): boolean;
  waitForEnd(pid: number): Promise<{ code: number | null; signal: number | null }>;
  processStartTime(pid: number): number | null;
  trimHeap(): void;
  zstdCompress(data: Uint8Array, level: number): Buffer;
  zstdCompressAsync(data: Uint8Array, level: number): Promise<Buffer>;
  zstdDecompress(data: Uint8Array, maxBytes: number): Buffer;
  crc32(data: Uint8Array, seed?: number): number;
  mergeBlocks(batch: Float64Array, state: Float64Array, stagings: Uint32Array[]): number;
  inspectExecutable(path: string): Inspection;
  encodeStacks(
    parent: Uint32Array,
    kind: Uint8Array,
    index: Uint32Array,
    offset: Float64Array,
    from: number,
    to: number,
  ): Buffer;
  encodeStackTotals(
    allocationCount: Float64Array,
    allocatedBytes: Float64Array,
    liveCount: Float64Array,
    liveBytes: Float64Array,
    temporaryCount: Float64Array,
  ): Buffer;
  encodeLiveSet(
    address: Float64Array,
    sizeBytes: Float64Array,
    stackId: Uint32Array,
    threadIndex: Uint32Array,
    bornNs: Float64Array,
    entry: Uint8Array,
  ): Buffer;
  EventEncoder: new (rowsPerChunk: number, recordWords: Uint8Array) => NativeEventEncoder;
  Symbolizer: new (debugFolders: string[]) => NativeSymbolizer;
  resolveData(
    path: string,
    expectedBuildId: string,
    debugFolders: string[],
    addresses: Float64Array,
  ): Promise<ResolvedData>;
  findSymbols(path: string, wanted: string[]): Promise<boolean[]>;
  exportedRanges(path: string, prefixes: string[]): Float64Array;
}

const binaryPath = join(packageRoot, 'src', 'native', 'memprof.node');

function load(): Native {
  try {
    return createRequire(import.meta.url)(binaryPath) as Native;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new MemprofError(
      'ERR_MEMPROF_NOT_BUILT',
      `memprof's native part cannot be loaded: ${reason}\nBuild it: npm run build:native (it needs Rust), or install a released package.`,
    );
  }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** Loaded at the first use, so that `memprof --help` works in a folder that was never built. */
const binding = once(load);

/** Maps a whole file, readable, writable and shared, without a copy. Throws when it is empty. */
export const mapShared = (path: string): ArrayBuffer => binding().mapShared(path);

/**
 * Zeroed memory of our own, in huge pages where the kernel gives them; sizeBytes is rounded up to whole
 * ones (2 MiB). Throws ENOMEM. Collected like any ArrayBuffer; unmap() gives it back at once.
 */
export const mapMemory = (sizeBytes: number): ArrayBuffer => binding().mapMemory(sizeBytes);

/** Detaches an ArrayBuffer of mapShared or mapMemory, then unmaps. Once more is harmless. */
export const unmap = (buffer: ArrayBuffer): void => binding().unmap(buffer);

/** LedgerHost.consumeBlocks() of src/ledger, over the memory of a batch and of the ledger's tables. */
export const consumeBlocks = (...of: Parameters<Native['consumeBlocks']>): number =>
  binding().consumeBlocks(...of);

/** LedgerHost.liveBlocks() of src/ledger. */
export const liveBlocks = (
  slots: Int32Array,
  stackSums: Float64Array,
  nsPerTick: number,
  into: LiveColumns,
): void =>
  binding().liveBlocks(
    slots,
    stackSums,
    nsPerTick,
    into.address,
    into.sizeBytes,
    into.stackId,
    into.threadIndex,
    into.bornNs,
    into.entry,
  );

/** LedgerHost.stackTotals() of src/ledger. */
export const stackTotals = (
  stackSums: Float64Array,
  rowLimit: number,
  into: StackTotalsColumns,
): void =>
  binding().stackTotals(
    stackSums,
    rowLimit,
    into.allocationCount,
    into.allocatedBytes,
    into.liveCount,
    into.liveBytes,
    into.temporaryCount,
  );

/** LedgerHost.moveLive() of src/ledger. */
export const moveLive = (old: Int32Array, slots: Int32Array): void =>
  binding().moveLive(old, slots);

/** LedgerHost.purgeReleased() of src/ledger. */
export const purgeReleased = (slots: Int32Array): void => binding().purgeReleased(slots);

/** Creates a new file (0600) with every page reserved. Throws an error with an errno `code`. */
export const reserveFile = (path: string, sizeBytes: number): void =>
  binding().reserveFile(path, sizeBytes);

/** Wakes who waits (futex) on the 32-bit word at `offset` of a shared file; returns how many did. */
export const wakeWord = (path: string, offset: number): number => binding().wakeWord(path, offset);

/** Ticks since clockBase (lfence; rdtsc), and after that a memory barrier on all traced threads. */
export const fence = (clockBase: bigint): number => binding().fence(clockBase);

export const membarrier = (): void => binding().membarrier();

/** The three clocks at one moment. */
export const clockPair = (): ClockPair => binding().clockPair();

/** Whether the time stamp counter runs at one rate on all cores and in all power states. */
export const hasInvariantTsc = (): boolean => binding().hasInvariantTsc();

/** Takes the exclusive lock of an existing file; throws with code EWOULDBLOCK when it is held. */
export const lockFile = (path: string): number => binding().lockFile(path);

/** Gives the lock of lockFile back and closes its descriptor. */
export const unlockFile = (descriptor: number): void => binding().unlockFile(descriptor);

/** Whether anybody holds the exclusive lock. A file that is not there is held by nobody. */
export const isLocked = (path: string): boolean => binding().isLocked(path);

/**
 * How a child of this process ends: its exit status, or the number of the signal that ended it. For a child that Node did
 * not start; it is reaped.
 */
export const waitForEnd = (pid: number): Promise<{ code: number | null; signal: number | null }> =>
  binding().waitForEnd(pid);

/** In clock ticks since boot; null when the process is gone or a zombie. */
export const processStartTime = (pid: number): number | null => binding().processStartTime(pid);

/** Gives free memory of this process's C heap back to the system, which glibc by itself keeps. */
export const trimHeap = (): void => binding().trimHeap();

/** One frame with content size and checksum. */
export const zstdCompress = (data: Uint8Array, level: number): Buffer =>
  binding().zstdCompress(data, level);

/** The same on another thread, which reads data until it is done: until then data must stay as it is. */
export const zstdCompressAsync = (data: Uint8Array, level: number): Promise<Buffer> =>
  binding().zstdCompressAsync(data, level);

/** Throws (ERR_MEMPROF_ZSTD) on damage, a cut frame, or content beyond maxBytes. */
export const zstdDecompress = (data: Uint8Array, maxBytes: number): Buffer =>
  binding().zstdDecompress(data, maxBytes);

/** CRC-32 as in zlib; seed is the CRC of what came before. */
export const crc32 = (data: Uint8Array, seed?: number): number => binding().crc32(data, seed);

/** Of StackTable in src/model. */
export interface StackColumns {
  readonly parent: Uint32Array;
  readonly kind: Uint8Array;
  readonly index: Uint32Array;
  readonly offset: Float64Array;
}

/** Of StackTotals in src/model. */
export interface StackTotalsColumns {
  readonly allocationCount: Float64Array;
  readonly allocatedBytes: Float64Array;
  readonly liveCount: Float64Array;
  readonly liveBytes: Float64Array;
  readonly temporaryCount: Float64Array;
}

/**
 * Reads nodes of a stack table's chunk, whose first node has the id `first`, into the columns: from `from` up to before
 * `end`, or to the first that its writer has not finished (`isFinal`: the writer is gone, take everything). Returns the
 * first id that was not read. Nodes with a parent that cannot be get 0, and count in counts[0].
 */
export const readStackNodes = (
  chunk: Uint32Array,
  first: number,
  range: { from: number; end: number; isFinal: boolean },
  into: StackColumns,
  counts: Uint32Array,
): number =>
  binding().readStackNodes(
    chunk,
    first,
    range.from,
    range.end,
    range.isFinal,
    into.parent,
    into.kind,
    into.index,
    into.offset,
    counts,
  );

/** TraceEncoder.stacks of src/trace. */
export const encodeStacks = (table: StackColumns, from: number, to: number): Uint8Array =>
  binding().encodeStacks(table.parent, table.kind, table.index, table.offset, from, to);

/** TraceEncoder.stackTotals of src/trace. */
export const encodeStackTotals = (totals: StackTotalsColumns): Uint8Array =>
  binding().encodeStackTotals(
    totals.allocationCount,
    totals.allocatedBytes,
    totals.liveCount,
    totals.liveBytes,
    totals.temporaryCount,
  );

/** Of LiveSet in src/model. */
export interface LiveColumns {
  readonly address: Float64Array;
  readonly sizeBytes: Float64Array;
  readonly stackId: Uint32Array;
  readonly threadIndex: Uint32Array;
  readonly bornNs: Float64Array;
  readonly entry: Uint8Array;
}

/** TraceEncoder.liveSet of src/trace. */
export const encodeLiveSet = (live: LiveColumns): Uint8Array =>
  binding().encodeLiveSet(
    live.address,
    live.sizeBytes,
    live.stackId,
    live.threadIndex,
    live.bornNs,
    live.entry,
  );

/** EventEncoder of src/trace. */
export class EventEncoder {
  readonly #native: NativeEventEncoder;
  readonly #rowsPerChunk: number;
  #rowCount = 0;

  /** recordWords: by type, 256 of them, as recordWords() of src/ledger. */
  constructor(rowsPerChunk: number, recordWords: Uint8Array) {
    this.#native = new (binding().EventEncoder)(rowsPerChunk, recordWords);
    this.#rowsPerChunk = rowsPerChunk;
  }

  get eventCount(): number {
    return this.#native.eventCount();
  }

  get isFull(): boolean {
    return this.#rowCount >= this.#rowsPerChunk;
  }

  add({ memory, rareWords, count }: BatchMemory, start: number, nsPerTick: number): number {
    const next = this.#native.add(memory, rareWords, start, count, nsPerTick);
    this.#rowCount += next - start;
    return next;
  }

  finish(): Uint8Array {
    this.#rowCount = 0;
    return this.#native.finish();
  }
}

/** The state of mergeBlocks: these, then MergeRing.length doubles for each ring. */
export const MergeState = {
  /** Rows of the batch that are filled, and those that it may have. */
  count: 0,
  capacity: 1,
  lastTick: 2,
  /** Records at and above it wait; Infinity: none does. */
  horizon: 3,
  stackLimit: 4,
  fallenTickCount: 5,
  unknownStackCount: 6,
  /** Which ring it stopped at. */
  stoppedAt: 7,
  length: 8,
} as const;
export const MergeRing = { from: 0, to: 1, thread: 2, lastTick: 3, length: 4 } as const;
export const MergeStop = {
  /** No ring has a record below the horizon. */
  horizon: 0,
  /** The batch is full, and there is more. */
  full: 1,
  /** A ring's words were read to their end. */
  ended: 2,
  /** The next record of all is none of a block, or damaged: it was not taken. */
  other: 3,
} as const;

/**
 * Takes the block events of several rings in the order of their ticks into a batch's memory, and returns
 * why it stopped (MergeStop). `stagings`: each ring's words in halves.
 */
export const mergeBlocks = (
  batch: Float64Array,
  state: Float64Array,
  stagings: Uint32Array[],
): number => binding().mergeBlocks(batch, state, stagings);

/** What a file is, before it is run. Throws an error with an errno `code` when it cannot be read. */
export const inspectExecutable = (path: string): Inspection => binding().inspectExecutable(path);

/** Names for addresses. Keeps the modules it opened; works on other threads. */
export class Symbolizer {
  readonly #native: NativeSymbolizer;

  constructor(options: SymbolizerOptions = {}) {
    this.#native = new (binding().Symbolizer)(options.debugFolders ?? ['/usr/lib/debug']);
  }

  /**
   * Where a debug file from elsewhere (debuginfod) lies. It is believed where its own build id is
   * this one, and only for modules without a debug file in the usual places.
   */
  useDebugFile(buildId: string, path: string): void {
    this.#native.useDebugFile(buildId, path);
  }

  /**
   * addresses are image-relative (ELF virtual addresses) and lie inside the instruction: a return
   * address minus 1. expectedBuildId: hex; '' takes the file as it is.
   */
  resolve(path: string, expectedBuildId: string, addresses: Float64Array): Promise<ResolvedModule> {
    return this.#native.resolve(path, expectedBuildId, addresses);
  }
}

/** Names of data by image-relative address (ELF virtual address). expectedBuildId: hex; '' takes any file. */
export const resolveData = (
  path: string,
  expectedBuildId: string,
  addresses: Float64Array,
): Promise<ResolvedData> =>
  binding().resolveData(path, expectedBuildId, ['/usr/lib/debug'], addresses);

/** Whether the file defines each symbol; of a word in double quotes, whether it stands among its constants. */
export const findSymbols = (path: string, wanted: readonly string[]): Promise<boolean[]> =>
  binding().findSymbols(path, [...wanted]);

/**
 * Functions that the file exports under a (mangled) name with one of these prefixes: starts and ends in
 * turn, image-relative, ascending, not touching. Empty where the file cannot be read.
 */
export const exportedRanges = (path: string, prefixes: readonly string[]): Float64Array =>
  binding().exportedRanges(path, [...prefixes]);
