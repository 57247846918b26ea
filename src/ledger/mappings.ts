// Ranges that the process mapped: kept apart from blocks, because they are split, trimmed and mapped
// over page by page. A program has few of them, so plain objects in a sorted list do.
import type { Address, Mapping, StackId } from '../model/index.js';
import { firstEndingAfter } from '../ranges.js';

interface Range {
  address: number;
  sizeBytes: number;
  stackId: number;
  bornTick: number;
  prot: number;
  flags: number;
}

const endOf = ({ address, sizeBytes }: Range): number => address + sizeBytes;

export class Mappings {
  /** Sorted by address, never overlapping. */
  private ranges: Range[] = [];

  /** Maps over whatever is there: MAP_FIXED. */
  map(
    address: number,
    sizeBytes: number,
    facts: { stackId: number; bornTick: number; prot: number; flags: number },
  ): void {
    if (!(sizeBytes > 0)) return;
    this.unmap(address, sizeBytes);
    this.ranges.splice(firstEndingAfter(this.ranges, address, endOf), 0, {
      address,
      sizeBytes,
      ...facts,
    });
  }

  /** Takes the range out, splitting what it cuts. */
  unmap(address: number, sizeBytes: number): void {
    if (!(sizeBytes > 0)) return;
    const end = address + sizeBytes;
    const first = firstEndingAfter(this.ranges, address, endOf);
    let last = first;
    const rest: Range[] = [];
    for (; last < this.ranges.length && this.ranges[last]!.address < end; last++) {
      const range = this.ranges[last]!;
      const rangeEnd = range.address + range.sizeBytes;
      if (range.address < address) rest.push({ ...range, sizeBytes: address - range.address });
      if (rangeEnd > end) rest.push({ ...range, address: end, sizeBytes: rangeEnd - end });
    }
    this.ranges.splice(first, last - first, ...rest);
  }

  /** mremap: the pages keep their protection and flags; the place is new. */
  remap(
    oldAddress: number,
    oldBytes: number,
    newAddress: number,
    newBytes: number,
    stackId: number,
    bornTick: number,
  ): void {
    const old = this.ranges[firstEndingAfter(this.ranges, oldAddress, endOf)];
    const known = old !== undefined && old.address <= oldAddress ? old : { prot: 0, flags: 0 };
    const { prot, flags } = known;
    this.unmap(oldAddress, oldBytes);
    this.map(newAddress, newBytes, { stackId, bornTick, prot, flags });
  }

  /** Whether all of it is mapped. */
  holds(address: number, sizeBytes: number): boolean {
    const end = address + Math.max(sizeBytes, 1);
    let at = firstEndingAfter(this.ranges, address, endOf);
    for (let from = address; from < end; at++) {
      const range = this.ranges[at];
      if (range === undefined || range.address > from) return false;
      from = range.address + range.sizeBytes;
    }
    return true;
  }

  list(nsPerTick: number): Mapping[] {
    return this.ranges.map(({ address, sizeBytes, stackId, bornTick, prot, flags }) => ({
      address: address as Address,
      sizeBytes,
      stackId: stackId as StackId,
      bornNs: bornTick * nsPerTick,
      prot,
      flags,
    }));
  }
}
