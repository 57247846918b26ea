// What resident memory consists of, by the kernel's list of areas and what the recording knows of mappings: cheap
// enough to be asked while the program runs, coarser than a checkpoint. Pure: text and spans in, sums out.
import {
  isMemprofFile,
  type MemoryArea,
  type TimelinePart,
  timelineParts,
} from '../model/index.js';

/** Known to be somebody's; by address, apart from each other. */
export interface KnownSpan {
  low: number;
  high: number;
  part: TimelinePart;
}

export type PartSums = Record<TimelinePart, number>;

/** glibc's HEAP_MAX_SIZE on 64-bit machines: an arena's heap begins at a multiple of it. */
const heapSpacing = 64 << 20;
/** A thread's stack is 8 MiB unless the program asks for another size; a larger area is more than a stack. */
const largestStack = 10 << 20;
const smallestStack = 64 << 10;
const largestGuard = 64 << 10;

/** Every resident byte is in exactly one part. */
export function sumParts(areas: readonly MemoryArea[], known: readonly KnownSpan[]): PartSums {
  const sums = Object.fromEntries(timelineParts.map((part) => [part, 0])) as PartSums;
  let firstSpan = 0;
  for (const [at, area] of areas.entries()) {
    while (firstSpan < known.length && known[firstSpan]!.high <= area.low) firstSpan++;
    if (area.residentBytes === 0) continue;
    const named = partOfName(area);
    if (named === null) share(area, known, firstSpan, partOfShape(areas, at), sums);
    else sums[named] += area.residentBytes;
  }
  return sums;
}

function partOfName({ path }: MemoryArea): TimelinePart | null {
  if (path === '[heap]') return 'heapBytes';
  if (path.startsWith('[stack')) return 'stackBytes';
  if (path.startsWith('/')) return isMemprofFile(path) ? 'memprofBytes' : 'fileBytes';
  return null;
}

/** Of an area that nobody was seen to map: glibc's own calls are not recorded. */
function partOfShape(areas: readonly MemoryArea[], at: number): TimelinePart {
  const area = areas[at]!;
  if (!area.access.startsWith('rw-')) return 'restBytes';
  const sizeBytes = area.high - area.low;
  const after = areas[at + 1];
  if (area.low % heapSpacing === 0) {
    const isWhole = sizeBytes % heapSpacing === 0;
    const isReserved =
      after !== undefined &&
      after.low === area.high &&
      after.access.startsWith('---') &&
      after.high >= Math.ceil(area.high / heapSpacing) * heapSpacing;
    if (isWhole || isReserved) return 'heapBytes';
  }
  const before = areas[at - 1];
  const isGuarded =
    before !== undefined &&
    before.high === area.low &&
    before.access.startsWith('---') &&
    before.high - before.low <= largestGuard;
  const isStack = isGuarded && sizeBytes >= smallestStack && sizeBytes <= largestStack;
  return isStack ? 'stackBytes' : 'restBytes';
}

/** The kernel makes one area of neighbours: what lies in it is taken to be resident in equal shares. */
function share(
  area: MemoryArea,
  known: readonly KnownSpan[],
  firstSpan: number,
  rest: TimelinePart,
  sums: PartSums,
): void {
  const sizeBytes = area.high - area.low;
  let left = area.residentBytes;
  for (let at = firstSpan; at < known.length && known[at]!.low < area.high; at++) {
    const { low, high, part } = known[at]!;
    const inside = Math.min(high, area.high) - Math.max(low, area.low);
    const bytes = Math.min(left, Math.round((area.residentBytes * inside) / sizeBytes));
    sums[part] += bytes;
    left -= bytes;
  }
  sums[rest] += left;
}
