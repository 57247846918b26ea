// A ring in plain memory, written as the shim writes: for the reader's benchmark.
import { Magic, pageBytes, RingHeader, wireAbi } from '../../src/record/wire.js';

export class WrittenRing {
  readonly buffer: ArrayBuffer;
  private readonly words: Uint32Array;
  private readonly mask: number;
  private head = 0;

  constructor(dataBytes: number) {
    this.buffer = new ArrayBuffer(pageBytes + dataBytes);
    this.words = new Uint32Array(this.buffer);
    this.mask = dataBytes / 4 - 1;
    new BigUint64Array(this.buffer)[RingHeader.magic / 8] = Magic.ring;
    this.words[RingHeader.abi >>> 2] = wireAbi;
    this.words[RingHeader.dataOffset >>> 2] = pageBytes;
    this.words[RingHeader.dataBytes >>> 2] = dataBytes;
  }

  get freeBytes(): number {
    const used = (this.head / 2 - this.words[RingHeader.tail >>> 2]!) >>> 0;
    return 4 * (this.mask + 1) - 8 * used;
  }

  /** `halves`: the words after word 0, low half first. */
  put(type: number, tick: number, halves: readonly number[]): void {
    this.putHalf(tick >>> 0);
    this.putHalf((type << 24) | Math.floor(tick / 2 ** 32));
    for (const half of halves) this.putHalf(half);
  }

  putAllocation(type: number, tick: number, address: number, size: number, stackId: number): void {
    const addressHigh = Math.floor(address / 2 ** 32);
    const sizeTop = Math.floor(size / 2 ** 16);
    this.put(type, tick, [address >>> 0, addressHigh | (size << 16), stackId, sizeTop]);
  }

  putRelease(type: number, tick: number, address: number): void {
    this.put(type, tick, [address >>> 0, Math.floor(address / 2 ** 32)]);
  }

  publish(): void {
    Atomics.store(this.words, RingHeader.head >>> 2, this.head / 2);
  }

  private putHalf(half: number): void {
    this.words[pageBytes / 4 + (this.head & this.mask)] = half;
    this.head++;
  }
}
