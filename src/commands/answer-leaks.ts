// One expectNoLeaks as memprof-run sees it: rounds in, answers out, and at the end the message.
import {
  type BalanceRow,
  type CheckFinding,
  defaultMaxRounds,
  defaultRounds,
  type FinishAnswer,
  holdingsOf,
  type Judgement,
  LeakWatch,
  type Levels,
  leakFindings,
  leakStackIds,
  leakText,
  type Question,
  type RoundAnswer,
  type WatchOptions,
} from '../checks/index.js';
import type { Checkpoint, ResourceBalance, StackId, TraceModel } from '../model/index.js';
import { nameRoots, stackContext } from '../query/index.js';
import type { QuestionView } from '../record/index.js';
import {
  type Explained,
  groupPaths,
  ownerText,
  siteText,
  whyText,
  wordsOnPath,
} from '../report/index.js';
import { parseSuppressions, type SuppressionRule, suppress } from '../suppressions/index.js';
import { qualifiedName, type SymbolizedStacks } from '../symbols/index.js';
import { isAnonymous } from '../types/index.js';
import { pathOf } from '../verdicts/index.js';
import type { Watched } from './answers.js';
import { ownCommand } from './own-command.js';
import type { ProcessNames } from './process-names.js';

/** One block of a site tells how the others are held; of the last ones, which are no warm-up. */
const blocksExplained = 200;
const unclearShown = 3;

export class LeakTest implements Watched {
  readonly #title: string;
  readonly #names: ProcessNames;
  readonly #watch: LeakWatch;
  readonly #rules: readonly SuppressionRule[];
  /** undefined: all. */
  readonly #threadIndex: number | undefined;
  readonly #beganNs: number;
  #base: { atNs: number; resources: readonly ResourceBalance[]; iterations: number } | null = null;
  #iterationsPerRound = 0;
  #checkpoint: Checkpoint | null = null;

