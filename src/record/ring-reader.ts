// One ring: copies out what its producer published, at once, so that no producer ever waits because
// the merge cannot go on yet; the words then wait here, in segments that are used again and again
// (fresh memory costs more in page faults than the copy itself).
import { MemprofError } from '../errors.js';
import { recordWords } from '../ledger/index.js';
import { Magic, pageBytes, RingHeader, wireAbi } from './wire.js';

const minSegmentHalves = 1 << 14;
/** A head that stands still this long while its ring is busy belongs to a thread that waits itself. */
const stuckAfterMs = 1000;

/** Whole records only: a segment never ends within one. */
interface Segment {
  halves: Uint32Array;
  to: number;
}

export class RingReader {
  readonly index: number;
  /** 32-bit halves of words, oldest first, from `from` to `to`: the first segment. */
  staging: Uint32Array = new Uint32Array(0);
  from = 0;
  to = 0;
  /** The thread that holds the ring, as of the last record that the merge took; -1: none yet. */
  threadIndex = -1;
  /** Tick of the last record taken by the merge: later ones have none below it. */
  lastTick = 0;
  /** A record was being written when drain() looked. */
  wasBusy = false;
  /** What was wrong with its words; such a ring is not read on. */
  damage: string | null = null;

  private readonly words: Uint32Array;
  private readonly dataAt: number;
  private readonly dataHalves: number;
  private tail: number;
  /** After the first segment, oldest first. */
  private readonly later: Segment[] = [];
  private laterHalves = 0;
  /** The last segment that was read to its end. */
  private spare: Uint32Array | null = null;
  private busySinceMs: number | null = null;

  constructor(buffer: ArrayBuffer, index: number) {
    const words = new Uint32Array(buffer);
    const dataOffset = words[RingHeader.dataOffset >>> 2] ?? 0;
    const dataBytes = words[RingHeader.dataBytes >>> 2] ?? 0;
    const magic = new BigUint64Array(buffer, 0, 1)[0];
    const isPowerOfTwo = dataBytes >= 64 && (dataBytes & (dataBytes - 1)) === 0;
    const fits =
      dataOffset >= pageBytes &&
      dataOffset % 8 === 0 &&
      dataOffset + dataBytes <= buffer.byteLength;
    if (magic !== Magic.ring || words[RingHeader.abi >>> 2] !== wireAbi || !isPowerOfTwo || !fits) {
      throw new MemprofError(
        'ERR_MEMPROF_WIRE',
        `ring ${index}: its header is not one (data of ${dataBytes} bytes at ${dataOffset})`,
      );
    }
    this.words = words;
    this.index = index;
    this.dataAt = dataOffset >>> 2;
    this.dataHalves = dataBytes >>> 2;
    this.tail = words[RingHeader.tail >>> 2]!;
  }

  get stagedHalves(): number {
    return this.to - this.from + this.laterHalves;
  }

  /** Nothing is staged, and its thread has been within one event for long. */
  isStuck(nowMs: number): boolean {
    return this.busySinceMs !== null && nowMs - this.busySinceMs > stuckAfterMs;
  }

  /** Copies what is published and returns how many words came. */
  drain(nowMs: number): number {
    if (this.damage !== null) return 0;
    // Before head: see the horizon in wire.h.
    this.wasBusy = Atomics.load(this.words, RingHeader.busy >>> 2) !== 0;
    const head = Atomics.load(this.words, RingHeader.head >>> 2);
    const count = (head - this.tail) >>> 0;
    if (count === 0) {
      this.busySinceMs = this.wasBusy ? (this.busySinceMs ?? nowMs) : null;
      return 0;
    }
    this.busySinceMs = null;
    const halves = count * 2;
    if (halves > this.dataHalves) {
      this.damage = `head ${head} is ${count} words before tail ${this.tail}`;
      return 0;
    }
    const start = (this.tail * 2) & (this.dataHalves - 1);
    const first = Math.min(halves, this.dataHalves - start);
    const { into, at } = this.makeRoom(halves);
    into.set(this.words.subarray(this.dataAt + start, this.dataAt + start + first), at);
    if (first < halves)
      into.set(this.words.subarray(this.dataAt, this.dataAt + halves - first), at + first);
    this.tail = head;
    // Release: the copy above is done before the producer may write there again.
    Atomics.store(this.words, RingHeader.tail >>> 2, head);
    return count;
  }

  /** The first segment was read to its end: goes on to the next. */
  advance(): void {
    const next = this.later.shift();
    if (next === undefined) {
      this.from = this.to = 0;
      return;
    }
    if (this.spare === null || this.spare.length < this.staging.length) this.spare = this.staging;
    this.staging = next.halves;
    this.from = 0;
    this.to = next.to;
    this.laterHalves -= next.to;
  }

  /**
   * Tick of the last whole staged record; that of the last taken one when nothing is staged. Costs a
   * walk: only for clocks that the reader cannot read itself.
   */
  lastStagedTick(): number {
    const last = this.later.at(-1);
    const halves = last?.halves ?? this.staging;
    const to = last?.to ?? this.to;
    let at = last === undefined ? this.from : 0;
    let tick = this.lastTick;
    while (to - at >= 2) {
      const word = halves[at + 1]!;
      const length = 2 * recordWords(word >>> 24);
      if (length === 0) break;
      tick = (word & 0xffffff) * 2 ** 32 + halves[at]!;
      at += length;
    }
    return tick;
  }

  /** Its next drain() was left out: it may publish anything after what is staged. */
  skip(): void {
    this.wasBusy = true;
  }

  /** Nothing of it will be read again. */
  stop(damage: string): void {
    this.damage = damage;
    this.later.length = 0;
    this.laterHalves = 0;
    this.from = this.to = 0;
  }

  /** Where the next `halves` go; they count as staged from here on. */
  private makeRoom(halves: number): { into: Uint32Array; at: number } {
    const last = this.later.at(-1);
    if (last === undefined) {
      const at = this.to;
      if (at + halves <= this.staging.length) {
        this.to += halves;
        return { into: this.staging, at };
      }
      if (at === this.from) {
        this.staging = this.newSegment(halves);
        this.from = 0;
        this.to = halves;
        return { into: this.staging, at: 0 };
      }
    } else if (last.to + halves <= last.halves.length) {
      const at = last.to;
      last.to += halves;
      this.laterHalves += halves;
      return { into: last.halves, at };
    }
    const segment = { halves: this.newSegment(halves), to: halves };
    this.later.push(segment);
    this.laterHalves += halves;
    return { into: segment.halves, at: 0 };
  }

  private newSegment(halves: number): Uint32Array {
    const { spare } = this;
    if (spare !== null && spare.length >= halves) {
      this.spare = null;
      return spare;
    }
    return new Uint32Array(Math.min(this.dataHalves, Math.max(minSegmentHalves, 2 * halves)));
  }
}
