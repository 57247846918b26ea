// Events to bytes: columns, so that zstd sees like beside like. Layout: docs/trace-format.md.
//
// Much of the reader's time is spent here, so columns are filled through local variables, in a few small
// loops rather than one that V8 finds too large to inline anything into; there is room for the whole batch
// before its first row.
import { type EventBatch, EventType, recordWords } from '../ledger/index.js';
import { AddressPredictor, Placement } from './address-predictor.js';
import { ByteWriter, putVarint, putZigzag } from './bytes.js';
import { PairTable } from './pair-table.js';

export const rowsPerChunk = 1 << 16;
const firstSectionBytes = 4096;
const maxVarintBytes = 8;

export class EventEncoder {
  /** Events in the chunk so far; a pair is two. */
  eventCount = 0;
  private rowCount = 0;
  private readonly predictor = new AddressPredictor();
  private readonly types = new ByteWriter(firstSectionBytes);
  private readonly threads = new ByteWriter(1024);
  private readonly times = new ByteWriter(firstSectionBytes);
  private readonly pairs = new ByteWriter(firstSectionBytes);
  private readonly uses = new ByteWriter(firstSectionBytes);
  private readonly placements = new ByteWriter(firstSectionBytes);
  private readonly addresses = new ByteWriter(firstSectionBytes);
  private readonly ages = new ByteWriter(firstSectionBytes);
  private readonly rare = new ByteWriter(1024);

  private readonly pairsOfChunk = new PairTable();

  private runThread = -1;
  private runLength = 0;
  private shift = 0;
  private startTime = 0;
  // The last event's tick.
  private lastLow = 0;
  private lastHigh = 0;
  private nsPerTick = 1;

  get isFull(): boolean {
    return this.rowCount >= rowsPerChunk;
  }

  /**
   * Takes rows from `start` on, up to the end of the batch or of the chunk, and returns the next row.
   * The ledger must have consumed the batch (ages and sizes of releases).
   */
  add(batch: EventBatch, start: number, nsPerTick: number): number {
    if (this.rowCount === 0) this.begin(nsPerTick, batch.tick(start));
    const end = Math.min(batch.count, start + rowsPerChunk - this.rowCount);
    this.makeRoom(end - start);
    this.types.raw(batch.type.subarray(start, end));
    this.addThreads(batch, start, end);
    const pairRows = this.addTimes(batch, start, end);
    this.addBlocks(batch, start, end);
    this.rowCount += end - start;
    this.eventCount += end - start + pairRows;
    return end;
  }

  private addThreads({ threadIndex }: EventBatch, start: number, end: number): void {
    let { runThread, runLength } = this;
    for (let row = start; row < end; row++) {
      const thread = threadIndex[row]!;
      if (thread === runThread) {
        runLength++;
        continue;
      }
      if (runLength > 0) this.endRun(runThread, runLength);
      runThread = thread;
      runLength = 1;
    }
    this.runThread = runThread;
    this.runLength = runLength;
  }

  /** Returns how many of the rows are pairs. */
  private addTimes(batch: EventBatch, start: number, end: number): number {
    const { type, tickLow, tickHigh, age } = batch;
    const times = this.times.bytes;
    let at = this.times.length;
    let { lastLow, lastHigh } = this;
    let pairRows = 0;
    for (let row = start; row < end; row++) {
      const low = tickLow[row]!;
      const high = tickHigh[row]!;
      at = this.putTime(times, at, low, high, lastLow, lastHigh);
      lastLow = low;
      lastHigh = high;
      if (type[row]! < EventType.pair) continue;
      pairRows++;
      const end = low + age[row]!;
      lastLow = end >>> 0;
      if (end >= 4294967296) lastHigh = high + Math.floor(end / 4294967296);
      at = this.putTime(times, at, lastLow, lastHigh, low, high);
    }
    this.times.length = at;
    this.lastLow = lastLow;
    this.lastHigh = lastHigh;
    return pairRows;
  }

