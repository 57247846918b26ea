// The ledger: which blocks are live, and totals per stack and per process.
//
// The loop in consume() has no closure, object, BigInt or division in it: see test/ledger and the numbers
// in ARCHITECTURE.md before making it prettier.
import type { LiveSet, StackSums, StackTotals, Totals } from '../model/index.js';
import { type EventBatch, EventType } from './events.js';
import { PeakWatches } from './peaks.js';
import { homeOf, moveLive, purgeReleased, releasedTag, slotBytes, slotInts } from './slots.js';
import { plainMemory, type TableMemory } from './table-memory.js';

// A Node program has some 30,000 live blocks when it has started; growing costs most while the loops
// are not compiled yet. And it is one huge page.
const initialCapacity = 1 << 16;
// Longer probes cost more than the memory: at 0.7 a miss looks at 6 slots, at 0.8 at 13.
const maxLoad = 0.7;
// Full of slots that are more than this part live: it grows; else the released ones are taken out.
const liveLoad = 0.5;
const lookahead = 32;

// Per stack that allocated, one cache line. gone: released, or overwritten after a lost release. Pairs count
// in none of the others. Rows are given out from 1 on, in order of the first allocation: of the ids of a tsc run
// (1.25 million) 15 % ever allocate, the others are inner nodes, and clearing pages for them all took a sixth of
// the reader's time.
const stackColumns = 8;
const stackBytes = 8 * stackColumns;
const initialRows = 1 << 14;
const initialStackIds = 1 << 15;
const Column = {
  count: 0,
  bytes: 1,
  goneCount: 2,
  goneBytes: 3,
  temporaryCount: 4,
  pairCount: 5,
  pairBytes: 6,
  stackId: 7,
} as const;

export class Ledger {
  /** Of watched parts of the run; the whole run's is in totals(). */
  readonly peaks: PeakWatches;
  unknownReleaseCount = 0;
  doubleAllocationCount = 0;

  private readonly memory: TableMemory;
  private slots: Int32Array;
  private capacity: number;
  private shift: number;
  /** Slots that are live or released. */
  private usedCount = 0;

  private allocationCount = 0;
  private allocatedBytes = 0;
  private releaseCount = 0;
  private releasedBytes = 0;
  // Allocations and releases of pairs: allocationCount (the serial) has them, the sums below do not.
  private pairCount = 0;
  private pairBytes = 0;
  private liveCount = 0;
  private liveBytes = 0;
  private peakBytes = 0;
  /** Most live bytes since a watch of them began; without one, peakBytes. */
  private ceilingBytes = 0;
  private peakBlockCount = 0;
  private peakTick = 0;
  private eventCounts = new Float64Array(256);

  /** By row. */
  private stackSums: Float64Array;
  /** Rows by stack id; 0: it has not allocated. */
  private rowOfStack: Uint32Array;
  /** One above the last row. */
  private rowLimit = 1;
  /** One above the highest stack id that allocated. */
  private stackLimit = 0;

  // What each thread's last event allocated; high word 0: its last event was a release.
  private lastLow = new Int32Array(16);
  private lastHigh = new Int32Array(16);

  /** Holds what the look-ahead loaded, so that the compiler cannot drop the loads. */
  protected touched = 0;

  /** `capacity`: places in the table at first, a power of two. */
  constructor(capacity = initialCapacity, memory = plainMemory) {
    this.memory = memory;
    this.slots = new Int32Array(memory.allocate(capacity * slotBytes), 0, capacity * slotInts);
    this.stackSums = new Float64Array(memory.allocate(initialRows * stackBytes));
    this.rowOfStack = new Uint32Array(memory.allocate(4 * initialStackIds));
    this.capacity = capacity;
    this.shift = 32 - Math.log2(capacity);
    this.peaks = new PeakWatches({
      live: () => this.liveBytes,
      ceiling: () => this.ceilingBytes,
      lower: (isWatched) => {
        this.ceilingBytes = isWatched ? this.liveBytes : this.peakBytes;
      },
    });
  }

  get blockCount(): number {
    return this.liveCount;
  }

  /** Sum of what the program asked for and has not released. */
  get blockBytes(): number {
    return this.liveBytes;
  }

  /** One above the highest stack id that allocated. */
  get stackIdLimit(): number {
    return this.stackLimit;
  }

  /** How many allocations there were: the serial of the next one. */
  get nextSerial(): number {
    return this.allocationCount;
  }

