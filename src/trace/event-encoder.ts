// Events to bytes: columns, so that zstd sees like beside like. Layout: docs/trace-format.md.
//
// Much of the reader's time is spent here, so columns are filled through local variables; there is
// room for the whole batch before its first row.
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
    const { type, threadIndex, tickLow, tickHigh, addressLow, addressHigh } = batch;
    const { sizeLow, sizeHigh, stackId, age } = batch;
    const { predictor, pairsOfChunk } = this;
    const types = this.types.bytes;
    const times = this.times.bytes;
    const uses = this.uses.bytes;
    const placements = this.placements.bytes;
    const addresses = this.addresses.bytes;
    const ages = this.ages.bytes;
    let typesAt = this.types.length;
    let timesAt = this.times.length;
    let usesAt = this.uses.length;
    let placementsAt = this.placements.length;
    let addressesAt = this.addresses.length;
    let agesAt = this.ages.length;
    const { shift } = this;
    let { runThread, runLength, lastLow, lastHigh } = this;
    let pairRows = 0;
    let lastStack = -1;
    let lastBytesLow = 0;
    let lastBytesHigh = 0;
    let listThread = 0;
    let use = 0;
    let list = 0;
    for (let row = start; row < end; row++) {
      const kind = type[row]!;
      const thread = threadIndex[row]!;
      types[typesAt++] = kind;
      const timeLow = tickLow[row]!;
      const timeHigh = tickHigh[row]!;
      timesAt =
        timeHigh === lastHigh
          ? putVarint(times, timesAt, (timeLow >>> shift) - (lastLow >>> shift))
          : this.putFar(times, timesAt, timeLow, timeHigh, lastLow, lastHigh);
      lastLow = timeLow;
      lastHigh = timeHigh;
      if (thread === runThread) {
        runLength++;
      } else {
        if (runLength > 0) this.endRun(runThread, runLength);
        runThread = thread;
        runLength = 1;
      }
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
        usesAt = putVarint(uses, usesAt, use);
        if (predictor.isNewest(list, low, high)) {
          placements[placementsAt++] = 0;
          // A pair takes it and puts it back.
          if (!isPair) predictor.take(list, 0);
        } else {
          const found = predictor.find(list, low, high);
          let placement = found;
          if (found < 0) {
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
        }
        if (isPair) {
          pairRows++;
          const end = timeLow + age[row]!;
          if (end < 4294967296) {
            lastLow = end >>> 0;
            timesAt = putVarint(times, timesAt, (lastLow >>> shift) - (timeLow >>> shift));
          } else {
            lastLow = end >>> 0;
            lastHigh = timeHigh + Math.floor(end / 4294967296);
            timesAt = this.putFar(times, timesAt, lastLow, lastHigh, timeLow, timeHigh);
          }
        }
      } else if (kind <= EventType.freeLast) {
        const blockAge = age[row]!;
        agesAt = putVarint(ages, agesAt, blockAge + 1);
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
    this.types.length = typesAt;
    this.times.length = timesAt;
    this.uses.length = usesAt;
    this.placements.length = placementsAt;
    this.addresses.length = addressesAt;
    this.ages.length = agesAt;
    this.runThread = runThread;
    this.runLength = runLength;
    this.lastLow = lastLow;
    this.lastHigh = lastHigh;
    this.rowCount += end - start;
    this.eventCount += end - start + pairRows;
    return end;
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

  /** Times that differ in their high words: rare enough for doubles. */
  private putFar(
    times: Uint8Array,
    at: number,
    low: number,
    high: number,
    fromLow: number,
    fromHigh: number,
  ): number {
    const quantum = 2 ** this.shift;
    const from = Math.floor((fromHigh * 2 ** 32 + fromLow) / quantum);
    return putVarint(times, at, Math.floor((high * 2 ** 32 + low) / quantum) - from);
  }

  private makeRoom(rows: number): void {
    for (const column of [this.types, this.uses, this.placements, this.ages, this.addresses])
      column.reserve(rows * maxVarintBytes);
    this.times.reserve(2 * rows * maxVarintBytes);
  }

  private endRun(thread: number, length: number): void {
    this.threads.varint(thread);
    this.threads.varint(length);
  }
}
