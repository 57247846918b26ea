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
    return [...before, ...after].map((site) => alone([site], before.length > 0));
  const all = [...before, ...after];
  // A line that only some know tells nothing apart: sites that differ in such lines alone are one.
  const certain = all[0].identity.lines.flatMap((_line, at) => {
    const unknown = all.filter((site) => site.identity.lines[at] === null).length;
    return unknown === 0 ? [at] : [];
  });
  const a = bundles(before, certain);
  const b = bundles(after, certain);
  if (a.length === b.length) return a.map((one, at) => pair(one, b[at]));
  const key = certain.findIndex((at) => new Set(all.map((one) => one.identity.lines[at])).size > 1);
  const lineOf = ({ lines }: Bundle) => lines[key] ?? 0;
  const [few, many] = a.length < b.length ? [a, b] : [b, a];
  const chosen = placesIn(few.map(lineOf), many.map(lineOf));
  const isSwapped = few !== a;
  const taken = new Set(chosen);
  return [
    ...few.map((one, at) =>
      isSwapped ? pair(many[chosen[at]], one) : pair(one, many[chosen[at]]),
    ),
    ...many.filter((_one, at) => !taken.has(at)).map(({ sites }) => alone(sites, isSwapped)),
  ];
}

/** Sites of one side with equal certain lines. */
interface Bundle {
  sites: DiffSite[];
  lines: number[];
}

/** In the order of their lines. */
function bundles(sites: readonly DiffSite[], certain: readonly number[]): Bundle[] {
  const found = new Map<string, Bundle>();
  for (const site of sites) {
    const lines = certain.map((at) => site.identity.lines[at] as number);
    const known = found.get(lines.join(' '));
    if (known === undefined) found.set(lines.join(' '), { sites: [site], lines });
    else known.sites.push(site);
  }
  return [...found.values()].sort((x, y) => {
    const at = x.lines.findIndex((line, index) => line !== y.lines[index]);
    return at < 0 ? 0 : x.lines[at] - y.lines[at];
  });
}

function alone(sites: readonly DiffSite[], isBefore: boolean): Matched {
  return isBefore ? { before: sites, after: [], by: null } : { before: [], after: sites, by: null };
}

function pair(before: Bundle, after: Bundle): Matched {
  const [a, ...moreBefore] = before.sites;
  const [b, ...moreAfter] = after.sites;
  const isSame =
    moreBefore.length + moreAfter.length === 0 &&
    a.identity.lines.every((line, at) => line === b.identity.lines[at]);
  return { before: before.sites, after: after.sites, by: isSame ? 'place' : 'functions' };
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
