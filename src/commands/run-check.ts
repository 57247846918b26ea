// memprof-run --check: judges every process of the run, tells what it found, and with which status to end.
import { unlinkSync } from 'node:fs';
import {
  budgetFindings,
  type CheckFinding,
  checkLines,
  doubtOf,
  findRunFaults,
  growthCheckpoints,
  hasSubject,
  type JudgedProcess,
  lastScanned,
  liveByPackage,
  type PackageUse,
  packageAt,
  passedOverTexts,
  peaksOf,
  processes,
  type RunFaults,
  type RunFinding,
  type SiteRule,
  type Unjudged,
  unjudgedTexts,
  unseenBudgets,
} from '../checks/index.js';
import type { StackId, TraceModel } from '../model/index.js';
import { type StackNamer, stackContext, stackNamer } from '../query/index.js';
import { type ProgramEnd, type RecordedProcess, readTraceEvents } from '../record/index.js';
import { checkpointStackIds, escapeText, shellQuote, usersStackIds } from '../report/index.js';
import { generateSuppressions, ruleText, suppress } from '../suppressions/index.js';
import type { TextOutput } from '../text-output.js';
import { writeCheckOutputs } from './check-outputs.js';
import type { Check } from './check-setup.js';
import { readableLeaks } from './leaks.js';
import { terminalOf, writeLines } from './output.js';
import { ownCommand } from './own-command.js';

/** A fault was found, and the command itself succeeded. */
export const faultStatus = 23;
/** Something that was to be judged could not be. */
export const unjudgedStatus = 125;

export interface RunEnd {
  end: ProgramEnd;
  /** As the user typed it. */
  words: readonly string[];
  recorded: readonly RecordedProcess[];
  /** Sentences about processes that could not join. */
  unrecorded: readonly string[];
  /** Traces have names of our own making, and nobody waits for all of them. */
  mayDropTraces: boolean;
  isQuiet: boolean;
}

export class CheckReport {
  readonly #check: Check;
  readonly #stderr: TextOutput;
  readonly #namer: StackNamer;

  constructor(check: Check, stderr: TextOutput) {
    this.#check = check;
    this.#stderr = stderr;
    this.#namer = stackNamer(stderr);
  }

  warm(programFile: string): void {
    this.#namer.warm(programFile);
  }