  /**
   * Takes the block events of a batch from row `start` on, up to its end or to the first event that
   * is not about blocks, and returns that row.
   *
   * Fills in, of releases, size (0 when unknown), stack and age.
   */
  consume(batch: EventBatch, start: number): number {
    const { type, threadIndex, tickLow, tickHigh, addressLow, addressHigh } = batch;
    const { sizeLow, sizeHigh, stackId, age } = batch;
    const { eventCounts } = this;
    const end = batch.count;
    let { slots, shift, stackSums, rowOfStack, lastLow, lastHigh } = this;
    let mask = this.capacity - 1;
    let growAt = Math.floor(this.capacity * maxLoad);
    let serial = this.allocationCount;
    let serialLow = serial | 0;
    let serialHigh = (serial / 2 ** 32) | 0;
    let { allocatedBytes, releaseCount, releasedBytes, liveCount, liveBytes } = this;
    let { ceilingBytes, usedCount } = this;

    let row = start;
    let touchedUpTo = start;
    let touched = 0;
    for (; row < end; row++) {
      const kind = type[row]!;
      if (kind > EventType.freeLast && kind < EventType.pair) break;
      if (row === touchedUpTo) {
        // Load the slots of the next events in one go: independent loads miss the cache together,
        // where the loop below waits for each.
        touchedUpTo = Math.min(end, row + lookahead);
        for (let ahead = row; ahead < touchedUpTo; ahead++) {
          const home = homeOf(addressLow[ahead]! | 0, addressHigh[ahead]! | 0, shift);
          touched ^= slots[home * slotInts + 4]!;
        }
      }
      const low = addressLow[row]! | 0;
      const high = addressHigh[row]! | 0;
      const thread = threadIndex[row]!;
      if (thread >= lastHigh.length) {
        this.growThreads(thread);
        ({ lastLow, lastHigh } = this);
      }
      let at = homeOf(low, high, shift);
      let slot = at * slotInts;
      let tag = slots[slot + 4]!;
      while (tag !== 0) {
        if (slots[slot] === low && (slots[slot + 1]! & 0xffff) === high) break;
        at = (at + 1) & mask;
        slot = at * slotInts;
        tag = slots[slot + 4]!;
      }
      const isLive = tag > 0;

      if (kind > EventType.allocLast && kind < EventType.pair) {
        eventCounts[kind]!++;
        const isTemporary = lastHigh[thread] === (high | 0x10000) && lastLow[thread] === low;
        lastHigh[thread] = 0;
        if (!isLive) {
          this.unknownReleaseCount++;
          sizeLow[row] = 0;
          sizeHigh[row] = 0;
          stackId[row] = 0;
          age[row] = -1;
          continue;
        }
        const bytesLow = slots[slot + 2]! >>> 0;
        const bytesHigh = slots[slot + 1]! >>> 16;
        const bytes = bytesHigh * 4294967296 + bytesLow;
        const sums = slots[slot + 3]! * stackColumns;
        sizeLow[row] = bytesLow;
        sizeHigh[row] = bytesHigh;
        stackId[row] = stackSums[sums + Column.stackId]!;
        age[row] = serial - 1 - ((slots[slot + 6]! >>> 21) * 4294967296 + (slots[slot + 7]! >>> 0));
        stackSums[sums + Column.goneCount]!++;
        stackSums[sums + Column.goneBytes]! += bytes;
        if (isTemporary) stackSums[sums + Column.temporaryCount]!++;
        releaseCount++;
        releasedBytes += bytes;
        liveCount--;
        liveBytes -= bytes;
        slots[slot + 4] = releasedTag;
        continue;
      }

      const bytesLow = sizeLow[row]!;
      const bytesHigh = sizeHigh[row]! | 0;
      const bytes = bytesHigh * 4294967296 + bytesLow;
      const stack = stackId[row]!;
      let sumsRow = stack < rowOfStack.length ? rowOfStack[stack]! : 0;
      if (sumsRow === 0) {
        sumsRow = this.addStack(stack);
        ({ stackSums, rowOfStack } = this);
      }
      const sums = sumsRow * stackColumns;
      if (isLive) {
        // Its release was lost. It is not live any more, and nobody saw it released.
        this.doubleAllocationCount++;
        const lostBytes = (slots[slot + 1]! >>> 16) * 4294967296 + (slots[slot + 2]! >>> 0);
        const lostSums = slots[slot + 3]! * stackColumns;
        stackSums[lostSums + Column.goneCount]!++;
        stackSums[lostSums + Column.goneBytes]! += lostBytes;
        liveBytes -= lostBytes;
        liveCount--;
      }
      if (liveBytes + bytes > ceilingBytes) {
        ceilingBytes = liveBytes + bytes;
        if (ceilingBytes > this.peakBytes) {
          this.peakBytes = ceilingBytes;
          this.peakBlockCount = liveCount + 1;
          this.peakTick = tickHigh[row]! * 4294967296 + tickLow[row]!;
        }
      }

      if (kind >= EventType.pair) {
        // Lived and died with nothing between: it never needs a place in the table.
        if (isLive) slots[slot + 4] = releasedTag;
        eventCounts[kind - EventType.pair]!++;
        stackSums[sums + Column.pairCount]!++;
        stackSums[sums + Column.pairBytes]! += bytes;
        this.pairCount++;
        this.pairBytes += bytes;
        lastHigh[thread] = 0;
      } else {
        eventCounts[kind]!++;
        slots[slot] = low;
        slots[slot + 1] = high | (bytesHigh << 16);
        slots[slot + 2] = bytesLow;
        slots[slot + 3] = sumsRow;
        slots[slot + 4] = thread | (kind << 24);
        slots[slot + 5] = tickLow[row]!;
        slots[slot + 6] = tickHigh[row]! | (serialHigh << 21);
        slots[slot + 7] = serialLow;
        stackSums[sums + Column.count]!++;
        stackSums[sums + Column.bytes]! += bytes;
        allocatedBytes += bytes;
        liveBytes += bytes;
        liveCount++;
        lastLow[thread] = low;
        lastHigh[thread] = high | 0x10000;
        if (tag === 0 && ++usedCount > growAt) {
          this.makeRoom(liveCount);
          ({ slots, shift } = this);
          usedCount = liveCount;
          mask = this.capacity - 1;
          growAt = Math.floor(this.capacity * maxLoad);
        }
      }
      serial++;
      serialLow = (serialLow + 1) | 0;
      if (serialLow === 0) serialHigh++;
    }

    this.allocationCount = serial;
    this.allocatedBytes = allocatedBytes;
    this.releaseCount = releaseCount;
    this.releasedBytes = releasedBytes;
    this.liveCount = liveCount;
    this.liveBytes = liveBytes;
    this.ceilingBytes = ceilingBytes;
    this.usedCount = usedCount;
    this.touched = touched;
    return row;
  }

