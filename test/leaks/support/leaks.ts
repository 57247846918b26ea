// What the tests of this folder read of `memprof leaks --json`, written by hand from docs/schema.
import type { ExecutionContext } from 'ava';
import { drawStack, type Frame } from '../../e2e/support/report.js';
import { memprofJson } from '../../e2e/support/run.js';

export type Verdict =
  | 'lost'
  | 'lost-indirect'
  | 'orphaned'
  | 'pending'
  | 'held-by-js'
  | 'held-by-native'
  | 'runtime'
  | 'unknown';

export interface LeakSite {
  verdict: Verdict;
  blockCount: number;
  sizeBytes: number;
  package: { name: string; version: string | null } | null;
  frames: Frame[];
  owner?: { className: string } | null;
}

export interface Leaks {
  schema: string;
  sites: LeakSite[];
}

export async function leaks(
  t: ExecutionContext,
  trace: string,
  ...options: readonly string[]
): Promise<Leaks> {
  const report = await memprofJson<Leaks>(t, 'leaks', trace, ...options);
  t.is(report.schema, 'memprof.leaks/1');
  return report;
}

/** What nobody can free any more. */
export function isLeaked(verdict: Verdict): boolean {
  return verdict === 'lost' || verdict === 'lost-indirect' || verdict === 'orphaned';
}

/** The sites of a package below a function, given with its class or namespace. */
export function sitesUnder(
  report: Leaks,
  packageName: string,
  functionName: string,
): readonly LeakSite[] {
  return report.sites.filter(
    (site) =>
      site.package?.name === packageName &&
      site.frames.some(
        ({ function: name }) => name === functionName || name?.startsWith(`${functionName}(`),
      ),
  );
}

export interface Sum {
  blockCount: number;
  sizeBytes: number;
}

export function sumOf(sites: readonly LeakSite[]): Sum {
  return {
    blockCount: sites.reduce((sum, site) => sum + site.blockCount, 0),
    sizeBytes: sites.reduce((sum, site) => sum + site.sizeBytes, 0),
  };
}

/** One line a site and its stack below: what a failing test shows. */
export function drawSites(sites: readonly LeakSite[]): string {
  return sites
    .map(
      (site) =>
        `${site.verdict}: ${site.blockCount} blocks, ${site.sizeBytes} B, ${site.package?.name ?? '-'}, owner ${
          site.owner?.className ?? '-'
        }\n${drawStack(site.frames.slice(0, 12))}`,
    )
    .join('\n\n');
}
