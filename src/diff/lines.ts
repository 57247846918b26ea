// Sites of the same functions: which line of one build is which line of the other. Pure.
//
// Code above a call moves it, so lines keep their order. Where one side has more sites than the other, those
// are matched that one shift explains best.
import type { DiffSite } from './sides.js';

/** Sites that are one to the comparison; one side may be empty. */
export interface Matched {
  before: readonly DiffSite[];
  after: readonly DiffSite[];
  by: MatchedBy;
}

/** 'place': functions and lines are equal; 'functions': lines moved, or are not known everywhere; 'likeness': functions differ too. */
export type MatchedBy = 'place' | 'functions' | 'likeness' | null;

/** Beyond this many sites of equal functions on one side lines are compared without looking for a shift. */
const mostForShift = 64;

export function matchLines(before: readonly DiffSite[], after: readonly DiffSite[]): Matched[] {
  if (before.length === 0 || after.length === 0)
    return [...before, ...after].map((site) => alone(site, before.length > 0));
  const all = [...before, ...after];
  const length = before[0].identity.names.length;
  const isUncertain = (at: number) => {
    const unknown = all.filter((site) => site.identity.lines[at] === null).length;
    return unknown > 0 && unknown < all.length;
  };
  const positions = Array.from({ length }, (_one, at) => at);
  // A line that only some know cannot tell the sites apart.
  if (all.length > 2 && positions.some(isUncertain)) return [{ before, after, by: 'functions' }];
  const a = [...before].sort(byLines);
  const b = [...after].sort(byLines);
  if (a.length === b.length) return a.map((site, at) => pair(site, b[at]));
  const key = positions.find((at) => new Set(all.map((site) => site.identity.lines[at])).size > 1);
  const lineOf = (site: DiffSite) => (key === undefined ? 0 : (site.identity.lines[key] ?? 0));
  const [few, many] = a.length < b.length ? [a, b] : [b, a];
  const chosen = placesIn(few.map(lineOf), many.map(lineOf));
  const isSwapped = few !== a;
  const taken = new Set(chosen);
  return [
    ...few.map((site, at) =>
      isSwapped ? pair(many[chosen[at]], site) : pair(site, many[chosen[at]]),
    ),
    ...many.filter((_site, at) => !taken.has(at)).map((site) => alone(site, isSwapped)),
  ];
}

function alone(site: DiffSite, isBefore: boolean): Matched {
  return isBefore
    ? { before: [site], after: [], by: null }
    : { before: [], after: [site], by: null };
}

function pair(before: DiffSite, after: DiffSite): Matched {
  const [a, b] = [before.identity.lines, after.identity.lines];
  const isSame = a.every((line, at) => line === b[at]);
  return { before: [before], after: [after], by: isSame ? 'place' : 'functions' };
}

function byLines(a: DiffSite, b: DiffSite): number {
  for (let at = 0; at < a.identity.lines.length; at++) {
    const difference = (a.identity.lines[at] ?? 0) - (b.identity.lines[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** For each of the few ascending lines its place among the many, in order. Swapping the sides changes nothing. */
function placesIn(few: readonly number[], many: readonly number[]): number[] {
  const shifts =
    many.length > mostForShift
      ? [0]
      : [...new Set(few.flatMap((line) => many.map((other) => other - line)))];
  let best: Placing | null = null;
  for (const shift of shifts) {
    const found = placedWith(few, many, shift);
    if (best === null || isBetter(found, best)) best = found;
  }
  return (best as Placing).places;
}

interface Placing {
  places: number[];
  /** How far the lines are from where one shift puts them. */
  cost: number;
  moved: number;
  sum: number;
}

/** No shift before a large one; then what lies higher in the file. */
function isBetter(a: Placing, b: Placing): boolean {
  return (a.cost - b.cost || a.moved - b.moved || a.sum - b.sum) < 0;
}

function placedWith(few: readonly number[], many: readonly number[], shift: number): Placing {
  const width = many.length + 1;
  // cost[i * width + j]: the cheapest way to place the first i among the first j.
  const cost = new Float64Array((few.length + 1) * width).fill(Number.POSITIVE_INFINITY);
  cost.fill(0, 0, width);
  const distance = (i: number, j: number) => Math.abs(many[j] - few[i] - shift);
  for (let i = 1; i <= few.length; i++) {
    for (let j = i; j <= many.length; j++) {
      const here = cost[(i - 1) * width + j - 1] + distance(i - 1, j - 1);
      cost[i * width + j] = Math.min(cost[i * width + j - 1], here);
    }
  }
  const places: number[] = [];
  for (let i = few.length, j = many.length; i > 0; j--) {
    if (cost[i * width + j] === cost[i * width + j - 1]) continue;
    places.unshift(j - 1);
    i--;
  }
  const moves = places.map((place, at) => many[place] - few[at]);
  return {
    places,
    cost: cost[few.length * width + many.length],
    moved: moves.reduce((sum, move) => sum + Math.abs(move), 0),
    sum: places.reduce((sum, place) => sum + many[place], 0),
  };
}
