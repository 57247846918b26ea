// Guesses where an allocation lands, as allocators reuse memory: the last released blocks of the same
// size class on the same thread first (glibc's tcache is a stack of them), else right behind the last
// block that was carved from fresh memory. The encoder has its equal (src/native/src/encode/predictor.rs)
// and feeds it the same events.

/** How an allocation's address is written. 0 to depth - 1: that many releases ago. */
export const Placement = { fresh: 16, delta16: 17, delta: 18 } as const;

const depth = 16;
const threads = 64;
const classes = 128;

export class AddressPredictor {
  // Lists get their places when they are first used: few of all thread and class pairs are.
  private readonly placeOf = new Uint16Array(threads * classes);
  private listCount = 0;
  private low = new Int32Array(64 * depth);
  private high = new Int32Array(64 * depth);
  /** Where the next release goes in each ring of `depth` places. */
  private readonly next = new Uint8Array(threads * classes + 1);
  private readonly freshAddress = new Float64Array(threads);

  /** The list in which a release of this size is remembered, or looked for. */
  list(threadIndex: number, sizeLow: number, sizeHigh: number): number {
    const key =
      (threadIndex & (threads - 1)) * classes + (sizeHigh === 0 ? sizeClass(sizeLow) : classes - 1);
    const place = this.placeOf[key]!;
    return place !== 0 ? place : this.addList(key);
  }

  released(list: number, low: number, high: number): void {
    const at = this.next[list]!;
    this.low[list * depth + at] = low;
    this.high[list * depth + at] = high;
    this.next[list] = (at + 1) & (depth - 1);
  }

  lowAt(list: number, age: number): number {
    return this.low[list * depth + ((this.next[list]! - 1 - age) & (depth - 1))]! >>> 0;
  }

  highAt(list: number, age: number): number {
    return this.high[list * depth + ((this.next[list]! - 1 - age) & (depth - 1))]! >>> 0;
  }

  /** Takes it out: what was released before it moves up. */
  take(list: number, age: number): void {
    const start = list * depth;
    const top = this.next[list]!;
    // Mostly age is 0, and nothing moves.
    for (let i = age; i > 0; i--) {
      const to = start + ((top - 1 - i) & (depth - 1));
      const from = start + ((top - i) & (depth - 1));
      this.low[to] = this.low[from]!;
      this.high[to] = this.high[from]!;
    }
    this.next[list] = (top - 1) & (depth - 1);
    const freed = start + ((top - 1) & (depth - 1));
    this.low[freed] = 0;
    this.high[freed] = 0;
  }

  fresh(threadIndex: number): number {
    return this.freshAddress[threadIndex & (threads - 1)]!;
  }

  private addList(key: number): number {
    const place = ++this.listCount;
    this.placeOf[key] = place;
    if ((place + 1) * depth > this.low.length) {
      const low = new Int32Array(2 * this.low.length);
      const high = new Int32Array(2 * this.low.length);
      low.set(this.low);
      high.set(this.high);
      this.low = low;
      this.high = high;
    }
    return place;
  }

  /** A block was carved here: the next may follow it, 16 bytes aligned with 8 bytes of header. */
  carved(threadIndex: number, address: number, sizeBytes: number): void {
    const chunk = sizeBytes <= 24 ? 32 : Math.ceil((sizeBytes + 8) / 16) * 16;
    this.freshAddress[threadIndex & (threads - 1)] = address + chunk;
  }
}

/** 16 bytes a class up to 1 KiB as in glibc's tcache, then four classes a power of two. */
function sizeClass(size: number): number {
  if (size <= 24) return 0;
  if (size <= 1032) return (size - 9) >>> 4;
  const log = 31 - Math.clz32(size);
  return Math.min(64 + (log - 10) * 4 + ((size >>> (log - 2)) & 3), classes - 2);
}
