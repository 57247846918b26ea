// The (stack, size) pairs of one chunk of events, numbered from 1 in order of first use. Open
// addressing; a slot counts when its stamp is this chunk's, so clearing costs nothing.
//
// Slot of 8 ints, in one cache line: stamp, stack, size low, size high, number.

const slotInts = 8;

export class PairTable {
  private count = 0;
  private stamp = 1;
  private capacity = 1 << 8;
  private shift = 32 - Math.log2(this.capacity);
  private slots = new Int32Array(this.capacity * slotInts);

  clear(): void {
    this.count = 0;
    this.stamp++;
  }

  /** The pair's number; 0 when it is new, and then it is added. */
  find(stack: number, sizeLow: number, sizeHigh: number): number {
    const { slots, stamp } = this;
    let at = homeOf(stack, sizeLow, this.shift) * slotInts;
    while (slots[at] === stamp) {
      if (
        slots[at + 1] === (stack | 0) &&
        slots[at + 2] === (sizeLow | 0) &&
        slots[at + 3] === (sizeHigh | 0)
      )
        return slots[at + 4]!;
      at = (at + slotInts) & (slots.length - 1);
    }
    slots[at] = stamp;
    slots[at + 1] = stack;
    slots[at + 2] = sizeLow;
    slots[at + 3] = sizeHigh;
    slots[at + 4] = ++this.count;
    if (this.count > this.capacity / 2) this.grow();
    return 0;
  }

  private grow(): void {
    const old = this.slots;
    this.capacity *= 2;
    this.shift--;
    this.slots = new Int32Array(this.capacity * slotInts);
    for (let from = 0; from < old.length; from += slotInts) {
      if (old[from] !== this.stamp) continue;
      let at = homeOf(old[from + 1]!, old[from + 2]!, this.shift) * slotInts;
      while (this.slots[at] === this.stamp) at = (at + slotInts) & (this.slots.length - 1);
      this.slots.set(old.subarray(from, from + slotInts), at);
    }
  }
}

function homeOf(stack: number, sizeLow: number, shift: number): number {
  return (
    Math.imul(Math.imul(stack, 0x9e3779b1) ^ Math.imul(sizeLow, 0x85ebca6b), 0xc2b2ae35) >>> shift
  );
}
