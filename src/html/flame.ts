// A tree of calls for the flame graph, laid out in fractions of its root. Must not import anything but page-data and
// report-data: it runs in browsers.
import type { PageData } from './page-data.js';
import { FrameLook } from './report-data.js';

/** Rows are nodes, 0 the root; children of a node are a list, largest first. */
export interface FlameTree {
  count: number;
  parent: Uint32Array;
  frame: Uint32Array;
  total: Float64Array;
  self: Float64Array;
  /** Of the values to compare with, if there are any: else 0. */
  other: Float64Array;
  /** 0: none. */
  firstChild: Uint32Array;
  /** 0: none. */
  nextSibling: Uint32Array;
  /** From 0 to 1, of the root's width. */
  start: Float64Array;
  depth: Uint16Array;
  depthCount: number;
}

export interface FlameOptions {
  /** From the allocating function to its callers. */
  isInverted: boolean;
  /** Leaves frames out that carry calls for others. */
  isFolded: boolean;
}

export function buildFlame(
  data: PageData,
  /** By site; negative values have no place in it. */
  values: Float64Array,
  { isInverted, isFolded }: FlameOptions,
  /** By site: what to compare with. Where `values` has nothing there is no node for it. */
  others: Float64Array | null = null,
): FlameTree {
  const { nodes, frames, sites } = data;
  const parent = [0];
  const frame = [0];
  const total = [0];
  const self = [0];
  const other = [0];
  const children = new Map<number, number>();
  const path: number[] = [];
  for (let site = 0; site < values.length; site++) {
    const value = values[site]!;
    const before = others === null ? 0 : others[site]!;
    if (!(value > 0) && !(before > 0)) continue;
    path.length = 0;
    for (let node = sites.node[site]!; node > 0; node = nodes.parent[node]!) {
      const one = nodes.frame[node]!;
      if (!isFolded || !isPlumbing(frames.kind[one]!)) path.push(one);
    }
    if (!isInverted) path.reverse();
    let at = 0;
    total[0]! += value;
    other[0]! += before;
    for (const one of path) {
      const key = at * 2 ** 24 + one;
      let child = children.get(key);
      if (child === undefined) {
        child = parent.length;
        children.set(key, child);
        parent.push(at);
        frame.push(one);
        total.push(0);
        self.push(0);
        other.push(0);
      }
      at = child;
      total[at]! += value;
      other[at]! += before;
    }
    self[at]! += value;
  }
  return layOut(parent, frame, total, self, other);
}

const isPlumbing = (kind: number): boolean =>
  kind === FrameLook.node || kind === FrameLook.builtin || kind === FrameLook.standard;

function layOut(
  parent: number[],
  frame: number[],
  total: number[],
  self: number[],
  other: number[],
): FlameTree {
  const count = parent.length;
  const firstChild = new Uint32Array(count);
  const nextSibling = new Uint32Array(count);
  const start = new Float64Array(count);
  const depth = new Uint16Array(count);
  const order = Uint32Array.from({ length: count }, (_one, at) => at);
  // Smallest first: each is then put before its smaller siblings.
  order.sort((a, b) => total[a]! - total[b]! || b - a);
  for (const node of order) {
    if (node === 0) continue;
    nextSibling[node] = firstChild[parent[node]!]!;
    firstChild[parent[node]!] = node;
  }
  const whole = total[0]! || 1;
  let depthCount = 1;
  // Parents come before their children.
  for (let node = 0; node < count; node++) {
    let at = start[node]!;
    for (let child = firstChild[node]!; child !== 0; child = nextSibling[child]!) {
      start[child] = at;
      depth[child] = depth[node]! + 1;
      at += total[child]! / whole;
      if (depth[child]! >= depthCount) depthCount = depth[child]! + 1;
    }
  }
  return {
    count,
    parent: Uint32Array.from(parent),
    frame: Uint32Array.from(frame),
    total: Float64Array.from(total),
    self: Float64Array.from(self),
    other: Float64Array.from(other),
    firstChild,
    nextSibling,
    start,
    depth,
    depthCount,
  };
}

/** What is to be drawn: nodes at least `minWidth` wide in the window, and slivers that stand for narrower siblings. */
export function visibleNodes(
  tree: FlameTree,
  /** Fractions of the root's width. */
  from: number,
  to: number,
  minWidth: number,
  visit: (node: number, isSliver: boolean, start: number, width: number) => void,
): number {
  const whole = tree.total[0]! || 1;
  const open = [0];
  let visited = 0;
  while (open.length > 0) {
    const node = open.pop() as number;
    visited++;
    visit(node, false, tree.start[node]!, tree.total[node]! / whole);
    for (let child = tree.firstChild[node]!; child !== 0; child = tree.nextSibling[child]!) {
      const start = tree.start[child]!;
      const width = tree.total[child]! / whole;
      if (start >= to) break;
      if (width < minWidth) {
        // All further ones are narrower still.
        const end = tree.start[node]! + (tree.total[node]! - tree.self[node]!) / whole;
        if (end > from) visit(child, true, start, end - start);
        break;
      }
      if (start + width > from) open.push(child);
    }
  }
  return visited;
}

/** Nodes whose frame matches, and how much they cover together: a match below another is not counted twice. */
export function searchFlame(
  tree: FlameTree,
  matches: (frame: number) => boolean,
): { isMatch: Uint8Array; matchCount: number; covered: number } {
  const isMatch = new Uint8Array(tree.count);
  const isBelow = new Uint8Array(tree.count);
  const known = new Map<number, boolean>();
  let covered = 0;
  let matchCount = 0;
  for (let node = 1; node < tree.count; node++) {
    const frame = tree.frame[node]!;
    let is = known.get(frame);
    if (is === undefined) known.set(frame, (is = matches(frame)));
    const above = isBelow[tree.parent[node]!]!;
    isBelow[node] = is ? 1 : above;
    if (!is) continue;
    isMatch[node] = 1;
    matchCount++;
    if (above === 0) covered += tree.total[node]!;
  }
  return { isMatch, matchCount, covered };
}
