// What a selection of time, package, thread and measure comes to. Must not import anything but page-data and
// report-data: it runs in browsers.
import type { PageData } from './page-data.js';
import { type Measure, verdicts } from './report-data.js';

export interface Selection {
  /** Rows of edges, from < to. */
  from: number;
  to: number;
  /** Row of packages; -1: all; -2: all but Node's own. */
  package: number;
  /** Row of threads; -1: all. */
  thread: number;
  measure: Measure;
}

export const allPackages = -1;
export const usersPackages = -2;

export interface Sums {
  count: Float64Array;
  bytes: Float64Array;
}

const lostVerdicts: ReadonlySet<number> = new Set(
  (['lost', 'lost-indirect', 'orphaned'] as const).map((one) => verdicts.indexOf(one)),
);
export const isLostVerdict = (verdict: number): boolean => lostVerdicts.has(verdict);

/** By site: 1 where its package passes. */
export function sitesOfPackage(data: PageData, wanted: number): Uint8Array {
  const runtime = new Set(data.head.runtimePackages);
  return Uint8Array.from(data.sites.package, (one) =>
    wanted === allPackages || (wanted === usersPackages ? !runtime.has(one) : one === wanted)
      ? 1
      : 0,
  );
}

/** Calls `visit` with what a row of the measure's table adds. `size` is the class of size, -1 where it was not kept. */
export function eachSelected(
  data: PageData,
  selection: Selection,
  visit: (site: number, count: number, bytes: number, size: number, birth: number) => void,
): void {
  const { from, to, thread, measure } = selection;
  const passes = sitesOfPackage(data, selection.package);
  const isThread = (one: number) => thread < 0 || one === thread;
  if (measure === 'temporary') {
    const { temporary } = data;
    for (let row = 0; row < temporary.site.length; row++) {
      const bucket = temporary.bucket[row]!;
      if (bucket < from || bucket >= to || !isThread(temporary.thread[row]!)) continue;
      const site = temporary.site[row]!;
      if (passes[site] === 1) visit(site, temporary.count[row]!, temporary.bytes[row]!, -1, bucket);
    }
    return;
  }
  if (measure === 'lost') {
    const { blocks } = data;
    for (let row = 0; row < blocks.site.length; row++) {
      const birth = blocks.birth[row]!;
      if (birth < from || birth >= to || !isThread(blocks.thread[row]!)) continue;
      const site = blocks.site[row]!;
      if (passes[site] === 1 && isLostVerdict(blocks.verdict[row]!))
        visit(site, blocks.count[row]!, blocks.bytes[row]!, blocks.size[row]!, birth);
    }
    return;
  }
  const { cells } = data;
  const peak = measure === 'peak' ? peakEdge(data, from, to) : to;
  const first = measure === 'peak' ? 0 : from;
  for (let row = 0; row < cells.site.length; row++) {
    const birth = cells.birth[row]!;
    if (birth < first || birth >= peak || !isThread(cells.thread[row]!)) continue;
    // Live at an edge is what was born before it and did not die before it.
    if (measure !== 'total' && cells.death[row]! < peak) continue;
    const site = cells.site[row]!;
    if (passes[site] === 1)
      visit(site, cells.count[row]!, cells.bytes[row]!, cells.size[row]!, birth);
  }
}

export function sumBySite(data: PageData, selection: Selection): Sums {
  const sums = emptySums(data.sites.node.length);
  eachSelected(data, selection, (site, count, bytes) => {
    sums.count[site]! += count;
    sums.bytes[site]! += bytes;
  });
  return sums;
}

/** What was live before, by site, in the trace that this one is compared with. */
export function sumBefore(data: PageData, packageRow: number): Sums {
  const sums = emptySums(data.sites.node.length);
  const passes = sitesOfPackage(data, packageRow);
  const { before } = data;
  for (let row = 0; row < before.site.length; row++) {
    const site = before.site[row]!;
    if (passes[site] === 0) continue;
    sums.count[site]! += before.count[row]!;
    sums.bytes[site]! += before.bytes[row]!;
  }
  return sums;
}

export function emptySums(length: number): Sums {
  return { count: new Float64Array(length), bytes: new Float64Array(length) };
}

export function sumByGroup(data: PageData, bySite: Sums): Sums {
  const sums = emptySums(data.groups.site.length);
  for (let site = 0; site < bySite.count.length; site++) {
    const group = data.sites.group[site]!;
    sums.count[group]! += bySite.count[site]!;
    sums.bytes[group]! += bySite.bytes[site]!;
  }
  return sums;
}

export function totalOf(sums: Sums): { count: number; bytes: number } {
  let [count, bytes] = [0, 0];
  for (let row = 0; row < sums.count.length; row++) {
    count += sums.count[row]!;
    bytes += sums.bytes[row]!;
  }
  return { count, bytes };
}

/** Live bytes at each edge, exact. */
export function liveAtEdges(
  data: PageData,
  filter: Pick<Selection, 'package' | 'thread'> = { package: allPackages, thread: -1 },
): Float64Array {
  const steps = new Float64Array(data.bucketCount + 2);
  const passes = sitesOfPackage(data, filter.package);
  const { cells } = data;
  for (let row = 0; row < cells.site.length; row++) {
    if (passes[cells.site[row]!] === 0) continue;
    if (filter.thread >= 0 && cells.thread[row] !== filter.thread) continue;
    steps[cells.birth[row]! + 1]! += cells.bytes[row]!;
    steps[cells.death[row]! + 1]! -= cells.bytes[row]!;
  }
  const live = new Float64Array(data.bucketCount + 1);
  let sum = 0;
  for (let edge = 0; edge < live.length; edge++) live[edge] = sum += steps[edge]!;
  return live;
}

/** What was allocated in each bucket. */
export function allocatedInBuckets(
  data: PageData,
  filter: Pick<Selection, 'package' | 'thread'>,
): Sums {
  const sums = emptySums(data.bucketCount);
  const passes = sitesOfPackage(data, filter.package);
  const { cells } = data;
  for (let row = 0; row < cells.site.length; row++) {
    if (passes[cells.site[row]!] === 0) continue;
    if (filter.thread >= 0 && cells.thread[row] !== filter.thread) continue;
    sums.count[cells.birth[row]!]! += cells.count[row]!;
    sums.bytes[cells.birth[row]!]! += cells.bytes[row]!;
  }
  return sums;
}

/** The edge at which the process held most: the true peak where the range has it, else the highest of its edges. */
export function peakEdge(data: PageData, from: number, to: number): number {
  const known = data.head.peakEdge;
  if (known >= from && known <= to) return known;
  const live = liveAtEdges(data);
  let best = to;
  for (let edge = to; edge >= from; edge--) if (live[edge]! > live[best]!) best = edge;
  return best;
}
