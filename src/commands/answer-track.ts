// track and expectMemoryBelow as memprof-run sees them.
import {
  type FinishAnswer,
  packageNameOf,
  type TrackSite,
  type TrackStats,
  type WatchOptions,
} from '../checks/index.js';
import type { StackId, StackTotals, Totals } from '../model/index.js';
import { stackContext } from '../query/index.js';
import type { PeakWatch, QuestionView } from '../record/index.js';
import {
  alikeStacks,
  escapeText,
  formatBytes,
  formatCount,
  frameText,
  shellQuote,
  siteFrame,
  stackLines,
} from '../report/index.js';
import type { Watched } from './answers.js';
import type { ProcessNames } from './process-names.js';

const stackColumns = 100;
/** Naming is what takes time: of more sites than these only the largest can be told. */
const mostNamedStacks = 2000;
const sitesOfPeak = 3;

export class Tracking implements Watched {
  readonly #title: string;
  readonly #names: ProcessNames;
  readonly #limitBytes: number | null;
  readonly #peak: PeakWatch;
  readonly #serial: number;
  readonly #totals: Totals;
  readonly #stackTotals: StackTotals;

  constructor(view: QuestionView, place: string, options: WatchOptions, names: ProcessNames) {
    this.#title = `expectMemoryBelow at ${place}`;
    this.#names = names;
    this.#limitBytes = options.limitBytes ?? null;
    this.#serial = view.allocationSerial;
    this.#totals = view.totals();
    this.#stackTotals = view.stackTotals();
    this.#peak = view.watchPeak();
  }

  stats = (view: QuestionView): TrackStats => {
    const now = view.totals();
    const since = view.liveSince(this.#serial);
    return {
      allocationCount: now.allocationCount - this.#totals.allocationCount,
      allocatedBytes: now.allocatedBytes - this.#totals.allocatedBytes,
      releaseCount: now.releaseCount - this.#totals.releaseCount,
      releasedBytes: now.releasedBytes - this.#totals.releasedBytes,
      liveCount: since.liveCount.reduce((sum, one) => sum + one, 0),
      liveBytes: since.liveBytes.reduce((sum, one) => sum + one, 0),
      peakBytes: this.#peakBytes(view),
    };
  };

  sites = (view: QuestionView, limit: number): Promise<TrackSite[]> =>
    this.#sites(
      view,
      limit,
      (a, b) => b.liveBytes - a.liveBytes || b.allocatedBytes - a.allocatedBytes,
    );

  finish = async (view: QuestionView): Promise<FinishAnswer> => {
    const peakBytes = this.#lastPeak ?? this.#peakBytes(view);
    const limit = this.#limitBytes ?? Number.POSITIVE_INFINITY;
    const isAbove = peakBytes > limit;
    const { tracePath } = view;
    const facts = `${formatBytes(peakBytes)} of native memory at the worst moment, ${isAbove ? 'above' : 'within'} the limit of ${formatBytes(limit)}`;
    const lines = [`${this.#title}: ${facts}`];
    if (isAbove) {
      const sites = await this.#sites(
        view,
        sitesOfPeak,
        (a, b) => b.allocatedBytes - a.allocatedBytes,
      );
      for (const [at, site] of sites.entries())
        lines.push(
          '',
          `${at + 1}. ${formatBytes(site.allocatedBytes)} allocated in all in ${formatCount(site.allocationCount)} blocks, ${formatBytes(site.liveBytes)} live at the end  ${escapeText(site.packageName)}`,
          ...site.stack.map((line) => `     ${line}`),
        );
      if (tracePath !== null) lines.push('', `trace  ${escapeText(shellQuote(tracePath))}`);
    }
    return {
      verdict: isAbove ? 'above' : 'clean',
      confidence: 1,
      roundCount: 1,
      iterationCount: 1,
      peakBytes,
      findings: [],
      text: lines.join('\n'),
      tracePath,
    };
  };

  #lastPeak: number | null = null;

  end(view: QuestionView): void {
    this.#lastPeak = this.#peakBytes(view);
    view.endPeak(this.#peak);
  }

  /** Above what was live when it began. */
  #peakBytes(view: QuestionView): number {
    return Math.max(0, view.peakBytes(this.#peak) - this.#totals.liveBytes);
  }

  async #sites(
    view: QuestionView,
    limit: number,
    order: (a: TrackSite, b: TrackSite) => number,
  ): Promise<TrackSite[]> {
    const model = view.model();
    const figures = this.#figures(view);
    const ids = [...figures.keys()]
      .sort((a, b) => order(figures.get(a) as TrackSite, figures.get(b) as TrackSite))
      .slice(0, mostNamedStacks);
    const symbols = await this.#names.stacks(model, ids);
    const context = stackContext(model);
    const alike = alikeStacks(
      ids.map((id) => symbols.stack(id)),
      context,
    );
    const sites = new Map<number, TrackSite>();
    for (const id of ids) {
      const key = alike.keyOf(symbols.stack(id));
      const figure = figures.get(id) as TrackSite;
      const known = sites.get(key);
      if (known === undefined) {
        const stack = alike.shown(key);
        const frame = siteFrame(stack, context);
        sites.set(key, {
          ...figure,
          packageName: packageNameOf(stack),
          function: frame === null ? '' : frameText(frame),
          file: frame === null || frame.kind === 'marker' ? null : frame.file,
          line: frame === null || frame.kind === 'marker' ? null : frame.line,
          stack: stackLines(stack, context, { columns: stackColumns, indent: 0 }),
        });
        continue;
      }
      known.liveCount += figure.liveCount;
      known.liveBytes += figure.liveBytes;
      known.allocationCount += figure.allocationCount;
      known.allocatedBytes += figure.allocatedBytes;
    }
    return [...sites.values()].sort(order).slice(0, limit);
  }

  /** By stack, without names. */
  #figures(view: QuestionView): Map<StackId, TrackSite> {
    const since = view.liveSince(this.#serial);
    const now = view.stackTotals();
    const before = this.#stackTotals;
    const figures = new Map<StackId, TrackSite>();
    for (let id = 0; id < now.allocationCount.length; id++) {
      const allocationCount = now.allocationCount[id] - (before.allocationCount[id] ?? 0);
      if (allocationCount === 0) continue;
      figures.set(id as StackId, {
        packageName: '',
        function: '',
        file: null,
        line: null,
        liveCount: since.liveCount[id] ?? 0,
        liveBytes: since.liveBytes[id] ?? 0,
        allocationCount,
        allocatedBytes: now.allocatedBytes[id] - (before.allocatedBytes[id] ?? 0),
        stack: [],
      });
    }
    return figures;
  }
}
