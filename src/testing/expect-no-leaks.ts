// expectNoLeaks: runs a function in rounds until memprof-run is sure whether native memory grows with them.
import type { CheckFinding } from '../checks/finding.js';
import type { RoundAnswer, WatchOptions } from '../checks/protocol.js';
import { MemprofError } from '../errors.js';
import { type Agent, ask, nextTurn, nowMs } from './agent.js';
import { withAgent } from './missing.js';
import {
  assertFunction,
  assertOptions,
  type Checks,
  type CommonOptions,
  commonOptions,
  usage,
} from './options.js';
import { atCall, type CallPlace, callPlace } from './place.js';
import { type Watch, watched } from './watch.js';

export interface LeakOptions extends CommonOptions {
  /** Calls before the first round; default: for 50 ms, 10 to 200. A cache that these fill is no leak. */
  warmup?: number;
  /** The least number of rounds. Default 5; where they do not decide, more follow. */
  rounds?: number;
  /** calls a round. Default: as many as 60 ms allow, 15 to 300, and four times as many where it is in doubt. */
  iterations?: number;
  /** What may stay of a call, by site: bytes, or { blocks, bytes }. Default: nothing. */
  tolerance?: number | { blocks?: number; bytes?: number };
  /** Suppressions: lines as in a file of them, or a part of a function's or package's name. */
  ignore?: string | readonly string[];
  /** Whose allocations count. Default 'all'. */
  threads?: 'all' | 'calling';
}

export interface LeakVerdict {
  skipped: false;
  /** 'undecided': it grew, but not steadily. `text` says what. */
  verdict: 'clean' | 'undecided';
  /** 0 to 1: that a leak in one of ten calls would have been found. */
  confidence: number;
  roundCount: number;
  iterationCount: number;
  /** What `ignore` matched. */
  findings: readonly CheckFinding[];
  text: string;
}

/** Code ERR_MEMPROF_LEAK. */
export class LeakError extends MemprofError {
  readonly findings: readonly CheckFinding[];

  constructor(message: string, findings: readonly CheckFinding[]) {
    super('ERR_MEMPROF_LEAK', message);
    // Not enumerable: runners print what is, and the message says it all.
    this.findings = findings;
    Object.defineProperty(this, 'findings', { enumerable: false });
  }
}

const defaultTimeoutMs = 60_000;
const warmupMs = 50;
const fewestWarmups = 10;
const mostWarmups = 200;
const attempts = 100;

/**
 * Runs `fn`, which may return a promise, in rounds, and rejects with ERR_MEMPROF_LEAK if native memory grows with
 * the number of calls: by call site, by the class of JavaScript objects that hold it, by Node-API resource, or
 * in private mappings. Caches that fill up and what is made once do not fail.
 */
export async function expectNoLeaks(
  fn: () => unknown,
  options: LeakOptions = {},
): Promise<LeakVerdict | { skipped: true }> {
  const place = callPlace(expectNoLeaks);
  const title = `expectNoLeaks at ${place.text}`;
  const asked = atCall(place, () => {
    assertFunction(fn, title);
    assertOptions(options, leakOptions, title);
    return watchOptions(options, title);
  });
  const { name = place.text, timeoutMs = defaultTimeoutMs, whenMissing } = options;
  const call = { title, place, name, timeoutMs, whenMissing };
  return withAgent(call, async (from) => {
    const answer = await watched(from, call, asked, (watch) =>
      runRounds(from, watch, new Calls(watch, fn, place), options.warmup),
    );
    const { verdict, confidence, roundCount, iterationCount, findings, text } = answer;
    if (verdict === 'leak') throw new LeakError(text, findings);
    return {
      skipped: false as const,
      verdict: verdict === 'undecided' ? verdict : ('clean' as const),
      confidence,
      roundCount,
      iterationCount,
      findings,
      text,
    };
  });
}

async function runRounds(
  from: Agent,
  watch: Watch,
  calls: Calls,
  warmup: number | undefined,
): Promise<void> {
  const beganMs = nowMs();
  const before = calls.count;
  const isWarm = () => {
    const count = calls.count - before;
    if (warmup !== undefined) return count >= warmup;
    return count >= mostWarmups || (count >= fewestWarmups && nowMs() - beganMs >= warmupMs);
  };
  while (!isWarm()) await calls.one();
  let answer = await endRound(from, watch, calls.count - before, nowMs() - beganMs, false);
  while (answer.decision === 'more') {
    const startedMs = nowMs();
    for (let left = answer.nextIterations; left > 0; left--) await calls.one();
    const elapsedMs = nowMs() - startedMs;
    answer = await endRound(from, watch, answer.nextIterations, elapsedMs, answer.nextCheckpoint);
  }
}

