// Sites whose functions differ: a caller that was added, inlined away or renamed. Pure.
//
// The rule. Two sites of one owner are alike if their frames can be laid side by side so that
//   - equal functions stand beside each other, or functions of which one is the other's new name: they lie in
//     one file or module, and neither occurs anywhere in the other trace;
//   - where they do not, only one side has frames more: f, g, main and f, h, main are different ways to f as
//     long as g and h both exist, and another way to allocate is another site;
//   - the allocating function is the same, or renamed, with blocks of the same size;
//   - what stands beside its like weighs at least half of all, frames near the allocation weighing more.
// The most alike are matched first; each site once.
import type { FrameNames } from './identity.js';
import type { Matched } from './lines.js';
import type { DiffSite } from './sides.js';

const leastLikeness = 0.5;
/** A renamed function counts half. */
const renamedShare = 0.5;
/** Sites compared with each other, at most: beyond it only those with the same allocating function are. */
const mostPairs = 40_000;

export interface NameUse {
  names: FrameNames;
  /** Of all sites on a side, matched or not. */
  before: ReadonlySet<number>;
  after: ReadonlySet<number>;
}

export function matchLikes(
  before: readonly DiffSite[],
  after: readonly DiffSite[],
  use: NameUse,
): { matched: Matched[]; before: DiffSite[]; after: DiffSite[] } {
  const pairs = candidates(before, after)
    .map(([a, b]) => ({ a, b, likeness: likenessOf(a, b, use) }))
    .filter((one) => one.likeness >= leastLikeness)
    .map((one) => ({ ...one, ...evidence(one.a, one.b, use.names) }))
    .sort(
      (x, y) =>
        y.likeness - x.likeness ||
        Number(y.isSameSize) - Number(x.isSameSize) ||
        x.lineDistance - y.lineDistance ||
        x.countDistance - y.countDistance ||
        x.lineSum - y.lineSum ||
        (x.key < y.key ? -1 : x.key > y.key ? 1 : 0),
    );
  const taken = new Set<DiffSite>();
  const matched: Matched[] = [];
  for (const { a, b } of pairs) {
    if (taken.has(a) || taken.has(b)) continue;
    taken.add(a).add(b);
    matched.push({ before: [a], after: [b], by: 'likeness' });
  }
  const isFree = (site: DiffSite) => !taken.has(site);
  return { matched, before: before.filter(isFree), after: after.filter(isFree) };
}

function candidates(
  before: readonly DiffSite[],
  after: readonly DiffSite[],
): [DiffSite, DiffSite][] {
  const isCheap = before.length * after.length <= mostPairs;
  if (isCheap) return before.flatMap((a) => after.map((b): [DiffSite, DiffSite] => [a, b]));
  const byLeaf = new Map<number, DiffSite[]>();
  for (const b of after) {
    const leaf = b.identity.names[0] ?? -1;
    const others = byLeaf.get(leaf);
    if (others === undefined) byLeaf.set(leaf, [b]);
    else others.push(b);
  }
  const counts = new Map<number, number>();
  for (const a of before) {
    const leaf = a.identity.names[0] ?? -1;
    counts.set(leaf, (counts.get(leaf) ?? 0) + 1);
  }
  return before.flatMap((a) => {
    const leaf = a.identity.names[0] ?? -1;
    const others = byLeaf.get(leaf) ?? [];
    if (others.length * (counts.get(leaf) ?? 0) > mostPairs) return [];
    return others.map((b): [DiffSite, DiffSite] => [a, b]);
  });
}

/** What decides between equally alike ones; the same whichever side comes first. */
function evidence(a: DiffSite, b: DiffSite, names: FrameNames) {
  const lineOf = (site: DiffSite) => site.identity.lines[0] ?? 0;
  const text = ({ identity }: DiffSite) =>
    `${identity.names.map((id) => names.textOf(id)).join('\0')} ${identity.lines.join(' ')}`;
  return {
    isSameSize: haveSameSize(a, b),
    lineDistance: Math.abs(lineOf(a) - lineOf(b)),
    countDistance: Math.abs(a.amount.blockCount - b.amount.blockCount),
    lineSum: lineOf(a) + lineOf(b),
    key: [text(a), text(b)].sort().join('\0'),
  };
}

/** Blocks of the same size on average. */
function haveSameSize(a: DiffSite, b: DiffSite): boolean {
  const [x, y] = [
    a.amount.sizeBytes * b.amount.blockCount,
    b.amount.sizeBytes * a.amount.blockCount,
  ];
  return Math.abs(x - y) <= 0.01 * Math.max(x, y);
}

const weightAt = (at: number): number => 1 / (1 + at / 4);

/** 0 to 1: how much of both stacks stands beside its like. Below 0: they are not alike by the rule. */
export function likenessOf(a: DiffSite, b: DiffSite, use: NameUse): number {
  const [x, y] = [a.identity.names, b.identity.names];
  if (x.length === 0 || y.length === 0) return -1;
  const isRenamed = (one: number, other: number) =>
    !use.after.has(one) && !use.before.has(other) && use.names.haveOneHome(one, other);
  const share = (one: number, other: number) =>
    one === other ? 1 : isRenamed(one, other) ? renamedShare : 0;
  const leaf = share(x[0], y[0]);
  if (leaf === 0 || (leaf < 1 && !haveSameSize(a, b))) return -1;
  const sideBySide = heaviest(x.length, y.length, (i, j) => {
    const part = share(x[i], y[j]);
    return part === 0 ? null : part * (weightAt(i) + weightAt(j));
  });
  const total = (length: number) => {
    let sum = 0;
    for (let at = 0; at < length; at++) sum += weightAt(at);
    return sum;
  };
  return sideBySide / (total(x.length) + total(y.length));
}

/**
 * The heaviest way to lay two stacks side by side from leaf to root. Between two frames that stand beside each
 * other at most one side has frames more. -Infinity: there is none.
 */
function heaviest(
  rows: number,
  columns: number,
  weight: (row: number, column: number) => number | null,
): number {
  const width = columns + 1;
  const size = (rows + 1) * width;
  const none = Number.NEGATIVE_INFINITY;
  // Ends with a pair; with a frame of the first stack alone; of the second.
  const paired = new Float64Array(size).fill(none);
  const first = new Float64Array(size).fill(none);
  const second = new Float64Array(size).fill(none);
  paired[0] = 0;
  for (let i = 0; i <= rows; i++) {
    for (let j = 0; j <= columns; j++) {
      const at = i * width + j;
      if (i > 0 && j > 0) {
        const gain = weight(i - 1, j - 1);
        const from = at - width - 1;
        if (gain !== null) paired[at] = gain + Math.max(paired[from], first[from], second[from]);
      }
      if (i > 0) first[at] = Math.max(paired[at - width], first[at - width]);
      if (j > 0) second[at] = Math.max(paired[at - 1], second[at - 1]);
    }
  }
  return Math.max(paired[size - 1], first[size - 1], second[size - 1]);
}
