// One program at two looks: rows of edges, sites and packages are others each time, and what was chosen stays chosen.
import type { PageData } from '../../html/page-data.js';
import { allPackages, emptySums, type Sums, sumBySite } from '../../html/selection.js';
import type { State } from '../state.js';

/** The same choice in newer data. */
export function carryState(before: PageData, state: State, now: PageData): State {
  const to = carryEdge(before, state.to, now);
  return {
    ...state,
    from: Math.min(carryEdge(before, state.from, now), to - 1),
    to: Math.max(1, to),
    package: carryPackage(before, state.package, now),
    thread: state.thread < now.head.threads.length ? state.thread : -1,
    group: carryGroup(before, state.group, now),
  };
}

function carryEdge(before: PageData, edge: number, now: PageData): number {
  // What ended with the data does so again.
  if (edge === before.head.defaultEndEdge) return now.head.defaultEndEdge;
  if (edge === 0) return 0;
  const { atNs } = before.head.edges[edge]!;
  const { edges } = now.head;
  let best = 0;
  for (let at = 1; at < edges.length; at++)
    if (Math.abs(edges[at]!.atNs - atNs) < Math.abs(edges[best]!.atNs - atNs)) best = at;
  return best;
}

function carryPackage(before: PageData, row: number, now: PageData): number {
  if (row < 0) return row;
  const { label, kind } = before.head.packages[row]!;
  const found = now.head.packages.findIndex((one) => one.label === label && one.kind === kind);
  return found < 0 ? allPackages : found;
}

function carryGroup(before: PageData, group: number, now: PageData): number {
  const stack = before.head.live?.stackOfSite[before.groups.site[group] ?? 0] ?? 0;
  const site = stack === 0 ? -1 : (now.head.live?.stackOfSite.indexOf(stack) ?? -1);
  return site < 0 ? 0 : now.sites.group[site]!;
}

/** What was live at a moment that somebody marked. */
export interface LiveMark {
  atNs: number;
  /** By stack: of a site, the one that stands for it. */
  byStack: ReadonlyMap<number, { count: number; bytes: number }>;
}

export function markOf(data: PageData): LiveMark {
  const sums = sumBySite(data, {
    from: 0,
    to: data.head.defaultEndEdge,
    package: allPackages,
    thread: -1,
    measure: 'live',
  });
  const byStack = new Map<number, { count: number; bytes: number }>();
  for (const [site, stack] of (data.head.live?.stackOfSite ?? []).entries())
    if (sums.count[site]! > 0)
      byStack.set(stack, { count: sums.count[site]!, bytes: sums.bytes[site]! });
  return { atNs: data.head.durationNs, byStack };
}

/** Compared with the mark, as a report is with an earlier trace. */
export function comparedWith(data: PageData, mark: LiveMark, momentText: string): PageData {
  const siteOfStack = new Map(
    (data.head.live?.stackOfSite ?? []).map((stack, site) => [stack, site]),
  );
  const sums: Sums = emptySums(data.sites.node.length);
  let [blockCount, sizeBytes] = [0, 0];
  for (const [stack, { count, bytes }] of mark.byStack) {
    const site = siteOfStack.get(stack) ?? 0;
    sums.count[site]! += count;
    sums.bytes[site]! += bytes;
    blockCount += count;
    sizeBytes += bytes;
  }
  return {
    ...data,
    head: {
      ...data.head,
      compared: { traceName: 'the mark', momentText, sizeBytes, blockCount },
    },
    before: { site: Uint32Array.from(sums.count, (_count, site) => site), ...sums },
  };
}
