// Counts and bytes by a key of two 32-bit words: the sums that a pass over millions of events keeps.
// Must not import anything.

const maxLoad = 0.6;

export class SumTable {
  count = 0;
  /** Rows in order of their first add. */
  high: Int32Array;
  low: Int32Array;
  blockCount: Float64Array;
  sizeBytes: Float64Array;
  #capacity: number;
  #slots: Int32Array;

  constructor(capacity = 1024) {
    this.#capacity = capacity;
    // Row + 1; 0: free.
    this.#slots = new Int32Array(capacity);
    const rows = Math.ceil(capacity * maxLoad) + 1;
    this.high = new Int32Array(rows);
    this.low = new Int32Array(rows);
    this.blockCount = new Float64Array(rows);
    this.sizeBytes = new Float64Array(rows);
  }

  add(high: number, low: number, blockCount: number, sizeBytes: number): void {
    const mask = this.#capacity - 1;
    let at = Math.imul(Math.imul(high, 0x9e3779b1) ^ low, 0x85ebca6b);
    at = (at ^ (at >>> 15)) & mask;
    for (;;) {
      const row = this.#slots[at]! - 1;
      if (row < 0) break;
      if (this.high[row] === high && this.low[row] === low) {
        this.blockCount[row]! += blockCount;
        this.sizeBytes[row]! += sizeBytes;
        return;
      }
      at = (at + 1) & mask;
    }
    const row = this.count++;
    this.#slots[at] = row + 1;
    this.high[row] = high;
    this.low[row] = low;
    this.blockCount[row] = blockCount;
    this.sizeBytes[row] = sizeBytes;
    if (this.count > this.#capacity * maxLoad) this.#grow();
  }

  /** Rows in order of their keys, which makes columns that compress well. */
  sorted(): Uint32Array {
    const order = new Uint32Array(this.count);
    for (let row = 0; row < order.length; row++) order[row] = row;
    const { high, low } = this;
    return order.sort((a, b) => high[a]! - high[b]! || low[a]! - low[b]!);
  }

  #grow(): void {
    const { high, low, blockCount, sizeBytes, count } = this;
    const grown = new SumTable(2 * this.#capacity);
    for (let row = 0; row < count; row++)
      grown.add(high[row]!, low[row]!, blockCount[row]!, sizeBytes[row]!);
    this.high = grown.high;
    this.low = grown.low;
    this.blockCount = grown.blockCount;
    this.sizeBytes = grown.sizeBytes;
    this.#slots = grown.#slots;
    this.#capacity = grown.#capacity;
  }
}
