// The places of the ledger's table: open addressing with linear probing, 32 bytes a slot, half a cache
// line, so that a release over a million live blocks costs one cache miss.
//
// Slot:
//   0  address, low 32
//   1  address, high 16 | size, high 16 << 16
//   2  size, low 32
//   3  row of the stack
//   4  tag: thread index (24) | entry point << 24; 0: never used; below 0: released
//   5  tick, low 32
//   6  tick, high 21 | serial, high 11 << 21
//   7  serial, low 32. Serials number the process's allocations from 0.
//
// A release leaves its slot and the address in it: allocators give the same addresses out again, and then
// the next allocation finds its place at once. Closing the hole instead (moving back what probed over it)
// cost a third of the time over a million live blocks. Slots of addresses that never come back are taken
// out when they are too many.

export const slotInts = 8;
export const slotBytes = 4 * slotInts;
export const releasedTag = -(2 ** 31);

/** Fibonacci hashing: the high bits of the product depend on every bit of the address. */
export function homeOf(low: number, high: number, shift: number): number {
  return Math.imul(low ^ Math.imul(high, 0x2c1b3c6d), 0x9e3779b1) >>> shift;
}

/** Puts what is live into an empty table. */
export function moveLive(old: Int32Array, slots: Int32Array, shift: number): void {
  for (let from = 0; from < old.length; from += slotInts) {
    if (old[from + 4]! > 0) copySlot(old, from, slots, freePlace(old, from, slots, shift));
  }
}

/**
 * Takes out what is released, in place: from behind an empty slot on, each live one moves to the first
 * free place at or behind its home. Those before it stand already, so it never moves onward.
 */
export function purgeReleased(slots: Int32Array, shift: number): void {
  let start = 0;
  while (slots[start + 4] !== 0) start += slotInts;
  const end = slots.length;
  for (let at = start + slotInts; at !== start; at += slotInts) {
    if (at === end) {
      at = -slotInts;
      continue;
    }
    const tag = slots[at + 4]!;
    if (tag === 0) continue;
    slots[at + 4] = 0;
    if (tag < 0) continue;
    const to = freePlace(slots, at, slots, shift);
    if (to !== at) copySlot(slots, at, slots, to);
    slots[to + 4] = tag;
  }
}

function freePlace(of: Int32Array, from: number, slots: Int32Array, shift: number): number {
  let to = homeOf(of[from]!, of[from + 1]! & 0xffff, shift) * slotInts;
  while (slots[to + 4] !== 0) {
    to += slotInts;
    if (to === slots.length) to = 0;
  }
  return to;
}

/** Written out: a loop over the words takes half as long again. */
function copySlot(of: Int32Array, from: number, slots: Int32Array, to: number): void {
  slots[to] = of[from]!;
  slots[to + 1] = of[from + 1]!;
  slots[to + 2] = of[from + 2]!;
  slots[to + 3] = of[from + 3]!;
  slots[to + 4] = of[from + 4]!;
  slots[to + 5] = of[from + 5]!;
  slots[to + 6] = of[from + 6]!;
  slots[to + 7] = of[from + 7]!;
}
