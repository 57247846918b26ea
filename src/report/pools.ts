// Pools that the program announced (memprof.h): what they hold, and which blocks are their memory. Pure.
import type {
  CheckpointPools,
  LivePool,
  LiveSet,
  Moment,
  PoolLedger,
  PoolMisuse,
  PoolMoment,
  StackId,
  TraceModel,
} from '../model/index.js';
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import { BlockIndex } from '../verdicts/index.js';
import { escapeText } from './escape.js';
import { type Amount, addAmounts } from './live-sums.js';
import type { Style } from './style.js';
import { type Column, renderTable } from './table.js';
import { formatBytes, formatCount } from './units.js';

/** A block, or several, that pools hand out in pieces. */
export interface PoolContainer {
  name: string;
  usedBytes: number;
  /** As the program told it. */
  memoryBytes: number;
}

interface Pieces {
  pools: readonly LivePool[];
  /** Rows of pools' blocks. */
  live: Pick<LiveSet, 'count' | 'address' | 'sizeBytes'>;
  firstRow: number;
  poolIndex: Uint32Array;
}

/** By row of the blocks of malloc. */
function containersOf(
  blocks: Pick<LiveSet, 'count' | 'address' | 'sizeBytes'>,
  { pools, live, firstRow, poolIndex }: Pieces,
): Map<number, PoolContainer> {
  const index = new BlockIndex(blocks);
  const found = new Map<number, PoolContainer>();
  const at = (address: number, name: string): PoolContainer | null => {
    const row = index.rowAt(address);
    if (row < 0) return null;
    let one = found.get(row);
    if (one === undefined) found.set(row, (one = { name, usedBytes: 0, memoryBytes: 0 }));
    return one;
  };
  for (const { name, memory } of pools) {
    for (const { address, sizeBytes } of memory) {
      const one = at(address, name);
      if (one !== null) one.memoryBytes += sizeBytes;
    }
  }
  for (let row = firstRow; row < live.count; row++) {
    const one = at(live.address[row], pools[poolIndex[row - firstRow]].name);
    if (one !== null) one.usedBytes += live.sizeBytes[row];
  }
  return found;
}

export function checkpointContainers(
  live: LiveSet,
  { firstRow, pools, poolIndex }: CheckpointPools,
): Map<number, PoolContainer> {
  const blocks = { ...live, count: firstRow };
  return containersOf(blocks, { pools, live, firstRow, poolIndex });
}

export function momentContainers(
  live: LiveSet,
  { pools, live: inPools, poolIndex }: PoolMoment,
): Map<number, PoolContainer> {
  return containersOf(live, { pools, live: inPools, firstRow: 0, poolIndex });
}

/** null where none of them is one. */
export function joinContainers(
  containers: readonly (PoolContainer | undefined)[],
): PoolContainer | null {
  const found = containers.filter((one) => one !== undefined);
  if (found.length === 0) return null;
  const names = new Set(found.map((one) => one.name));
  return {
    name: names.size === 1 ? found[0].name : '',
    usedBytes: found.reduce((sum, one) => sum + one.usedBytes, 0),
    memoryBytes: found.reduce((sum, one) => sum + one.memoryBytes, 0),
  };
}

export const poolText = (name: string): string =>
  name === '' ? 'a pool without a name' : `pool ${escapeText(name)}`;

/** "pool tiles: 1.0 KiB of 64.0 KiB in use". */
export function containerText({ name, usedBytes, memoryBytes }: PoolContainer): string {
  const of = memoryBytes === 0 ? '' : ` of ${formatBytes(memoryBytes)}`;
  return `memory of ${poolText(name)}: ${formatBytes(usedBytes)}${of} in use`;
}

export interface PoolSum {
  name: string;
  poolCount: number;
  liveCount: number;
  liveBytes: number;
  memoryBytes: number;
  allocationCount: number;
  allocatedBytes: number;
  releaseCount: number;
  releasedBytes: number;
  endedCount: number;
  endedBytes: number;
  peakBytes: number;
}

/** Pools as of a moment, by name; calls over the whole run. Most bytes first. */
export function poolSums(ledger: PoolLedger, moment: PoolMoment): PoolSum[] {
  const sums = new Map<string, PoolSum>();
  const of = (name: string): PoolSum => {
    let sum = sums.get(name);
    if (sum === undefined) sums.set(name, (sum = { name, ...nothing }));
    return sum;
  };
  for (const group of ledger.groups) {
    const sum = of(group.name);
    sum.allocationCount += group.allocationCount;
    sum.allocatedBytes += group.allocatedBytes;
    sum.releaseCount += group.releaseCount;
    sum.releasedBytes += group.releasedBytes;
    sum.endedCount += group.endedCount;
    sum.endedBytes += group.endedBytes;
    sum.peakBytes += group.peakBytes;
  }
  for (const pool of moment.pools) {
    const sum = of(pool.name);
    sum.poolCount++;
    sum.liveCount += pool.liveCount;
    sum.liveBytes += pool.liveBytes;
    for (const { sizeBytes } of pool.memory) sum.memoryBytes += sizeBytes;
  }
  return [...sums.values()].sort((a, b) => b.liveBytes - a.liveBytes || (a.name < b.name ? -1 : 1));
}

