// The verdict of a leak test in words, as a test runner shows it: 80 columns, no colours. Pure.
import {
  escapeText,
  formatCount,
  renderTable,
  resourceName,
  shellQuote,
  wrap,
} from '../report/index.js';
import type { CheckFinding } from './finding.js';
import { findingColumns } from './findings.js';
import type { Growth } from './growth.js';
import type { Judgement } from './leak-watch.js';

/** What was created and what is left of one kind of resource, since the warm-up. */
export interface BalanceRow {
  kind: number;
  createdCount: number;
  outstandingCount: number;
}

export interface LeakTextFacts {
  /** "expectNoLeaks at test/a.test.js:3:9" */
  title: string;
  judgement: Judgement;
  /** Not suppressed ones first. */
  findings: readonly CheckFinding[];
  warmupCount: number;
  balance: readonly BalanceRow[];
  /** null: no trace is written. */
  tracePath: string | null;
  /** "memprof", "npx memprof" */
  memprofCommand: string;
  /** Part of a function's name that `memprof why` finds; null: none is known. */
  whyFunction: string | null;
  /** Of the first sites that are not clear; escaped. */
  unclearNames: readonly string[];
}

const mostFindings = 5;

export function leakText(facts: LeakTextFacts): string {
  const { judgement, findings } = facts;
  const open = findings.filter((one) => one.suppressedBy === null);
  switch (judgement.decision) {
    case 'leak':
      return open.length === 0 ? suppressedText(facts) : failureText(facts, open);
    case 'undecided':
      return undecidedText(facts);
    default:
      return `${facts.title}: no leak in ${callsText(judgement)}: one block in ${formatCount(Math.floor(1 / judgement.excludedRate))} calls, or more, would have shown (confidence 99.9 %)`;
  }
}

function failureText(facts: LeakTextFacts, open: readonly CheckFinding[]): string {
  const { title, judgement, warmupCount } = facts;
  const lines = [`${title}: native memory grows with every round`];
  const how = `${callsText(judgement)}, after ${formatCount(warmupCount)} to warm up; confidence ${percent(judgement.confidence)}`;
  lines.push(...wrap(how, findingColumns, '  ', '  '));
  for (const [at, { details }] of open.slice(0, mostFindings).entries()) {
    lines.push('', `${at + 1}. ${details[0]}`, ...details.slice(1));
  }
  if (open.length > mostFindings)
    lines.push('', `${formatCount(open.length - mostFindings)} more sites grow.`);
  lines.push(...balanceLines(facts.balance), ...nextLines(facts));
  return lines.join('\n');
}

const callsText = ({ callCount, roundCount }: Judgement): string =>
  `${formatCount(callCount)} calls in ${roundCount} rounds`;

/** Never 100: no test of this kind gives that. */
const percent = (share: number): string =>
  share >= 0.999 ? 'above 99.9 %' : `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;

function balanceLines(rows: readonly BalanceRow[]): string[] {
  // Below zero: what was there before has gone, which is nobody's leak.
  const told = rows.filter(({ outstandingCount }) => outstandingCount > 0);
  if (told.length === 0) return [];
  const table = renderTable(
    [
      { title: '', align: 'left' },
      { title: 'created', align: 'right' },
      { title: 'still there', align: 'right' },
    ],
    told.map(({ kind, createdCount, outstandingCount }) => [
      resourceName(kind),
      formatCount(createdCount),
      formatCount(outstandingCount),
    ]),
    { columns: findingColumns, indent: 2 },
  );
  return ['', 'Node-API balance of these rounds', ...table];
}

function nextLines({ tracePath, memprofCommand, whyFunction }: LeakTextFacts): string[] {
  if (tracePath === null) return [];
  const trace = shellQuote(tracePath);
  const next =
    whyFunction === null
      ? `${memprofCommand} leaks ${trace}`
      : `${memprofCommand} why ${trace} ${shellQuote(whyFunction)}`;
  return ['', `trace  ${escapeText(tracePath)}`, `next   ${escapeText(next)}`];
}

function suppressedText({ title, judgement, findings }: LeakTextFacts): string {
  const rules = new Set(findings.map((one) => escapeText(one.suppressedBy ?? '')));
  return `${title}: ${findings.length} sites grow in ${callsText(judgement)}, all of them ignored (${[...rules].join(', ')})`;
}

function undecidedText({ title, judgement, unclearNames }: LeakTextFacts): string {
  const { unclear } = judgement;
  if (unclear.length === 0) return `${title}: not decided: its rounds were cut short`;
  const lines = [
    `${title}: not decided after ${callsText(judgement)}, and passed`,
    ...wrap(
      `${unclear.length === 1 ? 'one site' : `${formatCount(unclear.length)} sites`} grew, but not steadily, as caches do that fill up. A larger { warmup } or more { rounds } will tell.`,
      findingColumns,
      '  ',
      '  ',
    ),
  ];
  for (const [at, growth] of unclear.slice(0, unclearNames.length).entries())
    lines.push(`  ${unclearNames[at]}: ${seriesText(growth)} blocks by round`);
  return lines.join('\n');
}

const seriesText = ({ blocks }: Growth): string =>
  blocks.map((one) => formatCount(Math.round(one))).join(' ');
