// One event of a traced process, by the numbers that interpose/wire.h gives the kinds (test/record
// compares them with the header), and a batch of events in columns.

export const EventType = {
  malloc: 0x01,
  calloc: 0x02,
  realloc: 0x03,
  reallocarray: 0x04,
  posixMemalign: 0x05,
  alignedAlloc: 0x06,
  memalign: 0x07,
  valloc: 0x08,
  pvalloc: 0x09,
  allocLast: 0x1f,
  free: 0x20,
  freeRealloc: 0x21,
  freeSized: 0x22,
  freeAlignedSized: 0x23,
  freeLast: 0x2f,
  map: 0x30,
  unmap: 0x31,
  remap: 0x32,
  heapBreak: 0x33,
  threadBegin: 0x40,
  threadEnd: 0x41,
  threadName: 0x42,
  mark: 0x50,
  fork: 0x51,
  exit: 0x52,
  lost: 0x53,
  resourceNew: 0x60,
  resourceEnd: 0x61,
  resourceChange: 0x62,
  poolCreate: 0x70,
  poolMemory: 0x71,
  poolDestroy: 0x72,
  poolClear: 0x73,
  poolAlloc: 0x74,
  poolFree: 0x75,
  blockType: 0x76,
  blockIgnore: 0x77,
  /**
   * Only in batches, not on the wire: a block that its own thread freed with MP_FREE as the very next
   * event of the whole process. The allocation's type is added; age[] holds the ticks it lived.
   */
  pair: 0x80,
  pairLast: 0x9f,
} as const;

export const MarkKind = {
  beforeTeardown: 1,
  mallocTrim: 2,
  user: 3,
  checkpoint: 4,
  question: 5,
  ignoreBegin: 6,
  ignoreEnd: 7,
  collect: 8,
  quiet: 9,
  gc: 10,
} as const;
export const ResourceEnd = { explicit: 0, finalized: 1, teardown: 2 } as const;
export const Teardown = { natural: 0, processExit: 1, uncaught: 2 } as const;
export const ExitKind = { exit: 1, underscore: 2, quick: 3, exec: 4, execFailed: 5 } as const;

/** Words (8 bytes) after word 0 of the longest record that is not a block event: MP_RESOURCE_NEW. */
export const maxRareWords = 6;
/** Ticks stay exact in a double and fit the ledger's slots. */
export const tickLimit = 2 ** 53;
/** Thread indexes share a 32-bit column with the entry point. */
export const threadLimit = 1 << 24;

/** 8-byte words of a record of this type, its word 0 included; 0: there is no such type. */
export function recordWords(type: number): number {
  return type < recordWordsByType.length ? recordWordsByType[type]! : 0;
}

const recordWordsByType = buildRecordWords();

function buildRecordWords(): Uint8Array {
  const words = new Uint8Array(256);
  words.fill(3, EventType.malloc, EventType.pvalloc + 1);
  words.fill(2, EventType.free, EventType.freeAlignedSized + 1);
  words[EventType.map] = 4;
  words[EventType.unmap] = 3;
  words[EventType.remap] = 6;
  words[EventType.heapBreak] = 4;
  words[EventType.threadBegin] = 3;
  words[EventType.threadEnd] = 1;
  words[EventType.threadName] = 4;
  words[EventType.mark] = 3;
  words[EventType.fork] = 2;
  words[EventType.exit] = 2;
  words[EventType.lost] = 2;
  words[EventType.resourceNew] = 7;
  words[EventType.resourceEnd] = 3;
  words[EventType.resourceChange] = 4;
  words[EventType.poolCreate] = 5;
  words[EventType.poolMemory] = 4;
  words[EventType.poolDestroy] = 2;
  words[EventType.poolClear] = 2;
  words[EventType.poolAlloc] = 5;
  words[EventType.poolFree] = 3;
  words[EventType.blockType] = 3;
  words[EventType.blockIgnore] = 2;
  return words;
}

/** Doubles for 8 rows: one column of 8 bytes, eight of 4, one of 1. */
const eighthsOfRow = 8 + 8 * 4 + 1;

/**
 * Events in the process's one order. A row is a block event (type up to freeLast), a pair of them, or a
 * rare event, whose words after word 0 lie in `rareWords` (32-bit halves, low first) from `stackId[i]` on.
 *
 * 48-bit addresses and sizes and 53-bit ticks are split into 32-bit columns: that is how they arrive,
 * and V8 keeps them in integer registers.
 */
