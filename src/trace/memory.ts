// What memory consisted of at a checkpoint: areas, heaps, the program's own mappings; and of the last one, which
// pages were resident.
import {
  type Address,
  type BlocksElsewhere,
  type HeapPicture,
  heapPartCount,
  type Mapping,
  type MemoryArea,
  type MemoryPicture,
  type PageRange,
  pageBytes,
} from '../model/index.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { isObject } from './checkpoint.js';
import { TraceDamage } from './damage.js';

export function encodeMemory(
  checkpointNumber: number,
  memory: MemoryPicture,
  out: ByteWriter,
): void {
  const { pages: _elsewhere, ...rest } = memory;
  out.varint(checkpointNumber);
  out.json(rest satisfies Omit<MemoryPicture, 'pages'>);
}

export function decodeMemory(reader: ByteReader): {
  checkpointNumber: number;
  memory: MemoryPicture;
} {
  const checkpointNumber = reader.varint();
  const value = reader.json();
  if (!isPicture(value)) throw new TraceDamage('has a picture of memory that is none');
  return { checkpointNumber, memory: { ...value, pages: null } };
}

export function encodePages(
  checkpointNumber: number,
  pages: readonly PageRange[],
  out: ByteWriter,
): void {
  out.varint(checkpointNumber);
  out.varint(pages.length);
  let last = 0;
  for (const { low, high, bits } of pages) {
    out.varint(low - last);
    out.varint(high - low);
    out.section(bits);
    last = high;
  }
}

export function decodePages(reader: ByteReader): { checkpointNumber: number; pages: PageRange[] } {
  const checkpointNumber = reader.varint();
  const count = reader.count(3);
  const pages: PageRange[] = [];
  let last = 0;
  for (let i = 0; i < count; i++) {
    const low = last + reader.varint();
    const high = low + reader.varint();
    // A copy: what the reader gives is a part of the whole chunk.
    const bits = reader.section().slice();
    if (bits.length !== Math.ceil((high - low) / pageBytes / 8))
      throw new TraceDamage('has pages that do not fill their range');
    pages.push({ low: low as Address, high: high as Address, bits });
    last = high;
  }
  return { checkpointNumber, pages };
}

const isCount = (value: unknown): boolean => typeof value === 'number' && value >= 0;
const hasCounts = (value: unknown, names: readonly string[]): boolean =>
  isObject(value) && names.every((name) => isCount(value[name]));
const isListOf = (value: unknown, isOne: (one: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isOne);

const areaCounts: (keyof MemoryArea)[] = ['low', 'high', 'residentBytes', 'swappedBytes'];
const heapCounts: (keyof HeapPicture)[] = [
  'low',
  'high',
  'arena',
  'liveAskedBytes',
  'liveAskedResidentBytes',
  'largestFreeBytes',
  'trimmableBytes',
];
const blockCounts: (keyof BlocksElsewhere)[] = ['blockCount', 'askedBytes', 'residentBytes'];
const mappingCounts: (keyof Mapping)[] = [
  'address',
  'sizeBytes',
  'stackId',
  'bornNs',
  'prot',
  'flags',
];

/** The checksum vouches for the content; this is against files that somebody made up. */
function isPicture(value: unknown): value is Omit<MemoryPicture, 'pages'> {
  if (!isObject(value)) return false;
  const isArea = (one: unknown) =>
    isObject(one) &&
    hasCounts(one, areaCounts) &&
    typeof one['path'] === 'string' &&
    typeof one['access'] === 'string';
  const isParts = (one: unknown) =>
    isListOf(one, isCount) && (one as unknown[]).length === heapPartCount;
  const isHeap = (one: unknown) =>
    isObject(one) &&
    hasCounts(one, heapCounts) &&
    isParts(one['count']) &&
    isParts(one['bytes']) &&
    isParts(one['residentBytes']);
  return (
    isListOf(value['areas'], isArea) &&
    isListOf(value['heaps'], isHeap) &&
    hasCounts(value['mapped'], [...blockCounts, 'bytes', 'askedResidentBytes']) &&
    hasCounts(value['stray'], blockCounts) &&
    isListOf(value['mappings'], (one) => hasCounts(one, mappingCounts)) &&
    isListOf(value['own'], (one) => hasCounts(one, ['low', 'high']))
  );
}
