// One file of the symbol cache:
//
//   "mprofsym"  u32 version  u32 CRC-32 of the rest  zstd( JSON )
//
// JSON, because reading 20,000 addresses takes some 30 ms and finding them took 600. Strings are written
// once; a frame is five numbers in a flat list.
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

export interface CacheContent {
  sources: readonly Source[];
  hasSymbols: boolean;
  known: Map<number, KnownAddress>;
}

interface Stored {
  /** Another memprof may find other names in the same files. */
  writer: string;
  sources: Source[];
  hasSymbols: boolean;
  /** The first is null. */
  strings: (string | null)[];
  /** address, quality, symbolOffset, frame count; in the order of the frames. */
  addresses: number[];
  /** function, file (indices of strings), line, column, 1 when inlined. */
  frames: number[];
}

/** Raised with every change of this format. */
export const cacheVersion = 1;
const magic = 'mprofsym';
const headerBytes = 16;
const largestContentBytes = 2 ** 29;

export function encodeCache(content: CacheContent): Buffer {
  const indexOf = new Map<string | null, number>([[null, 0]]);
  const stringIndex = (text: string | null): number => {
    let index = indexOf.get(text);
    if (index === undefined) indexOf.set(text, (index = indexOf.size));
    return index;
  };
  const addresses: number[] = [];
  const frames: number[] = [];
  for (const [address, known] of content.known) {
    addresses.push(address, known.quality, known.symbolOffset, known.frames.length);
    for (const { functionName, file, line, column, inlined } of known.frames) {
      frames.push(stringIndex(functionName), stringIndex(file), line, column, inlined ? 1 : 0);
    }
  }
  const stored: Stored = {
    writer: ownVersion(),
    sources: [...content.sources],
    hasSymbols: content.hasSymbols,
    strings: [...indexOf.keys()],
    addresses,
    frames,
  };
  const packed = zstdCompress(Buffer.from(JSON.stringify(stored)), 3);
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 'latin1');
  header.writeUInt32LE(cacheVersion, 8);
  header.writeUInt32LE(crc32(packed), 12);
  return Buffer.concat([header, packed]);
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
    return unfold(JSON.parse(zstdDecompress(packed, largestContentBytes).toString()) as Stored);
  } catch {
    return null;
  }
}

function unfold(stored: Stored): CacheContent | null {
  const { sources, hasSymbols, strings, addresses, frames } = stored;
  if (stored.writer !== ownVersion()) return null;
  const known = new Map<number, KnownAddress>();
  let at = 0;
  for (let row = 0; row < addresses.length; row += 4) {
    const own: KnownFrame[] = [];
    for (let count = addresses[row + 3]; count > 0; count--, at += 5) {
      const functionName = strings[frames[at]];
      const file = strings[frames[at + 1]];
      if (functionName === undefined || file === undefined) return null;
      own.push({
        functionName,
        file,
        line: frames[at + 2],
        column: frames[at + 3],
        inlined: frames[at + 4] === 1,
      });
    }
    const [address, quality, symbolOffset] = addresses.slice(row, row + 3);
    known.set(address, { quality, symbolOffset, frames: own });
  }
  return at === frames.length ? { sources, hasSymbols, known } : null;
}
