// `memprof leaks` for people. Pure: a report in, lines out.
import type { Checkpoint, TraceModel, Verdict } from '../model/index.js';
import { baseName } from '../symbols/index.js';
import { type AllocatorUse, typeByStack } from '../types/index.js';
import { escapeText } from './escape.js';
import { isLeak, isToActOn, type LeakReport, type LeakSite } from './leaks.js';
import { type Amount, addAmounts } from './live-sums.js';
import { containerText, poolText } from './pools.js';
import { isUsers } from './sites.js';
import { ownerText, type StackContext, stackLines } from './stack-text.js';
import type { Style } from './style.js';
import { type Column, renderTable, truncateEnd } from './table.js';
import { formatBytes, formatCount, formatDuration } from './units.js';
import {
  classText,
  orphanText,
  type RootNames,
  rootText,
  verdictOrder,
  verdictText,
} from './verdict-words.js';
import { wrap } from './wrap.js';

export interface LeaksDrawing {
  columns: number;
  style: Style;
  context: StackContext;
  names: RootNames;
  limit: number;
  /** Every site, Node's own and those that are merely held as well. */
  all: boolean;
  /** Allocators inside of addons, and what these have mapped. */
  arenas: readonly (Pick<AllocatorUse, 'owner' | 'module' | 'mappingCount' | 'sizeBytes'> & {
    allocator: string;
  })[];
}

export const blocksText = (count: number): string =>
  `${formatCount(count)} ${count === 1 ? 'block' : 'blocks'}`;
export const amountText = ({ sizeBytes, blockCount }: Amount): string =>
  `${formatBytes(sizeBytes)} in ${blocksText(blockCount)}`;

const reasons: Readonly<Record<Checkpoint['reason'], string>> = {
  exit: 'before the end',
  program: 'asked for by the program',
  demand: 'asked for from outside',
  interval: 'by the clock',
  signal: 'before a signal ended the program',
};

/** Sites in the order in which `memprof leaks` numbers them. */
export function shownSites(report: LeakReport, all: boolean): LeakSite[] {
  const kept = report.sites.filter((site) => all || isToActOn(site));
  const sums = new Map<string, number>();
  for (const site of kept) {
    const { key } = site.stack.owner;
    const bytes = isLeak(site.verdict) ? site.live.sizeBytes + site.behind.sizeBytes : 0;
    sums.set(key, (sums.get(key) ?? 0) + bytes);
  }
  const weight = (site: LeakSite) => sums.get(site.stack.owner.key) ?? 0;
  // Stable: within a package the order of the report.
  return kept.sort(
    (a, b) =>
      Number(isUsers(b.stack.owner)) - Number(isUsers(a.stack.owner)) ||
      weight(b) - weight(a) ||
      (a.stack.owner.key === b.stack.owner.key
        ? 0
        : a.stack.owner.key < b.stack.owner.key
          ? -1
          : 1),
  );
}

export function* renderLeaks(
  model: TraceModel,
  report: LeakReport,
  drawing: LeaksDrawing,
): Iterable<string> {
  const { style, columns, all, limit } = drawing;
  yield* checkpointLines(model, report.checkpoint, drawing);
  yield '';
  yield* sumLines(report, drawing);
  for (const line of poolSumLines(report)) yield* wrap(line, columns, '  ', '    ');
  for (const arena of drawing.arenas)
    yield* wrap(arenaText(arena), columns, '! ', '  ').map(style.warning);
  const sites = shownSites(report, all);
  if (sites.length === 0) {
    yield '';
    const isScanned = report.checkpoint.scanFailure === null;
    yield isScanned ? noneText(report) : 'Nothing to act on is known.';
    return;
  }
  let ownerKey = '';
  for (const [at, site] of sites.slice(0, limit).entries()) {
    yield '';
    const { owner } = site.stack;
    if (owner.key !== ownerKey) {
      ownerKey = owner.key;
      const sum: Amount = { blockCount: 0, sizeBytes: 0 };
      for (const one of sites)
        if (one.stack.owner.key === ownerKey) {
          addAmounts(sum, one.live);
          addAmounts(sum, one.behind);
        }
      yield style.heading(
        truncateEnd(`${ownerText(owner)}: ${amountText(sum)}${all ? '' : ' to act on'}`, columns),
      );
    }
    yield* siteLines(model, report, site, at + 1, drawing);
  }
  if (sites.length > limit) {
    const rest: Amount = { blockCount: 0, sizeBytes: 0 };
    for (const site of sites.slice(limit)) addAmounts(rest, site.live);
    yield '';
    yield style.faint(
      `${formatCount(sites.length - limit)} more ${sites.length - limit === 1 ? 'site' : 'sites'}: ${amountText(rest)} (--limit all)`,
    );
  }
}

