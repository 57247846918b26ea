// Replays as text: a table, how near the replay came to the recorded program, and what it rests on.
import type { Answer, Compared, Recorded, Setting } from '../replay/index.js';
import type { Style } from './style.js';
import { type Column, renderTable, textWidth } from './table.js';
import { formatBytes, formatCount, formatDuration, formatPercent } from './units.js';
import { wrap } from './wrap.js';

export interface Outcome {
  setting: Setting;
  answer: Answer | null;
  /** Why there is none. */
  missing: string | null;
}

export interface ReplayReport {
  /** The first is with the settings that the program is taken to have been recorded with. */
  outcomes: readonly Outcome[];
  recorded: Recorded | null;
  hasCheckpoint: boolean;
  /** At the checkpoint: what of the process is neither the allocator's nor memprof's; null: not known. */
  restBytes: number | null;
  /** Replayed with the recorded settings, memprof's own work included; null: there is nothing to compare with. */
  honest: Compared | null;
  /** What memprof's own work at checkpoints added to the recorded memory: an estimate. */
  ownBytes: number;
  /** In 1/256. */
  touched: { calloc: number; others: number };
  lostEventCount: number;
}

export interface ReplayTextOptions {
  columns: number;
  style: Style;
}

/** From here on there is room for all columns. */
const wideColumns = 72;

const right = (title: string): Column => ({ title, align: 'right' });
const sizeOr = (sizeBytes: number | null | undefined): string =>
  sizeBytes === null || sizeBytes === undefined ? '' : formatBytes(sizeBytes);

export function renderReplay(report: ReplayReport, options: ReplayTextOptions): string[] {
  const { columns, style } = options;
  const say = (text: string) => wrap(text, columns, '', '');
  return [
    ...say("The allocator's resident memory, recorded and replayed").map(style.heading),
    '',
    ...table(report, options),
    '',
    ...remarks(report).flatMap(say),
    '',
    ...say(groundsText(report, columns >= wideColumns)).map(style.faint),
  ];
}

function table(report: ReplayReport, { columns, style }: ReplayTextOptions): string[] {
  const { recorded, restBytes } = report;
  const isWide = columns >= wideColumns;
  const at = (answer: Answer) =>
    recorded === null ? null : answer.checkpoints.get(recorded.checkpoint)?.residentBytes;
  const whole = (bytes: number | null | undefined) =>
    restBytes === null || bytes === null || bytes === undefined
      ? ''
      : formatBytes(restBytes + bytes);
  const shape: [column: Column, cell: (answer: Answer) => string, recordedCell: string][] = [
    [{ ...right('peak'), paint: style.bytes }, ({ peakBytes }) => formatBytes(peakBytes), ''],
  ];
  if (recorded !== null) {
    const title = isWide ? `checkpoint ${recorded.checkpoint}` : `#${recorded.checkpoint}`;
    shape.push([right(title), (answer) => sizeOr(at(answer)), formatBytes(recorded.residentBytes)]);
    if (isWide && restBytes !== null)
      shape.push([right('process'), (one) => whole(at(one)), whole(recorded.residentBytes)]);
  }
  if (isWide || recorded === null)
    shape.push([right('at the end'), ({ final }) => sizeOr(final?.residentBytes), '']);
  if (isWide) shape.push([right('CPU'), ({ cpuNs }) => formatDuration(cpuNs), '']);
  const done = report.outcomes.filter(({ answer }) => answer !== null);
  const nameOf = namesThatFit(done, columns - (isWide ? 62 : 24));
  const rows = done.map(({ setting, answer }) => [
    ...shape.map(([, cell]) => cell(answer!)),
    nameOf(setting),
  ]);
  if (recorded !== null) rows.unshift([...shape.map(([, , cell]) => cell), 'recorded']);
  const named: Column = { title: 'with', align: 'left', flexible: true };
  return renderTable([...shape.map(([column]) => column), named], rows, {
    columns,
    heading: style.faint,
  });
}

/** What is to be set, where there is room for all of them; else how --with calls them. */
function namesThatFit(outcomes: readonly Outcome[], width: number): (setting: Setting) => string {
  const fits = outcomes.every(({ setting }) => textWidth(setting.what) <= width);
  return ({ name, what }) => (fits ? what : name);
}

function remarks(report: ReplayReport): string[] {
  const { outcomes, honest, ownBytes, lostEventCount } = report;
  const lines = outcomes.flatMap(({ setting, missing }) =>
    missing === null ? [] : [`Not replayed with ${setting.name}: ${missing}.`],
  );
  const failed = outcomes.filter(({ answer }) => (answer?.failedCount ?? 0) > 0);
  for (const { setting, answer } of failed)
    lines.push(
      `With ${setting.name} ${formatCount(answer!.failedCount)} allocations failed: these figures are too low.`,
    );
  if (lostEventCount > 0)
    lines.push(
      `The recording lost ${formatCount(lostEventCount)} events: blocks whose release was lost stay live in the replay.`,
    );
  if (honest === null) return [...lines, notKnownText(report)];
  const { replayedBytes, ratio } = honest;
  const difference = Math.abs(ratio - 1);
  const byBytes = formatBytes(Math.abs(replayedBytes - report.recorded!.residentBytes));
  lines.push(
    `How near it is: with the recorded settings the replay had ${formatPercent(difference, 1)} (${byBytes}) ${ratio >= 1 ? 'more' : 'less'} than the program itself at the checkpoint.`,
  );
  if (ownBytes > 0)
    lines.push(
      `Of the recorded memory about ${formatBytes(ownBytes)} is what memprof's own work at checkpoints left behind. The comparison has it on both sides; the table's other rows are without it.`,
    );
  return lines;
}

function notKnownText({ recorded, hasCheckpoint }: ReplayReport): string {
  if (recorded !== null) return 'The replay did not come to the checkpoint: it cannot be compared.';
  return hasCheckpoint
    ? "How near this is to the recorded program is not known: its allocator was not glibc's, or its memory could not be looked at."
    : 'How near this is to the recorded program is not known: the trace has no checkpoint.';
}

function groundsText(
  { outcomes, touched, restBytes, recorded }: ReplayReport,
  isWide: boolean,
): string {
  const named = outcomes
    .filter(({ answer }) => answer !== null)
    .slice(1)
    .map(({ setting }) => `${setting.name} is ${setting.what}`);
  const process =
    restBytes === null || recorded === null
      ? ''
      : `"process" adds the ${formatBytes(restBytes)} of the recorded process that are not the allocator's (V8, files, stacks; memprof left out), as if the allocator did not change them.`;
  const texts = [
    named.length === 0 ? '' : `${named.join(', ')}.`,
    'Calls are done again in the recorded order, each by its own thread, without waiting between them; allocators that go by the clock read the recorded one.',
    `What the program wrote is not recorded: of large blocks as much is touched as of its own at the checkpoint (on the whole ${formatPercent(touched.calloc, 256)} of those from calloc, ${formatPercent(touched.others, 256)} of others), small ones wholly.`,
    isWide ? process : '',
    isWide
      ? "CPU is the replay's own time, for the calls, the touching of pages and the change from thread to thread: how the allocators compare, not how long the program would take."
      : '',
  ];
  return texts.filter((text) => text !== '').join(' ');
}
