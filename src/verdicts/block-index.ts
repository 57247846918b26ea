// Which live block an address lies in. Pure.
import type { LiveSet } from '../model/index.js';

export class BlockIndex {
  private readonly live: Pick<LiveSet, 'count' | 'address' | 'sizeBytes'>;
  /** Rows by address. */
  private readonly rows: Uint32Array;
  private readonly starts: Float64Array;

  constructor(live: Pick<LiveSet, 'count' | 'address' | 'sizeBytes'>) {
    this.live = live;
    const { count, address } = live;
    this.rows = new Uint32Array(count);
    for (let row = 0; row < count; row++) this.rows[row] = row;
    this.rows.sort((a, b) => address[a] - address[b]);
    this.starts = Float64Array.from(this.rows, (row) => address[row]);
  }

  /** The row of the block that holds the address; a block of no bytes holds its own. -1: none. */
  rowAt(address: number): number {
    const { starts } = this;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (starts[middle] <= address) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return -1;
    const row = this.rows[low - 1];
    return address < starts[low - 1] + Math.max(this.live.sizeBytes[row], 1) ? row : -1;
  }
}