function arenaText(arena: LeaksDrawing['arenas'][number]): string {
  const { owner, module, allocator, mappingCount, sizeBytes } = arena;
  const mappings = `${formatCount(mappingCount)} ${mappingCount === 1 ? 'mapping' : 'mappings'}`;
  return `${ownerText(owner)} has ${allocator} inside (${escapeText(baseName(module))}): ${formatBytes(sizeBytes)} in ${mappings} at the end are counted to it, and single blocks in them cannot be seen`;
}

/** What there is to say where nothing is to act on. */
export function noneText(report: LeakReport): string {
  const growing =
    report.checkpointCount < 2
      ? ''
      : `, and nothing grew over ${report.checkpointCount} checkpoints`;
  return `Nothing is lost or orphaned${growing}.`;
}

function* checkpointLines(
  model: TraceModel,
  checkpoint: Checkpoint,
  { style, columns }: LeaksDrawing,
): Iterable<string> {
  const { number, reason, atNs, liveBytes, liveCount } = checkpoint;
  const count = model.checkpoints?.length ?? 0;
  const title = `Checkpoint ${number}${count > 1 ? ` of ${count}` : ''}, ${reasons[reason] ?? 'taken'}, after ${formatDuration(atNs)}: ${amountText({ sizeBytes: liveBytes, blockCount: liveCount })}`;
  yield* wrap(title, columns, '', '  ').map(style.heading);
  yield* wrap(scanText(checkpoint), columns, '  ', '  ').map(style.faint);
  for (const doubt of doubts(checkpoint))
    yield* wrap(doubt, columns, '! ', '  ').map(style.warning);
}

/** What the checkpoint cost, and what was looked at. */
export function scanText(checkpoint: Checkpoint): string {
  const { collectNs, ownersNs, pauseNs, scanNs, scannedBytes } = checkpoint;
  const parts: string[] = [];
  if (collectNs > 0) parts.push(`garbage collected in ${formatDuration(collectNs)}`);
  if (ownersNs > 0) parts.push(`owners found in ${formatDuration(ownersNs)}`);
  parts.push(`threads stood still for ${formatDuration(pauseNs)}`);
  if (checkpoint.scanFailure === null)
    parts.push(
      `${formatBytes(scannedBytes)} scanned beside the program in ${formatDuration(scanNs)}`,
    );
  return parts.join(', ');
}

/** What the agent does at the end of a program without addons. */
export const ownersLeftOut =
  "JavaScript's objects were not listed: no addon was loaded, V8's heap is larger than 64 MiB, and it would have taken long (--checkpoint 30s and memprof checkpoint list them)";

/** Why its verdicts may be wrong or missing. */
export function doubts(checkpoint: Checkpoint): string[] {
  const found: string[] = [];
  if (checkpoint.scanFailure !== null)
    found.push(`not scanned, so most verdicts are unknown: ${escapeText(checkpoint.scanFailure)}`);
  if (checkpoint.owners === 'partial')
    found.push(
      'a Worker could not be asked for its objects: what only they hold may be called held by native code',
    );
  if (checkpoint.owners === 'none' && checkpoint.heap !== null) found.push(ownersLeftOut);
  if (checkpoint.owners === 'failed')
    found.push('the JavaScript objects could not be listed: owners are unknown');
  const running = checkpoint.threadCount - checkpoint.stoppedCount;
  if (running > 0)
    found.push(
      `${formatCount(running)} of ${formatCount(checkpoint.threadCount)} threads could not be stopped: what only their registers hold may be called lost`,
    );
  if (checkpoint.skippedBytes > 0)
    found.push(`${formatBytes(checkpoint.skippedBytes)} of memory could not be read`);
  return found;
}

/** Rows that add up to everything that was live. */
function sumLines(report: LeakReport, { columns, style, all }: LeaksDrawing): string[] {
  const rows: string[][] = [];
  const total: Amount = { blockCount: 0, sizeBytes: 0 };
  const row = (name: string, amount: Amount, note = '') =>
    rows.push([name, formatBytes(amount.sizeBytes), formatCount(amount.blockCount), note]);
  for (const verdict of verdictOrder) {
    const amount = report.users.get(verdict);
    if (amount === undefined) continue;
    addAmounts(total, amount);
    row(verdictText[verdict], amount);
  }
  const runtime: Amount = { blockCount: 0, sizeBytes: 0 };
  for (const amount of report.runtime.values()) addAmounts(runtime, amount);
  if (runtime.blockCount > 0) {
    addAmounts(total, runtime);
    row("Node's own", runtime, runtimeNote(report, all));
  }
  row('total', total);
  const shape: Column[] = [
    { title: '', align: 'left' },
    { title: 'bytes', align: 'right', paint: style.bytes },
    { title: 'blocks', align: 'right' },
    { title: '', align: 'left', flexible: true, paint: style.faint },
  ];
  return renderTable(shape, rows, { columns, indent: 2, heading: style.faint });
}

