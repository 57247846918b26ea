// The ledger: which blocks are live, and totals per stack and per process. The loop over events is the
// host's (src/native/src/ledger.rs); this keeps the tables, lets them grow and answers from them.
import type { LiveSet, StackSums, StackTotals, Totals } from '../model/index.js';
import { type EventBatch, EventType } from './events.js';
import { type LedgerHost, type LedgerTables, State, Stop, stateWords } from './host.js';
import { PeakWatches } from './peaks.js';
import { homeOf, slotBytes, slotInts } from './slots.js';

// A Node program has some 30,000 live blocks when it has started; growing costs most then. And it is one
// huge page.
const initialCapacity = 1 << 16;
// Full of slots that are more than this part live: it grows; else the released ones are taken out.
const liveLoad = 0.5;

// Per stack that allocated, one cache line. gone: released, or overwritten after a lost release. Pairs count
// in none of the others. Rows are given out from 1 on, in order of the first allocation: of the ids of a tsc run
// (1.25 million) 15 % ever allocate, the others are inner nodes, and clearing pages for them all took a
// seventh of the reader's samples.
const stackColumns = 8;
const stackBytes = 8 * stackColumns;
const initialRows = 1 << 14;
const initialStackIds = 1 << 15;
const initialThreads = 16;
// Of the eight those that are read here; the others: src/native/src/ledger.rs.
const Column = {
  count: 0,
  bytes: 1,
  goneCount: 2,
  goneBytes: 3,
  stackId: 7,
} as const;

export class Ledger {
  /** Of watched parts of the run; the whole run's is in totals(). */
  readonly peaks: PeakWatches;

  private readonly host: LedgerHost;
  private readonly tables: LedgerTables;

  /** `capacity`: places in the table at first, a power of two. */
  constructor(host: LedgerHost, capacity = initialCapacity) {
    this.host = host;
    this.tables = {
      slots: new Int32Array(host.allocate(capacity * slotBytes), 0, capacity * slotInts),
      rowOfStack: new Uint32Array(host.allocate(4 * Math.min(initialStackIds, capacity))),
      stackSums: new Float64Array(host.allocate(stackBytes * Math.min(initialRows, capacity))),
      lastOfThread: new Float64Array(initialThreads),
      state: new Float64Array(stateWords),
    };
    this.tables.state[State.rowLimit] = 1;
    this.peaks = new PeakWatches({
      live: () => this.of(State.liveBytes),
      ceiling: () => this.of(State.ceilingBytes),
      lower: (isWatched) => {
        this.tables.state[State.ceilingBytes] = this.of(
          isWatched ? State.liveBytes : State.peakBytes,
        );
      },
    });
  }

  get unknownReleaseCount(): number {
    return this.of(State.unknownReleaseCount);
  }

  get doubleAllocationCount(): number {
    return this.of(State.doubleAllocationCount);
  }

  get blockCount(): number {
    return this.of(State.liveCount);
  }

  /** Sum of what the program asked for and has not released. */
  get blockBytes(): number {
    return this.of(State.liveBytes);
  }

  /** One above the highest stack id that allocated. */
  get stackIdLimit(): number {
    return this.of(State.stackLimit);
  }

  /** How many allocations there were: the serial of the next one. */
  get nextSerial(): number {
    return this.of(State.allocationCount);
  }

  /**
   * Takes the block events of a batch from row `start` on, up to its end or to the first event that
   * is not about blocks, and returns that row.
   *
   * Fills in, of releases, size (0 when unknown), stack and age.
   */
  consume(batch: EventBatch, start: number): number {
    const { tables } = this;
    let row = start;
    while (true) {
      const stop = this.host.consumeBlocks(batch, row, tables);
      row = tables.state[State.row]!;
      if (stop === Stop.done) return row;
      if (stop === Stop.slots) this.makeRoom();
      else if (stop === Stop.stacks) this.growStacks(batch.stackId[row]!);
      else this.growThreads(batch.threadIndex[row]!);
    }
  }

