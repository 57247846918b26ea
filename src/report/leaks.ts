// What a checkpoint says, site by site: blocks of one stack with one verdict and one class of owner. Pure.
import {
  type Checkpoint,
  type CheckpointDetail,
  Reach,
  type StackId,
  type Verdict,
} from '../model/index.js';
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import {
  type BlockGrowth,
  findRoots,
  growthOf,
  leadersOf,
  type PathRoot,
  pathOf,
} from '../verdicts/index.js';
import { type Amount, addAmounts } from './live-sums.js';
import { checkpointContainers, joinContainers, type PoolContainer } from './pools.js';
import { isUsers } from './sites.js';
import { verdictOrder } from './verdict-words.js';

export interface LeakOwner {
  className: string;
  /** Of an orphaned block: the last checkpoint that saw its object, 0: none did; else null. */
  lastSeen: number | null;
}

export interface LeakSite {
  stack: NamedStack;
  verdict: Verdict;
  /** Of a pool that the program announced: these bytes lie in other blocks. null: of malloc. */
  pool: string | null;
  /** What the program calls most of the blocks; null: nothing. */
  announcedType: string | null;
  /** Where the blocks are the memory of pools. */
  container: PoolContainer | null;
  live: Amount;
  /** Lost with these blocks, behind them. They are counted under their own verdict, too. */
  behind: Amount;
  /** Of the live ones: those to which lost blocks point, so that they are lost-indirect by the scan. */
  indirectCount: number;
  owner: LeakOwner | null;
  /** What holds most of the site's bytes, where native code or nobody that is known does. */
  root: PathRoot | null;
  growth: BlockGrowth | null;
  /** First word of most of the blocks, if it points into a module; else 0. */
  firstWord: number;
  /** Rows of the checkpoint's blocks; empty where they were not kept. */
  rows: number[];
}

export interface LeakReport {
  checkpoint: Checkpoint;
  /** How many were taken up to this one. */
  checkpointCount: number;
  /** Worst first. */
  sites: LeakSite[];
  /** By verdict, of addons and the program's own code. */
  users: Map<Verdict, Amount>;
  /** By verdict, of Node and memprof. */
  runtime: Map<Verdict, Amount>;
  /** By name and verdict, of blocks in pools. They are in no other sum. */
  pools: Map<string, Map<Verdict, Amount>>;
}

/** How stacks are told apart: by what a machine or a person sees. */
export interface StackGroups {
  keyOf(stack: NamedStack): string;
  shown(key: string, stack: NamedStack): NamedStack;
}

export const everyStack: StackGroups = {
  keyOf: (stack) => stack.key,
  shown: (_key, stack) => stack,
};

/** All stacks that verdicts of these checkpoints name. */
export function checkpointStackIds(checkpoints: readonly Checkpoint[]): StackId[] {
  const ids = new Set<StackId>();
  for (const { tallies, poolTallies = [] } of checkpoints)
    for (const { stackId } of [...tallies, ...poolTallies]) ids.add(stackId);
  return [...ids];
}

export const isLeak = (verdict: Verdict): boolean =>
  verdict === 'lost' ||
  verdict === 'lost-indirect' ||
  verdict === 'orphaned' ||
  verdict === 'pending';

const isHeld = (verdict: Verdict): boolean =>
  verdict === 'held-by-js' || verdict === 'held-by-native';

/** What an addon's author should act on. Blocks that are lost behind others come with those. */
export function isToActOn(site: LeakSite): boolean {
  // A finalizer that Node has put off until after the end is no fault of the addon's.
  if (!isUsers(site.stack.owner) || site.verdict === 'pending') return false;
  return isLeak(site.verdict) || (site.growth !== null && isHeld(site.verdict));
}

export interface LeakOptions {
  groups: StackGroups;
  /** What is lost behind others is counted with those alone. */
  foldIndirect: boolean;
  /** Node's own stacks need no names, and make no sites. */
  usersOnly?: boolean;
}

