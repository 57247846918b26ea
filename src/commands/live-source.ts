// A recording as live views see it, from inside memprof-run. Costs nothing between two looks.
import { resolve } from 'node:path';
import { Figures, type LiveAnswer, type LiveRequest, liveVersion } from '../live/index.js';
import { type StackNamer, stackNamer } from '../query/index.js';
import type { QuestionView } from '../record/question-view.js';
import type { Session } from '../record/session.js';
import { isNodeProcess } from '../symbols/index.js';
import { LiveNames } from './live-names.js';

/** Looks that come sooner show the figures of the last one: a key was pressed. */
const leastBetweenNs = 200e6;
const mostSites = 500;

export class LiveSource {
  readonly #session: Session;
  readonly #namer: StackNamer = stackNamer(() => undefined);
  /** By process and image. */
  readonly #names = new Map<string, LiveNames>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** For one view: it has marks and rates of its own. */
  watcher(): (request: LiveRequest) => Promise<LiveAnswer> {
    let key = '';
    let figures = new Figures(() => ({ siteKey: null, packageName: '' }));
    return async (request) => {
      const seen = this.#session.look(request.pid, lookAt);
      if (seen === null) return { kind: 'none', version: liveVersion };
      const { process, model } = seen;
      if (request.wants === 'trace') return traceAnswer(seen);
      // Another image, or what turned out to be Node: whose stacks are whose changes with it.
      const now = `${process.pid}.${process.generation}.${isNodeProcess(model.process)}`;
      const names = this.#namesOf(now, seen);
      if (now !== key) figures = new Figures((stackId) => names.factsOf(stackId));
      key = now;
      if (figures.isDue(seen.atNs, leastBetweenNs)) figures.look(seen);
      figures.mark(request.mark);
      return answer(request, seen, figures, names);
    };
  }

  #namesOf(key: string, { model }: Seen): LiveNames {
    let names = this.#names.get(key);
    if (names === undefined) this.#names.set(key, (names = new LiveNames(model, this.#namer)));
    else names.refresh(model);
    return names;
  }
}

type Seen = ReturnType<typeof lookAt>;

function lookAt(view: QuestionView) {
  const totals = view.totals();
  return {
    atNs: view.atNs,
    process: view.process,
    tracePath: view.tracePath,
    model: view.namingModel(),
    stacks: view.stackTotals(),
    peakBytes: totals.peakBytes,
    eventCount: totals.allocationCount + totals.releaseCount,
  };
}

function traceAnswer({ process, tracePath }: Seen): LiveAnswer {
  return {
    kind: 'trace',
    version: liveVersion,
    pid: process.pid,
    command: commandText(process),
    tracePath: tracePath === null ? null : resolve(tracePath),
  };
}

async function answer(
  request: LiveRequest,
  seen: Seen,
  figures: Figures,
  names: LiveNames,
): Promise<LiveAnswer> {
  const all = figures.sites(request.sort);
  const filter = request.filter.toLowerCase();
  const isFiltered = filter !== '';
  const candidates = isFiltered ? all : all.slice(0, Math.min(request.siteLimit, mostSites));
  const opened = request.stackOf === null ? null : figures.site(request.stackOf);
  const stackIds = candidates.map(({ stackId }) => stackId);
  if (opened !== null) stackIds.unshift(opened.stackId);
  await names.place(stackIds);
  names.name(stackIds);
  const matching = isFiltered
    ? candidates.filter(({ stackId }) => names.shown(stackId).searched.includes(filter))
    : candidates;
  const packages = figures.packages();
  return {
    kind: 'figures',
    version: liveVersion,
    pid: seen.process.pid,
    command: commandText(seen.process),
    elapsedNs: seen.atNs,
    peakBytes: seen.peakBytes,
    total: figures.total(),
    markNs: figures.markNs,
    packages: packages.slice(0, request.packageLimit),
    packageCount: packages.length,
    sites: matching
      .slice(0, Math.min(request.siteLimit, mostSites))
      .map(({ id, packageName, stackId, amounts }) => ({
        id,
        owner: packageName,
        where: names.shown(stackId).where,
        isNamed: names.shown(stackId).isNamed,
        ...amounts,
      })),
    matchCount: isFiltered ? matching.length : all.length,
    siteCount: all.length,
    unnamedCount: candidates.filter(({ stackId }) => !names.shown(stackId).isNamed).length,
    stack:
      opened === null
        ? null
        : { id: opened.id, lines: names.lines(opened.stackId, Math.min(request.columns, 1000)) },
  };
}

function commandText({ argv, executable }: QuestionView['process']): string {
  return (argv.length === 0 ? executable : argv.join(' ')).slice(0, 500);
}
