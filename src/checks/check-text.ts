// The report of a whole run's check: short, worst first. Pure.
import {
  amountText,
  escapeText,
  formatCount,
  type Style,
  shellQuote,
  wrap,
} from '../report/index.js';
import { baseName } from '../symbols/index.js';
import type { CheckFinding } from './finding.js';
import { processes } from './unjudged.js';
import type { RunFaults, RunFinding } from './whole-run.js';

export interface CheckSummary {
  /** Also the suppressed ones; worst first. */
  findings: readonly RunFinding[];
  foreign: RunFaults['foreign'];
  /** What was checked: "lost, orphaned". */
  kinds: string;
  processCount: number;
  /** Sentences that are to be read before "nothing found" is believed. Escaped. */
  warnings: readonly string[];
  /** Of less weight. */
  notes: readonly string[];
  memprofCommand: string;
}

const mostFindings = 20;

export function* checkLines(
  summary: CheckSummary,
  { columns, style }: { columns: number; style: Style },
): Iterable<string> {
  const { findings, notes, warnings, memprofCommand } = summary;
  const shown = findings.filter(({ finding }) => finding.suppressedBy === null);
  yield '';
  yield style.heading(`memprof check: ${verdict(summary, shown)}`);
  for (const [at, one] of shown.slice(0, mostFindings).entries()) {
    yield '';
    yield* findingLines(one, at + 1, style);
    const path = one.processes[0]?.process.tracePath ?? null;
    if (path !== null)
      yield `${style.faint('     next')}  ${style.command(`${memprofCommand} ${commandFor(one.finding)} ${shellQuote(path)}`)}`;
  }
  if (shown.length > mostFindings) {
    yield '';
    yield style.faint(
      `${formatCount(shown.length - mostFindings)} more faults: see memprof leaks on the traces`,
    );
  }
  if (warnings.length + notes.length + summary.foreign.length > 0) yield '';
  for (const warning of warnings)
    yield* wrap(warning, columns, '! ', '  ').map((line) => style.warning(line));
  for (const note of [...notes, ...foreignTexts(summary.foreign)])
    yield* wrap(note, columns, '  ', '    ').map((line) => style.faint(line));
}

const commandFor = ({ rule }: CheckFinding): string => (rule === 'budget' ? 'sites' : 'leaks');

function verdict({ kinds, processCount }: CheckSummary, shown: readonly RunFinding[]): string {
  const where = `${processes(processCount)} (${kinds})`;
  if (shown.length === 0) return `no faults in ${where}`;
  return `${formatCount(shown.length)} ${shown.length === 1 ? 'fault' : 'faults'} in ${where}`;
}

/** A finding's lines are as wide as findingColumns; the number stands before them. */
function* findingLines({ finding }: RunFinding, rank: number, style: Style): Iterable<string> {
  const [title, ...rest] = finding.details;
  const number = `${String(rank).padStart(2)}.`;
  const name = finding.packageName === '' ? '' : `${escapeText(finding.packageName)}  `;
  if (name !== '') {
    yield `${number} ${style.strong(name.trimEnd())}`;
    yield `     ${title}`;
  } else yield `${number} ${style.strong(title)}`;
  for (const line of rest) yield `     ${line.replace(/^ {2}/, '')}`;
}

function foreignTexts(foreign: RunFaults['foreign']): string[] {
  if (foreign.length === 0) return [];
  const named = foreign
    .slice(0, 5)
    .map(({ name, amount }) => `${escapeText(baseName(name))} ${amountText(amount)}`);
  const more = foreign.length > named.length ? ', and others' : '';
  return [`outside of the project, not counted as faults: ${named.join(', ')}${more}`];
}