  /** Gives its tables back. Nothing may be asked of it any more. */
  dispose(): void {
    const { host, tables } = this;
    for (const table of [tables.slots, tables.rowOfStack, tables.stackSums])
      host.release(table.buffer);
    tables.slots = new Int32Array(0);
    tables.rowOfStack = new Uint32Array(0);
    tables.stackSums = new Float64Array(0);
  }

  countEvent(type: number): void {
    this.tables.state[State.eventCounts + type]!++;
  }

  /** The live block that begins there; null: none does. */
  blockAt(address: number): { stackId: number; sizeBytes: number } | null {
    const low = address | 0;
    const high = Math.floor(address / 2 ** 32);
    const { slots } = this.tables;
    const { capacity, shift } = this;
    let at = homeOf(low, high, shift);
    for (; slots[at * slotInts + 4] !== 0; at = (at + 1) & (capacity - 1)) {
      const slot = at * slotInts;
      if (slots[slot] !== low || (slots[slot + 1]! & 0xffff) !== high) continue;
      if (slots[slot + 4]! <= 0) return null;
      const sizeBytes = (slots[slot + 1]! >>> 16) * 2 ** 32 + (slots[slot + 2]! >>> 0);
      return { stackId: this.stackAt(slot), sizeBytes };
    }
    return null;
  }

  /** The live blocks in order of allocation. */
  snapshot(nsPerTick: number): LiveSet {
    const count = this.blockCount;
    const live: LiveSet = {
      count,
      address: new Float64Array(count),
      sizeBytes: new Float64Array(count),
      stackId: new Uint32Array(count),
      threadIndex: new Uint32Array(count),
      bornNs: new Float64Array(count),
      entry: new Uint8Array(count),
    };
    this.host.liveBlocks(this.tables, nsPerTick, live);
    return live;
  }

  /** Whether a live block begins there. */
  isLive(address: number): boolean {
    const { slots } = this.tables;
    const low = address | 0;
    const high = Math.floor(address / 2 ** 32);
    const mask = this.capacity - 1;
    for (let at = homeOf(low, high, this.shift); ; at = (at + 1) & mask) {
      const slot = at * slotInts;
      const tag = slots[slot + 4]!;
      if (tag === 0) return false;
      if (slots[slot] === low && (slots[slot + 1]! & 0xffff) === high) return tag > 0;
    }
  }

  /** What is live by stack, without a look at the blocks. */
  liveSums(): StackSums {
    const { stackSums } = this.tables;
    const liveCount = new Float64Array(this.stackIdLimit);
    const liveBytes = new Float64Array(this.stackIdLimit);
    const end = this.of(State.rowLimit) * stackColumns;
    for (let at = stackColumns; at < end; at += stackColumns) {
      const id = stackSums[at + Column.stackId]!;
      liveCount[id] = stackSums[at + Column.count]! - stackSums[at + Column.goneCount]!;
      liveBytes[id] = stackSums[at + Column.bytes]! - stackSums[at + Column.goneBytes]!;
    }
    return { liveCount, liveBytes };
  }

  /**
   * The same of some of the blocks: those of a serial from `fromSerial` on, allocated by one thread (null:
   * by any). One pass over the table.
   */
  liveSumsOf(
    fromSerial: number,
    threadIndex: number | null,
    isLeftOut: (address: number) => boolean = () => false,
  ): StackSums {
    const { slots } = this.tables;
    const liveCount = new Float64Array(this.stackIdLimit);
    const liveBytes = new Float64Array(this.stackIdLimit);
    for (let slot = 0; slot < slots.length; slot += slotInts) {
      const tag = slots[slot + 4]!;
      if (tag <= 0 || (threadIndex !== null && (tag & 0xffffff) !== threadIndex)) continue;
      if (this.serialAt(slot / slotInts) < fromSerial) continue;
      if (isLeftOut((slots[slot + 1]! & 0xffff) * 2 ** 32 + (slots[slot]! >>> 0))) continue;
      const stack = this.stackAt(slot);
      liveCount[stack]!++;
      liveBytes[stack]! += (slots[slot + 1]! >>> 16) * 2 ** 32 + (slots[slot + 2]! >>> 0);
    }
    return { liveCount, liveBytes };
  }

