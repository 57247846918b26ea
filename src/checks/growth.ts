// Gains put together by site, and what each site's series looks like. Pure.
import { ResourceKind } from '../model/index.js';
import type { Gain, GainsOf, Increments, ResourceKey } from './increments.js';
import { isExact, isSwelling, levelsOf, type Shape, shapeOf, sum } from './shape.js';
import type { SiteKeys } from './site-keys.js';
import { lumpSize, meanAtLeast, trendChance } from './statistics.js';

export interface Tolerance {
  /** An iteration; null: not asked about. */
  blocks: number | null;
  bytes: number | null;
}

/** Rounds of one size, from this one on. */
export interface Epoch {
  firstRound: number;
  iterations: number;
}

export interface Growth {
  /** 'class': blocks of JavaScript objects of one class, wherever they are allocated. */
  what: 'site' | 'class' | 'resource' | 'mapping';
  /** Of one allocating or creating call, whoever called it. */
  isLeaf: boolean;
  /** Of all growths of its kind another one. */
  key: string;
  isRuntime: boolean;
  /** Those that gained most first; then those that did so before the epoch, whose lines V8 may know better. */
  stackIds: number[];
  resource: ResourceKey | null;
  /** Of the epoch's rounds. */
  blocks: number[];
  bytes: number[];
  shape: Shape;
  /** Blocks did not rise, bytes did. */
  isByBytes: boolean;
  isExact: boolean;
  /** An iteration, over the epoch. */
  perIteration: { blocks: number; bytes: number };
  /** That numbers without a trend come in such an order. */
  chance: number;
}

export interface GrowthOptions {
  tolerance: Tolerance;
  isRuntime(stackId: number): boolean;
  keys: SiteKeys;
  /** Of the objects that hold what the stack allocated; null: not known, or of no one class. */
  classOf?: (stackId: number) => string | null;
}

/** All that is not flat in the epoch. */
export function growthsOf(increments: Increments, epoch: Epoch, options: GrowthOptions): Growth[] {
  return withoutCovered(
    seriesOf(increments, epoch, options).filter(({ shape }) => shape !== 'flat'),
  );
}

/** All blocks together rise, whatever each site does: what a hundred sites leak in turn. */
export function isRisingInAll(increments: Increments, { firstRound, iterations }: Epoch): boolean {
  const blocks = new Array<number>(Math.max(0, increments.roundCount - firstRound)).fill(0);
  for (const gains of increments.stacks.values())
    for (const [round, gain] of gains)
      if (round >= firstRound) blocks[round - firstRound] += gain.blocks;
  return blocks.length >= 2 && shapeOf(blocks, iterations) === 'rising';
}

/** All that changed, flat or not. */
export function seriesOf(increments: Increments, epoch: Epoch, options: GrowthOptions): Growth[] {
  const { keys } = options;
  const roundCount = increments.roundCount - epoch.firstRound;
  if (roundCount < 2) return [];
  const groups = new Groups(increments.roundCount, epoch.firstRound);
  for (const [stackId, gains] of increments.stacks) {
    const isRuntime = options.isRuntime(stackId);
    const add = (isLeaf: boolean, key: string) =>
      groups.add({ what: 'site', isLeaf, key, isRuntime, resource: null }, stackId, gains);
    add(false, keys.siteOf(stackId, isRuntime));
    add(true, keys.leafOf(stackId, isRuntime));
    const key = options.classOf?.(stackId) ?? null;
    if (key === null) continue;
    const held = { what: 'class', isLeaf: false, key, isRuntime: false, resource: null } as const;
    groups.add(held, stackId, gains);
  }
  addResources(groups, increments, epoch, keys);
  for (const [stackId, gains] of increments.mappings) {
    if (!isOfEpoch(gains, epoch) || options.isRuntime(stackId)) continue;
    const key = keys.leafOf(stackId, false);
    const made = { what: 'mapping', isLeaf: false, key, isRuntime: false, resource: null } as const;
    groups.add(made, stackId, inPages(gains));
  }
  return groups.all().map((group) => judged(group, epoch, options.tolerance));
}

const isOfEpoch = (gains: ReadonlyMap<number, Gain>, { firstRound }: Epoch): boolean => {
  for (const round of gains.keys()) if (round >= firstRound) return true;
  return false;
};

/** There is one for good. */
const uncounted: ReadonlySet<number> = new Set([ResourceKind.instanceData]);

function addResources(
  groups: Groups,
  {
    resources,
    resourceKeys,
  }: { resources: GainsOf<string>; resourceKeys: Map<string, ResourceKey> },
  epoch: Epoch,
  keys: SiteKeys,
): void {
  for (const [key, gains] of resources) {
    const resource = resourceKeys.get(key);
    if (resource === undefined || uncounted.has(resource.kind) || !isOfEpoch(gains, epoch))
      continue;
    const { kind, stackId, className } = resource;
    const add = (isLeaf: boolean, what: string, of: ReadonlyMap<number, Gain>) => {
      const key = `${kind} ${what}`;
      groups.add({ what: 'resource', isLeaf, key, isRuntime: false, resource }, stackId, of);
    };
    if (kind === ResourceKind.externalMemory) {
      // What one place tells V8 of, another takes back: only all of it together says something. In bytes.
      add(false, '', inBytes(gains));
      continue;
    }
    add(false, `${className}\n${keys.siteOf(stackId, false)}`, gains);
    add(true, `${className}\n${keys.leafOf(stackId, false)}`, gains);
  }
}

