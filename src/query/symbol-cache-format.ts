// One file of the symbol cache, all numbers little-endian:
//
//   "mprofsym"  u32 version  u32 CRC-32 of the rest  zstd( content )
//
//   content: u32 bytes of the JSON head  the head, padded with spaces to a multiple of 8 (with the u32)
//            f64 addresses, ascending    f64 offset to the symbol, of each
//            u32 first frame of each, and the count of all    5 u32 a frame: function, file, line, column, 1: inlined
//            u32 end of each string      u8 quality of each address    the strings, UTF-8; number 0 is null
//
// Columns that are looked up in place: a report needs some hundreds of what may be a hundred thousand addresses,
// and making objects of 13,000 took 24 ms of every report.
import { crc32, zstdCompress, zstdDecompress } from '../native/index.js';
import { ownVersion } from '../version.js';

/** A file that the names came from, as it was then. */
export interface Source {
  path: string;
  sizeBytes: number;
  timeMs: number;
  inode: number;
}

export interface KnownFrame {
  functionName: string | null;
  file: string | null;
  line: number;
  column: number;
  inlined: boolean;
}

export interface KnownAddress {
  quality: number;
  symbolOffset: number;
  frames: KnownFrame[];
}

/** A Map is one. */
export interface KnownAddresses extends Iterable<[number, KnownAddress]> {
  readonly size: number;
  has(address: number): boolean;
  get(address: number): KnownAddress | undefined;
  set(address: number, known: KnownAddress): unknown;
  clear(): void;
}

export interface CacheContent {
  sources: readonly Source[];
  hasSymbols: boolean;
  known: KnownAddresses;
}

interface Head {
  /** Another memprof may find other names in the same files. */
  writer: string;
  sources: readonly Source[];
  hasSymbols: boolean;
  addressCount: number;
  frameCount: number;
  stringCount: number;
}

interface Columns {
  addresses: Float64Array;
  symbolOffsets: Float64Array;
  firstFrames: Uint32Array;
  frames: Uint32Array;
  stringEnds: Uint32Array;
  qualities: Uint8Array;
  strings: Buffer;
}

/** Raised with every change of this format. */
export const cacheVersion = 2;
const magic = 'mprofsym';
const headerBytes = 16;
const largestContentBytes = 2 ** 29;
const frameFields = 5;

export function encodeCache({ sources, hasSymbols, known }: CacheContent): Buffer {
  const entries = [...known].sort(([a], [b]) => a - b);
  const indexOf = new Map<string | null, number>([[null, 0]]);
  const stringIndex = (text: string | null): number => {
    let index = indexOf.get(text);
    if (index === undefined) indexOf.set(text, (index = indexOf.size));
    return index;
  };
  const firstFrames = [0];
  const frames: number[] = [];
  for (const [, { frames: own }] of entries) {
    for (const { functionName, file, line, column, inlined } of own)
      frames.push(stringIndex(functionName), stringIndex(file), line, column, inlined ? 1 : 0);
    firstFrames.push(frames.length / frameFields);
  }
  const strings = [...indexOf.keys()].map((text) => Buffer.from(text ?? ''));
  let end = 0;
  const stringEnds = Uint32Array.from(strings, ({ length }) => (end += length));
  const head = encodeHead({
    writer: ownVersion(),
    sources,
    hasSymbols,
    addressCount: entries.length,
    frameCount: frames.length / frameFields,
    stringCount: strings.length,
  });
  const columns = [
    Float64Array.from(entries, ([address]) => address),
    Float64Array.from(entries, ([, { symbolOffset }]) => symbolOffset),
    Uint32Array.from(firstFrames),
    Uint32Array.from(frames),
    stringEnds,
    Uint8Array.from(entries, ([, { quality }]) => quality),
  ].map(({ buffer }) => Buffer.from(buffer));
  const packed = zstdCompress(Buffer.concat([head, ...columns, ...strings]), 3);
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 'latin1');
  header.writeUInt32LE(cacheVersion, 8);
  header.writeUInt32LE(crc32(packed), 12);
  return Buffer.concat([header, packed]);
}

function encodeHead(head: Head): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const bytes = Buffer.alloc(Math.ceil((4 + text.length) / 8) * 8, ' ');
  bytes.writeUInt32LE(bytes.length - 4);
  text.copy(bytes, 4);
  return bytes;
}

