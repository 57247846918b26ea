// The exit report's words on verdicts: what to act on, in a few lines. Pure.
import type { Checkpoint, TraceModel, Verdict } from '../model/index.js';
import { isNodeProcess } from '../symbols/index.js';
import { escapeText } from './escape.js';
import { isLeak, isToActOn, type LeakReport, type LeakSite } from './leaks.js';
import { blocksText, scanText } from './leaks-text.js';
import { type Amount, addAmounts } from './live-sums.js';
import { frameText, ownerText, type StackContext, shortPlaceOf, siteFrame } from './stack-text.js';
import type { Style } from './style.js';
import { truncateEnd } from './table.js';
import { formatBytes } from './units.js';
import { classText } from './verdict-words.js';
import { wrap } from './wrap.js';

export const hasFindings = (report: LeakReport): boolean => report.sites.some(isToActOn);

export function leakSummaryLines(
  model: TraceModel,
  report: LeakReport,
  context: StackContext,
  { columns, style }: { columns: number; style: Style },
): string[] {
  if (report.checkpoint.scanFailure !== null) {
    const why = `no verdicts: the last checkpoint was not scanned (${escapeText(report.checkpoint.scanFailure)})`;
    return wrap(why, columns, '! ', '  ').map(style.warning);
  }
  const findings = report.sites.filter(isToActOn);
  if (findings.length === 0)
    return [isNodeProcess(model.process) ? 'No lost blocks in any addon.' : 'No lost blocks.'];
  const parts = [
    part('lost', findings, (verdict) => verdict === 'lost' || verdict === 'lost-indirect'),
    part('orphaned', findings, (verdict) => verdict === 'orphaned'),
    part('held and growing', findings, (verdict) => !isLeak(verdict)),
  ].filter((text) => text !== '');
  const lines = wrap(parts.join(' · '), columns, '', '  ').map(style.strong);
  lines.push(`  ${truncateEnd(placeText(findings[0], context), columns - 2)}`);
  return lines;
}

/** "orphaned 10,000 blocks 512.0 MiB: Image, Tile"; with what hangs behind them. */
function part(
  name: string,
  findings: readonly LeakSite[],
  passes: (verdict: Verdict) => boolean,
): string {
  const sum: Amount = { blockCount: 0, sizeBytes: 0 };
  const classes = new Set<string>();
  for (const site of findings) {
    if (!passes(site.verdict)) continue;
    addAmounts(sum, site.live);
    addAmounts(sum, site.behind);
    if (site.owner !== null && site.owner.className !== '')
      classes.add(escapeText(classText(site.owner.className)));
  }
  if (sum.blockCount === 0) return '';
  const names = [...classes].slice(0, 3).join(', ') + (classes.size > 3 ? ', …' : '');
  return `${name} ${blocksText(sum.blockCount)} ${formatBytes(sum.sizeBytes)}${names === '' ? '' : `: ${names}`}`;
}

function placeText(site: LeakSite, context: StackContext): string {
  const frame = siteFrame(site.stack, context);
  const owner = ownerText(site.stack.owner);
  if (frame === null) return owner;
  const place = shortPlaceOf(frame, context);
  return `most in ${frameText(frame, 50)}${place === '' ? '' : ` ${place}`}, ${owner}`;
}

/** What the checkpoints cost, the last one in detail. */
export function checkpointCostLines(model: TraceModel, columns: number): string[] {
  const checkpoints: readonly Checkpoint[] = model.checkpoints ?? [];
  const last = checkpoints.at(-1);
  if (last === undefined) return [];
  const which =
    checkpoints.length === 1 ? 'checkpoint' : `last of ${checkpoints.length} checkpoints`;
  return wrap(`${which}: ${scanText(last)}`, columns, '  ', '    ');
}
