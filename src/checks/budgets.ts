// Budgets: native memory that a package may have in a process. Pure.
import type { Checkpoint, StackId } from '../model/index.js';
import { type Amount, addAmounts, amountText, formatBytes, formatCount } from '../report/index.js';
import type { StackOwners } from '../symbols/index.js';
import { findingOf } from './findings.js';
import { type JudgedProcess, type RunFinding, whereText } from './whole-run.js';

export interface PackageBudget {
  name: string;
  liveBytes: number | null;
  peakBytes: number | null;
}

/** What packages had in one process. */
export interface PackageUse {
  process: JudgedProcess;
  /** At the last checkpoint, whoever holds it. */
  live: ReadonlyMap<string, Amount>;
  /** The most at any moment; null: not asked, or the trace has no events. */
  peakBytes: ReadonlyMap<string, number> | null;
}

/** By package name; what is Node's or no package's is left out. */
export function liveByPackage(checkpoint: Checkpoint, owners: StackOwners): Map<string, Amount> {
  const sums = new Map<string, Amount>();
  for (const tally of checkpoint.tallies) {
    const name = packageAt(owners, tally.stackId);
    if (name === null) continue;
    const sum = sums.get(name) ?? { blockCount: 0, sizeBytes: 0 };
    addAmounts(sum, tally);
    sums.set(name, sum);
  }
  return sums;
}

export function packageAt(owners: StackOwners, stackId: StackId): string | null {
  const owner = owners.owner(stackId);
  return owner.kind === 'package' ? (owner.package?.name ?? null) : null;
}

export function budgetFindings(
  uses: readonly PackageUse[],
  budgets: readonly PackageBudget[],
): RunFinding[] {
  return budgets.flatMap((budget) => {
    const found: RunFinding[] = [];
    if (budget.liveBytes !== null) found.push(...aboveLive(uses, budget.name, budget.liveBytes));
    if (budget.peakBytes !== null) found.push(...abovePeak(uses, budget.name, budget.peakBytes));
    return found;
  });
}

/** Budgets of packages whose memory was never seen: a slip of the pen, perhaps. */
export function unseenBudgets(
  uses: readonly PackageUse[],
  budgets: readonly PackageBudget[],
): string[] {
  return budgets
    .map((one) => one.name)
    .filter((name) => uses.every((use) => !use.live.has(name) && !use.peakBytes?.has(name)));
}

function aboveLive(uses: readonly PackageUse[], name: string, limitBytes: number): RunFinding[] {
  const above = uses
    .map(({ process, live }) => ({ process, amount: live.get(name) ?? nothing }))
    .filter(({ amount }) => amount.sizeBytes > limitBytes);
  return finding(
    above,
    name,
    'live',
    (amount) => `${name} holds ${amountText(amount)} at the last checkpoint`,
    limitBytes,
  );
}

function abovePeak(uses: readonly PackageUse[], name: string, limitBytes: number): RunFinding[] {
  const above = uses
    .map(({ process, peakBytes }) => ({
      process,
      amount: { blockCount: 0, sizeBytes: peakBytes?.get(name) ?? 0 },
    }))
    .filter(({ amount }) => amount.sizeBytes > limitBytes);
  return finding(
    above,
    name,
    'peak',
    (amount) => `${name} had ${formatBytes(amount.sizeBytes)} at its peak`,
    limitBytes,
  );
}

const nothing: Amount = { blockCount: 0, sizeBytes: 0 };

function finding(
  above: RunFinding['processes'],
  name: string,
  subject: 'live' | 'peak',
  fact: (amount: Amount) => string,
  limitBytes: number,
): RunFinding[] {
  if (above.length === 0) return [];
  const processes = above.sort((a, b) => b.amount.sizeBytes - a.amount.sizeBytes);
  const [{ process, amount }] = processes;
  const overBytes = amount.sizeBytes - limitBytes;
  const remarks: string[] = [];
  if (processes.length > 1) remarks.push(`${formatCount(processes.length)} processes are above it`);
  const largest = process.report.sites
    .filter((site) => site.stack.owner.package?.name === name)
    .reduce<(typeof process.report.sites)[number] | null>(
      (most, site) => (most === null || site.live.sizeBytes > most.live.sizeBytes ? site : most),
      null,
    );
  if (largest !== null)
    remarks.push(
      `largest at the last checkpoint: ${amountText(largest.live)}, allocated ${whereText(largest.stack, process.context)}`,
    );
  return [
    {
      finding: findingOf({
        rule: 'budget',
        title: `budget: ${fact(amount)}, ${formatBytes(overBytes)} above its budget of ${formatBytes(limitBytes)}`,
        remarks,
        stack: largest?.stack ?? null,
        context: process.context,
        packageName: name,
        subject,
        ...amount,
      }),
      processes,
    },
  ];
}