export class EventBatch {
  readonly capacity: number;
  count = 0;
  /** All columns in one piece, for the native part: the layout is at `Batch` in src/native/src/batch.rs. */
  readonly memory: Float64Array;
  readonly type: Uint8Array;
  readonly threadIndex: Uint32Array;
  readonly tickLow: Uint32Array;
  readonly tickHigh: Uint32Array;
  readonly addressLow: Uint32Array;
  readonly addressHigh: Uint32Array;
  /** Of a release: filled in by the ledger. */
  readonly sizeLow: Uint32Array;
  readonly sizeHigh: Uint32Array;
  readonly stackId: Uint32Array;
  /**
   * Of a release, filled in by the ledger: how many allocations the process made after the one that
   * made this block; -1 when the ledger does not know the block. Of a pair: the ticks it lived.
   */
  readonly age: Float64Array;
  rareWords: Uint32Array = new Uint32Array(1024);
  rareLength = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    // Whole cache lines, and one more: columns that begin in the same set of the cache would drive each
    // other out of it.
    const rows = (Math.ceil(capacity / 16) + 1) * 16;
    this.memory = new Float64Array((rows / 8) * eighthsOfRow);
    const { buffer } = this.memory;
    let at = 8 * rows;
    const halves = (): Uint32Array => {
      const column = new Uint32Array(buffer, at, rows);
      at += 4 * rows;
      return column;
    };
    this.age = new Float64Array(buffer, 0, rows);
    this.tickLow = halves();
    this.tickHigh = halves();
    this.addressLow = halves();
    this.addressHigh = halves();
    this.sizeLow = halves();
    this.sizeHigh = halves();
    this.stackId = halves();
    this.threadIndex = halves();
    this.type = new Uint8Array(buffer, at, rows);
  }

  clear(): void {
    this.count = 0;
    this.rareLength = 0;
  }

  tick(row: number): number {
    return this.tickHigh[row]! * 2 ** 32 + this.tickLow[row]!;
  }

  /** Of the row's last event. */
  endTick(row: number): number {
    return this.tick(row) + (this.type[row]! >= EventType.pair ? this.age[row]! : 0);
  }

  sizeBytes(row: number): number {
    return this.sizeHigh[row]! * 2 ** 32 + this.sizeLow[row]!;
  }

  address(row: number): number {
    return this.addressHigh[row]! * 2 ** 32 + this.addressLow[row]!;
  }

  /** Word `index` (from 0, word 0 of the record not counted) of a rare row, as a number. */
  rareWord(row: number, index: number): number {
    return this.rareHigh(row, index) * 2 ** 32 + this.rareLow(row, index);
  }

  rareLow(row: number, index: number): number {
    return this.rareWords[this.stackId[row]! + 2 * index]!;
  }

  rareHigh(row: number, index: number): number {
    return this.rareWords[this.stackId[row]! + 2 * index + 1]!;
  }

  /** Adds an allocation. For tests and decoders; the merge writes the columns itself. */
  pushAllocation(
    type: number,
    threadIndex: number,
    tick: number,
    address: number,
    sizeBytes: number,
    stackId: number,
  ): void {
    const row = this.pushHeader(type, threadIndex, tick);
    this.addressLow[row] = address >>> 0;
    this.addressHigh[row] = address / 2 ** 32;
    this.sizeLow[row] = sizeBytes >>> 0;
    this.sizeHigh[row] = sizeBytes / 2 ** 32;
    this.stackId[row] = stackId;
  }

  pushRelease(type: number, threadIndex: number, tick: number, address: number): void {
    const row = this.pushHeader(type, threadIndex, tick);
    this.addressLow[row] = address >>> 0;
    this.addressHigh[row] = address / 2 ** 32;
  }

  /** An allocation and its release `ticks` later, with nothing between them. */
  pushPair(
    type: number,
    threadIndex: number,
    tick: number,
    address: number,
    sizeBytes: number,
    stackId: number,
    ticks: number,
  ): void {
    this.pushAllocation(EventType.pair + type, threadIndex, tick, address, sizeBytes, stackId);
    this.age[this.count - 1] = ticks;
  }

  /** `halves`: the record's words after word 0 as 32-bit halves, low first. */
  pushRare(type: number, threadIndex: number, tick: number, halves: ArrayLike<number>): void {
    const row = this.pushHeader(type, threadIndex, tick);
    this.stackId[row] = this.appendRareWords(halves, 0, halves.length);
  }

  /** Returns where they lie. */
  appendRareWords(halves: ArrayLike<number>, from: number, length: number): number {
    const start = this.rareLength;
    if (start + length > this.rareWords.length) {
      const grown = new Uint32Array(2 * (start + length));
      grown.set(this.rareWords);
      this.rareWords = grown;
    }
    for (let i = 0; i < length; i++) this.rareWords[start + i] = halves[from + i]!;
    this.rareLength = start + length;
    return start;
  }

  private pushHeader(type: number, threadIndex: number, tick: number): number {
    const row = this.count++;
    this.type[row] = type;
    this.threadIndex[row] = threadIndex;
    this.tickLow[row] = tick >>> 0;
    this.tickHigh[row] = tick / 2 ** 32;
    this.addressLow[row] = 0;
    this.addressHigh[row] = 0;
    this.sizeLow[row] = 0;
    this.sizeHigh[row] = 0;
    this.stackId[row] = 0;
    this.age[row] = 0;
    return row;
  }
}