/** null: damaged, of another version, or not ours. */
export function decodeCache(bytes: Buffer): CacheContent | null {
  if (bytes.length <= headerBytes || bytes.toString('latin1', 0, 8) !== magic) return null;
  const packed = bytes.subarray(headerBytes);
  if (bytes.readUInt32LE(8) !== cacheVersion || bytes.readUInt32LE(12) !== crc32(packed)) {
    return null;
  }
  // What has our CRC was written by us; the try is for the one in four billion.
  try {
    const content = zstdDecompress(packed, largestContentBytes);
    const headEnd = 4 + content.readUInt32LE(0);
    const head = JSON.parse(content.toString('utf8', 4, headEnd)) as Head;
    if (head.writer !== ownVersion()) return null;
    const known = new StoredAddresses(columnsOf(content, headEnd, head));
    return { sources: head.sources, hasSymbols: head.hasSymbols, known };
  } catch {
    return null;
  }
}

/** @throws RangeError when the content is shorter than it says */
function columnsOf(content: Buffer, from: number, head: Head): Columns {
  const { addressCount, frameCount, stringCount } = head;
  // Columns must begin at multiples of their width.
  const { buffer, byteOffset } = content.byteOffset % 8 === 0 ? content : Buffer.concat([content]);
  let at = byteOffset + from;
  const floats = (count: number) => {
    const column = new Float64Array(buffer, at, count);
    at += column.byteLength;
    return column;
  };
  const words = (count: number) => {
    const column = new Uint32Array(buffer, at, count);
    at += column.byteLength;
    return column;
  };
  const addresses = floats(addressCount);
  const symbolOffsets = floats(addressCount);
  const firstFrames = words(addressCount + 1);
  const frames = words(frameFields * frameCount);
  const stringEnds = words(stringCount);
  const qualities = new Uint8Array(buffer, at, addressCount);
  at += addressCount;
  const strings = Buffer.from(buffer, at, stringEnds[stringCount - 1]);
  return { addresses, symbolOffsets, firstFrames, frames, stringEnds, qualities, strings };
}

/** What a file holds, and what was added since. */
class StoredAddresses implements KnownAddresses {
  #columns: Columns | null;
  readonly #added = new Map<number, KnownAddress>();

  constructor(columns: Columns) {
    this.#columns = columns;
  }

  get size(): number {
    return (this.#columns?.addresses.length ?? 0) + this.#added.size;
  }

  has(address: number): boolean {
    return this.#rowOf(address) >= 0 || this.#added.has(address);
  }

  get(address: number): KnownAddress | undefined {
    const row = this.#rowOf(address);
    return row < 0 ? this.#added.get(address) : this.#at(row);
  }

  /** An address that the file has keeps what it has there. */
  set(address: number, known: KnownAddress): void {
    if (this.#rowOf(address) < 0) this.#added.set(address, known);
  }

  clear(): void {
    this.#columns = null;
    this.#added.clear();
  }

  *[Symbol.iterator](): Generator<[number, KnownAddress]> {
    const addresses = this.#columns?.addresses ?? [];
    for (let row = 0; row < addresses.length; row++) yield [addresses[row], this.#at(row)];
    yield* this.#added;
  }

  /** Negative: the file has no such address. */
  #rowOf(address: number): number {
    if (this.#columns === null) return -1;
    const { addresses } = this.#columns;
    let low = 0;
    let high = addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (addresses[middle] < address) low = middle + 1;
      else high = middle;
    }
    return addresses[low] === address ? low : -1;
  }

  #at(row: number): KnownAddress {
    const { symbolOffsets, firstFrames, frames, qualities } = this.#columns as Columns;
    const own: KnownFrame[] = [];
    for (let frame = firstFrames[row]; frame < firstFrames[row + 1]; frame++) {
      const at = frameFields * frame;
      own.push({
        functionName: this.#string(frames[at]),
        file: this.#string(frames[at + 1]),
        line: frames[at + 2],
        column: frames[at + 3],
        inlined: frames[at + 4] === 1,
      });
    }
    return { quality: qualities[row], symbolOffset: symbolOffsets[row], frames: own };
  }

  #string(index: number): string | null {
    if (index === 0) return null;
    const { stringEnds, strings } = this.#columns as Columns;
    return strings.toString('utf8', stringEnds[index - 1], stringEnds[index]);
  }
}