  /** Gives its tables back. Nothing may be asked of it any more. */
  dispose(): void {
    this.memory.release(this.slots.buffer as ArrayBuffer);
    this.memory.release(this.stackSums.buffer as ArrayBuffer);
    this.memory.release(this.rowOfStack.buffer as ArrayBuffer);
    this.slots = new Int32Array(0);
    this.stackSums = new Float64Array(0);
    this.rowOfStack = new Uint32Array(0);
  }

  countEvent(type: number): void {
    this.eventCounts[type]!++;
  }

  /** The live block that begins there; null: none does. */
  blockAt(address: number): { stackId: number; sizeBytes: number } | null {
    const low = address | 0;
    const high = Math.floor(address / 2 ** 32);
    const { slots, capacity } = this;
    let at = homeOf(low, high, this.shift);
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
    const count = this.liveCount;
    const { slots } = this;
    const live: LiveSet = {
      count,
      address: new Float64Array(count),
      sizeBytes: new Float64Array(count),
      stackId: new Uint32Array(count),
      threadIndex: new Uint32Array(count),
      bornNs: new Float64Array(count),
      entry: new Uint8Array(count),
    };
    const order = this.slotsBySerial();
    for (let i = 0; i < count; i++) {
      const slot = order[i]! * slotInts;
      live.address[i] = (slots[slot + 1]! & 0xffff) * 2 ** 32 + (slots[slot]! >>> 0);
      live.sizeBytes[i] = (slots[slot + 1]! >>> 16) * 2 ** 32 + (slots[slot + 2]! >>> 0);
      live.stackId[i] = this.stackAt(slot);
      live.threadIndex[i] = slots[slot + 4]! & 0xffffff;
      live.entry[i] = slots[slot + 4]! >>> 24;
      live.bornNs[i] =
        ((slots[slot + 6]! & 0x1fffff) * 2 ** 32 + (slots[slot + 5]! >>> 0)) * nsPerTick;
    }
    return live;
  }

  /** Whether a live block begins there. */
  isLive(address: number): boolean {
    const { slots, shift } = this;
    const low = address | 0;
    const high = Math.floor(address / 2 ** 32);
    const mask = this.capacity - 1;
    for (let at = homeOf(low, high, shift); ; at = (at + 1) & mask) {
      const slot = at * slotInts;
      const tag = slots[slot + 4]!;
      if (tag === 0) return false;
      if (slots[slot] === low && (slots[slot + 1]! & 0xffff) === high) return tag > 0;
    }
  }

