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

/** Of stacks that display equal. */
interface Sum {
  stack: NamedStack;
  before: Amount;
  after: Amount;
}

/** Largest first. */
export function exitSites(
  { beforeTeardown, atEnd }: MomentSums,
  symbols: SymbolizedStacks,
  context: StackContext,
): ExitSite[] {
  const sums = new Map<string, Sum>();
  addUsers(sums, beforeTeardown ?? atEnd, symbols, 'before');
  addUsers(sums, atEnd, symbols, 'after');
  // One likeness for both moments: a site is the same site before and after teardown.
  const alike = alikeStacks(
    [...sums.values()].map(({ stack }) => stack),
    context,
  );
  return mergedSites(sums.values(), alike).sort(
    (a, b) =>
      b.live.sizeBytes - a.live.sizeBytes ||
      b.live.blockCount - a.live.blockCount ||
      (a.stack.key < b.stack.key ? -1 : 1),
  );
}

function addUsers(
  sums: Map<string, Sum>,
  { stackId, blockCount, sizeBytes }: LiveSums,
  symbols: SymbolizedStacks,
  moment: 'before' | 'after',
): void {
  for (let row = 0; row < stackId.length; row++) {
    if (!isUsers(symbols.owner(stackId[row]))) continue;
    const stack = symbols.stack(stackId[row]);
    let sum = sums.get(stack.key);
    if (sum === undefined)
      sums.set(stack.key, (sum = { stack, before: noBlocks(), after: noBlocks() }));
    const amount = sum[moment];
    amount.blockCount += blockCount[row];
    amount.sizeBytes += sizeBytes[row];
  }
}

const noBlocks = (): Amount => ({ blockCount: 0, sizeBytes: 0 });

function mergedSites(sums: Iterable<Sum>, alike: Alike): ExitSite[] {
  const merged = new Map<number, Sum & { unplacedBefore: number; unplacedAfter: number }>();
  for (const { stack, before, after } of sums) {
    const key = alike.keyOf(stack);
    let into = merged.get(key);
    if (into === undefined) {
      const none = { before: noBlocks(), after: noBlocks(), unplacedBefore: 0, unplacedAfter: 0 };
      merged.set(key, (into = { stack: alike.shown(key), ...none }));
    }
    addAmounts(into.before, before);
    addAmounts(into.after, after);
    if (alike.isWhole(stack)) continue;
    into.unplacedBefore += before.blockCount;
    into.unplacedAfter += after.blockCount;
  }
  return Array.from(merged.values(), (one) => {
    const { stack, before, after } = one;
    // What teardown itself allocated was not live before it, and counts when it stays.
    const isLate = before.blockCount === 0;
    return {
      stack,
      live: isLate ? after : before,
      atEnd: after.blockCount === 0 ? null : after,
      isLate,
      unplacedCount: isLate ? one.unplacedAfter : one.unplacedBefore,
    };
  });
}
