// What else is known of the pages of a heat map: how old their oldest block is, and whose most of them is. Pure.
import { type LiveSet, pageBytes } from '../model/index.js';
import { firstEndingAfter, highOf } from '../ranges.js';
import type { HeapMap } from './fragmentation.js';

/** Of so many neighbouring pages of a heap. */
export interface PageNote {
  /** Of the oldest block; infinite: there is no block. */
  oldestBornNs: number;
  /** What `keyOf` says of the stack of most bytes; -1: there is no block. */
  key: number;
}

/** A row for each cell of `pagesOfCell` pages, heap by heap in the order of `maps`, which are sorted by address. */
export function pageNotes(
  live: LiveSet,
  maps: readonly HeapMap[],
  pagesOfCell: number,
  keyOf: (stackId: number) => number,
): PageNote[] {
  const cellBytes = pagesOfCell * pageBytes;
  const firstCells: number[] = [];
  let cellCount = 0;
  for (const { occupancy } of maps) {
    firstCells.push(cellCount);
    cellCount += Math.ceil(occupancy.length / pagesOfCell);
  }
  const notes: PageNote[] = Array.from({ length: cellCount }, () => ({
    oldestBornNs: Number.POSITIVE_INFINITY,
    key: -1,
  }));
  const order = Uint32Array.from({ length: live.count }, (_one, row) => row).sort(
    (a, b) => live.address[a]! - live.address[b]!,
  );
  // Blocks come by address, so one cell's sums are enough at a time.
  const sums = new Map<number, number>();
  let cell = -1;
  const settle = () => {
    let most = -1;
    for (const [key, bytes] of sums) {
      if (bytes <= most) continue;
      most = bytes;
      notes[cell]!.key = key;
    }
    sums.clear();
  };
  for (const row of order) {
    const address = live.address[row]!;
    const at = firstEndingAfter(maps, address, highOf);
    const map = maps[at];
    if (map === undefined || map.low > address) continue;
    const key = keyOf(live.stackId[row]!);
    const end = Math.min(map.high, address + Math.max(1, live.sizeBytes[row]!));
    for (let from = address; from < end; ) {
      const within = Math.floor((from - map.low) / cellBytes);
      const to = Math.min(end, map.low + (within + 1) * cellBytes);
      if (firstCells[at]! + within !== cell) {
        settle();
        cell = firstCells[at]! + within;
      }
      const note = notes[cell]!;
      note.oldestBornNs = Math.min(note.oldestBornNs, live.bornNs[row]!);
      sums.set(key, (sums.get(key) ?? 0) + to - from);
      from = to;
    }
  }
  settle();
  return notes;
}
