// What was found, in words, worst first; how the run ended; its totals; what is missing.
import { useState } from 'preact/hooks';
import type { ReportFinding } from '../../html/report-data.js';
import { allPackages, sumBySite } from '../../html/selection.js';
import { formatBytes, formatCount, formatDuration, formatPercent } from '../format.js';
import { Bars } from '../parts/bars.js';
import { firstState, hashOfState, useReport, whyNot } from '../state.js';

const levelName = { bad: 'Leak', warning: 'Warning', note: 'Note' } as const;
const viewLink = {
  overview: '',
  timeline: 'See it in the timeline',
  flame: 'See it in the flame graph',
  sites: 'See the site',
  owners: 'See who holds it',
  memory: 'See where memory goes',
  napi: 'See the ledger',
} as const;

const fewFindings = 10;

export function OverviewView() {
  const { data } = useReport();
  const [isAll, setAll] = useState(false);
  const { head } = data;
  return (
    <div class="overview">
      <section class="findings" aria-label="Findings">
        <h1>{headline(head.findings, head.hasVerdicts)}</h1>
        <ol>
          {head.findings.slice(0, isAll ? undefined : fewFindings).map((finding, at) => (
            <Finding key={at} finding={finding} />
          ))}
        </ol>
        {head.findings.length > fewFindings + 1 && (
          <button type="button" class="quiet" onClick={() => setAll(!isAll)}>
            {isAll ? 'Show fewer' : `Show ${formatCount(head.findings.length - fewFindings)} more`}
          </button>
        )}
        <Missing />
      </section>
      <div class="side">
        <Run />
        <Packages />
      </div>
    </div>
  );
}

function headline(findings: readonly ReportFinding[], hasVerdicts: boolean): string {
  const bad = findings.filter((one) => one.level === 'bad').length;
  const warnings = findings.filter((one) => one.level === 'warning').length;
  if (bad > 0) return `${formatCount(bad)} ${bad === 1 ? 'site leaks' : 'sites leak'} memory`;
  if (warnings > 0)
    return `Nothing is lost, ${formatCount(warnings)} ${warnings === 1 ? 'thing' : 'things'} to look at`;
  return hasVerdicts ? 'Nothing is lost or orphaned' : 'What was allocated and what was live';
}

function Finding({ finding }: { finding: ReportFinding }) {
  const { data, change } = useReport();
  const target = {
    ...firstState(data),
    view: finding.view,
    measure: whyNot(data, finding.measure) === null ? finding.measure : ('live' as const),
    group: finding.group ?? 0,
    package:
      finding.group === null && finding.packageIndex !== null ? finding.packageIndex : allPackages,
    // Lost blocks may be younger than the end of the usual range.
    to: finding.measure === 'lost' ? data.bucketCount : data.head.defaultEndEdge,
  };
  return (
    <li class={`finding ${finding.level}`}>
      <span class="level">{levelName[finding.level]}</span>
      <div>
        <p class="title">{finding.title}</p>
        {finding.details.map((text, at) => (
          <p key={at} class="faint">
            {text}
          </p>
        ))}
        <a
          href={hashOfState(data, target)}
          onClick={(event) => {
            event.preventDefault();
            change(target);
          }}
        >
          {viewLink[finding.view]}
        </a>
      </div>
    </li>
  );
}

function Missing() {
  const { head } = useReport().data;
  if (head.missing.length + head.losses.length === 0) return null;
  return (
    <section class="missing" aria-label="What is not known">
      <h2>What is not known</h2>
      <ul>
        {head.missing.map((text, at) => (
          <li key={`m${at}`}>{text}</li>
        ))}
        {head.losses.map((text, at) => (
          <li key={`l${at}`}>{text[0]!.toUpperCase() + text.slice(1)}.</li>
        ))}
      </ul>
    </section>
  );
}

function Run() {
  const { head } = useReport().data;
  const { totals } = head;
  const rows: [string, string, string?][] = [
    [
      `Live ${totals.momentText}`,
      formatBytes(totals.liveBytes),
      `${formatCount(totals.liveCount)} blocks`,
    ],
    ...(totals.momentText.startsWith('before')
      ? [
          [
            'Never freed',
            formatBytes(totals.endBytes),
            `${formatCount(totals.endCount)} blocks at the end`,
          ] as [string, string, string],
        ]
      : []),
    ['Peak', formatBytes(totals.peakBytes), `after ${formatDuration(totals.peakNs)}`],
    [
      'Allocated',
      formatBytes(totals.allocatedBytes),
      `${formatCount(totals.allocationCount)} calls`,
    ],
    [
      'Temporary',
      formatPercent(totals.temporaryCount, totals.allocationCount),
      `${formatCount(totals.temporaryCount)} calls`,
    ],
  ];
  return (
    <section class="card" aria-label="The run">
      <h2>The run</h2>
      <dl class="facts">
        {rows.map(([name, value, note]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <b>{value}</b> <span>{note}</span>
            </dd>
          </div>
        ))}
      </dl>
      <p class={head.isEndedWell ? 'faint' : 'ended-badly'}>
        The program {head.ended}, after {formatDuration(head.durationNs)}
        {head.nodeVersion === null ? '' : `, on Node ${head.nodeVersion}`}, pid {head.pid}
        {head.startRealtimeMs > 0
          ? `; started ${new Date(head.startRealtimeMs).toISOString().replace('T', ' ').slice(0, 19)} UTC`
          : ''}
        .
      </p>
    </section>
  );
}

const mostPackages = 12;

function Packages() {
  const { data, state, change } = useReport();
  const sums = sumBySite(data, { ...state, package: allPackages });
  const byPackage = new Map<number, { bytes: number; count: number }>();
  for (let site = 0; site < sums.bytes.length; site++) {
    if (sums.count[site] === 0) continue;
    const row = data.sites.package[site]!;
    const sum = byPackage.get(row) ?? { bytes: 0, count: 0 };
    sum.bytes += sums.bytes[site]!;
    sum.count += sums.count[site]!;
    byPackage.set(row, sum);
  }
  const rows = [...byPackage]
    .sort((a, b) => b[1].bytes - a[1].bytes)
    .slice(0, mostPackages)
    .map(([row, sum]) => ({
      key: row,
      label: data.head.packages[row]!.label,
      ...sum,
      onOpen: () => change({ package: row, view: 'sites' }),
    }));
  return (
    <section class="card" aria-label="By package">
      <h2>By package</h2>
      <Bars rows={rows} unit="blocks" empty="Nothing in this selection." />
      {byPackage.size > mostPackages && (
        <p class="faint">{formatCount(byPackage.size - mostPackages)} more hold less.</p>
      )}
    </section>
  );
}
