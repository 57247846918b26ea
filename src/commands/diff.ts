// memprof diff: what changed between two traces, or between two moments of one.
import { resolve } from 'node:path';
import {
  type AmountsByStack,
  changes,
  type DiffReport,
  type DiffSide,
  diffSides,
  growthOf,
  noAmount,
  totalsOf,
} from '../diff/index.js';
import { ExitCode, MemprofError } from '../errors.js';
import type { StackId, TraceModel } from '../model/index.js';
import {
  type FilterOptions,
  jsonLines,
  momentNames,
  processJson,
  stackFilter,
  stackJson,
} from '../query/index.js';
import {
  addAmounts,
  formatBytes,
  isUsers,
  lossLines,
  shellQuote,
  usersStackIds,
} from '../report/index.js';
import { stackContext, type TraceCommand } from './context.js';
import {
  chooseMoments,
  type DiffMeasure,
  diffMeasures,
  type MeasuredMoment,
  measureAt,
  type TracedModel,
} from './diff-sides.js';
import { diffLines } from './diff-text.js';

export { type DiffMeasure, diffMeasures };

/** As memprof-run --check: memory is not as it should be. */
export const grewTooMuch = 23;

export type GrowthLimit = { bytes: number } | { percent: number };

export interface DiffOptions extends FilterOptions {
  measure: DiffMeasure;
  from?: string;
  to?: string;
  failAbove?: GrowthLimit;
  limit: number;
  stacks?: boolean;
  all?: boolean;
  json?: boolean;
}

export interface FailAbove {
  limitBytes: number;
  growthBytes: number;
  isAbove: boolean;
  /** As the user put it: "1.0 MiB", "5%". */
  text: string;
}

export interface DiffResult {
  lines: Iterable<string>;
  exitStatus: number;
  /** For standard error: why the status is not 0. */
  failure: string | null;
}

/** Without a second trace two moments of the first are compared. */
export async function diff(
  first: TraceCommand,
  second: TraceCommand | null,
  options: DiffOptions,
): Promise<DiffResult> {
  const after = second ?? first;
  if (second === null) assertMoments(first, options);
  const [from, to] = chooseMoments(first, after, options, options.measure);
  const [before, now] = measureAt(
    [
      { trace: first, moment: from },
      { trace: after, moment: to },
    ],
    options.measure,
    options,
  );
  const report = await compare(first, after, before, now, options);
  const isAsked = isAsking(options);
  const judged = report.sites.filter((site) => isAsked || isUsers(site.stack.owner));
  const failAbove = judge(totalsOf(judged), options.failAbove);
  const notes = notesOn(first, after, before, now);
  const drawn = { report, before, after: now, notes, failAbove };
  return {
    lines:
      options.json === true
        ? diffJson(drawn, options)
        : diffLines(drawn, {
            columns: after.columns,
            style: after.style,
            ...options,
          }),
    exitStatus: failAbove?.isAbove === true ? grewTooMuch : 0,
    failure:
      failAbove?.isAbove === true
        ? `memory grew by ${formatBytes(failAbove.growthBytes)}, which is above ${failAbove.text} (--fail-above)`
        : null,
  };
}

function assertMoments({ model, tracePath }: TraceCommand, { from, to }: DiffOptions): void {
  if (from !== undefined || to !== undefined) return;
  throw new MemprofError(
    'ERR_MEMPROF_USAGE',
    `one trace alone has nothing to be compared with. Give a second one, or two moments of this one with --from and --to. ${tracePath} has ${momentNames(model).join(', ')}`,
    ExitCode.usage,
  );
}

async function compare(
  first: TraceCommand,
  after: TraceCommand,
  before: MeasuredMoment,
  now: MeasuredMoment,
  options: DiffOptions,
): Promise<DiffReport> {
  // A reader of text gets one line for Node's own, which may be a hundred thousand sites.
  const summary = { isWanted: options.json !== true && !isAsking(options) };
  if (first === after) {
    const [a, b] = await sidesOf(first, [before, now], options, summary);
    return diffSides(a, b);
  }
  const [a] = await sidesOf(first, [before], options, summary);
  const [b] = await sidesOf(after, [now], options, summary);
  return diffSides(a, b);
}

/** Names are found once for all moments of a trace. */
async function sidesOf(
  command: TraceCommand,
  moments: readonly MeasuredMoment[],
  options: DiffOptions,
  summary: { isWanted: boolean },
): Promise<DiffSide[]> {
  const { model } = command;
  const ids = new Set<StackId>(moments.flatMap(({ amounts }) => [...amounts.keys()]));
  const owners = summary.isWanted ? await command.findOwners(model, ids) : undefined;
  const named = owners === undefined ? ids : usersStackIds(ids, owners);
  const symbols = await command.nameStacks(model, named, owners);
  const passes = stackFilter(options) ?? (() => true);
  return moments.map((moment) => {
    const amounts: AmountsByStack = new Map();
    const summedUp = noAmount();
    for (const [id, amount] of moment.amounts) {
      if (owners !== undefined && !isUsers(owners.owner(id))) addAmounts(summedUp, amount);
      else amounts.set(id, amount);
    }
    return { amounts, summedUp, symbols, context: stackContext(model), passes };
  });
}

