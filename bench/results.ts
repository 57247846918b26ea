// What a run of the benchmark found, as --json writes it, and the figures taken from it. Pure.
import { MemprofError } from '../src/errors.js';
import type { Outcome } from './alone.js';
import type { TraceFigures, WalkFigure } from './support/parse.js';
import { type Spread, spreadByRound } from './support/statistics.js';
import type { Run, Variant } from './variants.js';
import type { Aims } from './workloads.js';

export const resultsVersion = 'memprof.bench/1';

export interface Machine {
  date: string;
  cpu: string;
  coreCount: number;
  memoryBytes: number;
  kernel: string;
  node: string;
  /** null: not installed. */
  heaptrack: string | null;
  commit: string;
  /** Over the last minute before the run: other work on the machine. */
  load: number;
}

export interface Measured {
  name: string;
  title: string;
  aims: Aims;
  leftOut?: string;
  /** Why nothing was measured. */
  skipped: string | null;
  /** By round. */
  runs: Partial<Record<Variant, Run[]>>;
  /** Variants that failed, and how. */
  failures: Partial<Record<Variant, string>>;
  trace: (TraceFigures & { traceBytes: number }) | null;
}

export interface Results {
  schema: typeof resultsVersion;
  isQuick: boolean;
  machine: Machine;
  durationNs: number;
  measured: Measured[];
  /** How heaptrack fared on what it is not timed on. */
  heaptrackOnDistinct: string | null;
  alone: {
    unwinder: Outcome<WalkFigure[]>;
    reader: Outcome<unknown>;
    symbols: Outcome<unknown>;
    stacks: Outcome<unknown>;
    /** Absent in results from before there were checkpoints. */
    checkpoint?: Outcome<unknown>;
  };
}

export function parseResults(text: string, path: string): Results {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if ((value as Results | null)?.schema !== resultsVersion) {
    throw new MemprofError(
      'ERR_MEMPROF_BENCH_RESULTS',
      `${path}: expected results of this benchmark (schema ${resultsVersion})`,
    );
  }
  return value as Results;
}

/** Wall of a variant over native's in the same round; null where one of them did not run. */
export function wallRatio(measured: Measured, variant: Variant): Spread | null {
  const { native } = measured.runs;
  const runs = measured.runs[variant];
  if (!native?.length || !runs?.length) return null;
  const wallNs = (run: Run): number => run.wallNs;
  return spreadByRound(runs.map(wallNs), native.map(wallNs), (ours, theirs) => ours / theirs);
}

/**
 * Extra CPU of the program itself an event. heaptrack's events are taken to be as many as memprof's,
 * which counts the same calls.
 */
export function addedNs(measured: Measured, variant: Variant): Spread | null {
  const { native } = measured.runs;
  const runs = measured.runs[variant];
  const eventCount = measured.trace?.eventCount ?? 0;
  if (!native?.length || !runs?.length || eventCount === 0) return null;
  const cpuNs = (run: Run): number => run.cpuProgramNs ?? Number.NaN;
  return spreadByRound(
    runs.map(cpuNs),
    native.map(cpuNs),
    (ours, theirs) => (ours - theirs) / eventCount,
  );
}

/** One figure that has an aim. */
export interface Figure {
  /** As a heading in NOTES.md. */
  id: string;
  unit:
    | 'ns an event'
    | 'x native'
    | 'ns a stack'
    | 'million events a second'
    | 's'
    | '% of stacks'
    | 'GiB a second'
    | 'MiB';
  aim: number;
  value: number;
  /** Whether more is better. */
  isFloor: boolean;
}

export const isReached = ({ aim, value, isFloor }: Figure): boolean =>
  isFloor ? value >= aim : value <= aim;

function ofWorkload(measured: Measured): Figure[] {
  const figures: Figure[] = [];
  const add = (
    id: string,
    unit: Figure['unit'],
    aim: number | undefined,
    spread: Spread | null,
  ): void => {
    if (aim === undefined || spread === null) return;
    figures.push({
      id: `${measured.name}: ${id}`,
      unit,
      aim,
      value: spread.median,
      isFloor: false,
    });
  };
  const { aims } = measured;
  add('added CPU', 'ns an event', aims.addedNs, addedNs(measured, 'memprof'));
  add('wall', 'x native', aims.wall, wallRatio(measured, 'memprof'));
  add('wall, recording alone', 'x native', aims.recordingWall, wallRatio(measured, 'recording'));
  return figures;
}

export const walkAims: Readonly<Record<number, number>> = { 5: 30, 20: 45, 60: 70 };

function ofUnwinder(walks: WalkFigure[] | null): Figure[] {
  return (walks ?? [])
    .filter(({ changing, depth }) => changing === 3 && depth in walkAims)
    .map(({ depth, medianNs }) => ({
      id: `unwinder: depth ${depth}`,
      unit: 'ns a stack',
      aim: walkAims[depth],
      value: medianNs,
      isFloor: false,
    }));
}

