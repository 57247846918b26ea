// The (stack, size) pairs of one chunk of events, numbered from 1 in order of first use. Open
// addressing; a slot counts when its stamp is this chunk's, so clearing costs nothing.

export class PairTable {
  private count = 0;
  private stamp = 1;
  private capacity = 0;
  private shift = 32;
  private stamps = new Uint32Array(0);
  private stacks = new Uint32Array(0);
  private sizesLow = new Uint32Array(0);
  private sizesHigh = new Uint32Array(0);
  private numbers = new Uint32Array(0);

  constructor() {
    this.allocate(1 << 10);
  }

  clear(): void {
    this.count = 0;
    this.stamp++;
  }

  /** The pair's number; 0 when it is new, and then it is added. */
  find(stack: number, sizeLow: number, sizeHigh: number): number {
    const { stamps, stamp } = this;
    let at = this.homeOf(stack, sizeLow);
    while (stamps[at] === stamp) {
      if (
        this.stacks[at] === stack &&
        this.sizesLow[at] === sizeLow &&
        this.sizesHigh[at] === sizeHigh
      )
        return this.numbers[at]!;
      at = (at + 1) & (this.capacity - 1);
    }
    this.put(at, stack, sizeLow, sizeHigh, ++this.count);
    if (this.count > this.capacity / 2) this.grow();
    return 0;
  }

  private homeOf(stack: number, sizeLow: number): number {
    return (
      Math.imul(Math.imul(stack, 0x9e3779b1) ^ Math.imul(sizeLow, 0x85ebca6b), 0xc2b2ae35) >>>
      this.shift
    );
  }

  private put(at: number, stack: number, sizeLow: number, sizeHigh: number, number: number): void {
    this.stamps[at] = this.stamp;
    this.stacks[at] = stack;
    this.sizesLow[at] = sizeLow;
    this.sizesHigh[at] = sizeHigh;
    this.numbers[at] = number;
  }

  private grow(): void {
    const { stamps, stacks, sizesLow, sizesHigh, numbers, stamp, capacity } = this;
    this.allocate(2 * capacity);
    for (let from = 0; from < capacity; from++) {
      if (stamps[from] !== stamp) continue;
      let at = this.homeOf(stacks[from]!, sizesLow[from]!);
      while (this.stamps[at] === stamp) at = (at + 1) & (this.capacity - 1);
      this.put(at, stacks[from]!, sizesLow[from]!, sizesHigh[from]!, numbers[from]!);
    }
  }

  private allocate(capacity: number): void {
    this.capacity = capacity;
    this.shift = 32 - Math.log2(capacity);
    this.stamps = new Uint32Array(capacity);
    this.stacks = new Uint32Array(capacity);
    this.sizesLow = new Uint32Array(capacity);
    this.sizesHigh = new Uint32Array(capacity);
    this.numbers = new Uint32Array(capacity);
  }
}
