// The memory of one pool, as the program told it: ranges by address. They may overlap: nobody checks what a
// program says.
import type { Address } from '../model/index.js';

export interface Memory {
  address: number;
  sizeBytes: number;
}

export class PoolRanges {
  private readonly ranges: Memory[] = [];
  /** Where the last block lay. */
  private last: Memory | null = null;

  add(memory: Memory): void {
    if (memory.address === 0 || !(memory.sizeBytes > 0)) return;
    this.ranges.splice(this.after(memory.address), 0, memory);
  }

  /** True as well where the program told of no memory. */
  holds(address: number, sizeBytes: number): boolean {
    if (this.ranges.length === 0) return true;
    const isIn = (range: Memory | null | undefined): range is Memory =>
      range !== null &&
      range !== undefined &&
      address >= range.address &&
      address + sizeBytes <= range.address + range.sizeBytes;
    if (isIn(this.last)) return true;
    const range = this.ranges[this.after(address) - 1];
    if (!isIn(range)) return false;
    this.last = range;
    return true;
  }

  list(): { address: Address; sizeBytes: number }[] {
    return this.ranges.map(({ address, sizeBytes }) => ({
      address: address as Address,
      sizeBytes,
    }));
  }

  /** How many ranges begin at or before the address. */
  private after(address: number): number {
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ranges[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