/** The value at a path of keys, if it is a number: other programs' JSON may lack it. */
function numberAt(value: unknown, ...keys: string[]): number | null {
  let at = value;
  for (const key of keys) at = (at as Record<string, unknown> | null | undefined)?.[key];
  return typeof at === 'number' ? at : null;
}

export const readerAims: readonly { workload: string; aim: number }[] = [
  { workload: 'short-lived', aim: 25 },
  { workload: 'random over 1,000,000 live', aim: 8 },
];

/** What the reader must do with each event whatever its options: take it from the ring and book it. */
export const readerStage = 'drain+ledger';

export interface ReaderRow {
  workload: string;
  stages: Record<string, unknown>;
}

export function readerRows(figures: unknown): ReaderRow[] {
  const rows = (figures as { results?: unknown } | null)?.results;
  return Array.isArray(rows) ? (rows as ReaderRow[]) : [];
}

function ofReader(figures: unknown): Figure[] {
  return readerAims.flatMap(({ workload, aim }) => {
    const row = readerRows(figures).find((each) => each.workload === workload);
    const rate = numberAt(row?.stages, readerStage, 'medianEventsPerSecond');
    if (rate === null) return [];
    const unit = 'million events a second' as const;
    return [{ id: `reader: ${workload}`, unit, aim, value: rate / 1e6, isFloor: true }];
  });
}

function ofSymbols(figures: unknown): Figure[] {
  const timed = (id: string, key: string, aim: number): Figure[] => {
    const timeMs = numberAt(figures, key, 'medianMs');
    return timeMs === null
      ? []
      : [{ id: `symbols: ${id}`, unit: 's', aim, value: timeMs / 1e3, isFloor: false }];
  };
  return [
    ...timed('20,000 addresses in 80 MB of debug info', 'large', 3),
    ...timed('first name in node', 'nodeFirst', 0.5),
  ];
}

export interface StacksRow {
  workload: string;
  allocationCount: number;
  /** Of allocations, 0 to 1. */
  toRootShare: number;
  goal: number;
  counts: Partial<Record<string, number>>;
}

/** Rows of bench/stacks.ts. Allocations whose stack ends early are in it by the reason for that. */
export function stacksRows(figures: unknown): StacksRow[] {
  if (!Array.isArray(figures)) return [];
  return figures.flatMap((row: Record<string, unknown>) => {
    const { workload, allocationCount, toRootShare, goal, ...others } = row;
    if (typeof workload !== 'string' || typeof allocationCount !== 'number') return [];
    if (typeof toRootShare !== 'number' || typeof goal !== 'number') return [];
    const numbers = Object.entries(others).filter(([, value]) => typeof value === 'number');
    const counts = Object.fromEntries(numbers) as StacksRow['counts'];
    // By the counts where they are there: the share is rounded, and 99.9998 % is not all.
    const { complete, recovered } = counts;
    const isCounted = complete !== undefined && recovered !== undefined && allocationCount > 0;
    const share = isCounted ? (complete + recovered) / allocationCount : toRootShare;
    return [{ workload, allocationCount, toRootShare: share, goal, counts }];
  });
}

const ofStacks = (figures: unknown): Figure[] =>
  stacksRows(figures).map(({ workload, toRootShare, goal }) => ({
    id: `stacks: ${workload}`,
    unit: '% of stacks',
    aim: goal * 100,
    value: toRootShare * 100,
    isFloor: true,
  }));

/** Of bench/checkpoint.ts: what a checkpoint of 100,000 wrapped objects costs, without retainer paths. */
export function ofCheckpoint(figures: unknown): Figure[] {
  const figure = (
    id: string,
    unit: Figure['unit'],
    aim: number,
    values: readonly (number | null)[],
  ): Figure[] => {
    if (values.includes(null)) return [];
    const value = values.reduce<number>((sum, each) => sum + (each ?? 0), 0);
    return [{ id: `checkpoint: ${id}`, unit, aim, value, isFloor: unit === 'GiB a second' }];
  };
  const of = (unit: number, ...keys: string[]): number | null => {
    const value = numberAt(figures, ...keys);
    return value === null ? null : value / unit;
  };
  const times = [of(1e9, 'programNs'), of(1e9, 'scanNs')];
  const memory = [of(2 ** 20, 'agentBytes'), of(2 ** 20, 'readerBytes')];
  return [
    ...figure('100,000 wrapped objects, scan included', 's', 2, times),
    ...figure('memory of agent and reader for them', 'MiB', 300, memory),
    ...figure('scan', 'GiB a second', 1, [of(2 ** 30, 'scan', 'bytesPerSecond')]),
  ];
}

/** Every figure that has an aim and was measured. */
export function figuresOf({ measured, alone }: Results): Figure[] {
  return [
    ...measured.filter(({ skipped }) => skipped === null).flatMap(ofWorkload),
    ...ofUnwinder(alone.unwinder.figures),
    ...ofReader(alone.reader.figures),
    ...ofSymbols(alone.symbols.figures),
    ...ofStacks(alone.stacks.figures),
    ...ofCheckpoint(alone.checkpoint?.figures),
  ];
}