  constructor(view: QuestionView, place: string, options: WatchOptions, names: ProcessNames) {
    this.#title = `expectNoLeaks at ${place}`;
    this.#names = names;
    this.#rules = rulesOf(options.ignore ?? [], this.#title);
    this.#threadIndex = options.threads === 'calling' ? view.threadIndex : undefined;
    this.#beganNs = view.atNs;
    const minRounds = options.minRounds ?? defaultRounds;
    const before = this.#levels(view, names.refresh(view).isRuntime);
    this.#watch = new LeakWatch(before, {
      minRounds,
      maxRounds: Math.max(minRounds, options.maxRounds ?? defaultMaxRounds),
      iterations: options.iterations ?? null,
      tolerance: options.tolerance ?? { blocks: null, bytes: null },
    });
  }

  round = async (
    view: QuestionView,
    { iterations, elapsedMs, checkpoint: number }: Question & { ask: 'round' },
  ): Promise<RoundAnswer> => {
    const sources = this.#names.refresh(view);
    const levels = this.#levels(view, sources.isRuntime);
    const { atNs } = view;
    this.#base ??= { atNs, resources: levels.resources, iterations };
    const { atNs: sinceNs } = this.#base;
    if (number !== null) this.#checkpoint = await view.checkpoint(number);
    const detail = number === null ? null : (this.#checkpoint?.detail ?? null);
    this.#iterationsPerRound = iterations;
    return this.#watch.add(
      {
        ...levels,
        iterations,
        elapsedMs,
        totalMs: (atNs - this.#beganNs) / 1e6,
        holdings: detail === null ? null : holdingsOf(detail, sinceNs),
      },
      sources,
    );
  };

  #levels(view: QuestionView, isRuntime: (stackId: number) => boolean): Levels {
    return {
      sums: view.stackSums(this.#threadIndex),
      resources: view.resources(),
      mappings: mappedBytes(view, isRuntime),
    };
  }

  finish = async (view: QuestionView): Promise<FinishAnswer> => {
    const { tracePath } = view;
    const judgement = this.#watch.judgement ?? notJudged;
    const isLeak = judgement.decision === 'leak';
    const resources = view.resources();
    const findings = isLeak ? await this.#findings(view.model(), judgement) : [];
    const unclearNames =
      judgement.decision === 'undecided' ? await this.#unclearNames(view.model(), judgement) : [];
    const isOpen = findings.some((one) => one.suppressedBy === null);
    const text = leakText({
      title: this.#title,
      judgement,
      findings,
      warmupCount: this.#base?.iterations ?? 0,
      balance: isLeak ? this.#balance(resources, findings) : [],
      tracePath,
      memprofCommand: ownCommand(process.env['PATH'], process.cwd()),
      whyFunction: whyFunction(findings),
      unclearNames,
    });
    return {
      verdict: isLeak && !isOpen ? 'clean' : verdictOf(judgement),
      confidence: judgement.confidence,
      roundCount: this.#watch.rounds,
      iterationCount: this.#watch.iterationCount,
      peakBytes: null,
      findings,
      text,
      tracePath,
    };
  };

  end(): void {}

  async #unclearNames(model: TraceModel, { unclear }: Judgement): Promise<string[]> {
    const ids = unclear.slice(0, unclearShown).map(({ stackIds }) => stackIds[0] as StackId);
    const symbols = await this.#names.stacks(model, ids);
    return ids.map((id) => {
      const owner = ownerText(symbols.stack(id).owner);
      return `${siteText(symbols, id, stackContext(model))}, ${owner}`;
    });
  }

  async #findings(model: TraceModel, judgement: Judgement): Promise<CheckFinding[]> {
    const { leaks } = judgement;
    const detail = this.#checkpoint?.detail ?? null;
    const rows = detail === null ? [] : leaks.map(({ holding }) => sampleOf(holding?.rows ?? []));
    const stackIds = new Set(leakStackIds(leaks));
    const explained: Explained | null =
      detail === null || this.#checkpoint === null
        ? null
        : { model, checkpoint: this.#checkpoint, detail };
    if (explained !== null)
      for (const row of rows.flat())
        for (const hop of pathOf(explained.detail, row).hops)
          stackIds.add(explained.detail.live.stackId[hop.row] as StackId);
    const symbols = await this.#names.stacks(model, stackIds);
    const whyHeld = await this.#whyHeld(explained, rows, symbols);
    const found = leakFindings({
      leaks,
      symbols,
      context: stackContext(model),
      iterationsPerRound: this.#iterationsPerRound,
      whyHeld,
    });
    return suppress(found, this.#rules, null).findings;
  }

  /** Names are looked up before the findings are made. */
  async #whyHeld(
    explained: Explained | null,
    rows: readonly (readonly number[])[],
    symbols: SymbolizedStacks,
  ): Promise<(asked: readonly number[]) => string | null> {
    if (explained === null) return () => null;
    const { model, detail } = explained;
    const opened = this.#names.opened(model, '');
    const texts = new Map<number, string>();
    for (const ofLeak of rows) {
      const [group] = groupPaths(explained, ofLeak, symbols);
      if (group === undefined) continue;
      const path = pathOf(detail, group.row);
      const names = await nameRoots(opened, detail, [path.root], wordsOnPath(explained, path));
      texts.set(ofLeak[0], whyText(explained, group.row, path, names, stackContext(model)));
    }
    return (asked) => texts.get(sampleOf(asked)[0]) ?? null;
  }

  /** Of the kinds that findings speak of, or that leaked beside them. */
  #balance(now: readonly ResourceBalance[], findings: readonly CheckFinding[]): BalanceRow[] {
    if (findings.length === 0) return [];
    const rows = new Map<number, BalanceRow>();
    const add = (one: ResourceBalance, sign: 1 | -1) => {
      const row = rows.get(one.kind) ?? { kind: one.kind, createdCount: 0, outstandingCount: 0 };
      row.createdCount += sign * one.createdCount;
      row.outstandingCount += sign * one.outstandingCount;
      rows.set(one.kind, row);
    };
    for (const one of now) add(one, 1);
    for (const one of this.#base?.resources ?? []) add(one, -1);
    return [...rows.values()].sort((a, b) => b.outstandingCount - a.outstandingCount);
  }
}

const sampleOf = (rows: readonly number[]): number[] => rows.slice(-blocksExplained);

const verdictOf = ({ decision }: Judgement): FinishAnswer['verdict'] =>
  decision === 'more' ? 'undecided' : decision;

/** Its rounds were cut short. */
const notJudged: Judgement = {
  decision: 'undecided',
  confidence: 0,
  leaks: [],
  unclear: [],
  callCount: 0,
  roundCount: 0,
  excludedRate: Number.POSITIVE_INFINITY,
};

function mappedBytes(
  view: QuestionView,
  isRuntime: (stackId: number) => boolean,
): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const { stackId, sizeBytes, flags } of view.mappings())
    if (isAnonymous(flags) && !isRuntime(stackId))
      bytes.set(stackId, (bytes.get(stackId) ?? 0) + sizeBytes);
  return bytes;
}

/** Lines as in a file of suppressions; one without a colon is a name to look for. */
function rulesOf(lines: readonly string[], title: string): SuppressionRule[] {
  const isFile = lines.some((line) => /^\s*[{#]/.test(line));
  const text = isFile
    ? lines.join('\n')
    : lines.map((line) => (/^\s*leak\s*:/.test(line) ? line : `leak:${line}`)).join('\n');
  return parseSuppressions(text, `${title}: ignore`);
}

/** A function that is in the first finding's stack alone, as far as names can tell. */
function whyFunction(findings: readonly CheckFinding[]): string | null {
  const first = findings.find((one) => one.suppressedBy === null);
  const own = (first?.stack ?? [])
    .filter(({ kind, packageName }) => kind === 'native' && packageName === first?.packageName)
    .map(({ name }) => qualifiedName(name))
    .filter((name) => /^[\w~:]+$/.test(name));
  // The innermost is often a helper of many.
  return own.find((name) => name.includes('::')) ?? own[0] ?? null;
}
