// Puts the staged records of all rings into the one order of their process, as batches in columns.
//
// A ring gives a run: its records up to the next tick of any other ring. With one busy thread that
// is everything there is, so the inner loop is the whole cost.
import {
  type EventBatch,
  EventType,
  recordWords,
  threadLimit,
  tickLimit,
} from '../ledger/index.js';
import type { RingReader } from './ring-reader.js';

export class Merge {
  /** Ticks that fell: clamped, so that the order stays one. */
  fallenTickCount = 0;
  /** Stack ids that no node had: the records got stack 4 (not taken). */
  unknownStackCount = 0;
  /** One above the highest stack id of a mapping. */
  rareStackLimit = 0;
  private readonly rings: readonly RingReader[];
  private readonly onDamage: (ring: RingReader) => void;
  private lastTick = 0;
  private readonly active: RingReader[] = [];

  /** `rings`: where the records come from; their owner may add to them. */
  constructor(rings: readonly RingReader[], onDamage: (ring: RingReader) => void) {
    this.rings = rings;
    this.onDamage = onDamage;
  }

  /**
   * Appends records to the batch until it is full or the next one is not final yet, and returns
   * whether it stopped because the batch is full.
   *
   * A record is final when no ring can still publish an earlier one: a ring with staged records
   * cannot publish before them; one without is held to `now` when it was idle at the fence, else to
   * its last record (see the horizon in wire.h).
   *
   * @param now the tick of the fence; Infinity once the process is gone
   * @param stackLimit node ids at and above it have no place in any chunk
   */
  fill(batch: EventBatch, now: number, stackLimit: number): boolean {
    const { active } = this;
    active.length = 0;
    let horizon = now;
    for (const ring of this.rings) {
      if (ring.to > ring.from) active.push(ring);
      else horizon = Math.min(horizon, boundOf(ring, now));
    }
    while (true) {
      let ring: RingReader | null = null;
      let least = horizon;
      let second = horizon;
      for (const candidate of active) {
        const tick = headTick(candidate);
        // At one tick a release goes before an allocation: it may be of the same address.
        if (
          tick < least ||
          (tick === least && ring !== null && isRelease(candidate) && !isRelease(ring))
        ) {
          second = least;
          least = tick;
          ring = candidate;
        } else if (tick < second) {
          second = tick;
        }
      }
      if (ring === null) return false;
      if (this.takeRun(ring, second, batch, stackLimit)) return true;
      if (ring.to === ring.from) ring.advance();
      if (ring.to === ring.from) {
        active[active.indexOf(ring)] = active[active.length - 1]!;
        active.pop();
        horizon = Math.min(horizon, boundOf(ring, now));
      }
    }
  }

  /** Takes the first record, then those below `limit`. Returns whether the batch is full. */
  private takeRun(ring: RingReader, limit: number, batch: EventBatch, stackLimit: number): boolean {
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
    const { staging, to } = ring;
    const { capacity } = batch;
    let { from, threadIndex: thread } = ring;
    let { lastTick } = this;
    let count = batch.count;
    let isFirst = true;
    let damage: string | null = null;

    while (to - from >= 2) {
      const low = staging[from]!;
      const word = staging[from + 1]!;
      const kind = word >>> 24;
      let high = word & 0xffffff;
      let tick = high * 4294967296 + low;
      if (!isFirst && tick >= limit) break;
      if (count === capacity) {
        batch.count = count;
        ring.from = from;
        ring.threadIndex = thread;
        ring.lastTick = lastTick;
        this.lastTick = lastTick;
        return true;
      }
      let halves = 2 * recordWords(kind);
      if (halves === 0 || tick >= tickLimit) {
        damage = halves === 0 ? `no record has the type ${kind}` : `a tick of ${tick}`;
        break;
      }
      // Only whole records are published.
      if (to - from < halves) {
        damage = `a record of type ${kind} is cut after ${(to - from) / 2} words`;
        break;
      }
      isFirst = false;
      if (tick < lastTick) {
        this.fallenTickCount++;
        tick = lastTick;
        high = Math.floor(tick / 4294967296);
        tickLow[count] = tick;
      } else {
        tickLow[count] = low;
      }
      lastTick = tick;
      type[count] = kind;
      if (kind <= EventType.freeLast) {
        if (thread < 0) {
          damage = 'a block event before any thread took the ring';
          break;
        }
        const word1High = staging[from + 3]!;
        addressLow[count] = staging[from + 2]!;
        addressHigh[count] = word1High & 0xffff;
        if (kind <= EventType.allocLast) {
          const sizeTop = staging[from + 5]!;
          sizeLow[count] = (word1High >>> 16) | (sizeTop << 16);
          sizeHigh[count] = sizeTop >>> 16;
          const stack = staging[from + 4]!;
          if (stack < stackLimit) {
            stackId[count] = stack;
          } else {
            stackId[count] = stackNotTaken;
            this.unknownStackCount++;
          }
          // The block's release comes next, of all rings: one row for both.
          if (
            to - from >= 10 &&
            staging[from + 7]! >>> 24 === EventType.free &&
            staging[from + 8] === staging[from + 2] &&
            ((staging[from + 9]! ^ word1High) & 0xffff) === 0
          ) {
            const end = (staging[from + 7]! & 0xffffff) * 4294967296 + staging[from + 6]!;
            if (end >= tick && end < limit && end < tickLimit) {
              type[count] = EventType.pair + kind;
              age[count] = end - tick;
              lastTick = end;
              halves = 10;
            }
          }
        }
      } else {
        if (kind === EventType.threadBegin) {
          thread = staging[from + 3]!;
          if (thread >= threadLimit) {
            damage = `a thread index of ${thread}`;
            break;
          }
        }
        const at = batch.appendRareWords(staging, from + 2, halves - 2);
        stackId[count] = at;
        const stackAt = rareStackHalf(kind);
        if (stackAt >= 0) {
          const stack = batch.rareWords[at + stackAt]!;
          if (stack >= stackLimit) {
            batch.rareWords[at + stackAt] = stackNotTaken;
            this.unknownStackCount++;
          } else {
            this.rareStackLimit = Math.max(this.rareStackLimit, stack + 1);
          }
        }
      }
      threadIndex[count] = Math.max(thread, 0);
      tickHigh[count] = high;
      count++;
      from += halves;
    }
    batch.count = count;
    ring.from = from;
    ring.threadIndex = thread;
    ring.lastTick = lastTick;
    this.lastTick = lastTick;
    if (damage !== null) {
      ring.stop(damage);
      this.onDamage(ring);
    }
    return false;
  }
}

const stackNotTaken = 4;

function boundOf(ring: RingReader, now: number): number {
  return ring.wasBusy && now !== Infinity && ring.damage === null
    ? Math.min(ring.lastTick, now)
    : now;
}

/** Where the stack id lies in a rare record's words; -1: it has none. */
function rareStackHalf(type: number): number {
  if (type === EventType.map || type === EventType.heapBreak) return 4;
  if (type >= EventType.resourceNew && type <= EventType.resourceChange) return 1;
  if (type === EventType.poolCreate || type === EventType.poolAlloc) return 6;
  return type === EventType.remap ? 8 : -1;
}

function headTick(ring: RingReader): number {
  return (ring.staging[ring.from + 1]! & 0xffffff) * 4294967296 + ring.staging[ring.from]!;
}

function isRelease(ring: RingReader): boolean {
  const type = ring.staging[ring.from + 1]! >>> 24;
  return type >= EventType.free && type <= EventType.freeLast;
}
