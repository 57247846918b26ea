// No missed leak and no false one, on every kind of test/fixtures/addons/leak-kinds: with the objects kept
// and dropped, ended naturally and by process.exit, with and without garbage collection by the program.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildAddonPackage, fixturesFolder } from '../e2e/support/build.js';
import { type FoundNode, nodeOfMajor } from '../e2e/support/nodes.js';
import { unfreed } from '../e2e/support/report.js';
import { onlyTrace, runTraced, scratchFolder } from '../e2e/support/run.js';
import { cleanFunctions, type Expected, leakKinds, objectCount } from './support/kinds.js';
import { drawSites, isLeaked, type LeakSite, leaks, sitesUnder, sumOf } from './support/leaks.js';

const app = join(fixturesFolder, 'apps', 'leak-kinds.cjs');
const packageName = 'leak-kinds';
const majors = [20, 22, 24, 26];
const nodes = await Promise.all(majors.map(nodeOfMajor));
const addon = await buildAddonPackage(packageName);

interface Run {
  node: string;
  words: readonly string[];
}

async function traceOf(t: ExecutionContext, { node, words }: Run): Promise<string> {
  const folder = await scratchFolder(t);
  const outcome = await runTraced([node, '--expose-gc', app, addon, ...words], { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  return onlyTrace(t, folder);
}

function assertOwner(t: ExecutionContext, site: LeakSite, { owner }: Expected): void {
  if (owner === undefined) return;
  const name = site.owner?.className ?? '';
  if (typeof owner === 'string') t.is(name, owner, drawSites([site]));
  else t.regex(name, owner, drawSites([site]));
}

function assertExpected(
  t: ExecutionContext,
  title: string,
  sites: readonly LeakSite[],
  expected: readonly Expected[],
): void {
  const found = new Map<string, number>();
  for (const { verdict, blockCount } of sites)
    found.set(verdict, (found.get(verdict) ?? 0) + blockCount);
  const wanted = expected.map(({ verdict, blockCount }) => [verdict, blockCount * objectCount]);
  t.deepEqual(
    Object.fromEntries(found),
    Object.fromEntries(wanted),
    `${title}\n${drawSites(sites)}`,
  );
  for (const each of expected) {
    const rows = sites.filter((site) => site.verdict === each.verdict);
    for (const row of rows) assertOwner(t, row, each);
    if (each.sizeBytes !== null) {
      t.is(sumOf(rows).sizeBytes, each.sizeBytes * objectCount, `${title}\n${drawSites(rows)}`);
    }
  }
}

for (const [at, major] of majors.entries()) {
  const node = nodes[at] as FoundNode;
  const check = node.path === null ? test.skip : test;
  const because = node.path === null ? ` (skipped: ${node.reason})` : '';
  for (const life of ['kept', 'dropped'] as const) {
    for (const end of ['natural end', 'process.exit']) {
      for (const collected of ['the program collects', 'only the checkpoint collects']) {
        const isFirst = collected === 'the program collects';
        // Every combination on the Node that most people of this version run, half of them on the others.
        if (major !== 20 && isFirst !== (end === 'natural end')) continue;
        check(
          `Node ${major}, ${life}, ${end}, ${collected}: every kind has its verdict, clean twins none${because}`,
          async (t) => {
            const words = [
              ...(life === 'kept' ? ['kept'] : []),
              ...(end === 'process.exit' ? ['exit'] : []),
              ...(isFirst ? ['gc'] : []),
            ];
            const trace = await traceOf(t, { node: node.path as string, words });
            const report = await leaks(t, trace, '--all');
            for (const kind of leakKinds) {
              const sites = sitesUnder(report, packageName, kind.functionName);
              assertExpected(t, kind.title, sites, kind[life]);
            }
            for (const name of cleanFunctions) {
              const sites = sitesUnder(report, packageName, name);
              const isHeld =
                life === 'kept' && sites.every(({ verdict }) => verdict === 'held-by-js');
              t.true(sites.length === 0 || isHeld, `${name}\n${drawSites(sites)}`);
            }
            assertNothingElseLeaked(
              t,
              report.sites,
              leakKinds.flatMap((kind) => kind[life]),
            );
          },
        );
      }
    }
  }

  check(`Node ${major}: what leaked in a Worker that ended is found${because}`, async (t) => {
    const trace = await traceOf(t, { node: node.path as string, words: ['worker'] });
    const report = await leaks(t, trace, '--all');
    for (const kind of leakKinds) {
      const expected = kind.worker ?? kind.dropped;
      const sites = sitesUnder(report, packageName, kind.functionName);
      assertExpected(t, kind.title, sites, expected);
    }
    for (const name of cleanFunctions) {
      const sites = sitesUnder(report, packageName, name);
      t.is(sites.length, 0, `${name}\n${drawSites(sites)}`);
    }
  });

  check(
    `Node ${major}: what teardown would free is held until the end, with its owner${because}`,
    async (t) => {
      const trace = await traceOf(t, { node: node.path as string, words: [] });
      const held = sitesUnder(await leaks(t, trace, '--all'), packageName, 'LeakStrongCycle::fill');
      t.true(held.length > 0);
      for (const site of held) {
        t.is(site.verdict, 'held-by-js');
        t.is(site.owner?.className, 'LeakStrongCycle');
      }
      const { sites } = await unfreed(t, trace);
      t.true(sites.some((site) => site.moment === 'before-teardown' && isOfCycle(site)));
      t.false(sites.some((site) => site.moment === 'at-end' && isOfCycle(site)));
    },
  );
}

/** The block of a strong cycle, which its destructor frees. */
function isOfCycle(site: { frames: LeakSite['frames']; sizeBytes: number; blockCount: number }) {
  return (
    site.sizeBytes === 1120 * site.blockCount &&
    site.frames.some(({ function: name }) => name?.startsWith('LeakStrongCycle::fill'))
  );
}

function assertNothingElseLeaked(
  t: ExecutionContext,
  sites: readonly LeakSite[],
  expected: readonly Expected[],
): void {
  const leaked = sites.filter(
    (site) => site.package?.name === packageName && isLeaked(site.verdict),
  );
  const blockCount = expected
    .filter(({ verdict }) => isLeaked(verdict))
    .reduce((sum, each) => sum + each.blockCount * objectCount, 0);
  t.is(sumOf(leaked).blockCount, blockCount, drawSites(leaked));
}