const nothing = {
  poolCount: 0,
  liveCount: 0,
  liveBytes: 0,
  memoryBytes: 0,
  allocationCount: 0,
  allocatedBytes: 0,
  releaseCount: 0,
  releasedBytes: 0,
  endedCount: 0,
  endedBytes: 0,
  peakBytes: 0,
};

/** Blocks of pools of one name from stacks that display equal. */
export interface PoolSite {
  pool: string;
  stack: NamedStack;
  live: Amount;
  allocationCount: number;
  allocatedBytes: number;
  /** What the program calls the first of them; null: nothing. */
  type: string | null;
}

/** With live blocks at the moment, most bytes first. */
export function collectPoolSites(
  { groups, sites }: PoolLedger,
  { live, pools, poolIndex }: PoolMoment,
  symbols: SymbolizedStacks,
  passes: (live: LiveSet, row: number) => boolean = () => true,
): PoolSite[] {
  const found = new Map<string, PoolSite>();
  const of = (pool: string, stackId: StackId): PoolSite => {
    const stack = symbols.stack(stackId);
    const key = `${stack.key}\0${pool}`;
    let site = found.get(key);
    if (site === undefined) {
      const live = { blockCount: 0, sizeBytes: 0 };
      site = { pool, stack, live, allocationCount: 0, allocatedBytes: 0, type: null };
      found.set(key, site);
    }
    return site;
  };
  for (let row = 0; row < live.count; row++) {
    if (!passes(live, row)) continue;
    const site = of(pools[poolIndex[row]].name, live.stackId[row] as StackId);
    addAmounts(site.live, { blockCount: 1, sizeBytes: live.sizeBytes[row] });
    site.type ??= typeAt(live, row);
  }
  for (const { group, stackId, allocationCount, allocatedBytes } of sites) {
    if (!symbols.has(stackId)) continue;
    const site = of(groups[group].name, stackId);
    site.allocationCount += allocationCount;
    site.allocatedBytes += allocatedBytes;
  }
  return [...found.values()]
    .filter((site) => site.live.blockCount > 0)
    .sort(
      (a, b) =>
        b.live.sizeBytes - a.live.sizeBytes ||
        b.live.blockCount - a.live.blockCount ||
        (a.stack.key < b.stack.key ? -1 : 1),
    );
}

/** What the program calls the block; null: nothing. */
export function typeAt({ announced }: LiveSet, row: number): string | null {
  const index = announced?.typeIndex[row] ?? 0;
  return announced === undefined || index === 0 ? null : announced.typeNames[index - 1];
}

/** Of the moment that is asked for; null: no pools, or not then. */
export function poolsAt({ pools }: TraceModel, moment: Moment['name']): PoolMoment | null {
  if (pools === undefined) return null;
  return moment === 'at-end' ? pools.atEnd : pools.beforeTeardown;
}

/** The pools' part of a report; [] where there are none. */
export function poolLines(
  { pools }: TraceModel,
  { columns, style }: { columns: number; style: Style },
): string[] {
  if (pools === undefined || pools.groups.length === 0) return [];
  const moment = pools.beforeTeardown ?? pools.atEnd;
  const shape: Column[] = [
    { title: '', align: 'left', flexible: true },
    { title: 'pools', align: 'right' },
    { title: 'in use', align: 'right', paint: style.bytes },
    { title: 'of', align: 'right' },
    { title: 'blocks', align: 'right' },
    { title: 'calls', align: 'right' },
  ];
  const rows = poolSums(pools, moment).map((sum) => [
    escapeText(sum.name === '' ? '(without a name)' : sum.name),
    formatCount(sum.poolCount),
    formatBytes(sum.liveBytes),
    sum.memoryBytes === 0 ? '' : formatBytes(sum.memoryBytes),
    formatCount(sum.liveCount),
    formatCount(sum.allocationCount),
  ]);
  const when = pools.beforeTeardown === null ? 'at the end' : "before Node's teardown";
  return [
    style.heading(`Pools ${when}, inside the memory above`),
    ...renderTable(shape, rows, { columns, indent: 2, heading: style.faint }),
  ];
}

const misuses: readonly [keyof PoolMisuse, (count: string) => string][] = [
  ['unknownPoolCount', (count) => `${count} calls named a pool that was not announced`],
  ['unknownReleaseCount', (count) => `${count} releases were of blocks that the pool did not have`],
  [
    'doubleAllocationCount',
    (count) =>
      `${count} blocks were handed out where the pool had a live one: it counts as released`,
  ],
  [
    'doubleCreateCount',
    (count) => `${count} pools were created where one was: the old one counts as destroyed`,
  ],
  ['outsideCount', (count) => `${count} blocks lay outside the memory that their pool told of`],
  ['unknownBlockCount', (count) => `${count} types or ignores named no live block`],
  ['unmatchedIgnoreEndCount', (count) => `${count} MEMPROF_IGNORE_END had no beginning`],
];

/** What the program said by memprof.h that cannot be right. */
export function misuseLines({ pools }: TraceModel): string[] {
  if (pools === undefined) return [];
  return misuses
    .filter(([field]) => pools.misuse[field] > 0)
    .map(([field, text]) => `memprof.h: ${text(formatCount(pools.misuse[field]))}`);
}
