// The cells of the heaps' map: where each is drawn, and in which colour. Nothing here touches the page.
import type { PageData } from '../../html/page-data.js';
import type { MapFacts } from '../../html/report-data.js';

export const notResident = 255;
const full = 250;
export const pageBytes = 4096;

/** Rows of cells, heap after heap; each heap begins a row. */
export interface MapLayout {
  columns: number;
  /** Cells of the report that are drawn as one. */
  merged: number;
  /** Pixels. */
  cell: number;
  heaps: HeapLayout[];
  height: number;
  /** Drawn cells. */
  count: number;
}

interface HeapLayout {
  /** Of the report's cells; of drawn ones; how many are drawn. */
  firstCell: number;
  first: number;
  count: number;
  top: number;
}

const mostHeight = 460;
const gap = 6;

/** Cells as large as have room; where even the smallest have none, several become one. */
export function layoutMap(map: MapFacts, width: number): MapLayout {
  for (const cell of [10, 6, 5]) {
    const layout = layoutWith(map, width, cell, 1);
    if (layout.height <= mostHeight) return layout;
  }
  for (let merged = 1; ; merged *= 2) {
    const layout = layoutWith(map, width, 4, merged);
    // Many small heaps may be too high whatever is done: each has a row.
    if (layout.height <= mostHeight || merged >= 1 << 16) return layout;
  }
}

function layoutWith(map: MapFacts, width: number, cell: number, merged: number): MapLayout {
  const columns = Math.max(1, Math.floor(width / cell));
  const heaps: HeapLayout[] = [];
  let [firstCell, first, top] = [0, 0, 0];
  for (const { cellCount } of map.heaps) {
    const count = Math.ceil(cellCount / merged);
    heaps.push({ firstCell, first, count, top });
    firstCell += cellCount;
    first += count;
    top += Math.ceil(count / columns) * cell + gap;
  }
  const height = Math.max(cell, top - gap);
  return { columns, merged, cell, heaps, height, count: first };
}

/** Row of `heaps` that a drawn cell is in. */
export function heapOfCell({ heaps }: MapLayout, at: number): number {
  let [low, high] = [0, heaps.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (heaps[middle]!.first <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function placeOfCell(layout: MapLayout, at: number): { x: number; y: number } {
  const { top, first } = layout.heaps[heapOfCell(layout, at)]!;
  const within = at - first;
  return {
    x: (within % layout.columns) * layout.cell,
    y: top + Math.floor(within / layout.columns) * layout.cell,
  };
}

/** -1: between heaps, or beyond one's end. */
export function cellAt(layout: MapLayout, x: number, y: number): number {
  const column = Math.floor(x / layout.cell);
  if (column < 0 || column >= layout.columns) return -1;
  for (const heap of layout.heaps) {
    const row = Math.floor((y - heap.top) / layout.cell);
    if (row < 0) return -1;
    const within = row * layout.columns + column;
    if (row * layout.columns < heap.count) return within < heap.count ? heap.first + within : -1;
  }
  return -1;
}

export interface CellFacts {
  heap: number;
  low: number;
  high: number;
  /** 0 to 1, of the resident pages; null: none is resident. */
  share: number | null;
  /** As in the table `pages`; of merged cells the oldest, and the package of the first that has one. */
  age: number;
  package: number;
}

export function factsOfCell(
  { pages }: PageData,
  map: MapFacts,
  layout: MapLayout,
  at: number,
): CellFacts {
  const heap = heapOfCell(layout, at);
  const { low, high, cellCount } = map.heaps[heap]!;
  const { first, firstCell } = layout.heaps[heap]!;
  const from = (at - first) * layout.merged;
  const to = Math.min(cellCount, from + layout.merged);
  let [sum, known, age, owner] = [0, 0, 0, 0];
  for (let cell = firstCell + from; cell < firstCell + to; cell++) {
    if (pages.occupancy[cell] === notResident) continue;
    sum += pages.occupancy[cell]!;
    known++;
    age = Math.max(age, pages.age[cell]!);
    if (owner === 0) owner = pages.package[cell]!;
  }
  const cellBytes = map.pagesOfCell * pageBytes;
  return {
    heap,
    low: low + from * cellBytes,
    high: Math.min(high, low + to * cellBytes),
    share: known === 0 ? null : sum / known / full,
    age,
    package: owner,
  };
}

export const heatNames = [
  'nothing lives there',
  'below 25%',
  '25% to 50%',
  '50% to 75%',
  '75% and more',
] as const;

/** Row of heatNames. */
export const heatStep = (share: number): number =>
  share === 0 ? 0 : 1 + Math.min(3, Math.floor(share * 4));

/** Upper ends of the steps of age: 10^(age/2) ns. */
const ageSteps = [14, 16, 18, 20] as const;
export const ageNames = ['below 10 ms', 'to 100 ms', 'to 1 s', 'to 10 s', 'older'] as const;
export const ageStep = (age: number): number => {
  const step = ageSteps.findIndex((end) => age <= end);
  return step < 0 ? ageSteps.length : step;
};