async function endRound(
  from: Agent,
  { number: watch }: Watch,
  iterations: number,
  elapsedMs: number,
  withCheckpoint: boolean,
): Promise<RoundAnswer> {
  // From the event loop: with no JavaScript on the stack finalizers may run.
  await nextTurn();
  from.collect();
  await nextTurn();
  const checkpoint = withCheckpoint ? await takeCheckpoint(from) : null;
  return ask<RoundAnswer>(from, { ask: 'round', watch, iterations, elapsedMs, checkpoint });
}

/** null: none could be taken; the reader asks for it again. */
async function takeCheckpoint(from: Agent): Promise<number | null> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const number = from.checkpoint('');
    if (number > 0) return number;
    if (number < 0) return null;
    await nextTurn();
  }
  return null;
}

/** The calls of the function, counted, so that an error can name its call. */
class Calls {
  count = 0;
  readonly #watch: Watch;
  readonly #fn: () => unknown;
  readonly #place: CallPlace;

  constructor(watch: Watch, fn: () => unknown, place: CallPlace) {
    this.#watch = watch;
    this.#fn = fn;
    this.#place = place;
  }

  async one(): Promise<void> {
    this.count++;
    try {
      await this.#watch.run(this.#fn);
    } catch (error) {
      nameCall(error, this.count, this.#place);
      throw error;
    }
  }
}

/** The error stays the user's own; its stack gets a last line that says in which call it was thrown. */
function nameCall(error: unknown, count: number, { text }: CallPlace): void {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return;
  if (error instanceof MemprofError) return;
  const descriptor = Object.getOwnPropertyDescriptor(error, 'stack');
  if (descriptor?.configurable !== true) return;
  Object.defineProperty(error, 'stack', {
    value: `${error.stack}\n    at expectNoLeaks, in call ${count} of its function (${text})`,
    configurable: true,
    writable: true,
    enumerable: descriptor.enumerable ?? false,
  });
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;
const isAmount = (value: unknown): boolean =>
  typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY;

function isTolerance(value: unknown): boolean {
  if (isAmount(value)) return true;
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every(
    ([name, one]) =>
      (name === 'blocks' || name === 'bytes') && (one === undefined || isAmount(one)),
  );
}

const mostRounds = 1000;
const leakOptions = {
  warmup: {
    is: (value: unknown) => value === 0 || isCount(value),
    expected: 'a whole number of calls',
  },
  rounds: {
    is: (value: unknown) =>
      isCount(value) && (value as number) >= 3 && (value as number) <= mostRounds,
    expected: `a whole number from 3 to ${mostRounds}`,
  },
  iterations: { is: isCount, expected: 'a whole number of calls above 0' },
  tolerance: {
    is: isTolerance,
    expected: 'a number of bytes, or { blocks, bytes } with numbers, for one call',
  },
  ignore: {
    is: (value: unknown) =>
      typeof value === 'string' ||
      (Array.isArray(value) && value.every((line) => typeof line === 'string')),
    expected: 'a text or a list of texts',
  },
  threads: {
    is: (value: unknown) => value === 'all' || value === 'calling',
    expected: "'all' or 'calling'",
  },
  ...commonOptions,
} as const satisfies Checks;

function watchOptions(options: LeakOptions, title: string): WatchOptions {
  const { rounds, iterations, tolerance, ignore, threads } = options;
  const lines = typeof ignore === 'string' ? ignore.split('\n') : [...(ignore ?? [])];
  if (lines.some((line) => line.trim() === '') && lines.every((line) => line.trim() === ''))
    throw usage(`${title}: 'ignore' is empty, and would ignore nothing`);
  return {
    kind: 'leaks',
    ...(rounds === undefined ? {} : { minRounds: rounds }),
    ...(iterations === undefined ? {} : { iterations }),
    ...(tolerance === undefined ? {} : { tolerance: toleranceOf(tolerance) }),
    ...(lines.length === 0 ? {} : { ignore: lines }),
    ...(threads === undefined ? {} : { threads }),
  };
}

function toleranceOf(
  tolerance: NonNullable<LeakOptions['tolerance']>,
): NonNullable<WatchOptions['tolerance']> {
  if (typeof tolerance === 'number') return { blocks: null, bytes: tolerance };
  return { blocks: tolerance.blocks ?? null, bytes: tolerance.bytes ?? null };
}
