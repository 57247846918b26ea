// Puts the staged records of all rings into the one order of their process, as batches in columns.
//
// The records about blocks, nearly all, are taken by native code (src/native/src/merge.rs), a call for many.
import {
  type EventBatch,
  EventType,
  recordWords,
  threadLimit,
  tickLimit,
} from '../ledger/index.js';
import { MergeRing, MergeState, MergeStop, mergeBlocks } from '../native/index.js';
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
  private readonly stagings: Uint32Array[] = [];
  private state = new Float64Array(MergeState.length + MergeRing.length);

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
      const stop = this.takeBlocks(batch, horizon, stackLimit);
      if (stop === MergeStop.horizon) return false;
      if (stop === MergeStop.full) return true;
      const ring = active[this.state[MergeState.stoppedAt]!]!;
      if (stop === MergeStop.other) this.takeOther(ring, batch, stackLimit);
      if (ring.to === ring.from) ring.advance();
      if (ring.to === ring.from) {
        active[active.indexOf(ring)] = active[active.length - 1]!;
        active.pop();
        horizon = Math.min(horizon, boundOf(ring, now));
      }
    }
  }

  /** All that is in order and about blocks, in native code. Returns why it stopped. */
  private takeBlocks(batch: EventBatch, horizon: number, stackLimit: number): number {
    const { active, stagings } = this;
    const needed = MergeState.length + MergeRing.length * active.length;
    if (this.state.length < needed) this.state = new Float64Array(2 * needed);
    const { state } = this;
    state[MergeState.count] = batch.count;
    state[MergeState.capacity] = batch.capacity;
    state[MergeState.lastTick] = this.lastTick;
    state[MergeState.horizon] = horizon;
    state[MergeState.stackLimit] = stackLimit;
    state[MergeState.fallenTickCount] = this.fallenTickCount;
    state[MergeState.unknownStackCount] = this.unknownStackCount;
    stagings.length = active.length;
    let at: number = MergeState.length;
    // Called for each rare event: without objects of its own.
    for (let index = 0; index < active.length; index++) {
      const ring = active[index]!;
      stagings[index] = ring.staging;
      state[at + MergeRing.from] = ring.from;
      state[at + MergeRing.to] = ring.to;
      state[at + MergeRing.thread] = ring.threadIndex;
      state[at + MergeRing.lastTick] = ring.lastTick;
      at += MergeRing.length;
    }
    const stop = mergeBlocks(batch.memory, state, stagings);
    batch.count = state[MergeState.count]!;
    this.lastTick = state[MergeState.lastTick]!;
    this.fallenTickCount = state[MergeState.fallenTickCount]!;
    this.unknownStackCount = state[MergeState.unknownStackCount]!;
    at = MergeState.length;
    for (const ring of active) {
      ring.from = state[at + MergeRing.from]!;
      ring.lastTick = state[at + MergeRing.lastTick]!;
      at += MergeRing.length;
    }
    return stop;
  }

  /** One record that is not about a block, or none at all: such a ring is damaged. The batch has room. */
  private takeOther(ring: RingReader, batch: EventBatch, stackLimit: number): void {
    const { staging, from } = ring;
    const word = staging[from + 1]!;
    const kind = word >>> 24;
    const published = (word & 0xffffff) * 4294967296 + staging[from]!;
    const damage = damageOf(ring, kind, published);
    if (damage !== null) {
      ring.stop(damage);
      this.onDamage(ring);
      return;
    }
    if (published < this.lastTick) this.fallenTickCount++;
    this.lastTick = Math.max(published, this.lastTick);
    if (kind === EventType.threadBegin) ring.threadIndex = staging[from + 3]!;
    const halves = 2 * recordWords(kind);
    const thread = Math.max(ring.threadIndex, 0);
    const row = batch.count;
    batch.pushRare(kind, thread, this.lastTick, staging.subarray(from + 2, from + halves));
    const stackAt = rareStackHalf(kind);
    if (stackAt >= 0) this.checkStack(batch.rareWords, batch.stackId[row]! + stackAt, stackLimit);
    ring.from += halves;
    ring.lastTick = this.lastTick;
  }

  private checkStack(rareWords: Uint32Array, at: number, stackLimit: number): void {
    const stack = rareWords[at]!;
    if (stack < stackLimit) {
      this.rareStackLimit = Math.max(this.rareStackLimit, stack + 1);
      return;
    }
    rareWords[at] = stackNotTaken;
    this.unknownStackCount++;
  }
}

/** null: the record at the ring's head is in order. */
function damageOf(ring: RingReader, kind: number, tick: number): string | null {
  const halves = 2 * recordWords(kind);
  const left = ring.to - ring.from;
  if (halves === 0) return `no record has the type ${kind}`;
  if (tick >= tickLimit) return `a tick of ${tick}`;
  // Only whole records are published.
  if (left < halves) return `a record of type ${kind} is cut after ${left / 2} words`;
  if (kind <= EventType.freeLast) return 'a block event before any thread took the ring';
  const thread = ring.staging[ring.from + 3]!;
  if (kind === EventType.threadBegin && thread >= threadLimit) return `a thread index of ${thread}`;
  return null;
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
