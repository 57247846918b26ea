// Blocks added up: by site (stacks that display equal) and by owner (package, Node's runtime, module).
// Pure: columns in, values out.
import type { LiveSet, Moment, StackId, TraceModel } from '../model/index.js';
import type { NamedStack, Owner, StackOwners, SymbolizedStacks } from '../symbols/index.js';
import type { Alike } from './alike.js';
import {
  type Amount,
  addAmounts,
  type LiveSums,
  type MomentSums,
  momentSums,
} from './live-sums.js';
import { formatCount } from './units.js';

export interface Site {
  stack: NamedStack;
  stackIds: StackId[];
  live: Amount;
  /** Live blocks by thread index. */
  threads: Map<number, Amount>;
  /** Of live blocks, since the start of the process; NaN where none is live. */
  oldestBornNs: number;
  /** Over the whole run, whatever the moment. */
  allocationCount: number;
  allocatedBytes: number;
  temporaryCount: number;
  /** Of the live blocks: those whose own stack lacked a line that is shown (see alike.ts). */
  unplacedCount: number;
}

/** True for rows of the live set that count. */
export type BlockFilter = (live: LiveSet, row: number) => boolean;

export function momentNamed(model: TraceModel, name: Moment['name']): Moment | null {
  return name === 'at-end' ? model.atEnd : model.beforeTeardown;
}

/** Stacks with live blocks at any moment; with `all`, every stack that ever allocated. */
export function liveStackIds(
  model: TraceModel,
  all = false,
  sums: MomentSums = momentSums(model),
): StackId[] {
  const seen = new Uint8Array(model.stacks.count);
  const wanted: number[] = [];
  // Beyond the table: of a damaged trace, where they are empty stacks.
  const beyond = new Set<number>();
  const add = (id: number) => {
    if (id >= seen.length) beyond.add(id);
    else if (seen[id] === 0) {
      seen[id] = 1;
      wanted.push(id);
    }
  };
  for (const moment of [sums.beforeTeardown, sums.atEnd])
    for (const id of moment?.stackId ?? []) add(id);
  for (const moment of [model.pools?.beforeTeardown, model.pools?.atEnd])
    for (const id of moment?.live.stackId ?? []) add(id);
  if (all) {
    const { allocationCount } = model.stackTotals;
    for (let id = 0; id < allocationCount.length; id++) if (allocationCount[id] > 0) add(id);
  }
  return [...wanted, ...beyond] as StackId[];
}

/**
 * Sites of one moment. Without `all` only sites with a live block that the filter takes; with it,
 * every site that ever allocated, as far as its stacks were symbolized.
 */
export function collectSites(
  model: TraceModel,
  symbols: SymbolizedStacks,
  moment: Moment,
  options: { filter?: BlockFilter; all?: boolean } = {},
): Site[] {
  const byStack = new Map<StackId, Site>();
  const byKey = new Map<string, Site>();
  const siteOf = (id: StackId): Site => {
    let site = byStack.get(id);
    if (site !== undefined) return site;
    const stack = symbols.stack(id);
    site = byKey.get(stack.key);
    if (site === undefined) byKey.set(stack.key, (site = emptySite(stack)));
    site.stackIds.push(id);
    site.allocationCount += model.stackTotals.allocationCount[id] ?? 0;
    site.allocatedBytes += model.stackTotals.allocatedBytes[id] ?? 0;
    site.temporaryCount += model.stackTotals.temporaryCount[id] ?? 0;
    byStack.set(id, site);
    return site;
  };
  const { live } = moment;
  for (let row = 0; row < live.count; row++) {
    if (options.filter !== undefined && !options.filter(live, row)) continue;
    addBlock(siteOf(live.stackId[row] as StackId), live, row);
  }
  // A site's totals over the run take in its stacks without a live block, as far as they were named.
  const { allocationCount } = model.stackTotals;
  for (let at = 0; at < allocationCount.length; at++) {
    const id = at as StackId;
    if (allocationCount[at] === 0 || !symbols.has(id)) continue;
    if (options.all === true || byKey.has(symbols.stack(id).key)) siteOf(id);
  }
  return [...byKey.values()];
}

function emptySite(stack: NamedStack): Site {
  return {
    stack,
    stackIds: [],
    live: { blockCount: 0, sizeBytes: 0 },
    threads: new Map(),
    oldestBornNs: Number.NaN,
    allocationCount: 0,
    allocatedBytes: 0,
    temporaryCount: 0,
    unplacedCount: 0,
  };
}

