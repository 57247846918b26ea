// What a site's increments, round by round, look like: a slope, a step, something that fills up, or noise. All
// rounds have the same number of iterations. Pure.
import { binomialAtMost, lumpSize, poissonAtMost, trendChance } from './statistics.js';

export type Shape =
  | 'flat' // nothing for many calls, or so little that no leak worth the name explains it
  | 'rising' // steadily, round by round
  | 'fading' // ever less a round: a cache that fills up
  | 'steps' // most of it came in one round
  | 'unclear';

/** Fewer events say nothing of their steadiness. */
const fewestEvents = 6;
/** An order that chance brings about more often is no trend. With five rounds all five must rise (1 in 720). */
const trendLimit = 0.01;
/** Of what came in all, so much came in rounds other than the richest. A step leaves next to nothing. */
const shareOfOthers = 0.45;
/** So much of the growth may be taken back from round to round: a collector that lags. */
const takenBack = 0.25;
/** If the rate is the same in both halves, fewer than one in fifty series has so little in the second. */
const fadingLimit = 0.02;
/** A leak in one of ten calls is found. */
export const promisedRate = 1 / 10;
/** Where something came, but not enough to be judged, rounds go on until this rate is excluded, too. */
const smallestRate = 1 / 25;
/** Chance of calling a series with such a rate flat. */
const missedLimit = 2e-3;

/** `increments`: blocks a round. */
export function shapeOf(increments: readonly number[], iterationsPerRound: number): Shape {
  const total = sum(increments);
  const calls = increments.length * iterationsPerRound;
  if (total <= 0) return isExcluded(0, calls, promisedRate) ? 'flat' : 'unclear';
  if (isExcluded(0, roundsWithout(increments) * iterationsPerRound, promisedRate)) return 'flat';
  if (isRising(increments, total)) return isFading(increments) ? 'fading' : 'rising';
  // Where some is taken back, differences are noise, and no lumps.
  const isPure = !increments.some(isBelowZero);
  const events = isPure ? total / lumpSize(increments) : total;
  if (isExcluded(events, calls, smallestRate)) return 'flat';
  const isNoise = !isApart(increments) && -sum(increments.filter(isBelowZero)) >= total / 2;
  if (isNoise || (!isApart(increments) && isExcluded(events, calls, promisedRate))) return 'flat';
  if (total - Math.max(...increments) < shareOfOthers * total) return 'steps';
  return isFading(increments) ? 'fading' : 'unclear';
}

/** So many rounds at the end gained nothing, all in all. */
function roundsWithout(increments: readonly number[]): number {
  const from = increments.findIndex((_one, at) => sum(increments.slice(at)) <= 0);
  return from < 0 ? 0 : increments.length - from;
}

/** So few came that there is no leak of the promised rate, whatever else it may be. */
export function isBelowPromise(increments: readonly number[], iterationsPerRound: number): boolean {
  const events = Math.max(0, sum(increments)) / lumpSize(increments);
  return isExcluded(events, increments.length * iterationsPerRound, promisedRate);
}

/** A leak of that rate would hardly ever have shown so few events. */
function isExcluded(events: number, calls: number, rate: number): boolean {
  return poissonAtMost(Math.round(events), calls * rate) < missedLimit;
}

const isBelowZero = (one: number): boolean => one < 0;

function isRising(increments: readonly number[], total: number): boolean {
  if (total < fewestEvents) return false;
  if (trendChance(levelsOf(increments)) > trendLimit) return false;
  if (total - Math.max(...increments) < shareOfOthers * total) return false;
  const down = sum(increments.filter(isBelowZero));
  return -down <= takenBack * total;
}

function isFading(increments: readonly number[]): boolean {
  const half = Math.floor(increments.length / 2);
  const lumps = lumpSize(increments);
  const first = sum(increments.slice(0, half)) / lumps;
  const last = sum(increments.slice(-half)) / lumps;
  return binomialAtMost(Math.round(last), Math.round(first + last), 0.5) < fadingLimit;
}

/** Noise comes back to where it was: then no level of the second half is above all of the first. */
function isApart(increments: readonly number[]): boolean {
  const levels = levelsOf(increments);
  const half = Math.floor(levels.length / 2);
  return Math.min(...levels.slice(-half)) > Math.max(...levels.slice(0, half));
}

/** Bytes grow steadily although the number of blocks does not: a block that is made larger in every call. */
export function isSwelling(increments: readonly number[]): boolean {
  const least = Math.min(...increments);
  const half = Math.floor(increments.length / 2);
  const [first, last] = [sum(increments.slice(0, half)), sum(increments.slice(-half))];
  return least > 0 && Math.max(...increments) <= 2.5 * least && last >= 0.7 * first;
}

/** The same whole number of blocks in every call of every round. */
export function isExact(increments: readonly number[], iterationsPerRound: number): boolean {
  const [first] = increments;
  return (
    first > 0 &&
    first % iterationsPerRound === 0 &&
    increments.every((increment) => increment === first)
  );
}

export function levelsOf(increments: readonly number[]): number[] {
  let level = 0;
  return [0, ...increments.map((increment) => (level += increment))];
}

export const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
