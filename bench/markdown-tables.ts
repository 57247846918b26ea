// The tables of bench/RESULTS.md. Pure.
import {
  addedNs,
  type Measured,
  ofCheckpoint,
  type ReaderRow,
  type Results,
  readerAims,
  readerRows,
  stacksRows,
  walkAims,
  wallRatio,
} from './results.js';
import type { WalkFigure } from './support/parse.js';
import {
  formatBytes,
  formatNs,
  formatRatio,
  formatSpread,
  formatTime,
  type Spread,
  spreadOf,
} from './support/statistics.js';
import type { Run, Variant } from './variants.js';

const nothing = '–';

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}

const orNothing = (spread: Spread | null, format: (value: number) => string): string =>
  spread === null ? nothing : formatSpread(spread, format);

function overRuns(
  measured: Measured,
  variant: Variant,
  value: (run: Run) => number | null,
): Spread | null {
  const values = (measured.runs[variant] ?? []).map(value).filter((each) => each !== null);
  return values.length === 0 ? null : spreadOf(values);
}

const aimOf = (aim: number | undefined): string => (aim === undefined ? nothing : `≤ ${aim}`);

function addedRows(measured: Measured[]): string[][] {
  return measured.map((each) => [
    each.title,
    aimOf(each.aims.addedNs),
    orNothing(addedNs(each, 'heaptrack'), formatNs),
    orNothing(addedNs(each, 'memprof'), formatNs),
    each.trace === null ? nothing : each.trace.eventCount.toLocaleString('en'),
    each.trace === null ? nothing : (each.trace.traceBytes / each.trace.eventCount).toFixed(2),
  ]);
}

const variantTitles: Record<Variant, string> = {
  native: 'native',
  memprof: 'memprof-run --checkpoint none',
  checkpointed: 'memprof-run (a checkpoint at the end)',
  recording: 'recording alone (`-q --checkpoint none --events none -o /dev/null`)',
  heaptrack: 'heaptrack and heaptrack_print',
};

function wallRows(measured: Measured[]): string[][] {
  return measured.flatMap((each) => {
    const row = (title: string, variant: Variant, aim: number | undefined): string[] => [
      title,
      aimOf(aim),
      orNothing(wallRatio(each, 'heaptrack'), formatRatio),
      orNothing(wallRatio(each, variant), formatRatio),
    ];
    const rows = [row(each.title, 'memprof', each.aims.wall)];
    if (each.runs.checkpointed !== undefined)
      rows.push(row(`${each.title}, with the checkpoint`, 'checkpointed', undefined));
    if (each.runs.recording !== undefined) {
      rows.push(row(`${each.title}, recording alone`, 'recording', each.aims.recordingWall));
    }
    return rows;
  });
}

function detailRows(each: Measured): string[][] {
  return (Object.keys(each.runs) as Variant[]).map((variant) => {
    const over = (
      value: (run: Run) => number | null,
      format: (value: number) => string = formatTime,
    ): string => orNothing(overRuns(each, variant, value), format);
    return [
      variantTitles[variant],
      over((run) => run.wallNs),
      over((run) => run.cpuProgramNs),
      over((run) => run.cpuAllNs),
      over((run) => run.peakProgramBytes, formatBytes),
      variant === 'native' ? nothing : over((run) => run.peakOtherBytes, formatBytes),
      variant === 'native' ? nothing : over((run) => run.tailNs),
    ];
  });
}

function detail(each: Measured): string[] {
  const waitedNs = each.trace?.ringWaitNs ?? 0;
  const notes = Object.entries(each.failures).map(([variant, how]) => `${variant}: ${how}`);
  if (each.leftOut !== undefined) notes.push(`heaptrack: ${each.leftOut}`);
  if (waitedNs > 0) {
    notes.push(
      `in the last round the program waited ${formatTime(waitedNs)} for the reader, which is wall and not CPU`,
    );
  }
  return [
    `### ${each.title}`,
    '',
    `Rounds: ${each.runs.native?.length ?? 0}.`,
    '',
    ...table(
      [
        '',
        'wall',
        'CPU, program',
        'CPU, all',
        'peak RSS, program',
        'peak RSS, other',
        'end to report',
      ],
      detailRows(each),
    ),
    ...notes.flatMap((note) => [note, '']),
  ];
}

function distinctLines({ measured, heaptrackOnDistinct }: Results): string[] {
  const of = (name: string): Measured | undefined =>
    measured.find((each) => each.name === name && each.skipped === null);
  const [few, many] = [of('distinct-64'), of('distinct-4096')];
  if (few === undefined || many === undefined) return [];
  const row = (each: Measured): string[] => [
    each.title,
    orNothing(addedNs(each, 'memprof'), formatNs),
    orNothing(
      overRuns(each, 'memprof', (run) => run.peakProgramBytes),
      formatBytes,
    ),
    orNothing(
      overRuns(each, 'memprof', (run) => run.peakOtherBytes),
      formatBytes,
    ),
  ];
  return [
    '## Distinct stacks',
    '',
    'The cost must not grow with their number. About half of each stack differs from the one before.',
    '',
    ...table(
      ['', 'ours, ns an event', 'peak RSS, program', 'peak RSS, memprof-run'],
      [row(few), row(many)],
    ),
    heaptrackOnDistinct ?? 'heaptrack: not installed.',
    '',
  ];
}

