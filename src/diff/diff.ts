// Two sides, site by site: what grew, shrank, is new or gone. Pure.
import { type Amount, addAmounts, isUsers } from '../report/index.js';
import type { NamedStack } from '../symbols/index.js';
import { FrameNames } from './identity.js';
import { matchLikes, type NameUse } from './likeness.js';
import { type Matched, type MatchedBy, matchLines } from './lines.js';
import { type DiffSide, type DiffSite, sitesOf } from './sides.js';

export type Change = 'new' | 'grew' | 'shrank' | 'gone' | 'unchanged';
export const changes: readonly Change[] = ['new', 'grew', 'shrank', 'gone', 'unchanged'];

export interface SiteChange {
  change: Change;
  before: Amount;
  after: Amount;
  /** As it is now; of a site that is gone, as it was. */
  stack: NamedStack;
  /** Where the functions differ: as it was. */
  stackBefore: NamedStack | null;
  /** null: only one side has it. */
  matchedBy: MatchedBy;
}

export interface DiffTotals {
  before: Amount;
  after: Amount;
}

export interface DiffReport {
  /** Most changed first, in the order of `changes`. */
  sites: SiteChange[];
  /** What neither side told apart. */
  summedUp: DiffTotals;
  /** What the sites and the summed up changed adds up to the difference of these, exactly. */
  totals: DiffTotals;
}

export const noAmount = (): Amount => ({ blockCount: 0, sizeBytes: 0 });

/** Blocks of memory may be fewer and larger: bytes decide, and blocks where bytes are equal. */
export function growthOf({ before, after }: DiffTotals): Amount {
  return {
    blockCount: after.blockCount - before.blockCount,
    sizeBytes: after.sizeBytes - before.sizeBytes,
  };
}

export function diffSides(before: DiffSide, after: DiffSide): DiffReport {
  const names = new FrameNames();
  const sites = { before: sitesOf(before, names), after: sitesOf(after, names) };
  const changed = match(sites.before, sites.after, names).map(changeOf);
  changed.sort(
    (a, b) =>
      changes.indexOf(a.change) - changes.indexOf(b.change) ||
      Math.abs(growthOf(b).sizeBytes) - Math.abs(growthOf(a).sizeBytes) ||
      Math.abs(growthOf(b).blockCount) - Math.abs(growthOf(a).blockCount) ||
      b.after.sizeBytes - a.after.sizeBytes ||
      (a.stack.key < b.stack.key ? -1 : a.stack.key > b.stack.key ? 1 : 0),
  );
  const totals = totalsOf(changed);
  addAmounts(totals.before, before.summedUp);
  addAmounts(totals.after, after.summedUp);
  const summedUp = { before: { ...before.summedUp }, after: { ...after.summedUp } };
  return { sites: changed, summedUp, totals };
}

export function totalsOf(sites: readonly SiteChange[]): DiffTotals {
  const totals = { before: noAmount(), after: noAmount() };
  for (const site of sites) {
    addAmounts(totals.before, site.before);
    addAmounts(totals.after, site.after);
  }
  return totals;
}

interface Group {
  owner: string;
  isUsers: boolean;
  before: DiffSite[];
  after: DiffSite[];
}

function match(
  before: readonly DiffSite[],
  after: readonly DiffSite[],
  names: FrameNames,
): Matched[] {
  const byFunctions = groupBy(before, after, ({ identity }) => identity.names.join(' '));
  const matched: Matched[] = [];
  const left: { before: DiffSite[]; after: DiffSite[] } = { before: [], after: [] };
  for (const group of byFunctions) {
    for (const one of matchLines(group.before, group.after)) {
      // Another line of functions that both sides have is another site, however alike.
      const isWhollyAlone = group.before.length === 0 || group.after.length === 0;
      if (one.by !== null || !isWhollyAlone) matched.push(one);
      else {
        left.before.push(...one.before);
        left.after.push(...one.after);
      }
    }
  }
  const use: NameUse = { names, before: namesIn(before), after: namesIn(after) };
  for (const group of groupBy(left.before, left.after, () => '')) {
    if (group.isUsers) {
      const likes = matchLikes(group.before, group.after, use);
      matched.push(
        ...likes.matched,
        ...matchLines(likes.before, []),
        ...matchLines([], likes.after),
      );
    } else matched.push(...byLeaf(group));
  }
  return matched;
}

/** Node's own code is thousands of ways to few functions: what is left of it is told apart by these alone. */
function byLeaf(group: Group): Matched[] {
  return groupBy(group.before, group.after, ({ identity }) => String(identity.names[0])).map(
    ({ before, after }) => ({
      before,
      after,
      by: before.length === 0 || after.length === 0 ? null : 'likeness',
    }),
  );
}

/** Sites of one owner with equal keys. */
function groupBy(
  before: readonly DiffSite[],
  after: readonly DiffSite[],
  keyOf: (site: DiffSite) => string,
): Group[] {
  const groups = new Map<string, Group>();
  const groupOf = (site: DiffSite): Group => {
    const { owner } = site.identity;
    const key = `${owner}\0${keyOf(site)}`;
    let group = groups.get(key);
    if (group === undefined) {
      group = { owner, isUsers: isUsers(site.stack.owner), before: [], after: [] };
      groups.set(key, group);
    }
    return group;
  };
  for (const site of before) groupOf(site).before.push(site);
  for (const site of after) groupOf(site).after.push(site);
  return [...groups.values()];
}

function namesIn(sites: readonly DiffSite[]): Set<number> {
  const all = new Set<number>();
  for (const { identity } of sites) for (const name of identity.names) all.add(name);
  return all;
}

function changeOf(one: Matched): SiteChange {
  const sum = (sites: readonly DiffSite[]): Amount => {
    const total = noAmount();
    for (const site of sites) addAmounts(total, site.amount);
    return total;
  };
  const before = sum(one.before);
  const after = sum(one.after);
  const largest = (sites: readonly DiffSite[]): DiffSite | undefined =>
    [...sites].sort(
      (a, b) => b.amount.sizeBytes - a.amount.sizeBytes || (a.stack.key < b.stack.key ? -1 : 1),
    )[0];
  const was = largest(one.before);
  const shown = largest(one.after) ?? (was as DiffSite);
  return {
    change: kindOf(one, before, after),
    before,
    after,
    stack: shown.stack,
    stackBefore: one.by === 'likeness' && was !== undefined ? was.stack : null,
    matchedBy: one.by,
  };
}

function kindOf(one: Matched, before: Amount, after: Amount): Change {
  const growth = after.sizeBytes - before.sizeBytes || after.blockCount - before.blockCount;
  if (growth === 0) return 'unchanged';
  if (one.before.length === 0) return 'new';
  if (one.after.length === 0) return 'gone';
  return growth > 0 ? 'grew' : 'shrank';
}
