// The sites of the report at a program's end: users' blocks by stacks that look alike, and what is left of them at
// the very end. Pure.
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import { type Alike, alikeStacks } from './alike.js';
import { type Amount, addAmounts, type LiveSums, type MomentSums } from './live-sums.js';
import { isUsers } from './sites.js';
import type { StackContext } from './stack-text.js';

export interface ExitSite {
  stack: NamedStack;
  /** Before teardown; at the end where that moment is missing, or where teardown itself allocated it. */
  live: Amount;
  /** null: nothing is left. */
  atEnd: Amount | null;
  /** Allocated by teardown. */
  isLate: boolean;
  /** Of the live blocks: those whose own stack lacked a line that is shown (see alike.ts). */
  unplacedCount: number;
}

interface Sum {
  stack: NamedStack;
  live: Amount;
}

/** Largest first. */
export function exitSites(
  { beforeTeardown, atEnd }: MomentSums,
  symbols: SymbolizedStacks,
  context: StackContext,
): ExitSite[] {
  const after = usersSums(atEnd, symbols);
  const before = beforeTeardown === null ? after : usersSums(beforeTeardown, symbols);
  // One likeness for both moments: a site is the same site before and after teardown.
  const stacks = before.map(({ stack }) => stack);
  if (before !== after) for (const { stack } of after) stacks.push(stack);
  const alike = alikeStacks(stacks, context);
  const siteOfKey = mergedSites(before, alike);
  for (const [key, late] of mergedSites(after, alike)) {
    const site = siteOfKey.get(key);
    if (site !== undefined) site.atEnd = late.live;
    // What teardown itself allocated was not live before it, and counts when it stays.
    else siteOfKey.set(key, { ...late, atEnd: late.live, isLate: true });
  }
  return [...siteOfKey.values()].sort(
    (a, b) =>
      b.live.sizeBytes - a.live.sizeBytes ||
      b.live.blockCount - a.live.blockCount ||
      (a.stack.key < b.stack.key ? -1 : 1),
  );
}

/** By stacks that display equal. */
function usersSums(sums: LiveSums, symbols: SymbolizedStacks): Sum[] {
  const byKey = new Map<string, Sum>();
  const { stackId, blockCount, sizeBytes } = sums;
  for (let row = 0; row < stackId.length; row++) {
    if (!isUsers(symbols.owner(stackId[row]))) continue;
    const stack = symbols.stack(stackId[row]);
    const live = { blockCount: blockCount[row], sizeBytes: sizeBytes[row] };
    const known = byKey.get(stack.key);
    if (known === undefined) byKey.set(stack.key, { stack, live });
    else addAmounts(known.live, live);
  }
  return [...byKey.values()];
}

function mergedSites(sums: readonly Sum[], alike: Alike): Map<number, ExitSite> {
  const merged = new Map<number, ExitSite>();
  for (const { stack, live } of sums) {
    const key = alike.keyOf(stack);
    const unplacedCount = alike.isWhole(stack) ? 0 : live.blockCount;
    const site = merged.get(key);
    if (site === undefined) {
      const shown = { stack: alike.shown(key), live: { ...live }, unplacedCount };
      merged.set(key, { ...shown, atEnd: null, isLate: false });
    } else {
      addAmounts(site.live, live);
      site.unplacedCount += unplacedCount;
    }
  }
  return merged;
}
