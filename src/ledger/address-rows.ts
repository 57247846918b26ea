// From addresses to rows of a table, where several rows may have one address: open addressing with linear
// probing, closed up at each removal.

const maxLoad = 0.6;

export class AddressRows {
  private slots = new Int32Array(64);
  private mask = 63;
  private used = 0;
  /** The caller's column, by row. */
  private readonly addressOf: (row: number) => number;

  constructor(addressOf: (row: number) => number) {
    this.addressOf = addressOf;
  }

  add(row: number): void {
    if (this.used + 1 > this.slots.length * maxLoad) this.grow();
    this.put(row);
    this.used++;
  }

  remove(row: number): void {
    const { slots, mask } = this;
    let at = this.home(this.addressOf(row));
    while (slots[at] !== row + 1) {
      if (slots[at] === 0) return;
      at = (at + 1) & mask;
    }
    this.used--;
    // Those behind that probed over it move up, as far as their homes allow.
    for (let next = (at + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
      const home = this.home(this.addressOf(slots[next]! - 1));
      if (((next - home) & mask) < ((next - at) & mask)) continue;
      slots[at] = slots[next]!;
      at = next;
    }
    slots[at] = 0;
  }

  /** The first row with the address for which `fits` holds; -1: none. */
  find(address: number, fits: (row: number) => boolean): number {
    const { slots, mask } = this;
    for (let at = this.home(address); slots[at] !== 0; at = (at + 1) & mask) {
      const row = slots[at]! - 1;
      if (this.addressOf(row) === address && fits(row)) return row;
    }
    return -1;
  }

  private home(address: number): number {
    const high = Math.floor(address / 2 ** 32);
    const mixed = Math.imul((address >>> 0) ^ Math.imul(high, 0x2c1b3c6d), 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) & this.mask;
  }

  private put(row: number): void {
    let at = this.home(this.addressOf(row));
    while (this.slots[at] !== 0) at = (at + 1) & this.mask;
    this.slots[at] = row + 1;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(2 * old.length);
    this.mask = this.slots.length - 1;
    for (const entry of old) if (entry !== 0) this.put(entry - 1);
  }
}
