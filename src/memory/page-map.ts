// Which pages are resident, by address. Pure.
import { type PageRange, pageBytes } from '../model/index.js';
import { firstEndingAfter, highOf, rangeAt } from '../ranges.js';

const bitCounts = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});

export class PageMap {
  readonly #ranges: readonly PageRange[];

  /** Ranges by address, apart from each other. */
  constructor(ranges: readonly PageRange[]) {
    this.#ranges = ranges;
  }

  /** Bytes of [low, high) on resident pages. What no range covers is not known to be resident: 0. */
  residentBytes(low: number, high: number): number {
    let total = 0;
    for (let at = firstEndingAfter(this.#ranges, low, highOf); at < this.#ranges.length; at++) {
      const range = this.#ranges[at]!;
      if (range.low >= high) break;
      total += residentIn(range, Math.max(low, range.low), Math.min(high, range.high));
    }
    return total;
  }

  isResident(address: number): boolean {
    const range = rangeAt(this.#ranges, address);
    if (range === null) return false;
    const page = Math.floor((address - range.low) / pageBytes);
    return ((range.bits[page >>> 3]! >>> (page & 7)) & 1) !== 0;
  }
}

function residentIn({ low: start, bits }: PageRange, low: number, high: number): number {
  const isThere = (page: number) => ((bits[page >>> 3]! >>> (page & 7)) & 1) !== 0;
  let page = Math.floor((low - start) / pageBytes);
  const lastPage = Math.floor((high - 1 - start) / pageBytes);
  if (page === lastPage) return isThere(page) ? high - low : 0;
  let total = isThere(page) ? start + (page + 1) * pageBytes - low : 0;
  if (isThere(lastPage)) total += high - (start + lastPage * pageBytes);
  page++;
  // Whole pages in between, by eights where they fill a byte.
  while (page < lastPage) {
    if ((page & 7) === 0 && page + 8 <= lastPage) {
      total += bitCounts[bits[page >>> 3]!]! * pageBytes;
      page += 8;
    } else {
      if (isThere(page)) total += pageBytes;
      page++;
    }
  }
  return total;
}