export function collectLeaks(
  checkpoints: readonly Checkpoint[],
  checkpoint: Checkpoint,
  symbols: SymbolizedStacks,
  options: LeakOptions,
): LeakReport {
  const { groups } = options;
  const upTo = checkpoints.filter((one) => one.number <= checkpoint.number);
  const isLeftOut = (stackId: StackId) =>
    options.usersOnly === true && !isUsers(symbols.owner(stackId));
  const sites = new Sites(symbols, groups, isLeftOut);
  const { detail } = checkpoint;
  if (detail === null) {
    for (const tally of checkpoint.tallies)
      if (!isLeftOut(tally.stackId))
        addAmounts(sites.of(tally.stackId, tally.verdict, null, null).live, tally);
    for (const tally of checkpoint.poolTallies ?? [])
      if (!isLeftOut(tally.stackId))
        addAmounts(sites.of(tally.stackId, tally.verdict, null, tally.poolName).live, tally);
  } else {
    addBlocks(sites, detail, options.foldIndirect);
  }
  const growth = growthOf(upTo, ({ stackId, verdict }) => {
    const isTold = symbols.has(stackId) && !isLeftOut(stackId);
    if (!isTold || !(isHeld(verdict) || verdict === 'runtime')) return null;
    const held = verdict === 'runtime' ? 'held-by-native' : verdict;
    return growthKey(groups.keyOf(symbols.stack(stackId)), held);
  });
  const ofPools = upTo.map((one) => ({ tallies: one.poolTallies ?? [] }));
  const poolGrowth = growthOf(ofPools, ({ stackId, verdict, poolName }) =>
    symbols.has(stackId) && !isLeftOut(stackId) && isHeld(verdict)
      ? growthKey(groups.keyOf(symbols.stack(stackId)), verdict, poolName)
      : null,
  );
  for (const site of sites.all()) {
    const key = growthKey(groups.keyOf(site.stack), site.verdict, site.pool ?? undefined);
    site.growth = (site.pool === null ? growth : poolGrowth).get(key) ?? null;
  }
  const [users, runtime] = [new Map<Verdict, Amount>(), new Map<Verdict, Amount>()];
  const addTo = (stackId: StackId, verdict: Verdict, amount: Amount) => {
    const into = isUsers(symbols.owner(stackId)) ? users : runtime;
    const sum = into.get(verdict) ?? { blockCount: 0, sizeBytes: 0 };
    addAmounts(sum, amount);
    into.set(verdict, sum);
  };
  if (detail === null) {
    for (const tally of checkpoint.tallies) addTo(tally.stackId, tally.verdict, tally);
  } else {
    const { live } = detail;
    const count = detail.pools?.firstRow ?? live.count;
    for (let row = 0; row < count; row++) {
      const amount = { blockCount: 1, sizeBytes: live.sizeBytes[row] };
      addTo(live.stackId[row] as StackId, sites.verdictOf(detail, row), amount);
    }
  }
  return {
    checkpoint,
    checkpointCount: upTo.length,
    sites: sites.all().sort(worstFirst),
    users,
    runtime,
    pools: poolVerdicts(checkpoint),
  };
}

const growthKey = (key: string, verdict: Verdict, pool?: string): string =>
  `${verdict} ${key}${pool === undefined ? '' : `\0${pool}`}`;

function poolVerdicts({ poolTallies = [] }: Checkpoint): LeakReport['pools'] {
  const pools: LeakReport['pools'] = new Map();
  for (const tally of poolTallies) {
    let sums = pools.get(tally.poolName);
    if (sums === undefined) pools.set(tally.poolName, (sums = new Map()));
    const sum = sums.get(tally.verdict) ?? { blockCount: 0, sizeBytes: 0 };
    addAmounts(sum, tally);
    sums.set(tally.verdict, sum);
  }
  return pools;
}

class Sites {
  private readonly symbols: SymbolizedStacks;
  private readonly groups: StackGroups;
  readonly isLeftOut: (stackId: StackId) => boolean;
  private readonly byKey = new Map<string, LeakSite>();
  /** Blocks of one stack come one after the other by the thousand. */
  private readonly keys = new Map<StackId, string>();

