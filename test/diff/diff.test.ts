import test from 'ava';
import fc from 'fast-check';
import type { DiffReport, SiteChange } from '../../src/diff/index.js';
import { anyProgram, changesOf, compare, drawn } from './support.js';

const growthOf = ({ before, after }: Pick<SiteChange, 'before' | 'after'>) => [
  after.sizeBytes - before.sizeBytes,
  after.blockCount - before.blockCount,
];

const mirrored: Record<string, string> = {
  new: 'gone',
  gone: 'new',
  grew: 'shrank',
  shrank: 'grew',
  unchanged: 'unchanged',
};

/** What was matched with what, without the order. */
const summary = (report: DiffReport, isMirrored: boolean) =>
  report.sites
    .map((one) => {
      const [before, after] = isMirrored ? [one.after, one.before] : [one.before, one.after];
      const change = isMirrored ? mirrored[one.change] : one.change;
      return JSON.stringify([change, one.matchedBy, before, after]);
    })
    .sort();

test('what the sites changed adds up to the difference of the totals, on both sides', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyProgram, anyProgram, async (a, b) => {
      const report = await compare(a, b);
      const sums = report.sites.map(growthOf);
      const total = sums.reduce((sum, one) => [sum[0] + one[0], sum[1] + one[1]], [0, 0]);
      t.deepEqual(total, growthOf(report.totals));
      const bytesOf = (program: typeof a) =>
        program.sites.reduce((sum, site) => sum + site.count * site.sizeBytes, 0) +
        program.runtime.reduce((sum, one) => sum + one, 0);
      t.is(report.totals.before.sizeBytes, bytesOf(a));
      t.is(report.totals.after.sizeBytes, bytesOf(b));
    }),
  );
});

test('equal programs have no differences, also when all lines have moved and in another folder', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyProgram, fc.integer({ min: 0, max: 50 }), async (program, shift) => {
      const report = await compare(program, program, { after: { shift, cwd: '/home/ci/app' } });
      t.deepEqual(report.sites.filter((one) => one.change !== 'unchanged').map(growthOf), []);
    }),
  );
});

test('matching is the same from both sides', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyProgram, anyProgram, async (a, b) => {
      t.deepEqual(summary(await compare(b, a), true), summary(await compare(a, b), false));
    }),
  );
});

test('one leak more is the one thing that is new, wherever the lines have moved', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyProgram, fc.integer({ min: 0, max: 50 }), async (program, shift) => {
      const leak = {
        calls: [
          { name: 'leak', line: 99 },
          { name: 'run', line: 5 },
        ],
        sizeBytes: 64,
        count: 3,
      };
      const after = { ...program, sites: [...program.sites, leak] };
      const report = await compare(program, after, { after: { shift } });
      t.deepEqual(changesOf(report), [`new leak:${99 + shift} +192`]);
    }),
  );
});

const cases: Record<string, [before: string, after: string, changes: string[]]> = {
  'a call site between others of the same function is the new one': [
    'load:10 = 1 x 100\n load:20 = 1 x 200\n load:30 = 1 x 300',
    'load:15 = 1 x 100\n load:22 = 1 x 999\n load:25 = 1 x 200\n load:35 = 1 x 300',
    ['new load:22 +999'],
  ],
  'a site above the others that is gone does not move them': [
    'load:10 = 1 x 100\n load:20 = 1 x 200\n load:30 = 1 x 300',
    'load:20 = 1 x 200\n load:30 = 1 x 300',
    ['gone load:10 -100'],
  ],
  'a caller more in between is the same site': [
    'alloc:1 < plan:5 < run:9 = 2 x 10',
    'alloc:1 < helper:3 < plan:5 < run:9 = 3 x 10',
    ['grew alloc:1 +10'],
  ],
  'a renamed caller is the same site': [
    'alloc:1 < old:5 < run:9 = 2 x 10',
    'alloc:1 < fresh:5 < run:9 = 2 x 10',
    [],
  ],
  'another caller, where both exist, is another site': [
    'alloc:1 < a:5 < run:9 = 2 x 10\n other:2 < b:6 < run:9 = 1 x 5',
    'alloc:1 < b:5 < run:9 = 2 x 10\n other:2 < a:4 < run:9 = 1 x 5',
    ['new alloc:1 +20', 'new other:2 +5', 'gone alloc:1 -20', 'gone other:2 -5'],
  ],
  'a renamed allocating function with the same blocks is the same site': [
    'load_pages:30 < run:9 = 4 x 2000',
    'load_all_pages:44 < run:12 = 4 x 2000',
    [],
  ],
  'a function with other blocks is not one renamed': [
    'load_pages:30 < run:9 = 4 x 2000',
    'decode:30 < run:9 = 4 x 64',
    ['new decode:30 +256', 'gone load_pages:30 -8000'],
  ],
  'a new leak beside a renamed function is new': [
    'load_pages:30 < run:9 = 4 x 2000\n keep:50 < run:10 = 1 x 1',
    'load_all_pages:30 < run:9 = 4 x 2000\n leak:40 < run:9 = 4 x 500\n keep:55 < run:10 = 1 x 1',
    ['new leak:40 +2000'],
  ],
  'without debug information sites are told apart by their functions': [
    'load < run = 1 x 100\n load < main2 = 1 x 200',
    'load < run = 2 x 100\n load < main2 = 1 x 200',
    ['grew load:? +100'],
  ],
  'a line that one side alone knows does not make one of what other lines tell apart': [
    'load:10 < run:9 = 1 x 100\n load:20 < run:9 = 1 x 200',
    'load:10 < run = 1 x 100\n load:20 < run = 2 x 200',
    ['grew load:20 +200'],
  ],
  'lines that one build alone has do not make sites new': [
    'load:10 < run:9 = 1 x 100\n load:20 < run:9 = 1 x 200',
    'load < run = 2 x 150',
    [],
  ],
};

for (const [name, [before, after, changes]] of Object.entries(cases)) {
  test(name, async (t) => {
    t.deepEqual(changesOf(await compare(drawn(before), drawn(after))), changes);
  });
}

test("Node's own sites that other versions call otherwise are told apart by their leaf alone", async (t) => {
  const before = { sites: [], runtime: [10, 20, 30, 40, 50, 60] };
  const after = { sites: [], runtime: [11, 20, 30, 40, 50] };
  t.deepEqual(
    changesOf(await compare(before, after)).map((line) => line.replace(/:.*(?= )/, '')),
    ['grew v8 +1', 'gone v8 -60'],
  );
});
