// Words of the command line into values: sizes, ages, ranges, moments. Pure.
import { InvalidArgumentError } from 'commander';
import type { Moment } from '../model/index.js';
import type { Range } from '../query/index.js';
import { parseSize, sizeBytes } from '../sizes.js';

const timeUnits: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  min: 60e9,
  h: 3600e9,
};

export const parseSizeRange = (text: string): Range =>
  parseRange(text, sizeBytes, 'a size such as 100, 4KiB or 1MiB..2MiB');
/** In nanoseconds. */
export const parseAgeRange = (text: string): Range =>
  parseRange(text, nanoseconds, 'an age such as 500ms, 2s.. or 1min..1h');

/** "A..B", "A..", "..B"; a single value is a lower bound: blocks of that size or age and more. */
function parseRange(text: string, parse: (part: string) => number | null, expected: string): Range {
  const parts = text.split('..');
  if (parts.length > 2 || text === '..' || text === '')
    throw new InvalidArgumentError(`Expected ${expected}.`);
  const value = (part: string | undefined, otherwise: number): number => {
    if (part === undefined || part.trim() === '') return otherwise;
    const found = parse(part);
    if (found === null) throw new InvalidArgumentError(`Expected ${expected}.`);
    return found;
  };
  const range = { min: value(parts[0], 0), max: value(parts[1], Number.POSITIVE_INFINITY) };
  if (range.min > range.max)
    throw new InvalidArgumentError('The range is empty: its first value is above its second.');
  return range;
}

/** When memprof-run takes checkpoints. */
export interface CheckpointTimes {
  atExit: boolean;
  everyMs: number | null;
}

const minIntervalMs = 100;
const maxIntervalMs = 24 * 3600 * 1000;

export function parseCheckpointTimes(text: string): CheckpointTimes {
  if (text === 'exit') return { atExit: true, everyMs: null };
  if (text === 'none') return { atExit: false, everyMs: null };
  const everyMs = milliseconds(text);
  if (!(everyMs >= minIntervalMs && everyMs <= maxIntervalMs))
    throw new InvalidArgumentError('Expected exit, none, or a time from 100ms to 24h such as 30s.');
  return { atExit: true, everyMs };
}

/** In milliseconds. */
export function parseTimeout(text: string): number {
  const value = milliseconds(text);
  if (!(value > 0)) throw new InvalidArgumentError('Expected a time such as 500ms, 30s or 2min.');
  return value;
}

/** NaN: not a time. */
function milliseconds(text: string): number {
  return (nanoseconds(text) ?? Number.NaN) / 1e6;
}

function nanoseconds(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zµ]+)$/i.exec(text.trim());
  const unit = match === null ? undefined : timeUnits[match[2].toLowerCase()];
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}

export function parseMoment(text: string): Moment['name'] {
  if (text === 'before-teardown' || text === 'at-end') return text;
  throw new InvalidArgumentError('Expected before-teardown or at-end.');
}

export function parseCount(text: string): number {
  if (text === 'all') return Number.POSITIVE_INFINITY;
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number, or all.');
  return Number(text);
}

/** Of a checkpoint: from 1. */
export function parseNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Expected a number from 1.');
  return Number(text);
}

export function parsePort(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535)
    throw new InvalidArgumentError('Expected a port, 0 to 65535.');
  return value;
}

export function parsePercent(text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (!(value >= 0 && value <= 100))
    throw new InvalidArgumentError('Expected a percentage from 0 to 100.');
  return value;
}

export function parseDepth(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 256)
    throw new InvalidArgumentError('Expected a whole number from 1 to 256.');
  return value;
}

/** A size, or a share of what there was before. */
export function parseGrowth(text: string): { bytes: number } | { percent: number } {
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  return percent === null
    ? { bytes: parseSize(text, '--fail-above') }
    : { percent: Number(percent[1]) };
}
