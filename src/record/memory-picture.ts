// What the scanner and the kernel say of a checkpoint's memory (PictureHeader in interpose/wire.h, and the text of
// /proc/<pid>/smaps). Bytes and text in, the model's picture out.
import { MemprofError } from '../errors.js';
import {
  type Address,
  type HeapPicture,
  heapPartCount,
  type MemoryArea,
  type MemoryPicture,
  type PageRange as Pages,
} from '../model/index.js';
import {
  HeapRow,
  heapRowBytes,
  PageRange,
  PictureHeader,
  pageRangeBytes,
  WalkFlag,
} from './checkpoint-wire.js';
import { Magic, pageBytes, wireAbi } from './wire.js';

type Scanned = Pick<MemoryPicture, 'heaps' | 'mapped' | 'stray' | 'own'> & { pages: Pages[] };

/** Copied out. Throws ERR_MEMPROF_WIRE when the file does not hold what it says. */
export function readPicture(buffer: ArrayBuffer): Scanned {
  const view = new DataView(buffer);
  const wide = (offset: number) => Number(view.getBigUint64(offset, true));
  if (
    buffer.byteLength < pageBytes ||
    view.getBigUint64(PictureHeader.magic, true) !== Magic.picture ||
    view.getUint32(PictureHeader.abi, true) !== wireAbi
  )
    throw new MemprofError(
      'ERR_MEMPROF_WIRE',
      'not a picture of memory of this version of memprof',
    );
  const table = (offsetField: number, countField: number, rowBytes: number) => {
    const start = wide(offsetField);
    const count = view.getUint32(countField, true);
    if (start < pageBytes || start + count * rowBytes > buffer.byteLength)
      throw new MemprofError('ERR_MEMPROF_WIRE', `${count} rows do not fit the picture of memory`);
    return Array.from({ length: count }, (_, row) => start + row * rowBytes);
  };
  const heaps = table(PictureHeader.heapOffset, PictureHeader.heapCount, heapRowBytes).map(
    (at): HeapPicture => {
      const flags = view.getUint32(at + HeapRow.flags, true);
      const parts = (offset: number) =>
        Array.from({ length: heapPartCount }, (_, part) => wide(at + offset + part * 8));
      return {
        low: wide(at + HeapRow.low) as Address,
        high: wide(at + HeapRow.high) as Address,
        arena: wide(at + HeapRow.arena) as Address,
        isMain: (flags & WalkFlag.main) !== 0,
        isWhole: (flags & WalkFlag.whole) !== 0,
        count: parts(HeapRow.count),
        bytes: parts(HeapRow.bytes),
        residentBytes: parts(HeapRow.resident),
        liveAskedBytes: wide(at + HeapRow.liveAskedBytes),
        liveAskedResidentBytes: wide(at + HeapRow.liveAskedResidentBytes),
        largestFreeBytes: wide(at + HeapRow.largestFreeBytes),
        trimmableBytes: wide(at + HeapRow.trimmableBytes),
      };
    },
  );
  const pages = table(PictureHeader.rangeOffset, PictureHeader.rangeCount, pageRangeBytes).map(
    (at): Pages => {
      const low = wide(at + PageRange.low);
      const high = wide(at + PageRange.high);
      const start = wide(at + PageRange.bitOffset);
      const bytes = Math.ceil((high - low) / pageBytes / 8);
      if (!(high > low) || start < pageBytes || start + bytes > buffer.byteLength)
        throw new MemprofError('ERR_MEMPROF_WIRE', 'pages do not fit the picture of memory');
      // A copy: the file is unmapped afterwards.
      const bits = new Uint8Array(buffer, start, bytes).slice();
      return { low: low as Address, high: high as Address, bits };
    },
  );
  return {
    heaps,
    pages,
    own: table(PictureHeader.ownOffset, PictureHeader.ownCount, 16).map((at) => ({
      low: wide(at) as Address,
      high: wide(at + 8) as Address,
    })),
    mapped: {
      blockCount: wide(PictureHeader.mappedCount),
      askedBytes: wide(PictureHeader.mappedAskedBytes),
      bytes: wide(PictureHeader.mappedBytes),
      residentBytes: wide(PictureHeader.mappedResidentBytes),
      askedResidentBytes: wide(PictureHeader.mappedAskedResidentBytes),
    },
    stray: {
      blockCount: wide(PictureHeader.strayCount),
      askedBytes: wide(PictureHeader.strayBytes),
      residentBytes: wide(PictureHeader.strayResidentBytes),
    },
  };
}

const areaLine = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)$/;
const figureLine = /^(Rss|Swap): *(\d+) kB$/;

/** /proc/<pid>/smaps; lines that are none of the kernel's are passed over. */
export function parseAreas(text: string): MemoryArea[] {
  const areas: MemoryArea[] = [];
  for (const line of text.split('\n')) {
    const area = areaLine.exec(line);
    if (area !== null) {
      const [, low, high, access, path] = area as unknown as string[];
      areas.push({
        low: Number.parseInt(low!, 16) as Address,
        high: Number.parseInt(high!, 16) as Address,
        access: access!,
        path: path!,
        residentBytes: 0,
        swappedBytes: 0,
      });
      continue;
    }
    const figure = figureLine.exec(line);
    const last = areas.at(-1);
    if (figure === null || last === undefined) continue;
    const sizeBytes = Number(figure[2]) * 1024;
    if (figure[1] === 'Rss') last.residentBytes = sizeBytes;
    else last.swappedBytes = sizeBytes;
  }
  return areas;
}
