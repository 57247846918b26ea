// Memory over time as a table of a few rows and two lines of blocks. Pure: values in, lines out.
import {
  type MemoryTimeline,
  type TimelinePart,
  type TimelineSamples,
  timelineParts,
} from '../model/index.js';
import type { Style } from './style.js';
import { renderTable } from './table.js';
import { formatBytes, formatCount, formatDuration } from './units.js';

export const partTitles: Record<TimelinePart, string> = {
  heapBytes: 'heaps',
  v8Bytes: 'V8',
  mappedBytes: 'mapped',
  fileBytes: 'files',
  stackBytes: 'stacks',
  memprofBytes: 'memprof',
  restBytes: 'rest',
};
const bars = '▁▂▃▄▅▆▇█';
const mostBars = 60;
const usualRows = 20;

/** One moment that is shown; `parts` null: nobody looked what it consisted of. */
export interface TimelineRow {
  atNs: number;
  residentBytes: number;
  liveBytes: number;
  liveCount: number;
  parts: Record<TimelinePart, number> | null;
}

/** So many stretches of equal length, each by the moment in it that says most; where nobody looked there is none. */
export function timelineRows({ samples, parts }: MemoryTimeline, rowCount: number): TimelineRow[] {
  const ends = [samples.atNs.at(-1) ?? 0, parts.atNs.at(-1) ?? 0];
  const lengthNs = Math.max(...ends, 1);
  const rows = new Map<number, TimelineRow>();
  const stretchOf = (atNs: number) =>
    Math.min(rowCount - 1, Math.floor((atNs / lengthNs) * rowCount));
  const liveRow = liveRows(samples);
  const moment = (table: TimelineSamples, row: number) => {
    const atNs = table.atNs[row]!;
    const at = liveRow(atNs);
    return {
      atNs,
      residentBytes: table.residentBytes[row]!,
      liveBytes: at < 0 ? table.liveBytes[row]! : samples.liveBytes[at]!,
      liveCount: at < 0 ? table.liveCount[row]! : samples.liveCount[at]!,
    };
  };
  for (let row = 0; row < samples.count; row++)
    rows.set(stretchOf(samples.atNs[row]!), { ...moment(samples, row), parts: null });
  for (let row = 0; row < parts.count; row++) {
    const sums = Object.fromEntries(timelineParts.map((part) => [part, parts[part][row]!]));
    rows.set(stretchOf(parts.atNs[row]!), {
      ...moment(parts, row),
      parts: sums as Record<TimelinePart, number>,
    });
  }
  return [...rows.values()].sort((a, b) => a.atNs - b.atNs);
}

/** The recording lags behind: the sample whose live blocks are as of nearly that moment; -1: there is none. */
function liveRows(samples: TimelineSamples): (atNs: number) => number {
  const distance = (row: number, atNs: number) =>
    Math.abs(samples.atNs[row]! - samples.lagNs[row]! - atNs);
  return (atNs) => {
    let nearest = samples.count - 1;
    for (let row = nearest - 1; row >= 0; row--)
      if (distance(row, atNs) < distance(nearest, atNs)) nearest = row;
    return nearest;
  };
}

export function peakText({ peak }: MemoryTimeline): string {
  const bytes = formatBytes(peak.residentBytes);
  if (peak.source === 'samples')
    return `Peak: ${bytes} resident after ${formatDuration(peak.sampledNs)}, the most of all samples.`;
  const when =
    peak.askedNs < peak.sampledNs
      ? `by ${formatDuration(peak.askedNs)}`
      : `about ${formatDuration(peak.sampledNs)} after the start`;
  return `Peak: ${bytes} resident (by the kernel), ${when}.`;
}

export function* renderTimeline(
  timeline: MemoryTimeline,
  { columns, style }: { columns: number; style: Style },
): Iterable<string> {
  const { samples, cost } = timeline;
  const width = Math.max(10, Math.min(mostBars, columns - 22));
  const knownNs = samples.atNs.map((atNs, row) => atNs - samples.lagNs[row]!);
  for (const [title, atNs, column] of [
    ['resident', samples.atNs, samples.residentBytes],
    ['live', knownNs, samples.liveBytes],
  ] as const) {
    const most = column.reduce((largest, value) => Math.max(largest, value), 0);
    const lengthNs = samples.atNs.at(-1) ?? 0;
    const line = sparkline({ atNs, values: column, lengthNs }, width);
    yield `${title.padEnd(9)}${style.bytes(line)} ${formatBytes(most)}`;
  }
  yield '';
  const shown = timelineParts.filter((part) => timeline.parts[part].some((value) => value > 0));
  const cells = timelineRows(timeline, usualRows).map((row) => [
    formatDuration(row.atNs),
    mib(row.residentBytes),
    mib(row.liveBytes),
    formatCount(row.liveCount),
    ...shown.map((part) => (row.parts === null ? '' : mib(row.parts[part]))),
  ]);
  const right = (title: string) => ({ title, align: 'right' as const });
  yield* renderTable(
    [
      right('time'),
      { ...right('resident'), paint: style.bytes },
      right('live'),
      right('blocks'),
      ...shown.map((part) => right(partTitles[part])),
    ],
    cells,
    { columns, heading: style.faint },
  );
  yield '';
  yield style.faint('In MiB. rest: large blocks of malloc, and what cannot be told from outside.');
  yield style.faint(
    `${formatCount(cost.sampleCount)} samples, ${each(cost.sampleNs, cost.sampleCount)} each; ${formatCount(cost.partsCount)} with parts, ${each(cost.partsNs, cost.partsCount)} each.`,
  );
}

const each = (sumNs: number, count: number): string => formatDuration(sumNs / Math.max(1, count));
const mib = (sizeBytes: number): string => (sizeBytes / 2 ** 20).toFixed(1);

/** The most of each stretch of time, against the most of all; a stretch without a sample goes on as before. */
function sparkline(
  { atNs, values, lengthNs }: { atNs: Float64Array; values: Float64Array; lengthNs: number },
  width: number,
): string {
  const most = values.reduce((largest, value) => Math.max(largest, value), 1);
  const stretches = new Array<number | undefined>(width).fill(undefined);
  for (const [row, value] of values.entries()) {
    const at = Math.min(width - 1, Math.floor((atNs[row]! / Math.max(1, lengthNs)) * width));
    stretches[at] = Math.max(stretches[at] ?? 0, value);
  }
  let line = '';
  let last: number | undefined;
  for (const value of stretches) {
    last = value ?? last;
    line += last === undefined ? ' ' : bars[Math.round((last / most) * (bars.length - 1))];
  }
  return line;
}
