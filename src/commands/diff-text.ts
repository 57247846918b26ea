// memprof diff for people: a report in, lines out. Pure.
import { type Change, changes, growthOf, type SiteChange, totalsOf } from '../diff/index.js';
import {
  type Amount,
  type Column,
  escapeText,
  formatBytes,
  formatCount,
  ownerText,
  renderTable,
  type Style,
  stackLines,
  truncateEnd,
  whereText,
  wrap,
} from '../report/index.js';
import { stackContext } from './context.js';
import type { DrawnDiff } from './diff.js';
import type { DiffMeasure, MeasuredMoment } from './diff-sides.js';

export interface DiffDrawing {
  columns: number;
  style: Style;
  measure: DiffMeasure;
  limit: number;
  stacks?: boolean;
  all?: boolean;
}

const titles: Readonly<Record<DiffMeasure, string>> = {
  live: 'Live memory',
  allocated: 'Allocated memory',
  lost: 'Lost memory',
};
const units: Readonly<Record<DiffMeasure, string>> = {
  live: 'block',
  allocated: 'allocation',
  lost: 'block',
};
const headings: Readonly<Record<Change, string>> = {
  new: 'New',
  grew: 'Grew',
  shrank: 'Shrank',
  gone: 'Gone',
  unchanged: 'Unchanged',
};

export function* diffLines(drawn: DrawnDiff, drawing: DiffDrawing): Iterable<string> {
  const { report, before, after, notes } = drawn;
  const { style, columns, measure } = drawing;
  const unit = units[measure];
  const { totals } = report;
  yield style.heading(
    `${titles[measure]}: ${growthText(growthOf(totals), unit) || 'no difference'}`,
  );
  yield `  before  ${sideText(before)}: ${amountText(totals.before, unit)}`;
  yield `  after   ${sideText(after)}: ${amountText(totals.after, unit)}`;
  const { summedUp } = report;
  if (summedUp.before.blockCount + summedUp.after.blockCount > 0) {
    const growth = growthText(growthOf(summedUp), unit) || 'no difference';
    yield style.faint(`  of it Node's own: ${growth} (--package node shows its sites)`);
  }
  for (const note of notes)
    for (const line of wrap(escapeText(note), columns, 'Note: ', '      '))
      yield style.warning(line);
  yield* sections(report.sites, drawn, drawing);
}

function* sections(
  own: readonly SiteChange[],
  drawn: DrawnDiff,
  drawing: DiffDrawing,
): Iterable<string> {
  const { style, columns, limit, stacks, all, measure } = drawing;
  const unit = units[measure];
  const shownChanges = changes.filter((change) => all === true || change !== 'unchanged');
  const shown = shownChanges.flatMap((change) =>
    own.filter((site) => site.change === change).slice(0, limit),
  );
  const [head, ...rows] = tableLines(shown, drawn, drawing);
  let row = 0;
  for (const change of shownChanges) {
    const sites = own.filter((site) => site.change === change);
    if (sites.length === 0) continue;
    const sum = totalsOf(sites);
    const growth = growthText(growthOf(sum), unit);
    yield '';
    yield style.heading(
      `${headings[change]}: ${sitesText(sites.length)}${growth === '' ? `, ${amountText(sum.after, unit)}` : `, ${growth}`}`,
    );
    if (limit > 0) yield head;
    for (const [at, site] of sites.slice(0, limit).entries()) {
      const maxLines = linesOfStack(change, stacks === true);
      if (at > 0 && maxLines > 0) yield '';
      yield rows[row++];
      if (maxLines === 0) continue;
      const { trace } = change === 'gone' ? drawn.before : drawn.after;
      const context = stackContext(trace.model);
      yield* stackLines(site.stack, context, { columns, indent: 4, style, maxLines });
    }
    if (sites.length > limit)
      yield style.faint(`${formatCount(sites.length - limit)} more: --limit all`);
  }
  const hints = hintLines(own, shown.length > 0, drawing);
  if (hints.length > 0) yield '';
  for (const line of hints) yield style.faint(line);
}

/** What is more needs looking at; of it the leaf and the root, unless the user wants all. */
function linesOfStack(change: Change, isWhole: boolean): number {
  if (isWhole) return Number.POSITIVE_INFINITY;
  return change === 'new' || change === 'grew' ? 8 : 0;
}

function hintLines(
  own: readonly SiteChange[],
  hasRows: boolean,
  { all, stacks, measure }: DiffDrawing,
): string[] {
  if (own.length === 0) return ['No memory of a package or of the program.'];
  const hints: string[] = [];
  const unchanged = own.filter((site) => site.change === 'unchanged');
  if (unchanged.length > 0 && all !== true)
    hints.push(
      `Unchanged: ${sitesText(unchanged.length)}, ${amountText(totalsOf(unchanged).after, units[measure])} (--all)`,
    );
  const alike = own.filter((site) => site.matchedBy === 'likeness').length;
  if (alike > 0)
    hints.push(
      `${sitesText(alike)} matched though functions on the way differ: marked ~, --json has the old stack`,
    );
  if (hasRows && stacks !== true) hints.push('With whole stacks: --stacks');
  return hints;
}

function tableLines(
  shown: readonly SiteChange[],
  { before, after }: DrawnDiff,
  { style, columns, measure }: DiffDrawing,
): string[] {
  const right = (title: string, paint?: (text: string) => string): Column => ({
    title,
    align: 'right',
    ...(paint === undefined ? {} : { paint }),
  });
  const shape: Column[] = [
    right('change', style.bytes),
    right(measure === 'allocated' ? 'calls' : 'blocks'),
    right('before'),
    right('after'),
    { title: 'package', align: 'left' },
    { title: 'where', align: 'left', flexible: true },
  ];
  const rows = shown.map((site) => {
    const growth = growthOf(site);
    const { trace } = site.change === 'gone' ? before : after;
    const mark = site.matchedBy === 'likeness' ? '~ ' : '';
    return [
      signed(growth.sizeBytes, formatBytes),
      signed(growth.blockCount, formatCount),
      site.before.blockCount === 0 ? '-' : formatBytes(site.before.sizeBytes),
      site.after.blockCount === 0 ? '-' : formatBytes(site.after.sizeBytes),
      truncateEnd(ownerText(site.stack.owner), 20),
      `${mark}${whereText(site.stack, stackContext(trace.model))}`,
    ];
  });
  return renderTable(shape, rows, { columns, heading: style.faint });
}

function sideText({ trace, moment }: MeasuredMoment): string {
  return escapeText(`${trace.tracePath}, ${moment.text}`);
}

const countText = (count: number, unit: string): string =>
  `${formatCount(count)} ${unit}${Math.abs(count) === 1 ? '' : 's'}`;

const amountText = ({ sizeBytes, blockCount }: Amount, unit: string): string =>
  `${formatBytes(sizeBytes)} in ${countText(blockCount, unit)}`;

const sitesText = (count: number): string => countText(count, 'site');

const signed = (value: number, format: (value: number) => string): string =>
  value === 0 ? '0' : `${value > 0 ? '+' : '-'}${format(Math.abs(value))}`;

/** '': none. */
function growthText({ sizeBytes, blockCount }: Amount, unit: string): string {
  if (sizeBytes === 0 && blockCount === 0) return '';
  const blocks = signed(blockCount, (count) => countText(count, unit));
  return `${signed(sizeBytes, formatBytes)}, ${blockCount === 0 ? `as many ${unit}s` : blocks}`;
}
