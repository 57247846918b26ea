// Numbers for sequences of numbers: equal sequences have equal numbers. A sequence is the one without its
// last element, and that element, so a step is one look-up in a flat table; joined strings took three
// times as long, and a Map of such pairs several times the memory. Must not import anything.

const startCapacity = 1 << 11;
/** Slots for each sequence: a power of two. */
const slotsEach = 2;

export class Sequences {
  static readonly empty = 0;
  /** By number: the sequence before, and the last element. */
  #before = new Int32Array(startCapacity);
  #element = new Int32Array(startCapacity);
  /** The number; 0: free. Linear probing. */
  #slots = new Int32Array(startCapacity * slotsEach);
  #count = 1;

  /** With the empty one. */
  get count(): number {
    return this.#count;
  }

  /** Columns by number, the empty one's row included; they are good until the next with(). */
  get before(): Int32Array {
    return this.#before.subarray(0, this.#count);
  }

  get element(): Int32Array {
    return this.#element.subarray(0, this.#count);
  }

  /**
   * The sequence with one more element; one that is new has the next number, from 1 on. Elements are whole numbers from
   * 0 to 2^31 - 1.
   */
  with(sequence: number, element: number): number {
    const slot = this.#slotOf(sequence, element);
    const known = this.#slots[slot]!;
    if (known !== 0) return known;
    const made = this.#count++;
    this.#before[made] = sequence;
    this.#element[made] = element;
    this.#slots[slot] = made;
    if (this.#count === this.#before.length) this.#grow();
    return made;
  }

  /** Where the pair is, or where it would go. */
  #slotOf(sequence: number, element: number): number {
    const mask = this.#slots.length - 1;
    let hash = Math.imul(sequence, 0x9e3779b1) ^ Math.imul(element, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const known = this.#slots[slot]!;
      if (known === 0 || (this.#before[known] === sequence && this.#element[known] === element))
        return slot;
    }
  }

  #grow(): void {
    const capacity = this.#before.length * 2;
    this.#before = grown(this.#before, capacity);
    this.#element = grown(this.#element, capacity);
    this.#slots = new Int32Array(capacity * slotsEach);
    for (let number = 1; number < this.#count; number++)
      this.#slots[this.#slotOf(this.#before[number]!, this.#element[number]!)] = number;
  }
}

function grown(column: Int32Array, capacity: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(capacity);
  larger.set(column);
  return larger;
}
