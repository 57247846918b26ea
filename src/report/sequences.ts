// Numbers for sequences of numbers: equal sequences have equal numbers. A sequence is the one without its
// last element, and that element, so a step is one look-up in a flat table; joined strings took three
// times as long. Pure; imports nothing.

const startSlots = 1 << 12;
const slotWords = 3;

export class Sequences {
  static readonly empty = 0;
  /** Slots of (sequence before, element, sequence); 0 in the last: free. */
  #table = new Int32Array(startSlots * slotWords);
  #count = 0;

  /** The sequence with one more element. Elements are whole numbers from 0 to 2^31 - 1. */
  with(sequence: number, element: number): number {
    const at = slotOf(this.#table, sequence, element);
    const known = this.#table[at + 2];
    if (known !== 0) return known;
    this.#table[at] = sequence;
    this.#table[at + 1] = element;
    const made = ++this.#count;
    this.#table[at + 2] = made;
    if (this.#count * 2 > this.#table.length / slotWords) this.#grow();
    return made;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Int32Array(old.length * 2);
    for (let at = 0; at < old.length; at += slotWords) {
      if (old[at + 2] === 0) continue;
      const to = slotOf(this.#table, old[at], old[at + 1]);
      this.#table[to] = old[at];
      this.#table[to + 1] = old[at + 1];
      this.#table[to + 2] = old[at + 2];
    }
  }
}

/** Where the pair is, or where it would go. Linear probing; the number of slots is a power of two. */
function slotOf(table: Int32Array, sequence: number, element: number): number {
  const mask = table.length / slotWords - 1;
  let hash = Math.imul(sequence, 0x9e3779b1) ^ Math.imul(element, 0x85ebca6b);
  hash ^= hash >>> 15;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const at = slot * slotWords;
    if (table[at + 2] === 0 || (table[at] === sequence && table[at + 1] === element)) return at;
  }
}
