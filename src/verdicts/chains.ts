// From each block along its referrers to the block that a root itself holds. Pure.

export interface Roots {
  /** Row of the block at the chain's end, itself where a root holds it; -1: the chain runs in a circle. */
  head: Int32Array;
  /** Rows so that a block comes after the one that refers to it; blocks in circles are left out. */
  order: Uint32Array;
}

/** `referrerBlock`: -1 where a root holds the block. Rows out of range count as a root: nothing is known there. */
export function findRoots(referrerBlock: Int32Array): Roots {
  const count = referrerBlock.length;
  const unknown = -2;
  const walking = -3;
  const head = new Int32Array(count).fill(unknown);
  const order = new Uint32Array(count);
  let ordered = 0;
  const chain = new Uint32Array(count);
  for (let start = 0; start < count; start++) {
    let length = 0;
    let row = start;
    while (head[row] === unknown) {
      head[row] = walking;
      chain[length++] = row;
      const next = referrerBlock[row];
      if (next < 0 || next >= count) break;
      row = next;
    }
    if (length === 0) continue;
    const last = chain[length - 1];
    const next = referrerBlock[last];
    const isRoot = next < 0 || next >= count;
    // A chain that met itself is a circle, and so is everything that leads into it.
    const found = isRoot ? last : head[next] === walking ? -1 : head[next];
    while (length > 0) {
      const one = chain[--length];
      head[one] = found;
      if (found >= 0) order[ordered++] = one;
    }
  }
  return { head, order: order.subarray(0, ordered) };
}
