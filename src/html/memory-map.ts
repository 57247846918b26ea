// The heaps page by page, as columns of the report. Pure.
import { type HeapMap, notResident, pageNotes, sparseBelow } from '../memory/index.js';
import type { LiveSet } from '../model/index.js';
import { cellShares } from '../report/index.js';
import type { Packer } from './pack.js';
import type { MapFacts } from './report-data.js';
import type { StackIndex } from './stack-index.js';
import { lifeClass } from './time-cells.js';

/** 256 MiB of heaps page by page; more of them by two pages, four, ... */
const mostCells = 1 << 16;
const full = 250;

export interface PagesInput {
  live: LiveSet;
  maps: readonly HeapMap[];
  /** Of the checkpoint. */
  atNs: number;
  index: StackIndex;
}

/** Adds the table "pages". */
export function packPages(
  packer: Packer,
  { live, maps, atNs, index }: PagesInput,
): MapFacts | null {
  const shown = maps.filter(({ occupancy }) => occupancy.some((one) => one !== notResident));
  const pageCount = shown.reduce((sum, { occupancy }) => sum + occupancy.length, 0);
  let pagesOfCell = 1;
  while (pageCount / pagesOfCell > mostCells) pagesOfCell *= 2;
  const occupancy: number[] = [];
  for (const map of shown)
    for (const [cell, share] of cellShares(map.occupancy, pagesOfCell).entries()) {
      const pages = map.occupancy.subarray(cell * pagesOfCell, (cell + 1) * pagesOfCell);
      const isLive = pages.some((one) => one !== notResident && one > 0);
      const filled = Math.round((share ?? 0) * full);
      occupancy.push(share === null ? notResident : isLive ? Math.max(1, filled) : 0);
    }
  const notes = pageNotes(live, shown, pagesOfCell, (stackId) =>
    index.packageOfSite(index.siteOf[stackId] ?? 0),
  );
  packer.add('pages.occupancy', 'u8', occupancy);
  packer.add(
    'pages.age',
    'u8',
    notes.map(({ oldestBornNs }) =>
      oldestBornNs > atNs ? 0 : Math.max(1, lifeClass(atNs - oldestBornNs)),
    ),
  );
  packer.add(
    'pages.package',
    'u16',
    notes.map(({ key }) => key + 1),
  );
  if (pageCount === 0) return null;
  return { pagesOfCell, heaps: shown.map((map) => heapFacts(map, pagesOfCell)) };
}

function heapFacts({ low, high, arena, occupancy }: HeapMap, pagesOfCell: number) {
  let [residentPages, emptyPages, sparsePages] = [0, 0, 0];
  for (const one of occupancy) {
    if (one === notResident) continue;
    residentPages++;
    if (one === 0) emptyPages++;
    else if (one < sparseBelow * full) sparsePages++;
  }
  return {
    low,
    high,
    arena: arena.toString(16),
    cellCount: Math.ceil(occupancy.length / pagesOfCell),
    residentPages,
    emptyPages,
    sparsePages,
  };
}
