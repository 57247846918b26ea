// A short summary in Markdown, for $GITHUB_STEP_SUMMARY and for pull requests. Pure.
//
// All texts of the traced program stand in HTML blocks, which no Markdown is read in, and there in <code>
// or <pre>, where GitHub makes no mention or reference of them: nothing of a name can become markup.
import type { CheckFinding } from '../checks/index.js';
import { formatBytes, formatCount } from '../report/index.js';
import {
  type CiContext,
  countText,
  packageText,
  sortFindings,
  textLines,
  verdictText,
} from './context.js';
import { placeOf } from './places.js';
import { ruleWords } from './rules.js';
import { xmlLines, xmlValue } from './xml.js';

export interface MarkdownOptions {
  /** In UTF-8. GitHub refuses a step's summary above 1 MiB; others may have written before. */
  maxBytes?: number;
}

const defaultMaxBytes = 900 * 1024;
const rowLimit = 50;
const detailBytes = 64 * 1024;
/** What stands in a cell is for a glance. */
const cellChars = 300;

export function markdownSummary(
  findings: readonly CheckFinding[],
  context: CiContext,
  options: MarkdownOptions = {},
): string {
  const maxBytes = options.maxBytes ?? defaultMaxBytes;
  const { errors, warnings, notes, suppressed } = sortFindings(findings);
  const active = [...errors, ...warnings, ...notes];
  const isWhole = context.unjudged.length === 0 && context.endedStatus === 0;
  const mark = errors.length > 0 ? '❌' : isWhole ? '✅' : '⚠️';
  const text = new Bounded(maxBytes);
  text.add([
    `### ${mark} memprof: ${verdictText(findings, context)}`,
    '',
    `<p>Command: <code>${cell(context.command)}</code>${endText(context)}</p>`,
    '',
  ]);
  if (active.length > 0) text.add(table(active, context, maxBytes / 4));
  addDetails(text, active);
  if (suppressed.length > 0)
    text.add(
      collapsed(
        `<b>${countText(suppressed.length, 'suppressed fault')}</b>`,
        suppressed.map((one) => `${packageText(one)}: ${one.title}\n  by ${one.suppressedBy}`),
      ),
    );
  if (context.unjudged.length > 0)
    text.add(collapsed(`<b>Not judged: ${context.unjudged.length}</b>`, context.unjudged));
  return text.toString();
}

function endText({ endedStatus }: CiContext): string {
  if (endedStatus === 0) return '';
  return endedStatus === null ? ', which was killed' : `, which ended with status ${endedStatus}`;
}

function table(findings: readonly CheckFinding[], context: CiContext, maxBytes: number): string[] {
  const head = ['', 'package', 'what', 'where', 'blocks', 'size', 'an iteration'];
  const hasIterations = findings.some((one) => one.perIteration !== null);
  const columns = hasIterations ? head : head.slice(0, -1);
  const rows: string[] = [];
  let bytes = 0;
  for (const finding of findings.slice(0, rowLimit)) {
    const cells = [
      finding.level === 'error' ? '❌' : finding.level === 'warning' ? '⚠️' : 'ℹ️',
      `<code>${cell(packageText(finding))}</code>`,
      `<code>${cell(finding.title)}</code>`,
      whereText(finding, context),
      formatCount(finding.blockCount),
      formatBytes(finding.sizeBytes),
      ...(hasIterations ? [iterationText(finding)] : []),
    ];
    const row = `<tr>${cells.map((one) => `<td>${one}</td>`).join('')}</tr>`;
    bytes += Buffer.byteLength(row);
    if (bytes > maxBytes) break;
    rows.push(row);
  }
  const left = findings.length - rows.length;
  return [
    '<table>',
    `<tr>${columns.map((title) => `<th>${title}</th>`).join('')}</tr>`,
    ...rows,
    '</table>',
    '',
    ...(left > 0 ? [`${countText(left, 'more fault')}: see the log.`, ''] : []),
  ];
}

function whereText({ place }: CheckFinding, { root }: CiContext): string {
  if (place === null) return '';
  const found = placeOf(place.file, root);
  const path = found.kind === 'none' ? place.file : found.path;
  return `<code>${cell(`${path}:${place.line}`)}</code>`;
}

function iterationText({ perIteration }: CheckFinding): string {
  if (perIteration === null) return '';
  const blocks = countText(Number(perIteration.blocks.toFixed(2)), 'block');
  return `${blocks}, ${formatBytes(Math.round(perIteration.bytes))}`;
}

/** As many as fit; the others are counted. */
function addDetails(text: Bounded, findings: readonly CheckFinding[]): void {
  for (const [at, finding] of findings.entries()) {
    const title = `<code>${cell(packageText(finding))}</code>: ${ruleWords[finding.rule].short}, ${countText(finding.blockCount, 'block')}, ${formatBytes(finding.sizeBytes)}`;
    if (text.add(collapsed(title, textLines(finding)))) continue;
    text.add([`The details of ${countText(findings.length - at, 'more fault')}: see the log.`, '']);
    return;
  }
}

/** The blank line ends the first HTML block: <pre> begins one that holds blank lines. */
function collapsed(title: string, lines: readonly string[]): string[] {
  return [
    `<details><summary>${title}</summary>`,
    '',
    `<pre>${withinBytes(lines.flatMap((line) => line.split('\n')))}</pre>`,
    '',
    '</details>',
    '',
  ];
}

/** A line break right behind <pre> would not be shown; the lines begin with a title, so there is none. */
function withinBytes(lines: readonly string[]): string {
  let bytes = 0;
  const end = lines.findIndex((line) => (bytes += Buffer.byteLength(line) + 1) > detailBytes);
  if (end < 0) return xmlLines(lines);
  return xmlLines([...lines.slice(0, end), `... ${countText(lines.length - end, 'more line')}`]);
}

function cell(text: string): string {
  const chars = [...text];
  return xmlValue(chars.length <= cellChars ? text : `${chars.slice(0, cellChars - 1).join('')}…`);
}

/** Pieces are taken whole or not at all. */
class Bounded {
  readonly #lines: string[] = [];
  readonly #maxBytes: number;
  /** What a sentence about the rest needs. */
  readonly #reservedBytes = 200;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(lines: readonly string[]): boolean {
    const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    const reserved = lines.length > 2 ? this.#reservedBytes : 0;
    if (this.#bytes + bytes + reserved > this.#maxBytes) return false;
    this.#bytes += bytes;
    this.#lines.push(...lines);
    return true;
  }

  toString(): string {
    return this.#lines.join('\n');
  }
}
