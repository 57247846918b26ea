// Live blocks of pools in columns, each in the list of its pool.
import { grown } from './columns.js';

export interface NewRow {
  address: number;
  sizeBytes: number;
  threadIndex: number;
  tick: number;
  isIgnored: boolean;
  site: number;
  serial: number;
}

export class PoolRows {
  private capacity = 256;
  private limit = 0;
  private freeRow = -1;
  private liveCount = 0;
  address = new Float64Array(this.capacity);
  sizeBytes = new Float64Array(this.capacity);
  site = new Uint32Array(this.capacity);
  threadIndex = new Uint32Array(this.capacity);
  tick = new Float64Array(this.capacity);
  /** -1: free. */
  serial = new Float64Array(this.capacity);
  typeId = new Uint32Array(this.capacity);
  isIgnored = new Uint8Array(this.capacity);
  next = new Int32Array(this.capacity);
  private previous = new Int32Array(this.capacity);

  take(made: NewRow): number {
    let row = this.freeRow;
    if (row >= 0) this.freeRow = this.next[row]!;
    else row = this.limit++;
    if (row >= this.capacity) this.grow();
    this.address[row] = made.address;
    this.sizeBytes[row] = made.sizeBytes;
    this.site[row] = made.site;
    this.threadIndex[row] = made.threadIndex;
    this.tick[row] = made.tick;
    this.serial[row] = made.serial;
    this.typeId[row] = 0;
    this.isIgnored[row] = made.isIgnored ? 1 : 0;
    this.liveCount++;
    return row;
  }

  /** Puts it before `first`, the head of its list; -1: there is none. */
  link(row: number, first: number): void {
    this.next[row] = first;
    this.previous[row] = -1;
    if (first >= 0) this.previous[first] = row;
  }

  /** The list's head, if it was that, is for the caller to move. */
  drop(row: number): void {
    const next = this.next[row]!;
    const previous = this.previous[row]!;
    if (next >= 0) this.previous[next] = previous;
    if (previous >= 0) this.next[previous] = next;
    this.serial[row] = -1;
    this.next[row] = this.freeRow;
    this.freeRow = row;
    this.liveCount--;
  }

  inOrder(): Uint32Array {
    const found = new Uint32Array(this.liveCount);
    let count = 0;
    for (let row = 0; row < this.limit; row++) if (this.serial[row]! >= 0) found[count++] = row;
    return found.sort((a, b) => this.serial[a]! - this.serial[b]!);
  }

  private grow(): void {
    this.capacity *= 2;
    const { capacity } = this;
    this.address = grown(this.address, new Float64Array(capacity));
    this.sizeBytes = grown(this.sizeBytes, new Float64Array(capacity));
    this.site = grown(this.site, new Uint32Array(capacity));
    this.threadIndex = grown(this.threadIndex, new Uint32Array(capacity));
    this.tick = grown(this.tick, new Float64Array(capacity));
    this.serial = grown(this.serial, new Float64Array(capacity));
    this.typeId = grown(this.typeId, new Uint32Array(capacity));
    this.isIgnored = grown(this.isIgnored, new Uint8Array(capacity));
    this.next = grown(this.next, new Int32Array(capacity));
    this.previous = grown(this.previous, new Int32Array(capacity));
  }
}
