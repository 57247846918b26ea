// track and expectMemoryBelow as memprof-run sees them: figures since a question, and the sites behind them.
import {
  type FinishAnswer,
  findingColumns,
  findingOf,
  type TrackSite,
  type TrackStats,
  type WatchOptions,
} from '../checks/index.js';
import type { StackId, StackSums, StackTotals, Totals, TraceModel } from '../model/index.js';
import { stackContext } from '../query/index.js';
import type { PeakWatch, QuestionView } from '../record/index.js';
import {
  alikeStacks,
  escapeText,
  formatBytes,
  formatCount,
  frameText,
  isUsers,
  ownerText,
  placeOf,
  shellQuote,
  siteFrame,
  stackLines,
  wrap,
} from '../report/index.js';
import type { NamedStack } from '../symbols/index.js';
import type { Watched } from './answers.js';
import type { ProcessNames } from './process-names.js';

/** Sites beyond are named only if nobody allocated more: naming costs time. */
const namedStacksPerSite = 8;
const sitesInMessage = 3;

interface Site {
  stack: NamedStack;
  liveCount: number;
  liveBytes: number;
  allocationCount: number;
  allocatedBytes: number;
}

/** What each stack did since a watch began. */
interface Since {
  live: StackSums;
  totals: StackTotals;
}

type Amounts = Omit<Site, 'stack'>;

export class Tracking implements Watched {
  readonly #place: string;
  readonly #names: ProcessNames;
  readonly #limitBytes: number;
  readonly #serial: number;
  readonly #totals: Totals;
  readonly #stackTotals: StackTotals;
  readonly #peak: PeakWatch;
  #lastPeakBytes: number | null = null;

  constructor(view: QuestionView, place: string, options: WatchOptions, names: ProcessNames) {
    this.#place = place;
    this.#names = names;
    this.#limitBytes = options.limitBytes ?? Number.POSITIVE_INFINITY;
    this.#serial = view.allocationSerial;
    this.#totals = view.totals();
    this.#stackTotals = view.stackTotals();
    this.#peak = view.watchPeak();
  }

  stats(view: QuestionView): TrackStats {
    const before = this.#totals;
    const now = view.totals();
    const live = view.liveSince(this.#serial);
    return {
      allocationCount: now.allocationCount - before.allocationCount,
      allocatedBytes: now.allocatedBytes - before.allocatedBytes,
      releaseCount: now.releaseCount - before.releaseCount,
      releasedBytes: now.releasedBytes - before.releasedBytes,
      liveCount: sum(live.liveCount),
      liveBytes: sum(live.liveBytes),
      peakBytes: this.#peakBytes(view),
    };
  }

  /** By live bytes, then by all that was allocated; Node's own sites come last. */
  async sites(view: QuestionView, limit: number): Promise<TrackSite[]> {
    const model = view.model();
    const found = await this.#sitesOf(model, this.#since(view), limit, 'liveBytes');
    return found.map((site) => trackSite(site, model));
  }

  /** Of a function that was called once. */
  async finish(view: QuestionView): Promise<FinishAnswer> {
    const limitBytes = this.#limitBytes;
    const peakBytes = this.#peakBytes(view);
    const { tracePath } = view;
    const answer: FinishAnswer = {
      verdict: 'clean',
      confidence: 1,
      roundCount: 1,
      iterationCount: 1,
      peakBytes,
      findings: [],
      text: `expectMemoryBelow at ${this.#place}: native memory rose by ${formatBytes(peakBytes)} at its peak; the limit is ${formatBytes(limitBytes)}`,
      tracePath,
    };
    if (peakBytes <= limitBytes) return answer;
    const model = view.model();
    const since = this.#since(view);
    const sites = await this.#sitesOf(model, since, sitesInMessage, 'allocatedBytes');
    const title = `expectMemoryBelow at ${this.#place}: native memory rose by ${formatBytes(peakBytes)} at its peak, ${formatBytes(peakBytes - limitBytes)} above the limit of ${formatBytes(limitBytes)}`;
    const finding = findingOf({
      rule: 'budget',
      title: escapeText(title),
      stack: sites[0]?.stack ?? null,
      context: stackContext(model),
      blockCount: sum(since.live.liveCount),
      sizeBytes: peakBytes,
    });
    const text = aboveText(escapeText(title), sites, model, tracePath);
    return { ...answer, verdict: 'above', findings: [finding], text };
  }

  end(view: QuestionView): void {
    this.#lastPeakBytes ??= this.#peakBytes(view);
    view.endPeak(this.#peak);
  }

  #peakBytes(view: QuestionView): number {
    return this.#lastPeakBytes ?? view.peakBytes(this.#peak) - this.#peak.startBytes;
  }

  #since(view: QuestionView): Since {
    const before = this.#stackTotals;
    const totals = view.stackTotals();
    for (const column of ['allocationCount', 'allocatedBytes'] as const)
      for (let id = 0; id < before[column].length; id++) totals[column][id] -= before[column][id];
    return { live: view.liveSince(this.#serial), totals };
  }

  async #sitesOf(
    model: TraceModel,
    since: Since,
    limit: number,
    by: 'liveBytes' | 'allocatedBytes',
  ): Promise<Site[]> {
    const ids: StackId[] = [];
    const { allocationCount } = since.totals;
    for (let id = 0; id < allocationCount.length; id++)
      if (allocationCount[id] > 0 || (since.live.liveCount[id] ?? 0) > 0) ids.push(id as StackId);
    const owners = await this.#names.owners(model, ids);
    const compare = (a: Amounts, b: Amounts) =>
      b[by] - a[by] || b.allocatedBytes - a.allocatedBytes || b.allocationCount - a.allocationCount;
    const ranked = ids
      .filter((id) => owners.owner(id).kind !== 'memprof')
      .map((id) => ({ id, isOwn: isUsers(owners.owner(id)), ...amountsOf(since, id) }))
      .sort((a, b) => Number(b.isOwn) - Number(a.isOwn) || compare(a, b))
      .slice(0, limit * namedStacksPerSite);
    const symbols = await this.#names.stacks(
      model,
      ranked.map(({ id }) => id),
      owners,
    );
    const stacks = ranked.map(({ id }) => symbols.stack(id));
    const alike = alikeStacks(stacks, stackContext(model));
    const sites = new Map<number, Site & { isOwn: boolean }>();
    for (const [at, { id: _, ...amounts }] of ranked.entries()) {
      const key = alike.keyOf(stacks[at]);
      const site = sites.get(key);
      if (site === undefined) sites.set(key, { stack: alike.shown(key), ...amounts });
      else addTo(site, amounts);
    }
    return [...sites.values()]
      .sort((a, b) => Number(b.isOwn) - Number(a.isOwn) || compare(a, b))
      .slice(0, limit);
  }
}

