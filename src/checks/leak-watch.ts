// The rounds of one expectNoLeaks: after each it is decided whether there is a leak, none, or more rounds are
// needed, and how long they should be. Pure.
import {
  type Epoch,
  type Growth,
  type GrowthOptions,
  growthsOf,
  isRisingInAll,
  seriesOf,
  type Tolerance,
} from './growth.js';
import { type Holding, type Holdings, joinedHolding, mainClassOf } from './holdings.js';
import { Increments, type Levels } from './increments.js';
import type { RoundAnswer } from './protocol.js';
import { isBelowPromise, promisedRate, sum } from './shape.js';
import { binomialAtMost, lumpSize, meanAtMost } from './statistics.js';

// The numbers below were chosen by simulation (test/checks/support/simulation.ts), 300 seeds of each, at 1 ms a call:
//
//   found     a block of every call, of every tenth, of one in ten by chance, twenty of one in ten: 300 of 300, lost or
//             held; of one in twenty: 296; of one in fifty: 174
//   clean     caches of 64, 256 and 1,000 keys, lists of the last 100 and 1,000, lazy tables, work under way, one-offs:
//             no alarm in 2,700 (181 of them undecided, all of the cache of 1,000 keys). A block of one call in a hundred,
//             held, that ends after 2,000 calls: 30 of 300
//   time      clean 0.5 s, lost 0.6 s, held 2.3 s, with 20 ms to collect and 150 ms a checkpoint
//
// With 10 ms a call fewer calls fit: one in ten by chance is found in 299 of 300 where it is lost and 298 where it is held,
// but a list of the last 1,000 is called a leak, as is whatever goes on filling for longer than the test runs. With 100 ms
// 19 of 20 are found; the others are undecided.

/** With five rounds chance alone sorts the six levels between them once in 720 times. */
export const defaultRounds = 5;
/** Whoever comes so far is called undecided. */
export const defaultMaxRounds = 40;
/**
 * A round runs so long, as far as the limits below let it: with a function of 1 ms that is 60 calls, in which a
 * leak in one of ten shows six times (and not at all once in 500 rounds). Short enough for a clean function to be
 * done within a second.
 */
const roundMs = 60;
/** Below, five rounds cannot tell a leak in one of ten calls from none (it would not show once in 2,000 times). */
const fewestIterations = 15;
/** Above, nothing is gained but live blocks. */
const mostIterations = 300;
/**
 * What somebody holds may be a cache that fills up. So it must go on growing in a second series of rounds, each so
 * many times as long: a cache of a thousand entries that gets one in every call is full by then.
 */
const longerRounds = 4;
const mostLongerIterations = 800;
/** Where one series of rounds is not clear, so many rounds may be added to it before longer ones begin. */
const roundsOfUnclear = 3;
/** What is unclear is not followed longer. */
const patienceMs = 3500;
/** What rises may take its time: so long for the longer rounds, however slow the function is. */
const longerMs = 6000;
/** What comes at less than this share of its rate in the series before, and not by chance, is about to fill up. */
const fallenShare = 0.8;
const fallenLimit = 0.01;
/** So much of what came must be lost for it to be no cache. */
const lostShare = 0.5;
const fewestLost = 3;

export interface LeakWatchOptions {
  minRounds: number;
  maxRounds: number;
  /** Calls of every round; null: as many as are good. */
  iterations: number | null;
  tolerance: Tolerance;
}

export interface RoundFacts extends Levels {
  iterations: number;
  /** Of the function alone. */
  elapsedMs: number;
  /** Since the watch began, everything included. */
  totalMs: number;
  /** Of blocks since the first round; null: there was no checkpoint. */
  holdings: Holdings | null;
}

export type WatchSources = Pick<GrowthOptions, 'keys' | 'isRuntime'>;

/** A growth that is a leak, and why it is no cache. */
export interface Leak {
  growth: Growth;
  /** null: no checkpoint told. */
  holding: Holding | null;
  because: 'lost' | 'orphaned' | 'held';
}

