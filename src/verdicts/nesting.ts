// Blocks in address order where those of pools may lie in others: outer before inner. Pure.
import type { LiveSet } from '../model/index.js';

export interface Nesting {
  /** Rows by address; what could not be placed is missing. */
  order: Uint32Array;
  /** Of each row the row around it; -1: none. */
  parent: Int32Array;
}

/**
 * A pool's block (rows from `firstPoolRow` on) has its place if it lies wholly in another block, or, outside of
 * all, in memory that `isMemory` knows. The others overlap what they should not, or their memory was given back.
 */
export function nest(
  live: Pick<LiveSet, 'count' | 'address' | 'sizeBytes'>,
  firstPoolRow: number,
  isMemory: (address: number, sizeBytes: number) => boolean,
): Nesting {
  const { count, address, sizeBytes } = live;
  const endOf = (row: number) => address[row] + Math.max(sizeBytes[row], 1);
  const sorted = Uint32Array.from({ length: count }, (_, row) => row).sort(
    (a, b) => address[a] - address[b] || sizeBytes[b] - sizeBytes[a] || a - b,
  );
  const parent = new Int32Array(count).fill(-1);
  const isOut = new Uint8Array(count);
  const open: number[] = [];
  for (const row of sorted) {
    while (open.length > 0 && endOf(open[open.length - 1]) <= address[row]) open.pop();
    // A block of malloc in one of a pool: what the program said of the pool's cannot be.
    while (row < firstPoolRow && open.length > 0 && open[open.length - 1] >= firstPoolRow)
      isOut[open.pop() as number] = 1;
    const around = open[open.length - 1];
    if (row >= firstPoolRow) {
      const fits =
        around === undefined
          ? isMemory(address[row], sizeBytes[row])
          : address[row] + sizeBytes[row] <= address[around] + sizeBytes[around];
      if (!fits) {
        isOut[row] = 1;
        continue;
      }
    }
    parent[row] = around ?? -1;
    open.push(row);
  }
  for (let row = firstPoolRow; row < count; row++)
    while (parent[row] >= 0 && isOut[parent[row]] === 1) parent[row] = parent[parent[row]];
  return { order: sorted.filter((row) => isOut[row] === 0), parent };
}
