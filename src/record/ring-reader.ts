// One ring: copies out what its producer published, at once, so that no producer ever waits because
// the merge cannot go on yet; the words then wait here, in the staging buffer.
import { MemprofError } from '../errors.js';
import { recordWords } from '../ledger/index.js';
import { Magic, pageBytes, RingHeader, wireAbi } from './wire.js';

const minStagingHalves = 1 << 12;

export class RingReader {
  readonly index: number;
  /** 32-bit halves of words, oldest first, from `from` to `to`. */
  staging = new Uint32Array(minStagingHalves);
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
  private halvesCopied = 0;

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
    return this.to - this.from;
  }

  get copiedWords(): number {
    return this.halvesCopied / 2;
  }

  /** Copies what is published and returns how many words came. */
  drain(): number {
    if (this.damage !== null) return 0;
    // Before head: see the horizon in wire.h.
    this.wasBusy = Atomics.load(this.words, RingHeader.busy >>> 2) !== 0;
    const head = Atomics.load(this.words, RingHeader.head >>> 2);
    const count = (head - this.tail) >>> 0;
    if (count === 0) return 0;
    const halves = count * 2;
    if (halves > this.dataHalves) {
      this.damage = `head ${head} is ${count} words before tail ${this.tail}`;
      return 0;
    }
    this.makeRoom(halves);
    const mask = this.dataHalves - 1;
    const start = (this.tail * 2) & mask;
    const first = Math.min(halves, this.dataHalves - start);
    this.staging.set(
      this.words.subarray(this.dataAt + start, this.dataAt + start + first),
      this.to,
    );
    this.staging.set(
      this.words.subarray(this.dataAt, this.dataAt + halves - first),
      this.to + first,
    );
    this.to += halves;
    this.halvesCopied += halves;
    this.tail = head;
    // Release: the copy above is done before the producer may write there again.
    Atomics.store(this.words, RingHeader.tail >>> 2, head);
    return count;
  }

  /**
   * Tick of the last whole staged record; that of the last taken one when nothing is staged. Costs a
   * walk: only for clocks that the reader cannot read itself.
   */
  lastStagedTick(): number {
    let tick = this.lastTick;
    let at = this.from;
    while (this.to - at >= 2) {
      const word = this.staging[at + 1]!;
      const halves = 2 * recordWords(word >>> 24);
      if (halves === 0) break;
      tick = (word & 0xffffff) * 2 ** 32 + this.staging[at]!;
      at += halves;
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
    this.from = this.to;
  }

  private makeRoom(halves: number): void {
    const staged = this.to - this.from;
    if (staged === 0) this.from = this.to = 0;
    if (this.to + halves <= this.staging.length) return;
    if (staged + halves <= this.staging.length / 2) {
      this.staging.copyWithin(0, this.from, this.to);
    } else {
      const grown = new Uint32Array(2 * (staged + halves));
      grown.set(this.staging.subarray(this.from, this.to));
      this.staging = grown;
    }
    this.from = 0;
    this.to = staged;
  }
}
