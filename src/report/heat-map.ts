// The address space of the allocator's heaps, drawn: a cell is some pages, its shade how much of them live blocks
// fill. Two cells a character where the terminal has colours. Pure: values in, lines out.

import { type HeapMap, notResident } from '../memory/index.js';
import { pageBytes } from '../model/index.js';
import { formatBytes } from './units.js';

/** Without colours: from nothing lives there to full. */
const shades = '░▁▂▃▄▅▆▇█';
const absent = ' ';

export interface HeatMapOptions {
  columns: number;
  /** Truecolor; else characters alone. */
  colours: boolean;
  /** Rows of characters for all heaps together. */
  rows: number;
}

export function* renderHeatMap(
  maps: readonly HeapMap[],
  options: HeatMapOptions,
): Iterable<string> {
  const shown = maps.filter(({ occupancy }) => occupancy.some((one) => one !== notResident));
  const pageCount = shown.reduce((sum, { occupancy }) => sum + occupancy.length, 0);
  if (pageCount === 0) return;
  const cellsOfRow = options.columns;
  const cells = cellsOfRow * options.rows * (options.colours ? 2 : 1);
  const pagesOfCell = Math.max(1, Math.ceil(pageCount / cells));
  for (const { low, high, occupancy } of shown) {
    yield `0x${low.toString(16)}, ${formatBytes(high - low)}, ${pagesOfCell === 1 ? 'a page' : `${pagesOfCell} pages`} (${formatBytes(pagesOfCell * pageBytes)}) a cell`;
    const shares = cellShares(occupancy, pagesOfCell);
    if (options.colours) yield* coloured(shares, cellsOfRow);
    else yield* plain(shares, cellsOfRow);
  }
}

/** 0 to 1 of the resident pages of each cell; null: none is resident. */
export function cellShares(occupancy: Uint8Array, pagesOfCell: number): (number | null)[] {
  const shares: (number | null)[] = [];
  for (let at = 0; at < occupancy.length; at += pagesOfCell) {
    let sum = 0;
    let count = 0;
    for (const one of occupancy.subarray(at, at + pagesOfCell)) {
      if (one === notResident) continue;
      sum += one / 250;
      count++;
    }
    shares.push(count === 0 ? null : sum / count);
  }
  return shares;
}

function* plain(shares: readonly (number | null)[], width: number): Iterable<string> {
  for (let at = 0; at < shares.length; at += width) {
    let line = '';
    for (const share of shares.slice(at, at + width))
      line += share === null ? absent : shades[Math.min(8, Math.ceil(share * 8))];
    yield line.trimEnd() === '' ? '' : line;
  }
}

function* coloured(shares: readonly (number | null)[], width: number): Iterable<string> {
  for (let at = 0; at < shares.length; at += 2 * width) {
    let line = '';
    for (let column = 0; column < width && at + column < shares.length; column++) {
      const upper = shares[at + column] ?? null;
      const lower = shares[at + width + column] ?? null;
      if (upper === null && lower === null) line += '\x1b[0m ';
      else if (upper === null) line += `\x1b[0m\x1b[38;2;${colourOf(lower as number)}m▄`;
      else if (lower === null) line += `\x1b[0m\x1b[38;2;${colourOf(upper)}m▀`;
      else line += `\x1b[38;2;${colourOf(upper)}m\x1b[48;2;${colourOf(lower)}m▀`;
    }
    yield `${line}\x1b[0m`;
  }
}

/** Red where little lives on resident pages, over yellow to green where they are full. */
function colourOf(share: number): string {
  const red = Math.round(share < 0.5 ? 214 : 214 - (share - 0.5) * 2 * 160);
  const green = Math.round(share < 0.5 ? 50 + share * 2 * 120 : 170);
  return `${red};${green};60`;
}
