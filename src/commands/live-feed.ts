// Data for pages that watch a program while it runs. They are read from its trace, which grows meanwhile: the recorder does
// nothing for them but what it does anyway. Nothing is done while nobody asks, and at most half of the time else.
import { basename } from 'node:path';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { buildReport, GrowingCells, type ReportInput, StackIndex } from '../html/index.js';
import type { StackId, TraceModel } from '../model/index.js';
import { openTraceFile, readSourceFile, stackContext } from '../query/index.js';
import { type FollowedTrace, followTraceFile } from '../record/index.js';
import { liveStackIds, noRootNames } from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { ownVersion } from '../version.js';
import { FeedNames } from './live-feed-names.js';
import { reportInput } from './report-html.js';

const leastBetweenMs = 500;
/** Others have their turn in between: requests are answered. */
const sliceMs = 25;
/** What is behind is shown as far as it was read. */
const readMs = 400;
/** A trace that was cut is never whole: it is shown as it is when nothing came for so long. */
const wholeMs = 5000;
const pollMs = 20;
/** For a browser that gets it twice a second. */
const mostCells = 60_000;

export interface FedData {
  /** From 1; each is newer than the one before. */
  version: number;
  gzipped: Uint8Array;
}

export interface FeedOptions {
  /** Whether somebody waits for more than `version`. */
  isWanted(version: number): boolean;
  onNews(data: FedData): void;
}

/** One image of the program. */
class Followed {
  readonly path: string;
  readonly file: FollowedTrace;
  readonly cells = new GrowingCells();
  readonly names = new FeedNames();
  isBehind = false;
  isBuilt = false;
  #index: { index: StackIndex; of: SymbolizedStacks } | null = null;

  constructor(path: string, file: FollowedTrace) {
    this.path = path;
    this.file = file;
  }

  get readShare(): number {
    const sizeBytes = this.file.sizeBytes();
    return this.isBehind && sizeBytes > 0 ? this.file.follower.offset / sizeBytes : 1;
  }

  stackIds(model: TraceModel): readonly number[] {
    return this.file.follower.hasEvents ? this.cells.stackIds : liveStackIds(model, true);
  }

  indexOf(model: TraceModel, symbols: SymbolizedStacks): StackIndex {
    if (this.#index?.of !== symbols) {
      const ids = this.stackIds(model).filter((id) => symbols.has(id as StackId)) as StackId[];
      const { packageOf } = this.names;
      const index = new StackIndex(model, symbols, ids, stackContext(model), packageOf);
      this.#index = { index, of: symbols };
    }
    return this.#index.index;
  }
}

export class LiveFeed {
  readonly #options: FeedOptions;
  #path: string | null = null;
  #followed: Followed | null = null;
  #latest: FedData | null = null;
  #version = 0;
  #isWorking = false;
  #isClosed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get latest(): FedData | null {
    return this.#latest;
  }

  /** From now on this trace: a program that called exec has several. */
  follow(path: string): void {
    this.#path = path;
    this.wake();
  }

  /** Somebody waits for news, perhaps. */
  wake(): void {
    if (this.#isWorking || this.#isClosed) return;
    this.#isWorking = true;
    this.#work().finally(() => {
      this.#isWorking = false;
    });
  }

  /** The trace is whole: the data of its report, which are the last. Throws what `memprof report` would. */
  async finish(): Promise<void> {
    this.#isClosed = true;
    this.#open();
    const followed = this.#followed;
    if (followed === null) return;
    let sizeBytes = followed.file.sizeBytes();
    let endMs = performance.now() + wholeMs;
    while (!followed.file.follower.isWhole() && performance.now() < endMs) {
      await sleep(pollMs);
      if (followed.file.sizeBytes() === sizeBytes) continue;
      sizeBytes = followed.file.sizeBytes();
      endMs = performance.now() + wholeMs;
    }
    const opened = openTraceFile(followed.file.openPath, () => undefined);
    const input = await reportInput(opened, []);
    this.#publish({
      ...input,
      traceName: basename(followed.path),
      live: { isRunning: false, readShare: 1, areNamed: true, tracePath: followed.path },
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#followed?.file.close();
    this.#followed = null;
  }

  async #work(): Promise<void> {
    while (!this.#isClosed && this.#options.isWanted(this.#version)) {
      const beginMs = performance.now();
      this.#open();
      const followed = this.#followed;
      if (followed !== null) await this.#turn(followed);
      await sleep(Math.max(leastBetweenMs, performance.now() - beginMs));
    }
  }

  #open(): void {
    const path = this.#path;
    if (path === null || this.#followed?.path === path) return;
    const file = followTraceFile(path);
    if (file === null) return;
    this.#followed?.file.close();
    this.#followed = new Followed(path, file);
  }

  async #turn(followed: Followed): Promise<void> {
    const hasNews = await this.#read(followed);
    const { names, file } = followed;
    const before = names.symbols;
    const model = file.follower.model();
    await names.look(model, followed.stackIds(model));
    const { symbols } = names;
    // Meanwhile the trace may be whole, or another.
    if (symbols === null || this.#isClosed || this.#followed !== followed) return;
    if (!hasNews && symbols === before && followed.isBuilt) return;
    followed.isBuilt = true;
    this.#publish(runningInput(followed, model, symbols));
  }

  /** Returns whether there was something. */
  async #read(followed: Followed): Promise<boolean> {
    const { follower } = followed.file;
    const endMs = performance.now() + readMs;
    let hasNews = false;
    for (let nextMs = performance.now() + sliceMs; ; ) {
      const taken = follower.next();
      followed.isBehind = taken !== null;
      if (taken === null) return hasNews;
      hasNews = true;
      if (taken !== 'facts') followed.cells.consume(taken, follower.nsPerTick);
      if (this.#isClosed || performance.now() > endMs) return hasNews;
      if (performance.now() < nextMs) continue;
      await immediate();
      nextMs = performance.now() + sliceMs;
    }
  }

  #publish(input: ReportInput): void {
    const gzipped = gzipSync(buildReport(input), { level: 1 });
    this.#latest = { version: ++this.#version, gzipped };
    this.#options.onNews(this.#latest);
  }
}

function runningInput(
  followed: Followed,
  model: TraceModel,
  symbols: SymbolizedStacks,
): ReportInput {
  const { cells, names, path, file, readShare } = followed;
  const index = followed.indexOf(model, symbols);
  const markTexts = model.marks.filter(({ kind }) => kind === 'user').map(({ text }) => text);
  const { siteOf } = index;
  return {
    // As far as it goes: that there will be more is no flaw of it.
    model: { ...model, complete: true },
    traceName: basename(path),
    memprofVersion: ownVersion(),
    index,
    symbols,
    context: stackContext(model),
    batches: null,
    leaks: null,
    ways: [],
    names: noRootNames,
    napi: [],
    readSource: readSourceFile,
    warnings: [],
    mostCells,
    live: { isRunning: true, readShare, areNamed: names.areNamed, tracePath: path },
    ...(file.follower.hasEvents
      ? {
          summed: {
            time: cells.snapshot({ siteOf, markTexts, mostCells }),
            totals: { ...cells.totals },
          },
        }
      : {}),
  };
}