  constructor(
    symbols: SymbolizedStacks,
    groups: StackGroups,
    isLeftOut: (stackId: StackId) => boolean,
  ) {
    this.symbols = symbols;
    this.groups = groups;
    this.isLeftOut = isLeftOut;
  }

  /** The site of blocks that are lost from there, if any are. */
  lostAt(stackId: StackId, pool: string | null): LeakSite | undefined {
    if (this.isLeftOut(stackId)) return undefined;
    return this.byKey.get(siteKey(this.keyOf(stackId), 'lost', null, pool));
  }

  /**
   * Whose a block is was told to the recorder by modules alone. With names some of Node's turn out to be an
   * addon's: it called the C++ library's functions that lie in Node.
   */
  verdictOf(detail: CheckpointDetail, row: number): Verdict {
    const verdict = detail.verdict[row];
    const stackId = detail.live.stackId[row];
    if (verdict !== 'runtime' || !this.isUsersStack(stackId)) return verdict;
    const reach = detail.reachability?.reach[row];
    return reach === Reach.owner || reach === Reach.v8 ? 'held-by-js' : 'held-by-native';
  }

  private keyOf(stackId: StackId): string {
    let key = this.keys.get(stackId);
    if (key === undefined) {
      key = this.groups.keyOf(this.symbols.stack(stackId));
      this.keys.set(stackId, key);
    }
    return key;
  }

  of(stackId: StackId, verdict: Verdict, owner: LeakOwner | null, pool: string | null): LeakSite {
    const stack = this.symbols.stack(stackId);
    const key = this.keyOf(stackId);
    const full = siteKey(key, verdict, owner, pool);
    let site = this.byKey.get(full);
    if (site === undefined) {
      site = {
        stack: this.groups.shown(key, stack),
        verdict,
        pool,
        announcedType: null,
        container: null,
        live: { blockCount: 0, sizeBytes: 0 },
        behind: { blockCount: 0, sizeBytes: 0 },
        indirectCount: 0,
        owner,
        root: null,
        growth: null,
        firstWord: 0,
        rows: [],
      };
      this.byKey.set(full, site);
    }
    return site;
  }

  all(): LeakSite[] {
    return [...this.byKey.values()].filter((site) => site.live.blockCount > 0);
  }

  isUsersStack(stackId: number): boolean {
    return isUsers(this.symbols.owner(stackId as StackId));
  }
}

function siteKey(
  key: string,
  verdict: Verdict,
  owner: LeakOwner | null,
  pool: string | null,
): string {
  return `${verdict}\0${owner?.className ?? '\0'}\0${owner?.lastSeen ?? ''}\0${pool ?? '\0'}\0${key}`;
}

function addBlocks(sites: Sites, detail: CheckpointDetail, foldIndirect: boolean): void {
  const { live } = detail;
  const verdict = Array.from(detail.verdict, (_one, row) => sites.verdictOf(detail, row));
  const leaders = leadersOf(detail);
  const ownerOf = owners(detail);
  const poolOf = poolNames(detail);
  const siteOf = (row: number) =>
    sites.of(live.stackId[row] as StackId, verdict[row], ownerOf(row), poolOf(row));
  if (foldIndirect) {
    for (let row = 0; row < live.count; row++)
      if (verdict[row] === 'lost' && !sites.isLeftOut(live.stackId[row] as StackId)) siteOf(row);
  }
  for (let row = 0; row < live.count; row++) {
    const amount = { blockCount: 1, sizeBytes: live.sizeBytes[row] };
    const leader = leaders[row];
    // A block that hangs from one that Node lost is nobody else's to find.
    const isBehind =
      verdict[row] === 'lost-indirect' && leader >= 0 && sites.isUsersStack(live.stackId[leader]);
    // Of blocks that one place lost, some point at others by chance: a list, or what lay there before.
    const own =
      foldIndirect && verdict[row] === 'lost-indirect'
        ? sites.lostAt(live.stackId[row] as StackId, poolOf(row))
        : undefined;
    if (own !== undefined) {
      addAmounts(own.live, amount);
      own.indirectCount++;
      own.rows.push(row);
      continue;
    }
    if (isBehind) addAmounts(siteOf(leader).behind, amount);
    if ((isBehind && foldIndirect) || sites.isLeftOut(live.stackId[row] as StackId)) continue;
    const site = siteOf(row);
    addAmounts(site.live, amount);
    site.rows.push(row);
  }
  findHolders(sites, detail);
  sayWhatIsAnnounced(sites, detail);
}