  /** What was allocated and released, and where; and what the rare events say. */
  private addBlocks(batch: EventBatch, start: number, end: number): void {
    const { type, threadIndex, addressLow, addressHigh } = batch;
    const { sizeLow, sizeHigh, stackId, age } = batch;
    const { predictor, pairsOfChunk } = this;
    const uses = this.uses.bytes;
    const placements = this.placements.bytes;
    const addresses = this.addresses.bytes;
    const ages = this.ages.bytes;
    let usesAt = this.uses.length;
    let placementsAt = this.placements.length;
    let addressesAt = this.addresses.length;
    let agesAt = this.ages.length;
    let lastStack = -1;
    let lastBytesLow = 0;
    let lastBytesHigh = 0;
    let listThread = 0;
    let use = 0;
    let list = 0;
    for (let row = start; row < end; row++) {
      const kind = type[row]!;
      const thread = threadIndex[row]!;
      if (kind <= EventType.allocLast || kind >= EventType.pair) {
        const isPair = kind >= EventType.pair;
        const low = addressLow[row]!;
        const high = addressHigh[row]!;
        const bytesLow = sizeLow[row]!;
        const bytesHigh = sizeHigh[row]!;
        const stack = stackId[row]!;
        // Loops allocate the same again and again: then neither table is asked.
        if (
          stack !== lastStack ||
          bytesLow !== lastBytesLow ||
          bytesHigh !== lastBytesHigh ||
          thread !== listThread
        ) {
          use = pairsOfChunk.find(stack, bytesLow, bytesHigh);
          if (use === 0) {
            this.pairs.varint(stack);
            this.pairs.varint(bytesHigh * 4294967296 + bytesLow);
          }
          list = predictor.list(thread, bytesLow, bytesHigh);
          // A new pair has its number from the next time on.
          lastStack = use === 0 ? -1 : stack;
          lastBytesLow = bytesLow;
          lastBytesHigh = bytesHigh;
          listThread = thread;
        }
        if (use < 0x80) {
          uses[usesAt++] = use;
        } else if (use < 0x4000) {
          uses[usesAt++] = (use & 0x7f) | 0x80;
          uses[usesAt++] = use >>> 7;
        } else {
          usesAt = putVarint(uses, usesAt, use);
        }
        if (predictor.isNewest(list, low, high)) {
          placements[placementsAt++] = 0;
          // A pair takes it and puts it back.
          if (!isPair) predictor.take(list, 0);
          continue;
        }
        let placement = predictor.find(list, low, high);
        if (placement < 0) {
          const address = high * 4294967296 + low;
          const delta = address - predictor.fresh(thread);
          if (delta === 0) {
            placement = Placement.fresh;
          } else if (delta % 16 === 0) {
            placement = Placement.delta16;
            addressesAt = putZigzag(addresses, addressesAt, delta / 16);
          } else {
            placement = Placement.delta;
            addressesAt = putZigzag(addresses, addressesAt, delta);
          }
          predictor.carved(thread, address, bytesHigh * 4294967296 + bytesLow);
        }
        placements[placementsAt++] = placement;
        if (isPair) predictor.released(list, low, high);
      } else if (kind <= EventType.freeLast) {
        const blockAge = age[row]!;
        if (blockAge >= 0 && blockAge < 0x7f) ages[agesAt++] = blockAge + 1;
        else agesAt = putVarint(ages, agesAt, blockAge + 1);
        if (blockAge < 0) {
          const address = addressHigh[row]! * 4294967296 + addressLow[row]!;
          addressesAt = putVarint(addresses, addressesAt, address);
        } else {
          const listOfBlock = predictor.list(thread, sizeLow[row]!, sizeHigh[row]!);
          predictor.released(listOfBlock, addressLow[row]!, addressHigh[row]!);
        }
      } else {
        const halves = 2 * recordWords(kind) - 2;
        const from = stackId[row]!;
        for (let i = 0; i < halves; i++) this.rare.varint(batch.rareWords[from + i]!);
      }
    }
    this.uses.length = usesAt;
    this.placements.length = placementsAt;
    this.addresses.length = addressesAt;
    this.ages.length = agesAt;
  }

  /** The chunk's content; the encoder then stands at the start of the next chunk. */
  finish(): Uint8Array {
    this.endRun(this.runThread, this.runLength);
    const sections = [
      this.types,
      this.threads,
      this.times,
      this.pairs,
      this.uses,
      this.placements,
      this.addresses,
      this.ages,
      this.rare,
    ];
    const out = new ByteWriter(64 + sections.reduce((sum, section) => sum + section.length + 8, 0));
    out.varint(this.eventCount);
    out.float64(this.nsPerTick);
    out.varint(this.shift);
    out.varint(this.startTime);
    for (const section of sections) {
      out.section(section.written());
      section.clear();
    }
    this.eventCount = 0;
    this.rowCount = 0;
    this.runThread = -1;
    this.runLength = 0;
    this.pairsOfChunk.clear();
    return out.written();
  }

  private begin(nsPerTick: number, tick: number): void {
    this.nsPerTick = nsPerTick;
    // The power of two of ticks that is nearest to a microsecond.
    this.shift = Math.max(0, Math.min(20, Math.round(Math.log2(1000 / nsPerTick))));
    this.startTime = Math.floor(tick / 2 ** this.shift);
    this.lastLow = tick >>> 0;
    this.lastHigh = Math.floor(tick / 2 ** 32);
  }

  /** How long after another tick this one is. */
  private putTime(
    times: Uint8Array,
    at: number,
    low: number,
    high: number,
    fromLow: number,
    fromHigh: number,
  ): number {
    const { shift } = this;
    if (high === fromHigh) return putVarint(times, at, (low >>> shift) - (fromLow >>> shift));
    // Rare enough for doubles.
    const quantum = 2 ** shift;
    const from = Math.floor((fromHigh * 2 ** 32 + fromLow) / quantum);
    return putVarint(times, at, Math.floor((high * 2 ** 32 + low) / quantum) - from);
  }

  private makeRoom(rows: number): void {
    for (const column of [this.uses, this.placements, this.ages, this.addresses])
      column.reserve(rows * maxVarintBytes);
    this.times.reserve(2 * rows * maxVarintBytes);
  }

  private endRun(thread: number, length: number): void {
    this.threads.varint(thread);
    this.threads.varint(length);
  }
}
