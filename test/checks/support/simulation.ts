// A process that is not there: sites that gain blocks by rule, run in the rounds that a LeakWatch asks for.
import {
  type Holding,
  type Judgement,
  LeakWatch,
  type LeakWatchOptions,
  type Levels,
  SiteKeys,
} from '../../../src/checks/index.js';
import type { StackId } from '../../../src/model/index.js';
import { ModelBuilder } from '../../model-builder.js';

/** Numbers from 0 to 1 that look random, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One allocation site. */
export interface SimulatedSite {
  /** After each call: live blocks of it, and their bytes if not 16 each. */
  call?: (callNumber: number, random: () => number) => void;
  /** At the end of a round. */
  blocks: () => number;
  bytes?: () => number;
  /** What a checkpoint says of its blocks. */
  verdict: 'lost' | 'orphaned' | 'held' | 'pending';
  isRuntime?: boolean;
  /** Of a Node-API resource of that kind, and no block: its value. */
  resource?: { kind: number; value: () => number };
  /** The addon's function that makes it; sites of one function differ in their JavaScript. */
  native?: string;
  /** Of the objects that hold its blocks. */
  className?: string;
}

export interface SimulationOptions {
  msPerCall?: number;
  seed?: number;
  warmup?: number;
  watch?: Partial<LeakWatchOptions>;
  /** There is no room for them. */
  noCheckpoints?: boolean;
}

export interface SimulationResult {
  judgement: Judgement;
  callCount: number;
  roundCount: number;
  checkpointCount: number;
  elapsedMs: number;
}

const defaults: LeakWatchOptions = {
  minRounds: 5,
  maxRounds: 40,
  iterations: null,
  tolerance: { blocks: null, bytes: null },
};
/** Collecting, asking; and what a checkpoint costs. */
const [settleMs, checkpointMs] = [20, 150];

export function simulate(
  sites: readonly SimulatedSite[],
  {
    msPerCall = 1,
    seed = 1,
    warmup = 50,
    watch: options = {},
    noCheckpoints = false,
  }: SimulationOptions = {},
): SimulationResult {
  const random = randomOf(seed);
  const builder = new ModelBuilder();
  const ids = sites.map(({ native }, at) =>
    builder.stack(`/app/shop.node ${native ?? `make${at}`}\njs JS:~test /app/a.js:1:${at + 1}`),
  );
  const { stacks, modules, codes } = builder.build();
  const keys = new SiteKeys({ stacks, modules, codes, isNode: true, ownFolders: [] });
  const runtimeIds = new Set<number>(ids.filter((_id, at) => sites[at].isRuntime === true));
  const sources = { keys, isRuntime: (id: number) => runtimeIds.has(id) };
  const watch = new LeakWatch(levelsOf(sites, ids), { ...defaults, ...options });
  let [callCount, elapsedMs, checkpointCount] = [0, 0, 0];
  const baseBlocks: number[] = [];
  const round = (iterations: number, withCheckpoint: boolean) => {
    for (let left = iterations; left > 0; left--) {
      for (const site of sites) site.call?.(callCount, random);
      callCount++;
    }
    if (withCheckpoint) checkpointCount++;
    elapsedMs += iterations * msPerCall + settleMs + (withCheckpoint ? checkpointMs : 0);
    const levels = levelsOf(sites, ids);
    if (baseBlocks.length === 0) baseBlocks.push(...sites.map((site) => site.blocks()));
    const holdings =
      withCheckpoint && !noCheckpoints
        ? new Map(
            sites.map((site, at) => [ids[at], holdingOf(site, site.blocks() - baseBlocks[at])]),
          )
        : null;
    return watch.add(
      {
        ...levels,
        iterations,
        elapsedMs: iterations * msPerCall,
        totalMs: elapsedMs,
        holdings,
      },
      sources,
    );
  };
  let answer = round(warmup, false);
  while (answer.decision === 'more') answer = round(answer.nextIterations, answer.nextCheckpoint);
  return {
    judgement: watch.judgement as Judgement,
    callCount,
    roundCount: watch.rounds,
    checkpointCount,
    elapsedMs,
  };
}

function levelsOf(sites: readonly SimulatedSite[], ids: readonly StackId[]): Levels {
  const count = Math.max(0, ...ids) + 1;
  const liveCount = new Float64Array(count);
  const liveBytes = new Float64Array(count);
  for (const [at, site] of sites.entries()) {
    if (site.resource !== undefined) continue;
    liveCount[ids[at]] = 1000 + site.blocks();
    liveBytes[ids[at]] = 16000 + (site.bytes?.() ?? 16 * site.blocks());
  }
  const resources = sites.flatMap(({ resource, blocks }, at) =>
    resource === undefined
      ? []
      : [
          {
            kind: resource.kind,
            stackId: ids[at],
            className: '',
            createdCount: 0,
            outstandingCount: blocks(),
            outstandingValue: resource.value(),
          },
        ],
  );
  return { sums: { liveCount, liveBytes }, resources, mappings: new Map() };
}

function holdingOf(
  { verdict, isRuntime, className: named }: SimulatedSite,
  blocks: number,
): Holding {
  const blockCount = Math.max(0, blocks);
  const as = (one: SimulatedSite['verdict']) => (verdict === one ? blockCount : 0);
  const className = named ?? (isRuntime === true ? 'Buffer' : undefined);
  const isHeldByClass = verdict === 'held' && className !== undefined;
  return {
    blockCount,
    lostCount: as('lost'),
    orphanedCount: as('orphaned'),
    pendingCount: as('pending'),
    heldByClassCount: isHeldByClass ? blockCount : 0,
    classes: new Map(isHeldByClass ? [[className, blockCount]] : []),
    rows: [],
  };
}

/** A site whose count a rule changes call by call. */
export function site(
  rule: (count: number, call: number, random: () => number) => number,
  facts: Partial<Omit<SimulatedSite, 'blocks' | 'call'>> = {},
): SimulatedSite {
  let count = 0;
  return {
    call(call, random) {
      count = rule(count, call, random);
    },
    blocks: () => count,
    verdict: 'held',
    ...facts,
  };
}