function poolNames({ pools }: CheckpointDetail): (row: number) => string | null {
  if (pools === undefined) return () => null;
  return (row) =>
    row < pools.firstRow ? null : pools.pools[pools.poolIndex[row - pools.firstRow]].name;
}

function sayWhatIsAnnounced(sites: Sites, { live, pools }: CheckpointDetail): void {
  const { announced } = live;
  const containers = pools === undefined ? null : checkpointContainers(live, pools);
  if (announced === undefined && containers === null) return;
  for (const site of sites.all()) {
    if (announced !== undefined) {
      const index = usual(announced.typeIndex, site.rows);
      site.announcedType = index === 0 ? null : announced.typeNames[index - 1];
    }
    if (containers !== null && site.pool === null)
      site.container = joinContainers(site.rows.map((row) => containers.get(row)));
  }
}

function owners(detail: CheckpointDetail): (row: number) => LeakOwner | null {
  const orphans = new Map(detail.orphans.map((one) => [one.block, one]));
  const { owners, ownerRow } = detail;
  const known = owners.classNames.map((className): LeakOwner => ({ className, lastSeen: null }));
  return (row) => {
    const orphan = orphans.get(row);
    if (orphan !== undefined) return { className: orphan.className, lastSeen: orphan.lastSeen };
    const owner = ownerRow[row];
    return owner < 0 ? null : (known[owners.classIndex[owner]] ?? null);
  };
}

/** What the bytes of a site hang from, for the most part. */
function findHolders(sites: Sites, detail: CheckpointDetail): void {
  const { reachability, live } = detail;
  if (reachability === null) return;
  const { head } = findRoots(reachability.referrerBlock);
  const roots = new Map<number, { key: string; root: PathRoot }>();
  const rootAt = (row: number) => {
    let found = roots.get(row);
    if (found === undefined) {
      const { root } = pathOf(detail, row);
      roots.set(row, (found = { root, key: JSON.stringify(root) }));
    }
    return found;
  };
  for (const site of sites.all()) {
    site.firstWord = usual(reachability.firstWord, site.rows);
    // Its class is told already, and thousands of objects have it.
    if (site.verdict === 'held-by-js' && site.owner !== null) continue;
    const sums = new Map<string, { root: PathRoot; sizeBytes: number }>();
    for (const row of site.rows) {
      if (head[row] < 0) continue;
      const { key, root } = rootAt(head[row]);
      const sum = sums.get(key) ?? { root, sizeBytes: 0 };
      sum.sizeBytes += Math.max(live.sizeBytes[row], 1);
      sums.set(key, sum);
    }
    let most = 0;
    for (const { root, sizeBytes } of sums.values()) {
      if (sizeBytes <= most) continue;
      most = sizeBytes;
      site.root = root;
    }
  }
}

/** What most of the rows have; 0: no such thing. */
function usual(column: ArrayLike<number>, rows: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(column[row], (counts.get(column[row]) ?? 0) + 1);
  for (const [value, count] of counts) if (count * 2 > rows.length) return value;
  return 0;
}

/** Leaks before what only grows, then by bytes. */
function worstFirst(a: LeakSite, b: LeakSite): number {
  const weight = (site: LeakSite) => site.live.sizeBytes + site.behind.sizeBytes;
  return (
    Number(isToActOn(b)) - Number(isToActOn(a)) ||
    Number(isLeak(b.verdict)) - Number(isLeak(a.verdict)) ||
    weight(b) - weight(a) ||
    b.live.blockCount - a.live.blockCount ||
    verdictOrder.indexOf(a.verdict) - verdictOrder.indexOf(b.verdict) ||
    (a.stack.key < b.stack.key ? -1 : 1)
  );
}