function inBytes(gains: ReadonlyMap<number, Gain>): Map<number, Gain> {
  return new Map([...gains].map(([round, { bytes }]) => [round, { blocks: bytes, bytes }]));
}

const pageBytes = 4096;
/** Mappings come in sizes of their own: pages are their blocks. */
function inPages(gains: ReadonlyMap<number, Gain>): Map<number, Gain> {
  return new Map(
    [...gains].map(([round, { bytes }]) => [round, { blocks: bytes / pageBytes, bytes }]),
  );
}

type GroupKind = Pick<Growth, 'what' | 'isLeaf' | 'key' | 'isRuntime' | 'resource'>;
type Group = GroupKind & Pick<Growth, 'stackIds' | 'blocks' | 'bytes'>;

class Groups {
  readonly #roundCount: number;
  readonly #firstRound: number;
  readonly #groups = new Map<string, Group & { gained: Map<number, number> }>();

  constructor(roundCount: number, firstRound: number) {
    this.#roundCount = roundCount;
    this.#firstRound = firstRound;
  }

  add(of: GroupKind, stackId: number, gains: ReadonlyMap<number, Gain>): void {
    const length = this.#roundCount - this.#firstRound;
    const full = `${of.what} ${of.isLeaf} ${of.isRuntime} ${of.key}`;
    let group = this.#groups.get(full);
    if (group === undefined) {
      const zeros = () => new Array<number>(length).fill(0);
      group = { ...of, stackIds: [], blocks: zeros(), bytes: zeros(), gained: new Map() };
      this.#groups.set(full, group);
    }
    for (const [round, { blocks, bytes }] of gains) {
      if (round < this.#firstRound) {
        if (!group.gained.has(stackId)) group.gained.set(stackId, 0);
        continue;
      }
      group.blocks[round - this.#firstRound] += blocks;
      group.bytes[round - this.#firstRound] += bytes;
      group.gained.set(stackId, (group.gained.get(stackId) ?? 0) + blocks + bytes / 2 ** 20);
    }
  }

  all(): Group[] {
    return [...this.#groups.values()].map(({ gained, ...group }) => ({
      ...group,
      stackIds: [...gained].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([stackId]) => stackId),
    }));
  }
}

/** How sure the lower bound of a rate is. */
const lowerBoundChance = 0.01;

function judged(group: Group, { iterations }: Epoch, tolerance: Tolerance): Growth {
  const { blocks, bytes, what } = group;
  const calls = blocks.length * iterations;
  const byBlocks = shapeOf(blocks, iterations);
  const isByBytes = byBlocks !== 'rising' && what !== 'resource' && isSwelling(bytes);
  const series = isByBytes ? bytes : blocks;
  const isEven = series.every((one) => one === series[0]);
  const perIteration = { blocks: sum(blocks) / calls, bytes: sum(bytes) / calls };
  const lumps = lumpSize(series);
  const surely =
    isEven || isByBytes
      ? 1
      : (meanAtLeast(Math.round(sum(series) / lumps), lowerBoundChance) * lumps) / sum(series);
  const exceeds =
    tolerance.blocks === null && tolerance.bytes === null
      ? true
      : isAbove(perIteration.blocks * surely, tolerance.blocks) ||
        isAbove(perIteration.bytes * surely, tolerance.bytes);
  const isTolerated = what !== 'resource' && !exceeds;
  return {
    ...group,
    shape: isTolerated ? 'flat' : isByBytes ? 'rising' : byBlocks,
    isByBytes,
    isExact: isExact(series, iterations),
    perIteration,
    chance: trendChance(levelsOf(series)),
  };
}

const isAbove = (rate: number, limit: number | null): boolean => limit !== null && rate > limit;

/** Of a class: with more it is the class that leaks, not a place. */
const sitesOfClass = 4;

const isRising = ({ shape }: Growth): boolean => shape === 'rising';

/**
 * One call in JavaScript comes as several sites when V8 begins to inline it: then only the allocating call rises
 * steadily, or has the whole rate. Where two of its callers rise, each is told, and the call is not. A class is told
 * where none of its sites is, or too many are.
 */
function withoutCovered(growths: readonly Growth[]): Growth[] {
  const dropped = new Set<Growth>();
  for (const leaf of growths) {
    if (!leaf.isLeaf) continue;
    const ids = new Set(leaf.stackIds);
    const callers = growths.filter(
      ({ isLeaf, what, resource, stackIds }) =>
        !isLeaf &&
        what === leaf.what &&
        resource?.kind === leaf.resource?.kind &&
        resource?.className === leaf.resource?.className &&
        ids.has(stackIds[0]),
    );
    if (!isRising(leaf) || callers.filter(isRising).length > 1) dropped.add(leaf);
    else for (const caller of callers) dropped.add(caller);
  }
  for (const held of growths) {
    if (held.what !== 'class') continue;
    const ids = new Set(held.stackIds);
    const sites = growths.filter(
      (site) =>
        site.what === 'site' && isRising(site) && !dropped.has(site) && ids.has(site.stackIds[0]),
    );
    const isTold = isRising(held) && (sites.length === 0 || sites.length > sitesOfClass);
    for (const one of isTold ? sites : [held]) dropped.add(one);
  }
  return growths.filter((one) => !dropped.has(one));
}
