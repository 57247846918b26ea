// Events to bytes: columns, so that zstd sees like beside like. Layout: docs/trace-format.md.
import { type EventBatch, EventType, recordWords } from '../ledger/index.js';
import { AddressPredictor, Placement } from './address-predictor.js';
import { ByteWriter } from './bytes.js';
import { PairTable } from './pair-table.js';

export const eventsPerChunk = 1 << 16;
const firstSectionBytes = 4096;

export class EventEncoder {
  eventCount = 0;
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
  private lastTime = 0;
  private nsPerTick = 1;

  get isFull(): boolean {
    return this.eventCount >= eventsPerChunk;
  }

  /**
   * Takes rows from `start` on, up to the end of the batch or of the chunk, and returns the next row.
   * The ledger must have consumed the batch (ages and sizes of releases).
   */
  add(batch: EventBatch, start: number, nsPerTick: number): number {
    if (this.eventCount === 0) this.begin(nsPerTick, batch.tick(start));
    const end = Math.min(batch.count, start + eventsPerChunk - this.eventCount);
    const {
      type,
      threadIndex,
      tickLow,
      tickHigh,
      addressLow,
      addressHigh,
      sizeLow,
      sizeHigh,
      stackId,
      age,
    } = batch;
    const { types, times, uses, placements, addresses, ages, predictor } = this;
    const quantum = 2 ** this.shift;
    let { runThread, runLength, lastTime } = this;
    for (let row = start; row < end; row++) {
      const kind = type[row]!;
      const thread = threadIndex[row]!;
      types.uint8(kind);
      const time = Math.floor((tickHigh[row]! * 4294967296 + tickLow[row]!) / quantum);
      times.varint(time > lastTime ? time - lastTime : 0);
      if (time > lastTime) lastTime = time;
      if (thread === runThread) {
        runLength++;
      } else {
        if (runLength > 0) this.endRun(runThread, runLength);
        runThread = thread;
        runLength = 1;
      }
      if (kind <= EventType.allocLast) {
        const low = addressLow[row]!;
        const high = addressHigh[row]!;
        uses.varint(this.usePair(stackId[row]!, sizeLow[row]!, sizeHigh[row]!));
        const list = predictor.list(thread, sizeLow[row]!, sizeHigh[row]!);
        const found = predictor.find(list, low, high);
        if (found >= 0) {
          placements.uint8(found);
        } else {
          const address = high * 4294967296 + low;
          const delta = address - predictor.fresh(thread);
          if (delta === 0) {
            placements.uint8(Placement.fresh);
          } else if (delta % 16 === 0) {
            placements.uint8(Placement.delta16);
            addresses.zigzag(delta / 16);
          } else {
            placements.uint8(Placement.delta);
            addresses.zigzag(delta);
          }
          predictor.carved(thread, address, sizeHigh[row]! * 4294967296 + sizeLow[row]!);
        }
      } else if (kind <= EventType.freeLast) {
        const blockAge = age[row]!;
        ages.varint(blockAge + 1);
        if (blockAge < 0) addresses.varint(addressHigh[row]! * 4294967296 + addressLow[row]!);
        else
          predictor.released(
            predictor.list(thread, sizeLow[row]!, sizeHigh[row]!),
            addressLow[row]!,
            addressHigh[row]!,
          );
      } else {
        const halves = 2 * recordWords(kind) - 2;
        const from = stackId[row]!;
        for (let i = 0; i < halves; i++) this.rare.varint(batch.rareWords[from + i]!);
      }
    }
    this.runThread = runThread;
    this.runLength = runLength;
    this.lastTime = lastTime;
    this.eventCount += end - start;
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
    this.lastTime = this.startTime;
  }

  private endRun(thread: number, length: number): void {
    this.threads.varint(thread);
    this.threads.varint(length);
  }

  /** 0: a new pair, which stands in `pairs` next; else its number in the chunk, from 1. */
  private usePair(stack: number, sizeLow: number, sizeHigh: number): number {
    const number = this.pairsOfChunk.find(stack, sizeLow, sizeHigh);
    if (number !== 0) return number;
    this.pairs.varint(stack);
    this.pairs.varint(sizeHigh * 4294967296 + sizeLow);
    return 0;
  }
}