  /** What is live by stack, without a look at the blocks. */
  liveSums(): StackSums {
    const { stackSums, rowLimit } = this;
    const liveCount = new Float64Array(this.stackLimit);
    const liveBytes = new Float64Array(this.stackLimit);
    for (let at = stackColumns; at < rowLimit * stackColumns; at += stackColumns) {
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
    const { slots } = this;
    const liveCount = new Float64Array(this.stackLimit);
    const liveBytes = new Float64Array(this.stackLimit);
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
    const count = Math.max(length, this.stackLimit);
    const totals: StackTotals = {
      allocationCount: new Float64Array(count),
      allocatedBytes: new Float64Array(count),
      liveCount: new Float64Array(count),
      liveBytes: new Float64Array(count),
      temporaryCount: new Float64Array(count),
    };
    const { stackSums, rowLimit } = this;
    for (let at = stackColumns; at < rowLimit * stackColumns; at += stackColumns) {
      const id = stackSums[at + Column.stackId]!;
      const pairCount = stackSums[at + Column.pairCount]!;
      totals.allocationCount[id] = stackSums[at + Column.count]! + pairCount;
      totals.allocatedBytes[id] = stackSums[at + Column.bytes]! + stackSums[at + Column.pairBytes]!;
      totals.liveCount[id] = stackSums[at + Column.count]! - stackSums[at + Column.goneCount]!;
      totals.liveBytes[id] = stackSums[at + Column.bytes]! - stackSums[at + Column.goneBytes]!;
      totals.temporaryCount[id] = stackSums[at + Column.temporaryCount]! + pairCount;
    }
    return totals;
  }

  totals(nsPerTick: number): Totals {
    const eventCounts = this.eventCounts.slice();
    eventCounts[EventType.free]! += this.pairCount;
    return {
      allocationCount: this.allocationCount,
      allocatedBytes: this.allocatedBytes + this.pairBytes,
      releaseCount: this.releaseCount + this.pairCount,
      releasedBytes: this.releasedBytes + this.pairBytes,
      liveCount: this.liveCount,
      liveBytes: this.liveBytes,
      peakBytes: this.peakBytes,
      peakBlockCount: this.peakBlockCount,
      peakNs: this.peakTick * nsPerTick,
      eventCounts,
    };
  }

  private slotsBySerial(): ArrayLike<number> {
    const { slots, capacity } = this;
    const found = new Uint32Array(this.liveCount);
    let count = 0;
    for (let at = 0; at < capacity; at++) if (slots[at * slotInts + 4]! > 0) found[count++] = at;
    // Serial and slot in one double sort natively, several times faster than with a comparator.
    if (this.allocationCount * capacity < 2 ** 53) {
      const keys = new Float64Array(count);
      for (let i = 0; i < count; i++) keys[i] = this.serialAt(found[i]!) * capacity + found[i]!;
      keys.sort();
      for (let i = 0; i < count; i++) found[i] = keys[i]! % capacity;
      return found;
    }
    return found.sort((a, b) => this.serialAt(a) - this.serialAt(b));
  }

  private serialAt(at: number): number {
    const slot = at * slotInts;
    return (this.slots[slot + 6]! >>> 21) * 2 ** 32 + (this.slots[slot + 7]! >>> 0);
  }

  private makeRoom(liveCount: number): void {
    if (liveCount <= this.capacity * liveLoad) {
      purgeReleased(this.slots, this.shift);
      return;
    }
    const { slots: old, memory } = this;
    this.capacity *= 2;
    this.shift--;
    const { capacity } = this;
    this.slots = new Int32Array(memory.allocate(capacity * slotBytes), 0, capacity * slotInts);
    moveLive(old, this.slots, this.shift);
    memory.release(old.buffer as ArrayBuffer);
  }

  private growThreads(thread: number): void {
    const length = Math.max(2 * this.lastHigh.length, thread + 1);
    const low = new Int32Array(length);
    const high = new Int32Array(length);
    low.set(this.lastLow);
    high.set(this.lastHigh);
    this.lastLow = low;
    this.lastHigh = high;
  }

  private stackAt(slot: number): number {
    return this.stackSums[this.slots[slot + 3]! * stackColumns + Column.stackId]!;
  }

  /** Its row. */
  private addStack(stackId: number): number {
    const { memory } = this;
    this.stackLimit = Math.max(this.stackLimit, stackId + 1);
    if (stackId >= this.rowOfStack.length) {
      const old = this.rowOfStack;
      const length = Math.max(2 * old.length, stackId + 1);
      this.rowOfStack = new Uint32Array(memory.allocate(4 * length));
      this.rowOfStack.set(old);
      memory.release(old.buffer as ArrayBuffer);
    }
    const row = this.rowLimit++;
    if (this.rowLimit * stackColumns > this.stackSums.length) {
      const old = this.stackSums;
      this.stackSums = new Float64Array(memory.allocate(2 * old.byteLength));
      this.stackSums.set(old);
      memory.release(old.buffer as ArrayBuffer);
    }
    this.rowOfStack[stackId] = row;
    this.stackSums[row * stackColumns + Column.stackId] = stackId;
    return row;
  }
}