  /** The status to end with where the command itself succeeded. */
  async judge(run: RunEnd): Promise<number> {
    const { rules, project, options, kinds } = this.#check;
    const judged = await this.#judgeAll(run);
    const active: RunFinding[] = [...judged.faults.findings, ...judged.budgets];
    const answer = suppress(
      active.map((one) => one.finding),
      rules,
      project.packageName,
    );
    const findings = active.map((one, at) => ({ ...one, finding: answer.findings[at] }));
    const errors = findings.filter(({ finding }) => isError(finding));
    const isAllJudged =
      judged.isGrowthJudged &&
      run.recorded.length > 0 &&
      run.unrecorded.length === 0 &&
      !judged.unjudged.some((one) => one.isSubject);
    const terminal = terminalOf(this.#stderr, process.env);
    const unjudged = [
      ...(run.recorded.length === 0 ? [neverJoined] : []),
      ...run.unrecorded.map(escapeText),
      ...unjudgedTexts(judged.unjudged),
    ];
    const hidden = answer.hidden.map(
      ({ rule, finding }) =>
        `${escapeText(ruleText(rule))} hides a fault of ${escapeText(finding.packageName)} itself: ${finding.title}`,
    );
    const unused = rules.filter((rule) => !answer.used.has(rule));
    const suppressedCount = findings.filter(({ finding }) => finding.suppressedBy !== null).length;
    const notes = [
      ...passedOverTexts(judged.unjudged),
      ...judged.notes,
      ...(suppressedCount === 0 ? [] : [`${suppressedCount} suppressed`]),
      ...unused.map((rule) => `suppression not used: ${escapeText(ruleText(rule))}`),
    ];
    const annotations = writeCheckOutputs(
      answer.findings,
      {
        project,
        command: run.words.map(shellQuote).join(' '),
        processCount: run.recorded.length,
        unjudged,
        endedStatus: run.end.signal === null ? run.end.code : null,
        startedMs: this.#check.startedMs,
        durationMs: Date.now() - this.#check.startedMs,
      },
      options,
      process.env,
    );
    if (run.mayDropTraces) dropTraces(run.recorded, findings, judged.unjudged);
    const status = errors.length > 0 ? faultStatus : isAllJudged ? 0 : unjudgedStatus;
    if (run.isQuiet && status === 0) return 0;
    const { code, signal } = run.end;
    if (status !== 0 && (code !== 0 || signal !== null))
      notes.push(
        `the command itself ${signal === null ? `ended with status ${code}` : `was killed by ${signal}`}, and memprof-run ends likewise`,
      );
    const lines = checkLines(
      {
        findings,
        foreign: judged.faults.foreign,
        kinds: [...kinds].join(', '),
        processCount: run.recorded.length,
        warnings: [...hidden, ...unjudged, ...judged.warnings],
        notes,
        memprofCommand: ownCommand(process.env['PATH'], process.cwd()),
      },
      terminal,
    );
    await writeLines(this.#stderr, [...lines, ...this.#generated(errors), ...annotations]);
    return status;
  }

  #generated(errors: readonly RunFinding[]): string[] {
    const format = this.#check.options.genSuppressions;
    if (format === null || errors.length === 0) return [];
    const found = errors.map((one) => one.finding);
    return ['', ...generateSuppressions(found, format).map(escapeText)];
  }

  async #judgeAll(run: RunEnd): Promise<Judged> {
    const { kinds, budgets, project } = this.#check;
    const judged: JudgedProcess[] = [];
    const uses: PackageUse[] = [];
    const unjudged: Unjudged[] = [];
    const warnings: string[] = [];
    for (const recorded of run.recorded) {
      const { model } = recorded;
      for (const warning of recorded.warnings)
        if (!run.unrecorded.includes(warning)) warnings.push(escapeText(warning));
      const doubt = doubtOf(model);
      const label = labelOf(model);
      if (doubt !== null && !wasReplaced(model)) {
        const isSubject = hasSubject(model, project.root);
        if (!doubt.isJudged)
          unjudged.push({ pid: model.process.pid, label, reason: doubt.reason, isSubject });
        else if (isSubject) warnings.push(`${label} (pid ${model.process.pid}) ${doubt.reason}`);
      }
      const checkpoint = lastScanned(model);
      if (checkpoint === null) continue;
      const stackIds = checkpointStackIds(model.checkpoints ?? []);
      const owners = await this.#namer.findOwners(model, stackIds);
      const shown = usersStackIds(stackIds, owners);
      const symbols = await this.#namer.nameStacks(model, shown, owners);
      const process: JudgedProcess = {
        pid: model.process.pid,
        label,
        tracePath: recorded.tracePath,
        model,
        report: readableLeaks({ model }, symbols, checkpoint.number, true),
        context: stackContext(model),
      };
      judged.push(process);
      if (!kinds.has('budgets')) continue;
      const live = liveByPackage(checkpoint, owners);
      uses.push({ process, live, peakBytes: await this.#peaks(recorded) });
    }
    const limits = [...budgets].map(([name, budget]) => ({ name, ...budget }));
    const rules = new Set(siteRules.filter((rule) => kinds.has(rule)));
    const growth = rules.has('growth') ? growthDoubts(judged) : { isJudged: true, warnings: [] };
    warnings.push(...growth.warnings);
    const notes = kinds.has('budgets')
      ? unseenBudgets(uses, limits).map(
          (name) => `budget not used: no memory of ${escapeText(name)} was seen`,
        )
      : [];
    return {
      faults: findRunFaults(judged, rules, project.root),
      budgets: kinds.has('budgets') ? budgetFindings(uses, limits) : [],
      unjudged,
      isGrowthJudged: growth.isJudged,
      warnings,
      notes,
    };
  }

  /** Of packages whose peak has a limit. null: none has, or there are no events. */
  async #peaks({ model, tracePath }: RecordedProcess): Promise<Map<string, number> | null> {
    const names = [...this.#check.budgets]
      .filter(([, budget]) => budget.peakBytes !== null)
      .map(([name]) => name);
    if (names.length === 0 || tracePath === null || !model.hasEvents) return null;
    const { allocationCount } = model.stackTotals;
    const stackIds: StackId[] = [];
    for (const [id, count] of allocationCount.entries())
      if (count > 0) stackIds.push(id as StackId);
    const owners = await this.#namer.findOwners(model, stackIds);
    const groups = new Int32Array(allocationCount.length).fill(-1);
    for (const id of stackIds) groups[id] = names.indexOf(packageAt(owners, id) ?? '');
    const peaks = peaksOf(batchesOf(tracePath), (id) => groups[id] ?? -1, names.length);
    return new Map(
      names.map((name, at): [string, number] => [name, peaks[at]]).filter(([, bytes]) => bytes > 0),
    );
  }
}

interface Judged {
  faults: RunFaults;
  budgets: RunFinding[];
  unjudged: Unjudged[];
  isGrowthJudged: boolean;
  warnings: string[];
  notes: string[];
}

const neverJoined =
  'the program ran, but the recorder never joined it: it may drop LD_PRELOAD, or have file capabilities (getcap)';

const siteRules: readonly SiteRule[] = ['lost', 'orphaned', 'growth'];

const isError = ({ level, suppressedBy }: CheckFinding): boolean =>
  level === 'error' && suppressedBy === null;

/** Another program took its place (exec): what it had is gone with it. */
const wasReplaced = ({ process }: TraceModel): boolean => process.ended.how === 'exec';

function* batchesOf(tracePath: string) {
  for (const { batch } of readTraceEvents(tracePath)) yield batch;
}

/** Helpers of a test run live for moments; one process at least must have lived long enough. */
function growthDoubts(judged: readonly JudgedProcess[]): { isJudged: boolean; warnings: string[] } {
  const isShort = ({ model }: JudgedProcess) =>
    (model.checkpoints?.length ?? 0) < growthCheckpoints;
  const shortCount = judged.filter(isShort).length;
  if (shortCount === 0) return { isJudged: true, warnings: [] };
  const isJudged = shortCount < judged.length;
  const fact = isJudged ? `${processes(shortCount)} ended before` : 'no process lived so long';
  return {
    isJudged,
    warnings: [
      `growth needs ${growthCheckpoints} checkpoints, and ${fact}: take them more often (--checkpoint 500ms)`,
    ],
  };
}

const labelChars = 60;

function labelOf({ process }: TraceModel): string {
  const words = process.argv.length === 0 ? [process.executable] : process.argv;
  const text = escapeText(words.map(shellQuote).join(' '));
  return text.length > labelChars ? `${text.slice(0, labelChars - 1)}…` : text;
}

/** A test run has dozens of processes: what nobody is told of is not left lying about. */
function dropTraces(
  recorded: readonly RecordedProcess[],
  findings: readonly RunFinding[],
  unjudged: readonly Unjudged[],
): void {
  const named = new Set(
    findings
      .filter((one) => one.finding.suppressedBy === null)
      .flatMap((one) => one.processes.map(({ process }) => process.tracePath)),
  );
  const kept = new Set(unjudged.filter((one) => one.isSubject).map((one) => one.pid));
  for (const { tracePath, model } of recorded)
    if (tracePath !== null && !named.has(tracePath) && !kept.has(model.process.pid))
      unlinkSync(tracePath);
}