/** Of pools, whose blocks are in none of the rows above. */
function poolSumLines({ pools }: LeakReport): string[] {
  return [...pools].map(([name, sums]) => {
    const parts = verdictOrder.flatMap((verdict) => {
      const amount = sums.get(verdict);
      return amount === undefined ? [] : [`${amountText(amount)} ${verdictText[verdict]}`];
    });
    return `inside, ${poolText(name)}: ${parts.join(', ')}`;
  });
}

function runtimeNote(report: LeakReport, all: boolean): string {
  const lost: Amount = { blockCount: 0, sizeBytes: 0 };
  for (const [verdict, amount] of report.runtime) if (isLeak(verdict)) addAmounts(lost, amount);
  return `${lost.blockCount === 0 ? 'nothing' : formatBytes(lost.sizeBytes)} of it lost${all ? '' : ' (--all)'}`;
}

function* siteLines(
  model: TraceModel,
  report: LeakReport,
  site: LeakSite,
  rank: number,
  drawing: LeaksDrawing,
): Iterable<string> {
  const { columns, style, context } = drawing;
  const what = `${String(rank).padStart(3)}. ${verdictText[site.verdict]}: ${amountText(site.live)}${site.pool === null ? '' : ` of ${poolText(site.pool)}`}`;
  yield style.strong(truncateEnd(what, columns));
  for (const remark of siteRemarks(model, report, site, drawing))
    yield* wrap(remark, columns, '     ', '       ');
  yield* stackLines(site.stack, context, { columns, indent: 7, maxLines: 12, style });
}

/** What there is to say of a site besides its verdict and amount: a sentence each, escaped. */
export function siteRemarks(
  model: TraceModel,
  { checkpoint }: LeakReport,
  site: LeakSite,
  { names, context }: Pick<LeaksDrawing, 'names' | 'context'>,
): string[] {
  const found: string[] = [];
  const type = siteType(site, names);
  if (type !== null) {
    const by = site.announcedType === null ? '' : ' (announced by the program)';
    found.push(`type ${escapeText(shortenType(type))}${by}`);
  }
  if (site.container !== null) found.push(containerText(site.container));
  const { owner, root, behind, growth, verdict } = site;
  if (verdict === 'orphaned')
    found.push(orphanText(owner?.className ?? '', owner?.lastSeen ?? 0, checkpoint.number));
  else if (owner !== null) found.push(`held by ${escapeText(classText(owner.className))} (JS)`);
  if (
    verdict === 'orphaned' &&
    root !== null &&
    root.kind !== 'nothing' &&
    root.kind !== 'v8' &&
    checkpoint.detail !== null
  )
    found.push(`still pointed to by ${rootText(root, checkpoint.detail, model, names, context)}`);
  if (owner === null && root !== null && isHeldVerdict(verdict) && checkpoint.detail !== null)
    found.push(`held by ${rootText(root, checkpoint.detail, model, names, context)}`);
  if (site.indirectCount > 0)
    found.push(`${formatCount(site.indirectCount)} of them only pointed to by other lost blocks`);
  if (behind.blockCount > 0) found.push(`and behind it ${amountText(behind)}`);
  if (growth !== null)
    found.push(
      `grows by ${perCheckpoint(growth.blocksPerCheckpoint)} blocks, ${formatBytes(Math.round(growth.bytesPerCheckpoint))} a checkpoint: from ${formatCount(growth.firstBlockCount)} to ${formatCount(growth.lastBlockCount)} blocks over ${growth.checkpointCount} checkpoints`,
    );
  return found;
}

/** Of most of its blocks; null: not known. */
export function siteType(site: LeakSite, names: RootNames): string | null {
  if (site.announcedType !== null) return site.announcedType;
  const named = site.firstWord === 0 ? null : names.classOf(site.firstWord);
  return named ?? typeByStack(site.stack);
}

const longestType = 100;
export const shortenType = (type: string): string =>
  type.length <= longestType ? type : `${type.slice(0, longestType - 1)}…`;

const isHeldVerdict = (verdict: Verdict): boolean =>
  verdict === 'held-by-js' || verdict === 'held-by-native';

function perCheckpoint(slope: number): string {
  const rounded = Math.round(slope * 10) / 10;
  return Number.isInteger(rounded)
    ? formatCount(rounded)
    : `${formatCount(Math.trunc(rounded))}.${Math.round(Math.abs(rounded % 1) * 10)}`;
}
