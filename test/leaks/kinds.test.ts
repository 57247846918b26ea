// No missed leak and no false one, on every kind of test/fixtures/addons/leak-kinds: with the objects kept
// and dropped, ended naturally and by process.exit, with and without garbage collection by the program.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildAddonPackage, fixturesFolder } from '../e2e/support/build.js';
import { type FoundNode, nodeOfMajor } from '../e2e/support/nodes.js';
import { unfreed } from '../e2e/support/report.js';
import { onlyTrace, runTraced, scratchFolder } from '../e2e/support/run.js';
import {
  cleanFunctions,
  type Expected,
  type Kind,
  leakKinds,
  objectCount,
} from './support/kinds.js';
import {
  drawSites,
  isLeaked,
  type LeakSite,
  leaks,
  sitesUnder,
  sumOf,
  type Verdict,
} from './support/leaks.js';

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

/** Of 20 blocks so many may be held by old words in memory that nobody wrote wholly: a scan must believe these. */
const oldWords = 6;

/** Blocks that are lost behind each other may change places: which of them leads, an old word may decide. */
function groupOf(verdict: Verdict, isKeptByNode: boolean): string {
  if (isKeptByNode && verdict.startsWith('held-')) return 'lost';
  return verdict === 'lost-indirect' ? 'lost' : verdict;
}

/** The blocks, their bytes and their verdicts. */
function assertExpected(
  t: ExecutionContext,
  { title, isKeptByNode = false }: Kind,
  sites: readonly LeakSite[],
  expected: readonly Expected[],
): void {
  const drawn = `${title}\n${drawSites(sites)}`;
  const counts = { found: new Map<string, number>(), wanted: new Map<string, number>() };
  const add = (map: Map<string, number>, key: string, count: number) =>
    map.set(key, (map.get(key) ?? 0) + count);
  for (const { verdict, blockCount } of sites)
    add(counts.found, groupOf(verdict, isKeptByNode), blockCount);
  for (const { verdict, blockCount } of expected)
    add(counts.wanted, groupOf(verdict, isKeptByNode), blockCount * objectCount);
  const sum = (map: Map<string, number>) => [...map.values()].reduce((a, b) => a + b, 0);
  t.is(sum(counts.found), sum(counts.wanted), drawn);
  for (const [group, wanted] of counts.wanted) {
    const found = counts.found.get(group) ?? 0;
    const least = wanted * (1 - oldWords / objectCount);
    t.true(found >= least && (found <= wanted || !isLeaked(group as Verdict)), drawn);
  }
  for (const each of expected) {
    for (const row of sites)
      if (row.verdict === each.verdict && row.blockCount > oldWords) assertOwner(t, row, each);
  }
  if (expected.length > 0 && expected.every(({ sizeBytes }) => sizeBytes !== null)) {
    const sizeBytes = expected.reduce((all, each) => all + (each.sizeBytes ?? 0), 0);
    t.is(sumOf(sites).sizeBytes, sizeBytes * objectCount, drawn);
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
              assertExpected(t, kind, sites, kind[life]);
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
      assertExpected(t, kind, sites, expected);
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
      const report = await leaks(t, trace, '--all');
      const held = sitesUnder(report, packageName, 'LeakStrongCycle::fill').filter(isOfCycle);
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
  const found = sumOf(leaked).blockCount;
  t.true(found <= blockCount, `${found} of ${blockCount}\n${drawSites(leaked)}`);
}
