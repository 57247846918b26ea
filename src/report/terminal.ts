// The exit report: what one run held, readable at 80 columns. Pure: model and names in, one string out.
import { otherAllocator } from '../memory/index.js';
import type { TraceModel } from '../model/index.js';
import { isNodeProcess, type SymbolizedStacks } from '../symbols/index.js';
import { allocatorText } from './allocator.js';
import { escapeText, shellQuote } from './escape.js';
import { type ExitSite, exitSites } from './exit-sites.js';
import { describeEnd, lossLines } from './facts.js';
import { checkpointCostLines, hasFindings, leakSummaryLines } from './leak-summary.js';
import type { LeakReport } from './leaks.js';
import { type Amount, addAmounts, type MomentSums, momentSums } from './live-sums.js';
import { poolLines } from './pools.js';
import { collectOwners, isUsers, type OwnerTotals, placedText } from './sites.js';
import { ownerText, type StackContext, stackLines } from './stack-text.js';
import { plainStyle, type Style } from './style.js';
import { type Column, renderTable, truncateEnd } from './table.js';
import { formatBytes, formatCount, formatDuration, formatPercent } from './units.js';
import { wrap } from './wrap.js';

export interface ReportOptions {
  columns: number;
  style?: Style;
  /** null: no trace was written. */
  tracePath: string | null;
  traceBytes: number;
  /** How to run memprof on this machine: "memprof", "npx memprof". */
  memprofCommand: string;
  warnings?: readonly string[];
  /** Of the last checkpoint, with names for users' stacks; absent where there was none. */
  leaks?: LeakReport | null;
  siteCount?: number;
  packageCount?: number;
  /** Where they are known already. */
  sums?: MomentSums;
}

