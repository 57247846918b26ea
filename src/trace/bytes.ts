// Reading and writing bytes: little endian, varints as in LEB128 (7 bits a byte, low first), numbers
// up to 2^53 - 1.
import { TraceDamage } from './damage.js';

const maxVarintBytes = 8;
/** Of a column, for which room is made at once. */
const slabRows = 4096;

/** Returns where the next byte goes. There must be room for 8 bytes. */
function putVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    bytes[at] = value;
    return at + 1;
  }
  return putLongVarint(bytes, at, value);
}

function putLongVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7fffffff) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

export class ByteWriter {
  private bytes: Uint8Array;
  private length = 0;
  private view: DataView;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  /** A view, not a copy: valid until the next write. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  uint8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  uint32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  float64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  varint(value: number): void {
    this.reserve(maxVarintBytes);
    this.length = putVarint(this.bytes, this.length, value);
  }

  /** Natural numbers below 2^53; what is none is written as 0. */
  naturals(column: ArrayLike<number>, count: number): void {
    for (let from = 0; from < count; from += slabRows) {
      const to = Math.min(count, from + slabRows);
      this.reserve((to - from) * maxVarintBytes);
      const { bytes } = this;
      let at = this.length;
      for (let row = from; row < to; row++) {
        const value = column[row]!;
        at = putVarint(bytes, at, Number.isSafeInteger(value) && value > 0 ? value : 0);
      }
      this.length = at;
    }
  }

  /** Signed: |value| below 2^52. */
  zigzag(value: number): void {
    // Signed numbers as unsigned ones, small ones small.
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** With its length before it. */
  section(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  json(value: unknown): void {
    this.section(new TextEncoder().encode(JSON.stringify(value)));
  }

  /** Room for so many bytes more. */
  private reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + more));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** Every method throws TraceDamage rather than reading beyond the end. */
export class ByteReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  uint8(): number {
    return this.bytes[this.take(1)]!;
  }

  uint32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  float64(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  varint(): number {
    const { bytes } = this;
    let value = 0;
    let scale = 1;
    while (true) {
      if (this.at >= bytes.length) throw new TraceDamage('ends within a number');
      const byte = bytes[this.at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
      if (scale > 2 ** 49) throw new TraceDamage('has a number above 2^53');
    }
    if (value >= 2 ** 53) throw new TraceDamage('has a number above 2^53');
    return value;
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A count of things that take at least `bytesEach` bytes each: bounded by what is there. */
  count(bytesEach: number): number {
    const count = this.varint();
    if (count * bytesEach > this.remaining)
      throw new TraceDamage(`announces ${count} entries and ends before them`);
    return count;
  }

  section(): Uint8Array {
    const length = this.varint();
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  json(): unknown {
    try {
      return JSON.parse(new TextDecoder().decode(this.section()));
    } catch (error) {
      if (error instanceof TraceDamage) throw error;
      throw new TraceDamage('has text that is not JSON');
    }
  }

  private take(length: number): number {
    const at = this.at;
    if (length > this.bytes.length - at) throw new TraceDamage('ends before its fields');
    this.at = at + length;
    return at;
  }
}
