// Live blocks by allocation serial, while events are decoded: a release names its block by age.
// Open addressing with backward-shift deletion. Serials come in sequence, and where each had its own place most of the
// last thousands stood in one run, through which every deletion had to shift: they are spread (Fibonacci hashing).

const slotInts = 8;
const spread = 0x9e3779b1;

export class SerialTable {
  private slots = new Int32Array(1024 * slotInts);
  private capacity = 1024;
  /** 32 - log2(capacity). */
  private shift = 22;
  private count = 0;

  /** `info`: address low, high, size low, high, stack. */
  add(
    serial: number,
    addressLow: number,
    addressHigh: number,
    sizeLow: number,
    sizeHigh: number,
    stackId: number,
  ): void {
    if (this.count > this.capacity / 2) this.grow();
    const { slots } = this;
    const mask = this.capacity - 1;
    let at = Math.imul(serial, spread) >>> this.shift;
    while (slots[at * slotInts + 1] !== 0) at = (at + 1) & mask;
    const slot = at * slotInts;
    slots[slot] = serial;
    slots[slot + 1] = highWord(serial);
    slots[slot + 2] = addressLow;
    slots[slot + 3] = addressHigh;
    slots[slot + 4] = sizeLow;
    slots[slot + 5] = sizeHigh;
    slots[slot + 6] = stackId;
    this.count++;
  }

  /** Where it is, for word(), until the next call of add() or remove(); -1: unknown. */
  find(serial: number): number {
    const { slots } = this;
    const mask = this.capacity - 1;
    const low = serial | 0;
    const high = highWord(serial);
    let at = Math.imul(low, spread) >>> this.shift;
    while (slots[at * slotInts + 1] !== 0) {
      if (slots[at * slotInts] === low && slots[at * slotInts + 1] === high) return at;
      at = (at + 1) & mask;
    }
    return -1;
  }

  /** 0 address low, 1 high, 2 size low, 3 high, 4 stack. */
  word(at: number, index: number): number {
    return this.slots[at * slotInts + 2 + index]! >>> 0;
  }

  remove(at: number): void {
    const { slots } = this;
    const mask = this.capacity - 1;
    let hole = at;
    let next = (at + 1) & mask;
    while (slots[next * slotInts + 1] !== 0) {
      const home = Math.imul(slots[next * slotInts]!, spread) >>> this.shift;
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        const [from, to] = [next * slotInts, hole * slotInts];
        for (let word = 0; word < slotInts; word++) slots[to + word] = slots[from + word]!;
        hole = next;
      }
      next = (next + 1) & mask;
    }
    slots[hole * slotInts + 1] = 0;
    this.count--;
  }

  private grow(): void {
    const old = this.slots;
    this.capacity *= 2;
    this.shift--;
    this.slots = new Int32Array(this.capacity * slotInts);
    const mask = this.capacity - 1;
    for (let from = 0; from < old.length; from += slotInts) {
      if (old[from + 1] === 0) continue;
      let at = Math.imul(old[from]!, spread) >>> this.shift;
      while (this.slots[at * slotInts + 1] !== 0) at = (at + 1) & mask;
      this.slots.set(old.subarray(from, from + slotInts), at * slotInts);
    }
  }
}

/** Never 0, so that 0 marks an empty slot. */
function highWord(serial: number): number {
  return Math.floor(serial / 2 ** 32) + 1;
}
