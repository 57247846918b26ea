// Writing the wire format of Protocol Buffers: varints and length-delimited fields. Pure.

export class ProtoWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;

  /** An int64 or uint64 field; 0 is what its absence means. */
  number(field: number, value: number | bigint): void {
    if (value === 0 || value === 0n) return;
    this.#varint(field << 3);
    if (typeof value === 'bigint') this.#varintOf(value);
    else this.#varint(value);
  }

  /** A repeated number, packed; zeros are kept. */
  numbers(field: number, values: Iterable<number>): void {
    const packed = new ProtoWriter();
    for (const value of values) packed.#varint(value);
    this.message(field, packed);
  }

  text(field: number, text: string): void {
    this.#delimited(field, new TextEncoder().encode(text));
  }

  message(field: number, message: ProtoWriter): void {
    this.#delimited(field, message.#bytes.subarray(0, message.#length));
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  get sizeBytes(): number {
    return this.#length;
  }

  #delimited(field: number, bytes: Uint8Array): void {
    this.#varint((field << 3) | 2);
    this.#varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Below 2^53. */
  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  #varintOf(value: bigint): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
