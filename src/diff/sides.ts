// The two sides of a comparison: amounts by stack become sites that stay recognisable in another build. Pure.
import type { Checkpoint, LiveSet, StackId, StackTotals, Verdict } from '../model/index.js';
import type { Amount, BlockFilter, StackContext } from '../report/index.js';
import { addAmounts } from '../report/index.js';
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import { type FrameNames, type Identity, identifier } from './identity.js';

export type AmountsByStack = Map<StackId, Amount>;

/** What one trace holds at one moment. */
export interface DiffSide {
  amounts: AmountsByStack;
  /** Of stacks that are not told apart: no part of `amounts`. */
  summedUp: Amount;
  symbols: Pick<SymbolizedStacks, 'stack'>;
  context: StackContext;
  /** Stacks that count. */
  passes(stack: NamedStack): boolean;
}

export interface DiffSite {
  identity: Identity;
  /** Of its stacks the one with most bytes. */
  stack: NamedStack;
  amount: Amount;
}

function add(amounts: AmountsByStack, stackId: StackId, more: Amount): void {
  const known = amounts.get(stackId);
  if (known === undefined) amounts.set(stackId, { ...more });
  else addAmounts(known, more);
}

export function liveAmounts(live: LiveSet, filter: BlockFilter | null): AmountsByStack {
  const amounts: AmountsByStack = new Map();
  for (let row = 0; row < live.count; row++) {
    if (filter !== null && !filter(live, row)) continue;
    add(amounts, live.stackId[row] as StackId, {
      blockCount: 1,
      sizeBytes: live.sizeBytes[row],
    });
  }
  return amounts;
}

/** Everything that was ever allocated, freed since or not. */
export function allocatedAmounts(totals: StackTotals): AmountsByStack {
  const amounts: AmountsByStack = new Map();
  const { allocationCount, allocatedBytes } = totals;
  for (let id = 0; id < allocationCount.length; id++) {
    if (allocationCount[id] === 0) continue;
    const amount = { blockCount: allocationCount[id], sizeBytes: allocatedBytes[id] };
    amounts.set(id as StackId, amount);
  }
  return amounts;
}

/** Sums that a checkpoint keeps, of blocks with these verdicts; null: of all. */
export function talliedAmounts(
  { tallies }: Pick<Checkpoint, 'tallies'>,
  verdicts: ReadonlySet<Verdict> | null,
): AmountsByStack {
  const amounts: AmountsByStack = new Map();
  for (const tally of tallies) {
    if (verdicts !== null && !verdicts.has(tally.verdict)) continue;
    add(amounts, tally.stackId, { blockCount: tally.blockCount, sizeBytes: tally.sizeBytes });
  }
  return amounts;
}

export function sitesOf(side: DiffSide, names: FrameNames): DiffSite[] {
  const identify = identifier(names, side.context);
  const sites = new Map<string, { site: DiffSite; largestBytes: number }>();
  for (const [stackId, amount] of side.amounts) {
    const stack = side.symbols.stack(stackId);
    if (!side.passes(stack)) continue;
    const identity = identify(stack);
    const key = `${identity.owner}\0${identity.names.join(' ')}\0${identity.lines.join(' ')}`;
    const known = sites.get(key);
    if (known === undefined) {
      const site = { identity, stack, amount: { ...amount } };
      sites.set(key, { site, largestBytes: amount.sizeBytes });
      continue;
    }
    addAmounts(known.site.amount, amount);
    const isShown =
      amount.sizeBytes > known.largestBytes ||
      (amount.sizeBytes === known.largestBytes && stack.key < known.site.stack.key);
    if (!isShown) continue;
    known.largestBytes = amount.sizeBytes;
    known.site.stack = stack;
  }
  return [...sites.values()].map(({ site }) => site);
}
