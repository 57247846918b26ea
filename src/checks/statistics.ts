// What chance alone does. Pure.

/**
 * How likely numbers without any trend come out at least as sorted as these (Kendall's test, exact: under no
 * trend every order of them is as likely as any other). Equal neighbours count against a trend.
 */
export function trendChance(levels: readonly number[]): number {
  let inversions = 0;
  for (let i = 0; i < levels.length; i++)
    for (let j = i + 1; j < levels.length; j++) if (levels[j] <= levels[i]) inversions++;
  return atMostInversions(levels.length, inversions);
}

/** The share of all orders of `length` numbers with so many inversions or fewer. */
function atMostInversions(length: number, inversions: number): number {
  let chances: number[] = [1];
  for (let n = 2; n <= length; n++) {
    const next = new Array<number>(chances.length + n - 1).fill(0);
    for (const [at, chance] of chances.entries())
      for (let more = 0; more < n; more++) next[at + more] += chance / n;
    chances = next;
  }
  return chances.slice(0, inversions + 1).reduce((sum, one) => sum + one, 0);
}

/** P(X <= count) for X binomial. */
export function binomialAtMost(count: number, trials: number, chance: number): number {
  if (count >= trials) return 1;
  if (count < 0) return 0;
  const odds = Math.log(chance / (1 - chance));
  let logTerm = trials * Math.log(1 - chance);
  let sum = Math.exp(logTerm);
  for (let k = 1; k <= count; k++) {
    logTerm += Math.log((trials - k + 1) / k) + odds;
    sum += Math.exp(logTerm);
  }
  return Math.min(1, sum);
}

/** P(X <= count) for X Poisson. */
export function poissonAtMost(count: number, mean: number): number {
  if (count < 0) return 0;
  if (mean <= 0) return 1;
  let logTerm = -mean;
  let sum = Math.exp(logTerm);
  for (let k = 1; k <= count; k++) {
    logTerm += Math.log(mean / k);
    sum += Math.exp(logTerm);
  }
  return Math.min(1, sum);
}

/** The largest mean under which so few events are not yet rarer than `chance`. */
export function meanAtMost(count: number, chance: number): number {
  return bisect(count, count + 40 + 10 * Math.sqrt(count + 1), (mean) =>
    poissonAtMost(count, mean) > chance ? 1 : -1,
  );
}

/** The smallest mean under which so many events are not yet rarer than `chance`. */
export function meanAtLeast(count: number, chance: number): number {
  if (count <= 0) return 0;
  return bisect(0, count, (mean) => (1 - poissonAtMost(count - 1, mean) < chance ? 1 : -1));
}

/** Where `sideOf` turns from above to below 0. */
function bisect(from: number, to: number, sideOf: (at: number) => number): number {
  let [low, high] = [from, to];
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (sideOf(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * In what lumps events come: 1 for single ones that come by chance, 20 where each comes with twenty blocks at once.
 * From how far each is from the middle of its neighbours, which a trend does not touch. Never below 1.
 */
export function lumpSize(increments: readonly number[]): number {
  const mean = increments.reduce((sum, one) => sum + one, 0) / increments.length;
  if (increments.length < 3 || mean <= 0) return 1;
  let squares = 0;
  for (let i = 2; i < increments.length; i++)
    squares += (increments[i] - 2 * increments[i - 1] + increments[i - 2]) ** 2;
  return Math.max(1, squares / (6 * (increments.length - 2)) / mean);
}
