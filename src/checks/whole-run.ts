// Faults of a whole run: what the last checkpoint of each of its processes says, and the same fault in several
// processes (a test runner's workers) made one. Pure.
import type { TraceModel } from '../model/index.js';
import {
  type Amount,
  addAmounts,
  amountText,
  formatCount,
  frameText,
  isToActOn,
  isUsers,
  type LeakReport,
  type LeakSite,
  noRootNames,
  type StackContext,
  shortPlaceOf,
  siteFrame,
  siteRemarks,
} from '../report/index.js';
import type { NamedStack, Owner } from '../symbols/index.js';
import type { CheckFinding } from './finding.js';
import { type FindingFacts, findingOf } from './findings.js';

export type SiteRule = 'lost' | 'orphaned' | 'growth';

/** One process of the run with its last checkpoint that was scanned, as `memprof leaks` shows it. */
export interface JudgedProcess {
  pid: number;
  /** Its command, escaped, for a line. */
  label: string;
  tracePath: string | null;
  model: TraceModel;
  report: LeakReport;
  context: StackContext;
}

export interface RunFinding {
  finding: CheckFinding;
  /** Where it was found, the process with most of it first. */
  processes: { process: JudgedProcess; amount: Amount }[];
}

export interface RunFaults {
  findings: RunFinding[];
  /** Lost in programs and libraries that are no addon and not of the project: told, but no fault of anybody here. */
  foreign: { name: string; amount: Amount }[];
}

/** Checkpoints that growth is judged by, at least. */
export const growthCheckpoints = 4;
/** A cache that fills once or twice is no leak. */
const growthRises = 3;

/** @param root of the package under test: its own programs count, others do not */
export function findRunFaults(
  processes: readonly JudgedProcess[],
  rules: ReadonlySet<SiteRule>,
  root: string,
): RunFaults {
  const faults = new Map<string, Fault>();
  const foreign = new Map<string, Amount>();
  for (const process of processes) {
    for (const site of process.report.sites) {
      const rule = ruleOf(site);
      if (rule === null || !rules.has(rule)) continue;
      const { owner } = site.stack;
      if (!isOfProject(owner, root)) {
        const name = owner.module ?? 'blocks without a stack';
        const sum = foreign.get(name) ?? { blockCount: 0, sizeBytes: 0 };
        addAmounts(sum, site.live);
        foreign.set(name, sum);
        continue;
      }
      const one: FaultSite = { process, site, rule };
      const key = faultKey(findingOf(factsOf(one, site.live)));
      const known = faults.get(key);
      if (known === undefined) faults.set(key, { sites: [one] });
      else known.sites.push(one);
    }
  }
  return {
    findings: [...faults.values()].map(merge).sort(worstFirst),
    foreign: [...foreign].map(([name, amount]) => ({ name, amount })),
  };
}

interface FaultSite {
  process: JudgedProcess;
  site: LeakSite;
  rule: SiteRule;
}
interface Fault {
  sites: FaultSite[];
}

function ruleOf(site: LeakSite): SiteRule | null {
  if (!isToActOn(site)) return null;
  switch (site.verdict) {
    case 'lost':
    case 'lost-indirect':
      return 'lost';
    case 'orphaned':
      return 'orphaned';
    default: {
      const { growth } = site;
      const isGrowing =
        growth !== null &&
        growth.checkpointCount >= growthCheckpoints &&
        growth.riseCount >= growthRises;
      return isGrowing ? 'growth' : null;
    }
  }
}

/** Addons, whosever they are, and what was built in the project. */
export function isOfProject(owner: Owner, root: string): boolean {
  if (!isUsers(owner) || owner.module === null) return false;
  return owner.kind === 'package' || isProjectModule(owner.module, root);
}

export const isProjectModule = (path: string, root: string): boolean =>
  path.endsWith('.node') || path.startsWith(root.endsWith('/') ? root : `${root}/`);

/** Of one build: two places in one function are two faults. */
function faultKey({ fingerprint, place }: CheckFinding): string {
  return place === null ? fingerprint : `${fingerprint} ${place.file}:${place.line}`;
}

function factsOf({ process, site, rule }: FaultSite, amount: Amount): FindingFacts {
  const { model, report, context } = process;
  return {
    rule,
    title: `${rule}: ${amountText(amount)}${growthText(site, rule)}, allocated ${whereText(site.stack, context)}`,
    remarks: siteRemarks(model, report, site, { names: noRootNames, context }),
    stack: site.stack,
    context,
    ...amount,
  };
}

const growthText = ({ growth }: LeakSite, rule: SiteRule): string =>
  rule === 'growth' && growth !== null
    ? ` after ${growth.checkpointCount} checkpoints, from ${formatCount(growth.firstBlockCount)} at the first`
    : '';

/** "in make (src/a.cc:12)". */
export function whereText(stack: NamedStack, context: StackContext): string {
  const frame = siteFrame(stack, context);
  if (frame === null) return 'in an unknown place';
  const place = shortPlaceOf(frame, context);
  return `in ${frameText(frame, 50)}${place === '' ? '' : ` (${place})`}`;
}

function merge({ sites }: Fault): RunFinding {
  const byProcess = new Map<JudgedProcess, Amount>();
  const total: Amount = { blockCount: 0, sizeBytes: 0 };
  for (const { process, site } of sites) {
    const sum = byProcess.get(process) ?? { blockCount: 0, sizeBytes: 0 };
    addAmounts(sum, site.live);
    byProcess.set(process, sum);
    addAmounts(total, site.live);
  }
  const worst = sites.reduce((most, one) =>
    one.site.live.sizeBytes > most.site.live.sizeBytes ? one : most,
  );
  const facts = factsOf(worst, total);
  const processes = [...byProcess]
    .map(([process, amount]) => ({ process, amount }))
    .sort((a, b) => b.amount.sizeBytes - a.amount.sizeBytes);
  const remarks = processes.length === 1 ? [] : [processesText(processes)];
  return {
    finding: findingOf({ ...facts, remarks: [...remarks, ...(facts.remarks ?? [])] }),
    processes,
  };
}

const processesText = (processes: RunFinding['processes']): string => {
  const { process, amount } = processes[0];
  return `in ${formatCount(processes.length)} processes, most of it in pid ${process.pid}: ${amountText(amount)}`;
};

function worstFirst(a: RunFinding, b: RunFinding): number {
  return (
    b.finding.sizeBytes - a.finding.sizeBytes ||
    b.finding.blockCount - a.finding.blockCount ||
    (a.finding.fingerprint < b.finding.fingerprint ? -1 : 1)
  );
}