  /** Columns of `length` rows, or as many as there are stack ids seen if that is more. */
  stackTotals(length: number): StackTotals {
    const count = Math.max(length, this.stackIdLimit);
    const totals: StackTotals = {
      allocationCount: new Float64Array(count),
      allocatedBytes: new Float64Array(count),
      liveCount: new Float64Array(count),
      liveBytes: new Float64Array(count),
      temporaryCount: new Float64Array(count),
    };
    this.host.stackTotals(this.tables, totals);
    return totals;
  }

  totals(nsPerTick: number): Totals {
    const eventCounts = this.tables.state.slice(State.eventCounts);
    const pairCount = this.of(State.pairCount);
    const pairBytes = this.of(State.pairBytes);
    eventCounts[EventType.free]! += pairCount;
    return {
      allocationCount: this.of(State.allocationCount),
      allocatedBytes: this.of(State.allocatedBytes) + pairBytes,
      releaseCount: this.of(State.releaseCount) + pairCount,
      releasedBytes: this.of(State.releasedBytes) + pairBytes,
      liveCount: this.blockCount,
      liveBytes: this.blockBytes,
      peakBytes: this.of(State.peakBytes),
      peakBlockCount: this.of(State.peakBlockCount),
      peakNs: this.of(State.peakTick) * nsPerTick,
      eventCounts,
    };
  }

  private of(word: number): number {
    return this.tables.state[word]!;
  }

  private get capacity(): number {
    return this.tables.slots.length / slotInts;
  }

  private get shift(): number {
    return 32 - Math.log2(this.capacity);
  }

  private serialAt(at: number): number {
    const slot = at * slotInts;
    const { slots } = this.tables;
    return (slots[slot + 6]! >>> 21) * 2 ** 32 + (slots[slot + 7]! >>> 0);
  }

  private stackAt(slot: number): number {
    const { slots, stackSums } = this.tables;
    return stackSums[slots[slot + 3]! * stackColumns + Column.stackId]!;
  }

  private makeRoom(): void {
    const { host, tables } = this;
    const { slots: old } = tables;
    if (this.blockCount <= this.capacity * liveLoad) {
      host.purgeReleased(old);
    } else {
      tables.slots = new Int32Array(host.allocate(2 * old.byteLength), 0, 2 * old.length);
      host.moveLive(old, tables.slots);
      host.release(old.buffer);
    }
    tables.state[State.usedCount] = this.blockCount;
  }

  private growThreads(thread: number): void {
    const { lastOfThread: old } = this.tables;
    this.tables.lastOfThread = new Float64Array(Math.max(2 * old.length, thread + 1));
    this.tables.lastOfThread.set(old);
  }

  /** So that there is room for one more stack, and for this id. */
  private growStacks(stackId: number): void {
    const { host, tables } = this;
    const { rowOfStack, stackSums } = tables;
    if (stackId >= rowOfStack.length) {
      const length = Math.max(2 * rowOfStack.length, stackId + 1);
      tables.rowOfStack = new Uint32Array(host.allocate(4 * length));
      tables.rowOfStack.set(rowOfStack);
      host.release(rowOfStack.buffer);
    }
    if (this.of(State.rowLimit) * stackColumns >= stackSums.length) {
      tables.stackSums = new Float64Array(host.allocate(2 * stackSums.byteLength));
      tables.stackSums.set(stackSums);
      host.release(stackSums.buffer);
    }
  }
}
