// How the report's data travel inside the page: one JSON head and columns of whole numbers, each as varints of
// its values or of their differences. Small before gzip and quick to read; the page keeps typed arrays.
//
// Must not import anything: both the builder and the page use it.

export type ColumnType = 'u8' | 'u16' | 'u32' | 'f64';
export type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array;

interface ColumnHead {
  name: string;
  type: ColumnType;
  count: number;
  byteLength: number;
  /** Rows are told as the difference from the row before. */
  isDelta: boolean;
}

const magic = [0x6d, 0x70, 0x72, 0x31];

export interface Unpacked<Head> {
  head: Head;
  column(name: string): Column;
}

/** A value is a whole number from 0 to 2^53, in a column of differences to 2^52. */
export class Packer {
  readonly #heads: ColumnHead[] = [];
  readonly #parts: Uint8Array[] = [];

  add(
    name: string,
    type: ColumnType,
    values: ArrayLike<number>,
    options: { isDelta?: boolean } = {},
  ): void {
    const isDelta = options.isDelta === true;
    const out = new VarintWriter(values.length * 2 + 16);
    let previous = 0;
    const most = isDelta ? 2 ** 52 : Number.MAX_SAFE_INTEGER;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (!(value >= 0 && value <= most && Number.isInteger(value)))
        throw new RangeError(`column ${name} has ${value}`);
      if (isDelta) {
        const step = value - previous;
        out.push(step >= 0 ? 2 * step : -2 * step - 1);
        previous = value;
      } else out.push(value);
    }
    const bytes = out.bytes();
    this.#heads.push({ name, type, count: values.length, byteLength: bytes.length, isDelta });
    this.#parts.push(bytes);
  }

  finish(head: unknown): Uint8Array {
    const json = new TextEncoder().encode(JSON.stringify({ head, columns: this.#heads }));
    const length = this.#parts.reduce((sum, part) => sum + part.length, 8 + json.length);
    const packed = new Uint8Array(length);
    packed.set(magic);
    new DataView(packed.buffer).setUint32(4, json.length, true);
    packed.set(json, 8);
    let at = 8 + json.length;
    for (const part of this.#parts) {
      packed.set(part, at);
      at += part.length;
    }
    return packed;
  }
}

export function unpack<Head>(packed: Uint8Array): Unpacked<Head> {
  if (packed.length < 8 || magic.some((byte, at) => packed[at] !== byte))
    throw new Error('the data of this report are not what its page can read');
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const jsonLength = view.getUint32(4, true);
  const text = new TextDecoder().decode(packed.subarray(8, 8 + jsonLength));
  const { head, columns } = JSON.parse(text) as { head: Head; columns: ColumnHead[] };
  const read = new Map<string, Column>();
  let at = 8 + jsonLength;
  for (const column of columns) {
    if (at + column.byteLength > packed.length)
      throw new Error('the data of this report are cut short');
    read.set(column.name, readColumn(column, packed.subarray(at, at + column.byteLength)));
    at += column.byteLength;
  }
  return {
    head,
    column(name) {
      const found = read.get(name);
      if (found === undefined) throw new Error(`the data of this report lack ${name}`);
      return found;
    },
  };
}

function emptyColumn(type: ColumnType, count: number): Column {
  switch (type) {
    case 'u8':
      return new Uint8Array(count);
    case 'u16':
      return new Uint16Array(count);
    case 'u32':
      return new Uint32Array(count);
    case 'f64':
      return new Float64Array(count);
  }
}

function readColumn({ type, count, isDelta, name }: ColumnHead, bytes: Uint8Array): Column {
  // A varint has a byte at least: a count that lies cannot ask for more memory than the file has bytes.
  if (count > bytes.length) throw new Error(`the data of this report are damaged at ${name}`);
  const column = emptyColumn(type, count);
  let at = 0;
  let previous = 0;
  for (let row = 0; row < count; row++) {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error(`the data of this report are damaged at ${name}`);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    if (isDelta) value = previous += value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    column[row] = value;
  }
  return column;
}

class VarintWriter {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity: number) {
    this.#buffer = new Uint8Array(capacity);
  }

  push(value: number): void {
    if (this.#length + 10 > this.#buffer.length) {
      const grown = new Uint8Array(2 * this.#buffer.length);
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#length++] = rest;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