export interface Judgement {
  decision: RoundAnswer['decision'] | 'undecided';
  confidence: number;
  leaks: Leak[];
  /** What was still not clear; of a clean one, what came too seldom to matter. */
  unclear: Growth[];
  /** Judged ones, warm-up and transitions left out. */
  callCount: number;
  roundCount: number;
  /** Surely below this rate, in blocks an iteration and site; of clean ones. */
  excludedRate: number;
}

export class LeakWatch {
  readonly #options: LeakWatchOptions;
  readonly #increments: Increments;
  #rounds: Pick<RoundFacts, 'iterations' | 'elapsedMs' | 'totalMs'>[] = [];
  #holdings: Holdings | null = null;
  /** First round (0 is the warm-up) of the present series. */
  #firstRound = 1;
  /** Sites whose rate fell from one series to the next. */
  readonly #fallen = new Set<string>();
  /** The series before this one. */
  #before: (Epoch & { endRound: number }) | null = null;
  #iterations = 0;
  /** The last round should have ended with one. */
  #wantedCheckpoint = false;
  #judgement: Judgement | null = null;
  #sources: WatchSources | null = null;

  constructor(before: Levels, options: LeakWatchOptions) {
    this.#increments = new Increments(before);
    this.#options = options;
  }

  /** The warm-up is the first. */
  add(round: RoundFacts, sources: WatchSources): RoundAnswer {
    this.#sources = sources;
    this.#increments.add(round);
    this.#holdings = round.holdings;
    const { iterations, elapsedMs, totalMs } = round;
    this.#rounds.push({ iterations, elapsedMs, totalMs });
    if (this.#rounds.length === 1) {
      this.#iterations = this.#firstSize(round);
      return this.#more(false);
    }
    if (this.#roundCount === 0) return this.#more(false);
    this.#iterations = iterations;
    return this.#decide(sources);
  }

  /** null: there were not enough rounds. */
  get judgement(): Judgement | null {
    return this.#judgement;
  }

  get rounds(): number {
    return Math.max(0, this.#rounds.length - 1);
  }

  get iterationCount(): number {
    return this.#rounds.reduce((all, one) => all + one.iterations, 0);
  }

  readonly #classOf = (stackId: number): string | null => mainClassOf(this.#holdings?.get(stackId));

  get #roundCount(): number {
    return this.#increments.roundCount - this.#firstRound;
  }

  #firstSize({ iterations, elapsedMs }: RoundFacts): number {
    if (this.#options.iterations !== null) return this.#options.iterations;
    const msPerCall = Math.max(elapsedMs / Math.max(1, iterations), 1e-3);
    return clamp(Math.round(roundMs / msPerCall), fewestIterations, mostIterations);
  }

  #more(nextCheckpoint: boolean): RoundAnswer {
    this.#wantedCheckpoint = nextCheckpoint;
    return { decision: 'more', confidence: 0, nextIterations: this.#iterations, nextCheckpoint };
  }

  #decide(sources: WatchSources): RoundAnswer {
    const { minRounds, maxRounds, tolerance } = this.#options;
    const isLastOfSeries = this.#roundCount === minRounds - 1;
    if (this.#roundCount < minRounds - 1) return this.#more(false);
    const epoch = { firstRound: this.#firstRound, iterations: this.#iterations };
    const growths = growthsOf(this.#increments, epoch, {
      ...sources,
      tolerance,
      classOf: this.#classOf,
    });
    const rising = growths.filter(({ shape }) => shape === 'rising');
    // The checkpoint tells of what rises who holds it: it goes with the round that will decide.
    if (isLastOfSeries)
      return this.#more(rising.length > 0 || isRisingInAll(this.#increments, epoch));
    const leaks = worthTelling(rising.flatMap((growth) => this.#leakOf(growth, rising)));
    const certain = leaks.filter(({ because }) => because !== 'held');
    // Where none could be taken, longer rounds must do.
    if (rising.length > 0 && this.#holdings === null && !this.#wantedCheckpoint)
      return this.#more(true);
    const steady = leaks.filter((leak) => leak.because !== 'held' || this.#isAsBefore(leak.growth));
    if (certain.length > 0 || steady.length > 0) return this.#end('leak', steady, []);
    const totalMs = this.#rounds.at(-1)?.totalMs ?? 0;
    const isLate = totalMs > patienceMs;
    const isOver = this.rounds >= maxRounds || (isLate && this.#before !== null);
    if (leaks.length > 0)
      return isOver ? this.#end('undecided', [], rising) : this.#beginLonger(longerMs);
    const unclear = growths.filter((growth) => this.#isWorthMore(growth));
    if (unclear.length === 0) return this.#end('clean', [], []);
    const mayAdd = this.#roundCount < minRounds + roundsOfUnclear && this.rounds < maxRounds;
    if (mayAdd) return this.#more(false);
    if (isOver || isLate) {
      const open = unclear.filter(({ blocks }) => !isBelowPromise(blocks, this.#iterations));
      return open.length === 0 ? this.#end('clean', [], unclear) : this.#end('undecided', [], open);
    }
    return this.#beginLonger(patienceMs - totalMs);
  }

  /** Of Node's own allocations only what rises steadily can be told from what V8 does for itself. */
  #isWorthMore({ isRuntime, shape }: Growth): boolean {
    if (shape === 'rising') return false;
    return !isRuntime || this.#roundCount < this.#options.minRounds + roundsOfUnclear;
  }

  #leakOf(growth: Growth, rising: readonly Growth[]): Leak[] {
    if (growth.what === 'resource' || growth.what === 'mapping' || this.#holdings === null)
      return growth.isRuntime ? [] : [{ growth, holding: null, because: 'held' }];
    const holding = joinedHolding(this.#holdings, growth.stackIds);
    const { blockCount, lostCount, orphanedCount, pendingCount } = holding;
    if (blockCount > 0 && pendingCount >= lostShare * blockCount) return [];
    const isHeldByClass = holding.heldByClassCount >= lostShare * blockCount && blockCount > 0;
    if (growth.isRuntime) {
      // What Node-API makes for an addon is the addon's, and told as a resource.
      const isResources = rising.some(
        ({ what, stackIds }) => what === 'resource' && this.#isMadeFor(growth, stackIds),
      );
      if (isResources || !(isHeldByClass || growth.isExact)) return [];
      return [{ growth, holding, because: 'held' }];
    }
    const gone = lostCount + orphanedCount;
    if (gone < fewestLost || gone < lostShare * blockCount)
      return [{ growth, holding, because: 'held' }];
    return [{ growth, holding, because: orphanedCount > lostCount ? 'orphaned' : 'lost' }];
  }

  #isMadeFor(growth: Growth, resourceStacks: readonly number[]): boolean {
    const { keys } = this.#sources as WatchSources;
    return growth.stackIds.some((id) => resourceStacks.some((outer) => keys.isBelow(id, outer)));
  }

  /** The first of the longer rounds is not judged: what only goes with their length (work under way) comes in it. */
  #beginLonger(budgetMs: number): RoundAnswer {
    const { minRounds } = this.#options;
    const isFixedSize = this.#options.iterations !== null;
    // A third series has the size of the second.
    const isFirst = this.#before === null;
    this.#before = {
      firstRound: this.#firstRound,
      iterations: this.#iterations,
      endRound: this.#increments.roundCount,
    };
    this.#firstRound = this.#increments.roundCount + (isFixedSize ? 0 : 1);
    if (!isFixedSize && isFirst) {
      const last = this.#rounds.at(-1);
      const msPerCall = Math.max(last === undefined ? 1 : last.elapsedMs / last.iterations, 1e-3);
      const affordable = Math.floor(budgetMs / (minRounds + 1) / msPerCall);
      const wanted = Math.min(longerRounds * this.#iterations, mostLongerIterations);
      this.#iterations = clamp(affordable, this.#iterations, Math.max(wanted, this.#iterations));
    }
    return this.#more(false);
  }

  #end(decision: Judgement['decision'], leaks: Leak[], unclear: Growth[]): RoundAnswer {
    const callCount = this.#rounds
      .slice(this.#firstRound)
      .reduce((all, one) => all + one.iterations, 0);
    const confidence =
      decision === 'leak'
        ? 1 - Math.min(1, Math.min(...leaks.map(({ growth }) => this.#chanceOf(growth))))
        : 1 - Math.exp(-promisedRate * callCount);
    this.#judgement = {
      decision,
      confidence,
      leaks,
      unclear,
      callCount,
      roundCount: this.#roundCount,
      excludedRate: this.#excludedRate(unclear, callCount),
    };
    return {
      decision: decision === 'undecided' ? 'clean' : decision,
      confidence,
      nextIterations: 0,
      nextCheckpoint: false,
    };
  }

  #excludedRate(unclear: readonly Growth[], callCount: number): number {
    const most = Math.max(0, ...unclear.map(({ blocks }) => sum(blocks) / lumpSize(blocks)));
    return meanAtMost(Math.round(most), 1e-3) / Math.max(1, callCount);
  }

  /**
   * It rose in the series before this one as well, and not much faster: a cache of which every key is as likely
   * gets fewer new ones the fuller it is.
   */
  #isAsBefore(growth: Growth): boolean {
    if (this.#before === null) return false;
    const { firstRound, endRound, iterations } = this.#before;
    const old = this.#series(this.#before).find(
      ({ what, isLeaf, key }) =>
        what === growth.what && isLeaf === growth.isLeaf && key === growth.key,
    );
    const series = old === undefined ? [] : growth.isByBytes ? old.bytes : old.blocks;
    const [before, callsBefore] = [
      sum(series.slice(0, endRound - firstRound)),
      (endRound - firstRound) * iterations,
    ];
    const now = growth.isByBytes ? growth.bytes : growth.blocks;
    const calls = now.length * this.#iterations;
    if (sum(now) / calls >= fallenShare * (before / callsBefore)) return true;
    // Once it has fallen, chance is no excuse any more.
    if (this.#fallen.has(growth.key)) return false;
    const lumps = growth.isByBytes ? Math.max(1, sum(now) / now.length) : lumpSize(now);
    const [a, b] = [Math.round(before / lumps), Math.round(sum(now) / lumps)];
    const isChance = binomialAtMost(b, a + b, calls / (calls + callsBefore)) >= fallenLimit;
    if (!isChance) this.#fallen.add(growth.key);
    return isChance;
  }

  #series(epoch: Epoch): Growth[] {
    return seriesOf(this.#increments, epoch, {
      ...(this.#sources as WatchSources),
      classOf: this.#classOf,
      tolerance: { blocks: null, bytes: null },
    });
  }

  /** Of all rounds since the warm-up: what leaks did so from the beginning. */
  #chanceOf({ what, isLeaf, key, chance }: Growth): number {
    const whole = this.#series({ firstRound: 1, iterations: this.#iterations }).find(
      (one) => one.what === what && one.isLeaf === isLeaf && one.key === key,
    );
    return Math.min(chance, whole?.chance ?? 1);
  }
}

/** What Node keeps for an object beside the memory that the object holds says nothing more. */
function worthTelling(leaks: readonly Leak[]): Leak[] {
  const isAside = ({ growth, holding }: Leak) =>
    growth.isRuntime &&
    (holding === null || holding.heldByClassCount < lostShare * holding.blockCount);
  return leaks.every(isAside) ? [...leaks] : leaks.filter((leak) => !isAside(leak));
}

const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, value));
