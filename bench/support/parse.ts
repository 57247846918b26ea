// What the benchmark's helpers write, checked: the launcher, the probe, memprof summary --json, the
// unwinder's benchmark. Pure.
import { MemprofError } from '../../src/errors.js';

type Fields<Keys extends string> = Record<Keys, number>;

function unexpected(source: string, expected: string, text: string): MemprofError {
  const start = text.length > 80 ? `${text.slice(0, 80)}...` : text;
  return new MemprofError(
    'ERR_MEMPROF_BENCH_OUTPUT',
    `${source}: expected ${expected}, got ${JSON.stringify(start)}`,
  );
}

function parseJson(source: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unexpected(source, 'JSON', text);
  }
}

function numbersIn<Keys extends string>(
  source: string,
  value: unknown,
  keys: readonly Keys[],
): Fields<Keys> {
  const object = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  return Object.fromEntries(
    keys.map((key) => {
      const number = object[key];
      if (typeof number !== 'number' || !Number.isFinite(number)) {
        throw unexpected(source, `a number called ${key}`, JSON.stringify(value) ?? 'nothing');
      }
      return [key, number];
    }),
  ) as Fields<Keys>;
}

const isTrue = (value: unknown, key: string): boolean =>
  (value as Record<string, unknown>)[key] === true;

/** A command with all processes that came from it. Times of CLOCK_MONOTONIC. */
export interface Launched {
  beginNs: number;
  /** The command's own end; processes it left behind end later. */
  commandEndNs: number;
  endNs: number;
  userNs: number;
  systemNs: number;
  /** -1: ended by `signal`. */
  code: number;
  signal: number;
  isOverdue: boolean;
}

export function parseLaunched(text: string): Launched {
  const value = parseJson('launcher', text);
  const keys = [
    'beginNs',
    'commandEndNs',
    'endNs',
    'userNs',
    'systemNs',
    'code',
    'signal',
  ] as const;
  return { ...numbersIn('launcher', value, keys), isOverdue: isTrue(value, 'isOverdue') };
}

/** One process, as it saw itself at its end. */
export interface Used {
  isMeasured: boolean;
  endNs: number;
  userNs: number;
  systemNs: number;
  peakBytes: number;
}

export function parseUsed(text: string): Used {
  const value = parseJson('probe', text);
  const keys = ['endNs', 'userNs', 'systemNs', 'peakBytes'] as const;
  return { ...numbersIn('probe', value, keys), isMeasured: isTrue(value, 'isMeasured') };
}

export interface TraceFigures {
  /** Allocations and releases. */
  eventCount: number;
  ringWaitNs: number;
}

export function parseSummary(text: string): TraceFigures {
  const value = parseJson('memprof summary', text) as Record<string, unknown> | null;
  const count = (part: string): number =>
    numbersIn(`memprof summary, ${part}`, value?.[part], ['blockCount']).blockCount;
  const { ringWaitNs } = numbersIn('memprof summary, losses', value?.['losses'], ['ringWaitNs']);
  return { eventCount: count('allocated') + count('released'), ringWaitNs };
}

/** Nanoseconds a stack, `changing` of whose `depth` calls differ from the stack before. */
export interface WalkFigure {
  depth: number;
  changing: number;
  medianNs: number;
  minNs: number;
  maxNs: number;
}

export function parseWalks(text: string): WalkFigure[] {
  const value = parseJson('memprof_walk_bench', text);
  if (!Array.isArray(value) || value.length === 0) {
    throw unexpected('memprof_walk_bench', 'a list of figures', text);
  }
  const keys = ['depth', 'changing', 'medianNs', 'minNs', 'maxNs'] as const;
  return value.map((figure) => numbersIn('memprof_walk_bench', figure, keys));
}
