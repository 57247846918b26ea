// Rings in plain memory: what a producer would have left there.
import { RingReader } from '../../src/record/ring-reader.js';
import { Magic, pageBytes, RingHeader, wireAbi } from '../../src/record/wire.js';

export class TestRing {
  readonly buffer: ArrayBuffer;
  readonly reader: RingReader;
  private readonly view: DataView;
  private readonly words: number;
  private head = 0;

  constructor(index: number, dataBytes: number, startWord = 0) {
    this.buffer = new ArrayBuffer(pageBytes + dataBytes);
    this.view = new DataView(this.buffer);
    this.words = dataBytes / 8;
    this.view.setBigUint64(RingHeader.magic, Magic.ring, true);
    this.view.setUint32(RingHeader.abi, wireAbi, true);
    this.view.setUint32(RingHeader.ringIndex, index, true);
    this.view.setUint32(RingHeader.dataOffset, pageBytes, true);
    this.view.setUint32(RingHeader.dataBytes, dataBytes, true);
    this.head = startWord;
    this.view.setUint32(RingHeader.head, startWord, true);
    this.view.setUint32(RingHeader.tail, startWord, true);
    this.reader = new RingReader(this.buffer, index);
  }

  get freeWords(): number {
    return this.words - ((this.head - this.view.getUint32(RingHeader.tail, true)) >>> 0);
  }

  set busy(value: boolean) {
    this.view.setUint32(RingHeader.busy, value ? 1 : 0, true);
  }

  /** Publishes a record: its type, tick and further words. */
  put(type: number, tick: number, ...words: bigint[]): void {
    this.putWords([(BigInt(type) << 56n) | BigInt(tick), ...words]);
  }

  putWords(words: bigint[]): void {
    for (const word of words) {
      this.view.setBigUint64(pageBytes + (this.head % this.words) * 8, word, true);
      this.head = (this.head + 1) >>> 0;
    }
    this.view.setUint32(RingHeader.head, this.head, true);
  }

  setHead(value: number): void {
    this.view.setUint32(RingHeader.head, value, true);
  }
}

export function allocationWords(
  address: number,
  sizeBytes: number,
  stackId: number,
): [bigint, bigint] {
  const size = BigInt(sizeBytes);
  return [BigInt(address) | ((size & 0xffffn) << 48n), ((size >> 16n) << 32n) | BigInt(stackId)];
}
