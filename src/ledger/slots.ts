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

/** Fibonacci hashing: the high bits of the product depend on every bit of the address. */
export function homeOf(low: number, high: number, shift: number): number {
  return Math.imul(low ^ Math.imul(high, 0x2c1b3c6d), 0x9e3779b1) >>> shift;
}