function addBlock(site: Site, live: LiveSet, row: number): void {
  const sizeBytes = live.sizeBytes[row];
  site.live.blockCount++;
  site.live.sizeBytes += sizeBytes;
  const thread = live.threadIndex[row];
  let amount = site.threads.get(thread);
  if (amount === undefined) site.threads.set(thread, (amount = { blockCount: 0, sizeBytes: 0 }));
  amount.blockCount++;
  amount.sizeBytes += sizeBytes;
  if (!(site.oldestBornNs <= live.bornNs[row])) site.oldestBornNs = live.bornNs[row];
}

/** Sites that are alike become one. */
export function mergeSites(sites: readonly Site[], alike: Alike): Site[] {
  const merged = new Map<number, Site>();
  for (const site of sites) {
    const key = alike.keyOf(site.stack);
    const into = merged.get(key);
    const unplacedCount = alike.isWhole(site.stack) ? 0 : site.live.blockCount;
    if (into === undefined)
      merged.set(key, {
        ...site,
        unplacedCount,
        stack: alike.shown(key),
        live: { ...site.live },
        threads: new Map(site.threads),
        stackIds: [...site.stackIds],
      });
    else {
      absorb(into, site);
      into.unplacedCount += unplacedCount;
    }
  }
  return [...merged.values()];
}

/** Says of a merged site for how many blocks the lines shown were known; '' where for all. */
export function placedText(site: Pick<Site, 'live' | 'unplacedCount'>): string {
  if (site.unplacedCount === 0) return '';
  const known = formatCount(site.live.blockCount - site.unplacedCount);
  return `(call lines known for ${known} of ${formatCount(site.live.blockCount)} blocks)`;
}

function absorb(into: Site, site: Site): void {
  addAmounts(into.live, site.live);
  for (const [thread, amount] of site.threads) {
    const known = into.threads.get(thread);
    into.threads.set(thread, {
      blockCount: amount.blockCount + (known?.blockCount ?? 0),
      sizeBytes: amount.sizeBytes + (known?.sizeBytes ?? 0),
    });
  }
  into.stackIds.push(...site.stackIds);
  into.allocationCount += site.allocationCount;
  into.allocatedBytes += site.allocatedBytes;
  into.temporaryCount += site.temporaryCount;
  if (!(into.oldestBornNs <= site.oldestBornNs)) into.oldestBornNs = site.oldestBornNs;
}

export interface OwnerTotals {
  owner: Owner;
  /** null without that moment. */
  beforeTeardown: Amount | null;
  atEnd: Amount;
}

/** Neither Node's own runtime nor memprof's agent in it: what a user can do something about. */
export function isUsers(owner: Owner): boolean {
  return owner.kind !== 'node' && owner.kind !== 'memprof';
}

/** Of these stacks, those that are users'. */
export function usersStackIds(stackIds: Iterable<StackId>, stacks: StackOwners): StackId[] {
  return [...stackIds].filter((id) => isUsers(stacks.owner(id)));
}

/** Live memory by owner at both moments, largest first, Node's runtime last. */
export function collectOwners(
  model: TraceModel,
  stacks: StackOwners,
  sums: MomentSums = momentSums(model),
): OwnerTotals[] {
  const owners = new Map<string, OwnerTotals>();
  const none = (): Amount => ({ blockCount: 0, sizeBytes: 0 });
  const totalsOf = (owner: Owner): OwnerTotals => {
    let totals = owners.get(owner.key);
    if (totals === undefined) {
      const beforeTeardown = sums.beforeTeardown === null ? null : none();
      owners.set(owner.key, (totals = { owner, beforeTeardown, atEnd: none() }));
    }
    return totals;
  };
  const add = (found: LiveSums, column: (totals: OwnerTotals) => Amount | null) => {
    const { stackId, blockCount, sizeBytes } = found;
    for (let row = 0; row < stackId.length; row++) {
      const amount = column(totalsOf(stacks.owner(stackId[row])));
      if (amount === null) continue;
      amount.blockCount += blockCount[row];
      amount.sizeBytes += sizeBytes[row];
    }
  };
  if (sums.beforeTeardown !== null) add(sums.beforeTeardown, (totals) => totals.beforeTeardown);
  add(sums.atEnd, (totals) => totals.atEnd);
  const weight = (totals: OwnerTotals) => (totals.beforeTeardown ?? totals.atEnd).sizeBytes;
  return [...owners.values()].sort(
    (a, b) =>
      Number(isUsers(b.owner)) - Number(isUsers(a.owner)) ||
      weight(b) - weight(a) ||
      b.atEnd.sizeBytes - a.atEnd.sizeBytes ||
      (a.owner.key < b.owner.key ? -1 : 1),
  );
}