function walkTable(walks: WalkFigure[]): string[] {
  const columns = [...new Set(walks.map(({ changing }) => changing))].sort((a, b) => a - b);
  const depths = [...new Set(walks.map(({ depth }) => depth))].sort((a, b) => a - b);
  const rows = depths.map((depth) => [
    String(depth),
    aimOf(walkAims[depth]),
    ...columns.map((changing) => {
      const walk = walks.find((each) => each.depth === depth && each.changing === changing);
      if (walk === undefined) return nothing;
      return formatSpread({ median: walk.medianNs, min: walk.minNs, max: walk.maxNs }, formatNs);
    }),
  ]);
  const heads = columns.map((changing) => `leaf frames changed: ${changing}`);
  return table(['depth', 'aim, 3 changed', ...heads], rows);
}

function readerTable(rows: ReaderRow[]): string[] {
  const stages = Object.keys(rows[0]?.stages ?? {});
  const cell = (stage: unknown): string => {
    const rate = stage as Record<string, number | undefined>;
    const spread = {
      median: rate['medianEventsPerSecond'] ?? Number.NaN,
      min: rate['minEventsPerSecond'] ?? Number.NaN,
      max: rate['maxEventsPerSecond'] ?? Number.NaN,
    };
    return formatSpread(spread, (value) => (value / 1e6).toFixed(1));
  };
  return table(
    ['million events a second', 'aim, drain+ledger', ...stages],
    rows.map((row) => {
      const aim = readerAims.find(({ workload }) => workload === row.workload)?.aim;
      const aimText = aim === undefined ? nothing : `≥ ${aim}`;
      return [row.workload, aimText, ...stages.map((stage) => cell(row.stages[stage]))];
    }),
  );
}

/** Figures whose shape belongs to another program: every number or text with the path that leads to it. */
export function flatten(value: unknown, path = ''): [path: string, value: string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]];
  const label = (entry: unknown, key: string): string => {
    const names = entry as { name?: unknown; workload?: unknown } | null;
    const name = names?.name ?? names?.workload;
    return Array.isArray(value) && typeof name === 'string' ? name : key;
  };
  return Object.entries(value)
    .filter(([key]) => key !== 'name' && key !== 'workload')
    .flatMap(([key, entry]) =>
      flatten(entry, [path, label(entry, key)].filter((part) => part !== '').join(', ')),
    );
}

const flatTable = (value: unknown): string[] => table(['figure', 'value'], flatten(value));

/** Cut, not rounded: 99.996 % is not all. */
const percent = (share: number): string => `${(Math.floor(share * 1e4) / 100).toFixed(2)} %`;

function stacksTable(figures: unknown): string[] {
  const rows = stacksRows(figures);
  const reasons = [...new Set(rows.flatMap(({ counts }) => Object.keys(counts)))];
  return table(
    ['program', 'aim', 'reach their root', 'allocations', ...reasons],
    rows.map((row) => [
      row.workload,
      `≥ ${(row.goal * 100).toFixed(1)} %`,
      percent(row.toRootShare),
      row.allocationCount.toLocaleString('en'),
      ...reasons.map((reason) => (row.counts[reason] ?? 0).toLocaleString('en')),
    ]),
  );
}

function checkpointTable(figures: unknown): string[] {
  const withAims = ofCheckpoint(figures).map(({ id, unit, aim, value, isFloor }) => [
    id.replace('checkpoint: ', ''),
    `${isFloor ? '≥' : '≤'} ${aim} ${unit}`,
    `${value.toFixed(2)} ${unit}`,
  ]);
  const others = flatten(figures).map(([name, value]) => [name, nothing, value]);
  return table(['figure', 'aim', 'value'], [...withAims, ...others]);
}

function alone<T>(
  title: string,
  { figures, skipped }: { figures: T | null; skipped: string | null },
  render: (figures: T) => string[],
): string[] {
  const body = figures === null ? [`Not measured: ${skipped}.`, ''] : render(figures);
  return [`## ${title}`, '', ...body];
}

export function tables(results: Results): string[] {
  const measured = results.measured.filter(({ skipped }) => skipped === null);
  const skipped = results.measured.filter((each) => each.skipped !== null);
  return [
    '## Added CPU of the traced program, ns an event',
    '',
    ...table(
      ['workload', 'aim', 'heaptrack', 'ours', 'events', 'trace bytes an event'],
      addedRows(measured),
    ),
    '## Wall over native',
    '',
    ...table(['workload', 'aim', 'heaptrack', 'ours'], wallRows(measured)),
    ...skipped.flatMap(({ title, skipped: reason }) => [`Skipped: ${title}: ${reason}.`, '']),
    ...distinctLines(results),
    ...alone('The unwinder alone, ns a stack', results.alone.unwinder, walkTable),
    ...alone('The reader alone', results.alone.reader, (figures) =>
      readerTable(readerRows(figures)),
    ),
    ...alone('Symbols alone', results.alone.symbols, flatTable),
    ...alone('Stacks that reach their root', results.alone.stacks, stacksTable),
    ...(results.alone.checkpoint === undefined
      ? []
      : alone('A checkpoint', results.alone.checkpoint, checkpointTable)),
    '## Each workload',
    '',
    'Peak RSS, other: the largest process beside the program. End to report: from the end of the program',
    'to the end of the last process; for heaptrack with heaptrack_print.',
    '',
    ...measured.flatMap(detail),
  ];
}