/** Of the live stacks, only the users' need names; of the others `symbols` need only know the owners. */
export function renderExitReport(
  model: TraceModel,
  symbols: SymbolizedStacks,
  options: ReportOptions,
): string {
  const style = options.style ?? plainStyle;
  const sums = options.sums ?? momentSums(model);
  const parts = [
    titleLines(model, options, style),
    totalLines(model, sums, options, style),
    verdictLines(model, options, style),
    ownerLines(model, symbols, sums, options, style),
    poolLines(model, { columns: options.columns, style }),
    siteLines(model, exitSites(sums, symbols, contextOf(model)), options, style),
    warningLines(model, options, style),
    nextLines(options, style),
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

/** The report's upper half, for a trace that is read later. */
export function renderSummary(
  model: TraceModel,
  symbols: SymbolizedStacks,
  options: { columns: number; style: Style },
): string[] {
  const { style } = options;
  const sums = momentSums(model);
  const parts = [
    titleLines(model, options, style),
    totalLines(model, sums, options, style),
    ownerLines(model, symbols, sums, options, style),
    poolLines(model, { columns: options.columns, style }),
    warningLines(model, options, style),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .flatMap((lines, at) => (at === 0 ? lines : ['', ...lines]));
}

/** What the parts of a report draw with. */
type Drawing = Pick<ReportOptions, 'columns' | 'warnings' | 'siteCount' | 'packageCount'>;

function titleLines(model: TraceModel, options: Drawing, style: Style): string[] {
  const { process } = model;
  const allocator = otherAllocator(model);
  const command =
    process.argv.length === 0 ? process.executable : process.argv.map(shellQuote).join(' ');
  const end = `  ${describeEnd(process)} after ${formatDuration(process.durationNs)}, pid ${process.pid}`;
  return [
    style.heading(`memprof: ${truncateEnd(escapeText(command), options.columns - 9)}`),
    ...wrap(end.trimStart(), options.columns, '  ', '  '),
    ...(allocator === null || allocator.passedBy !== null
      ? []
      : [`  its allocator is ${allocatorText(allocator)}, not glibc's`]),
  ];
}

function totalLines(model: TraceModel, sums: MomentSums, options: Drawing, style: Style): string[] {
  const { totals } = model;
  const rows: string[][] = [
    [
      'allocated in all',
      formatBytes(totals.allocatedBytes),
      formatCount(totals.allocationCount),
      '',
    ],
    [
      'peak',
      formatBytes(totals.peakBytes),
      formatCount(totals.peakBlockCount),
      `after ${formatDuration(totals.peakNs)}`,
    ],
  ];
  const before = model.beforeTeardown;
  if (before !== null && sums.beforeTeardown !== null) {
    const { sizeBytes, blockCount } = sums.beforeTeardown.all;
    rows.push([
      "live before Node's teardown",
      formatBytes(sizeBytes),
      formatCount(blockCount),
      `after ${formatDuration(before.atNs)}`,
    ]);
  }
  const end = sums.atEnd.all;
  const endTitle = model.process.ended.how === 'still-running' ? 'live now' : 'unfreed at the end';
  rows.push([endTitle, formatBytes(end.sizeBytes), formatCount(end.blockCount), '']);
  const shape: Column[] = [
    { title: '', align: 'left' },
    { title: 'bytes', align: 'right', paint: style.bytes },
    { title: 'blocks', align: 'right' },
    { title: '', align: 'left', flexible: true, paint: style.faint },
  ];
  const cost = checkpointCostLines(model, options.columns).map(style.faint);
  return [
    ...renderTable(shape, rows, { columns: options.columns, indent: 2, heading: style.faint }),
    ...cost,
  ];
}

function contextOf({ process }: TraceModel): StackContext {
  return {
    isNode: isNodeProcess(process),
    executable: process.executable,
    cwd: process.cwd,
  };
}

function verdictLines(model: TraceModel, options: ReportOptions, style: Style): string[] {
  if (options.leaks == null) return [];
  return leakSummaryLines(model, options.leaks, contextOf(model), {
    columns: options.columns,
    style,
  });
}

function ownerLines(
  model: TraceModel,
  symbols: SymbolizedStacks,
  sums: MomentSums,
  options: Drawing,
  style: Style,
): string[] {
  const owners = collectOwners(model, symbols, sums);
  if (owners.length === 0) return ['Nothing was live at the end.'];
  const both = model.beforeTeardown !== null;
  const cells = (name: string, before: Amount | null, end: Amount): string[] => [
    name,
    ...(both && before !== null
      ? [formatBytes(before.sizeBytes), formatCount(before.blockCount)]
      : []),
    formatBytes(end.sizeBytes),
    formatCount(end.blockCount),
  ];
  const limit = options.packageCount ?? 12;
  const shown = foldOwners(owners, limit);
  const rows = shown.map((one) => cells(one.name, one.beforeTeardown, one.atEnd));
  if (owners.length > 1) {
    const total = sumOwners(owners);
    rows.push(cells('total', total.beforeTeardown, total.atEnd));
  }
  const amount = (title: string): Column[] => [
    { title, align: 'right', paint: style.bytes },
    { title: 'blocks', align: 'right' },
  ];
  const shape: Column[] = [
    { title: 'by package', align: 'left', flexible: true },
    ...(both ? amount('before teardown') : []),
    ...amount('at the end'),
  ];
  return [
    style.heading('Live memory'),
    ...renderTable(shape, rows, { columns: options.columns, indent: 2, heading: style.faint }),
  ];
}

function foldOwners(
  owners: readonly OwnerTotals[],
  limit: number,
): { name: string; beforeTeardown: Amount | null; atEnd: Amount }[] {
  const runtime = owners.filter((one) => !isUsers(one.owner));
  const others = owners.filter((one) => isUsers(one.owner));
  const named = (one: OwnerTotals) => ({
    name: ownerText(one.owner),
    beforeTeardown: one.beforeTeardown,
    atEnd: one.atEnd,
  });
  if (others.length <= limit) return [...others, ...runtime].map(named);
  const rest = others.slice(limit - 1);
  return [
    ...others.slice(0, limit - 1).map(named),
    { name: `${rest.length} others`, ...sumOwners(rest) },
    ...runtime.map(named),
  ];
}

function sumOwners(owners: readonly OwnerTotals[]): {
  beforeTeardown: Amount | null;
  atEnd: Amount;
} {
  const before: Amount = { blockCount: 0, sizeBytes: 0 };
  const atEnd: Amount = { blockCount: 0, sizeBytes: 0 };
  for (const one of owners) {
    if (one.beforeTeardown !== null) addAmounts(before, one.beforeTeardown);
    addAmounts(atEnd, one.atEnd);
  }
  return {
    beforeTeardown: owners.some((one) => one.beforeTeardown !== null) ? before : null,
    atEnd,
  };
}

function siteLines(
  model: TraceModel,
  sites: readonly ExitSite[],
  options: Drawing,
  style: Style,
): string[] {
  const isNode = isNodeProcess(model.process);
  const context = contextOf(model);
  if (sites.length === 0) return isNode ? ["Nothing but Node's own runtime held memory."] : [];
  const limit = options.siteCount ?? 5;
  const all = sumSites(sites);
  const when = model.beforeTeardown === null ? 'at the end' : "before Node's teardown";
  const lines = [
    style.heading(
      `Where it was allocated: the largest ${sites.length <= limit ? '' : `${limit} `}of ${formatCount(sites.length)} sites, ${when}`,
    ),
  ];
  if (sites.length <= limit) lines[0] = style.heading(`Where it was allocated, ${when}`);
  sites.slice(0, limit).forEach((site, at) => {
    const fate =
      model.beforeTeardown === null
        ? ''
        : site.isLate
          ? ', allocated by teardown, never freed'
          : `, ${fateOf(site.live, site.atEnd)}`;
    lines.push('', ...siteTitle(site, at + 1, all, fate, options, style));
    lines.push(
      ...stackLines(site.stack, context, {
        columns: options.columns,
        indent: 6,
        maxLines: 9,
        style,
      }),
    );
    const placed = placedText(site);
    if (placed !== '') lines.push(`      ${style.faint(placed)}`);
  });
  if (sites.length > limit) {
    const rest = sumSites(sites.slice(limit));
    lines.push(
      '',
      `  ${formatCount(sites.length - limit)} more sites hold ${formatBytes(rest.sizeBytes)} in ${blocks(rest.blockCount)}.`,
    );
  }
  return lines;
}

function siteTitle(
  site: ExitSite,
  rank: number,
  all: Amount,
  fate: string,
  options: Drawing,
  style: Style,
): string[] {
  const { live } = site;
  const amount = `${String(rank).padStart(2)}. ${formatBytes(live.sizeBytes)} in ${blocks(live.blockCount)} (${formatPercent(live.sizeBytes, all.sizeBytes)})`;
  const owner = ownerText(site.stack.owner);
  const line = ` ${amount}${fate}`;
  if (line.length + 3 + owner.length <= options.columns)
    return [`${style.strong(line)}  ${style.bytes(owner)}`];
  return [style.strong(line), `      ${style.bytes(truncateEnd(owner, options.columns - 6))}`];
}

function fateOf(before: Amount, atEnd: Amount | null): string {
  if (atEnd === null || atEnd.blockCount === 0) return 'freed by teardown';
  if (atEnd.blockCount === before.blockCount && atEnd.sizeBytes === before.sizeBytes)
    return 'never freed';
  return `${formatBytes(atEnd.sizeBytes)} never freed`;
}

function sumSites(sites: readonly ExitSite[]): Amount {
  const sum: Amount = { blockCount: 0, sizeBytes: 0 };
  for (const site of sites) addAmounts(sum, site.live);
  return sum;
}

const blocks = (count: number): string =>
  `${formatCount(count)} ${count === 1 ? 'block' : 'blocks'}`;

function warningLines(model: TraceModel, options: Drawing, style: Style): string[] {
  const all = [...lossLines(model, 'brief'), ...(options.warnings ?? []).map(escapeText)];
  return all.flatMap((line) => wrap(line, options.columns, '! ', '  ')).map(style.warning);
}

function nextLines(options: ReportOptions, style: Style): string[] {
  if (options.tracePath === null) return ['No trace was written.'];
  const path = shellQuote(options.tracePath);
  const next = options.leaks != null && hasFindings(options.leaks) ? 'leaks' : 'sites';
  return [
    `${style.faint('trace')}  ${path} (${formatBytes(options.traceBytes)})`,
    `${style.faint('next ')}  ${style.command(`${options.memprofCommand} ${next} ${path}`)}`,
  ];
}
