// Ranges of addresses in order: where to look for one. Must not import anything.

/**
 * Index of the first item that ends above the address, or the length: the item that holds the address is this
 * one, or none is. Items lie in order of address and do not overlap.
 */
export function firstEndingAfter<Item>(
  items: readonly Item[],
  address: number,
  endOf: (item: Item) => number,
): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (endOf(items[middle]!) <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface AddressRange {
  low: number;
  high: number;
}

export const highOf = ({ high }: AddressRange): number => high;

/** The range that holds the address. */
export function rangeAt<Range extends AddressRange>(
  ranges: readonly Range[],
  address: number,
): Range | null {
  const found = ranges[firstEndingAfter(ranges, address, highOf)];
  return found !== undefined && found.low <= address ? found : null;
}

/** In order of address, cut where they overlap: the earlier one of two keeps its whole length. */
export function apart<Range extends AddressRange>(ranges: readonly Range[]): Range[] {
  const kept: Range[] = [];
  let end = 0;
  for (const range of [...ranges].sort((a, b) => a.low - b.low)) {
    const low = Math.max(range.low, end);
    if (low >= range.high) continue;
    kept.push({ ...range, low });
    end = range.high;
  }
  return kept;
}
