// What resident memory consists of, by the kernel's list of areas and what the recording knows of mappings: cheap
// enough to be asked while the program runs, coarser than a checkpoint. Pure: text and spans in, sums out.
import { type MemoryArea, type TimelinePart, timelineParts } from '../model/index.js';

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
const ownFile = /\/(?:libmemprof\.so|memprof_agent\.node)$/;
/** Files of a session: rings, the stack table, checkpoints. */
const sessionFile = /\/memprof-[^/]+\/[^/]+(?: \(deleted\))?$/;

export const isOwnFile = (path: string): boolean => ownFile.test(path) || sessionFile.test(path);

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
  if (path.startsWith('/')) return isOwnFile(path) ? 'memprofBytes' : 'fileBytes';
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

/** In order, cut where they overlap: the earlier one of two keeps its whole length. */
export function apart(spans: readonly KnownSpan[]): KnownSpan[] {
  const kept: KnownSpan[] = [];
  let end = 0;
  for (const span of [...spans].sort((a, b) => a.low - b.low)) {
    const low = Math.max(span.low, end);
    if (low >= span.high) continue;
    kept.push({ ...span, low });
    end = span.high;
  }
  return kept;
}