const isAsking = ({ package: name, module, function: text }: DiffOptions): boolean =>
  name !== undefined || module !== undefined || text !== undefined;

function judge(totals: DiffReport['totals'], limit: GrowthLimit | undefined): FailAbove | null {
  if (limit === undefined) return null;
  const growthBytes = growthOf(totals).sizeBytes;
  const limitBytes =
    'bytes' in limit ? limit.bytes : (totals.before.sizeBytes * limit.percent) / 100;
  const text = 'bytes' in limit ? formatBytes(limit.bytes) : `${limit.percent}%`;
  return { limitBytes, growthBytes, isAbove: growthBytes > limitBytes, text };
}

/** What a reader must know before believing the numbers. */
function notesOn(
  first: TraceCommand,
  after: TraceCommand,
  before: MeasuredMoment,
  now: MeasuredMoment,
): string[] {
  const notes: string[] = [];
  if (first === after) {
    if (before.moment.atNs > now.moment.atNs)
      notes.push(
        `${before.moment.text} came after ${now.moment.text}: what grew is shown as shrunk`,
      );
    return [...notes, ...lossNotes('the trace', first)];
  }
  const [a, b] = [first.model.process, after.model.process];
  const isSameFile = resolve(first.tracePath) === resolve(after.tracePath);
  const isSameRun =
    a.pid === b.pid && a.startRealtimeMs === b.startRealtimeMs && a.generation === b.generation;
  if (isSameFile || isSameRun)
    notes.push('both are the trace of one run: --from and --to compare two moments of it');
  if (programOf(first.model) !== programOf(after.model))
    notes.push(
      `the programs differ (${programOf(first.model)}, then ${programOf(after.model)}): sites are the same only where the same functions call each other`,
    );
  if (a.nodeVersion !== b.nodeVersion)
    notes.push(
      `Node is ${a.nodeVersion ?? 'none'}, then ${b.nodeVersion ?? 'none'}: Node's own memory and what V8 inlines differ with it`,
    );
  if (before.moment.name !== now.moment.name && before.moment.moment !== null)
    notes.push(`the moments differ: ${before.moment.text}, then ${now.moment.text}`);
  return [...notes, ...lossNotes(first.tracePath, first), ...lossNotes(after.tracePath, after)];
}

const lossNotes = (name: string, { model }: TracedModel): string[] =>
  lossLines(model, 'brief')
    .filter((line) => !line.includes('waited'))
    .map((line) => `${name}: ${line}`);

/** The script of Node, else the command: without options and folders. */
function programOf({ process }: TraceModel): string {
  const words = process.argv.filter((word, at) => at === 0 || !word.startsWith('-'));
  const shown = process.nodeVersion === null ? words.slice(0, 1) : words.slice(0, 2);
  return shown.map((word) => shellQuote(word.slice(word.lastIndexOf('/') + 1))).join(' ');
}

export interface DrawnDiff {
  report: DiffReport;
  before: MeasuredMoment;
  after: MeasuredMoment;
  notes: string[];
  failAbove: FailAbove | null;
}

function* diffJson(
  { report, before, after, notes, failAbove }: DrawnDiff,
  { measure, all }: DiffOptions,
): Iterable<string> {
  const sideJson = ({ trace, moment }: MeasuredMoment) => ({
    trace: trace.tracePath,
    moment: moment.name,
    atNs: moment.atNs,
    process: processJson(trace.model),
  });
  const byChange = Object.fromEntries(
    changes.map((change) => {
      const sites = report.sites.filter((site) => site.change === change);
      return [change, { siteCount: sites.length, growth: growthOf(totalsOf(sites)) }];
    }),
  );
  yield* jsonLines(
    {
      schema: 'memprof.diff/1',
      measure,
      before: sideJson(before),
      after: sideJson(after),
      totals: { ...report.totals, growth: growthOf(report.totals) },
      changes: byChange,
      failAbove,
      notes,
    },
    {
      sites: report.sites
        .filter((site) => all === true || site.change !== 'unchanged')
        .map(({ stack, stackBefore, ...site }) => ({
          ...site,
          growth: growthOf(site),
          ...stackJson(stack),
          stackBefore: stackBefore === null ? null : stackJson(stackBefore),
        })),
    },
  );
}