function aboveText(
  title: string,
  sites: readonly Site[],
  model: TraceModel,
  tracePath: string | null,
): string {
  const context = stackContext(model);
  const lines = wrap(title, findingColumns, '', '  ');
  if (sites.length > 0)
    lines.push('What was live at the peak is not known by site. Most was allocated in all by:');
  for (const [at, { stack, ...amounts }] of sites.entries()) {
    const live =
      amounts.liveBytes === 0
        ? 'all of it freed since'
        : `${formatBytes(amounts.liveBytes)} of it live at the end`;
    lines.push(
      ...wrap(
        `${at + 1}. ${formatBytes(amounts.allocatedBytes)} in ${formatCount(amounts.allocationCount)} ${amounts.allocationCount === 1 ? 'allocation' : 'allocations'}, ${live}: ${ownerText(stack.owner)}`,
        findingColumns,
        '  ',
        '     ',
      ),
      ...stackLines(stack, context, { columns: findingColumns, indent: 6, maxLines: 12 }),
    );
  }
  if (tracePath !== null) lines.push(`trace  ${escapeText(shellQuote(tracePath))}`);
  return lines.join('\n');
}

function trackSite(
  { stack, ...amounts }: Site & { isOwn?: boolean },
  model: TraceModel,
): TrackSite {
  const context = stackContext(model);
  const frame = siteFrame(stack, context);
  const isPlaced = frame !== null && frame.kind !== 'marker';
  return {
    packageName: stack.owner.kind === 'node' ? 'node' : (stack.owner.package?.name ?? ''),
    function: frame === null ? '' : isPlaced ? (frame.function ?? frameText(frame)) : frame.text,
    file: isPlaced ? frame.file : null,
    line: isPlaced ? frame.line : null,
    liveCount: amounts.liveCount,
    liveBytes: amounts.liveBytes,
    allocationCount: amounts.allocationCount,
    allocatedBytes: amounts.allocatedBytes,
    stack: stack.frames.map((one) => `${frameText(one)}  ${placeOf(one, context)}`.trimEnd()),
  };
}

function amountsOf({ live, totals }: Since, id: number): Amounts {
  return {
    liveCount: live.liveCount[id] ?? 0,
    liveBytes: live.liveBytes[id] ?? 0,
    allocationCount: totals.allocationCount[id],
    allocatedBytes: totals.allocatedBytes[id],
  };
}

function addTo(site: Site, amounts: Amounts): void {
  site.liveCount += amounts.liveCount;
  site.liveBytes += amounts.liveBytes;
  site.allocationCount += amounts.allocationCount;
  site.allocatedBytes += amounts.allocatedBytes;
}

const sum = (column: Float64Array): number => column.reduce((all, one) => all + one, 0);
