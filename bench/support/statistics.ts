// Medians and extremes of a few runs, and how they are written. Pure.

export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Of at least one value; of an even number of them the median lies between the two in the middle. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values to take a median of');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

/**
 * Compares round by round, and takes the median of that: rounds are interleaved, so what slows the
 * machine for a while slows both sides of a round. Rounds that only one side has are left out.
 */
export function spreadByRound(
  ours: readonly number[],
  theirs: readonly number[],
  compare: (ours: number, theirs: number) => number,
): Spread {
  const rounds = Math.min(ours.length, theirs.length);
  return spreadOf(
    Array.from({ length: rounds }, (_, round) => compare(ours[round], theirs[round])),
  );
}

/** Median, then the extremes where they are others: `1.14 (1.10–1.21)`. */
export function formatSpread(spread: Spread, format: (value: number) => string): string {
  const [median, min, max] = [spread.median, spread.min, spread.max].map(format);
  return min === max ? median : `${median} (${min}–${max})`;
}

export const formatRatio = (value: number): string => value.toFixed(value < 10 ? 2 : 1);
export const formatNs = (valueNs: number): string => valueNs.toFixed(valueNs < 10 ? 1 : 0);

export function formatTime(timeNs: number): string {
  if (timeNs < 1e6) return `${(timeNs / 1e3).toFixed(0)} µs`;
  return timeNs < 1e9 ? `${(timeNs / 1e6).toFixed(0)} ms` : `${(timeNs / 1e9).toFixed(2)} s`;
}

export function formatBytes(sizeBytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let size = sizeBytes;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 || size >= 100 ? size.toFixed(0) : size.toFixed(1)} ${units[unit]}`;
}
