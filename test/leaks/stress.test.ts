// Checkpoints of programs with much of everything. No test here has a limit of time: bench/checkpoint.ts.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildAddon, fixturesFolder } from '../e2e/support/build.js';
import { onlyTrace, runTraced, scratchFolder } from '../e2e/support/run.js';
import {
  drawSites,
  type LeakSite,
  type Leaks,
  leaks,
  sumOf,
  type Verdict,
} from './support/leaks.js';

const app = join(fixturesFolder, 'apps', 'crowd.cjs');
const addon = await buildAddon('crowd.cc');

async function leaksOf(t: ExecutionContext, what: string, count: number): Promise<Leaks> {
  const folder = await scratchFolder(t);
  const command = [process.execPath, app, addon, what, String(count)];
  const outcome = await runTraced(command, { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  return leaks(t, await onlyTrace(t, folder), '--all');
}

/** Blocks of a size below a function of the addon: all of one verdict. Returns their sites. */
function assertVerdict(
  t: ExecutionContext,
  report: Leaks,
  functionName: string,
  { verdict, count, bytes }: { verdict: Verdict; count: number; bytes: number },
): readonly LeakSite[] {
  const sites = report.sites.filter(
    ({ frames, sizeBytes, blockCount }) =>
      sizeBytes === bytes * blockCount &&
      frames.some(({ function: name }) => name?.startsWith(`crowd::${functionName}(`)),
  );
  t.true(
    sites.every((site) => site.verdict === verdict),
    drawSites(sites),
  );
  t.deepEqual(sumOf(sites), { blockCount: count, sizeBytes: count * bytes }, drawSites(sites));
  return sites;
}

test('the blocks of a hundred thousand wrapped objects are all held by their objects', async (t) => {
  const count = 100_000;
  const report = await leaksOf(t, 'objects', count);
  const sites = assertVerdict(t, report, 'wrap', { verdict: 'held-by-js', count, bytes: 80 });
  for (const site of sites) t.is(site.owner?.className, 'Member');
});

test('sixty-four threads stand still: their stacks and TLS hold, what they forgot is lost', async (t) => {
  const count = 64;
  const report = await leaksOf(t, 'threads', count);
  assertVerdict(t, report, 'for_stack', { verdict: 'held-by-native', count, bytes: 144 });
  assertVerdict(t, report, 'for_tls', { verdict: 'held-by-native', count, bytes: 160 });
  // Old words in blocks of Node's, which are not written over either, may hide some.
  const forgotten = report.sites.filter(
    ({ verdict, frames }) =>
      verdict === 'lost' &&
      frames.some(({ function: name }) => name?.startsWith('crowd::for_nobody(')),
  );
  t.true(sumOf(forgotten).blockCount >= count * 0.8, drawSites(forgotten));
});

test('pages that cannot be read are passed over, and what lies between them holds', async (t) => {
  const count = 200;
  const report = await leaksOf(t, 'guards', count);
  assertVerdict(t, report, 'for_mapping', { verdict: 'held-by-native', count, bytes: 192 });
});
