// memprof diff on real traces: an addon and its rebuilt version, two moments of one run.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { TraceCommand } from '../../src/commands/context.js';
import { type DiffOptions, diff } from '../../src/commands/diff.js';
import type { StackId } from '../../src/model/index.js';
import { packageRoot } from '../../src/paths.js';
import { openTraceFile, replayAt } from '../../src/query/index.js';
import { plainStyle } from '../../src/report/index.js';
import { buildAddon, fixturesFolder } from './support/build.js';
import { buildWithNodeGyp, installed } from './support/npm.js';
import { memprofBin, memprofJson, run, runTraced, scratchFolder } from './support/run.js';

interface Diff {
  totals: { growth: { blockCount: number; sizeBytes: number } };
  sites: {
    change: string;
    matchedBy: string | null;
    growth: { blockCount: number; sizeBytes: number };
    package: { name: string } | null;
    owner: string;
    module: string | null;
    frames: { function: string | null; line: number | null; module: string | null }[];
    stackBefore: { frames: { function: string | null }[] } | null;
  }[];
}

const addonNames = ['first', 'second'] as const;

/** Both versions lie where a package's addon would, under the same name. */
async function record(
  t: ExecutionContext,
  folder: string,
  versions: Record<(typeof addonNames)[number], string>,
): Promise<string[]> {
  return Promise.all(
    addonNames.map(async (name) => {
      const place = join(folder, name, 'rebuilt.node');
      await mkdir(join(folder, name), { recursive: true });
      await copyFile(versions[name], place);
      const trace = join(folder, `${name}.mprof`);
      const app = join(fixturesFolder, 'apps', 'rebuilt.cjs');
      const memprofOptions = ['-q', '-f', '-o', trace];
      const outcome = await runTraced([process.execPath, app, place], { memprofOptions });
      t.is(outcome.code, 0, outcome.stderr);
      return trace;
    }),
  );
}

const diffOf = (t: ExecutionContext, ...argv: string[]) => memprofJson<Diff>(t, 'diff', ...argv);

/** "new twice +5030", of the addon alone. */
const addonChanges = ({ sites }: Diff): string[] =>
  sites
    .filter((site) => (site.module ?? '').endsWith('rebuilt.node') && site.change !== 'unchanged')
    .map((site) => {
      const name = (site.frames[0].function ?? '?').replace(/^.*::|\(.*$/g, '');
      return `${site.change} ${name} ${site.growth.sizeBytes > 0 ? '+' : ''}${site.growth.sizeBytes}`;
    });

/** Blocks more, of sites whose malloc the addon itself calls: Node allocates for it, too, and frees when it likes. */
const allocatedByAddon = ({ sites }: Diff): number[] =>
  sites
    .filter((site) => (site.frames[0].module ?? '').endsWith('rebuilt.node'))
    .map((site) => site.growth.blockCount);

async function strippedOfDebug(folder: string, addon: string, name: string): Promise<string> {
  const stripped = join(folder, name);
  await copyFile(addon, stripped);
  await promisify(execFile)('strip', ['--strip-debug', stripped]);
  return stripped;
}

const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
  prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
});
const withSqlite = sqlite.folder === null ? test.skip : test;

test('of a rebuilt addon exactly the new leak is named, though all lines and two functions changed', async (t) => {
  const folder = await scratchFolder(t);
  const first = await buildAddon('rebuilt.cc');
  const second = await buildAddon('rebuilt.cc', ['-DSECOND_BUILD']);
  const traces = await record(t, folder, { first, second });
  const report = await diffOf(t, ...traces, '--all');
  t.deepEqual(addonChanges(report), ['new twice +5030']);
  const [leak] = report.sites.filter((site) => site.change === 'new' && site.module !== null);
  const source = await readFile(join(fixturesFolder, 'addons', 'rebuilt.cc'), 'utf8');
  const line = source.split('\n').findIndex((one) => one.includes('the new leak')) + 1;
  t.is(leak.frames[0].line, line);
  t.is(leak.growth.blockCount, 10);
  // The renamed function and the caller more are told.
  const likes = report.sites.filter(
    (site) => site.matchedBy === 'likeness' && site.owner !== 'node',
  );
  t.deepEqual(
    likes.map((site) => site.stackBefore?.frames[0].function?.replace(/^.*::|\(.*$/g, '')).sort(),
    ['keep', 'load_pages'],
  );

  const debugless = {
    first: await strippedOfDebug(folder, first, 'one.node'),
    second: await strippedOfDebug(folder, second, 'two.node'),
  };
  // Without lines the three sites of one function are one.
  const [one, two] = await record(t, folder, debugless);
  t.deepEqual(addonChanges(await diffOf(t, one, two)), ['grew twice +5030']);
});

test('a build without debug information is compared with one that has it', async (t) => {
  const folder = await scratchFolder(t);
  const first = await buildAddon('rebuilt.cc');
  const second = await strippedOfDebug(
    folder,
    await buildAddon('rebuilt.cc', ['-DSECOND_BUILD']),
    'two.node',
  );
  const traces = await record(t, folder, { first, second });
  t.deepEqual(addonChanges(await diffOf(t, ...traces)), ['grew twice +5030']);
  t.deepEqual(addonChanges(await diffOf(t, ...traces.reverse())), ['shrank twice -5030']);
});

/** A program with the addon of the tests above that marks moments. */
async function markingProgram(folder: string): Promise<string> {
  const script = join(folder, 'marks.mjs');
  const from = (path: string) => JSON.stringify(join(packageRoot, 'dist', 'src', path));
  await writeFile(
    script,
    `import { createRequire } from 'node:module';
import { checkpoint } from ${from('library/index.js')};
import { mark } from ${from('testing/index.js')};
const addon = createRequire(import.meta.url)(process.argv[2]);
function runTimes(count) { for (let i = 0; i < count; i++) addon.run(); }
mark('quiet');
mark('still quiet');
runTimes(3);
mark('round');
runTimes(4);
await checkpoint('seven');
mark('round');
runTimes(5);
await checkpoint();
`,
  );
  return script;
}

test('between two marks of one run each site has exactly what was allocated there', async (t) => {
  const folder = await scratchFolder(t);
  const trace = join(folder, 'marks.mprof');
  const program = [process.execPath, await markingProgram(folder), await buildAddon('rebuilt.cc')];
  const outcome = await runTraced(program, { memprofOptions: ['-q', '-o', trace] });
  t.is(outcome.code, 0, outcome.stderr);
  const opened = openTraceFile(trace, () => {});
  const command: TraceCommand = { ...opened, columns: 80, style: plainStyle, memprofCommand: '' };
  const blocksOf = async (from: string, to: string, options: Partial<DiffOptions> = {}) => {
    const asked = { measure: 'live', limit: 10, module: 'rebuilt.node', json: true } as const;
    const { lines } = await diff(command, null, { ...asked, from, to, ...options });
    return allocatedByAddon(JSON.parse([...lines].join('\n')));
  };
  t.deepEqual(await blocksOf('quiet', 'still quiet'), []);
  t.deepEqual(await blocksOf('quiet', 'round#1'), [3, 3, 3, 3, 3]);
  t.deepEqual(await blocksOf('round#1', 'seven'), [4, 4, 4, 4, 4]);
  t.deepEqual(await blocksOf('seven', 'round#2'), []);
  t.deepEqual(await blocksOf('#1', '#2'), [5, 5, 5, 5, 5]);
  t.deepEqual(await blocksOf('round#2', 'before-teardown'), [5, 5, 5, 5, 5]);
  t.deepEqual(await blocksOf('quiet', 'round#1', { measure: 'allocated' }), [3, 3, 3, 3, 3]);
  t.deepEqual(await blocksOf('#2', '#1', { size: { min: 4500, max: 1e9 } }), [-5]);
  const ambiguous = await run([process.execPath, memprofBin, 'diff', trace, '--from', 'round']);
  t.is(ambiguous.code, 2);
  t.regex(ambiguous.stderr, /2 marks named round\. Choose one of round#1 to round#2/);

  // At a checkpoint's mark the ledger is what the recorder had, stack by stack.
  const { model } = opened;
  const indices = model.marks.flatMap((mark, at) => (mark.kind === 'checkpoint' ? [at] : []));
  const replayed = replayAt(trace, indices);
  t.true(indices.length >= 2);
  for (const [at, checkpoint] of (model.checkpoints ?? []).entries()) {
    const live = replayed.get(indices[at])?.live;
    const sums = new Map<StackId, number>();
    for (let row = 0; row < (live?.count ?? 0); row++) {
      const id = live?.stackId[row] as StackId;
      sums.set(id, (sums.get(id) ?? 0) + (live?.sizeBytes[row] ?? 0));
    }
    for (const tally of checkpoint.tallies)
      sums.set(tally.stackId, (sums.get(tally.stackId) ?? 0) - tally.sizeBytes);
    t.deepEqual(
      [...sums].filter(([, bytes]) => bytes !== 0),
      [],
    );
  }
});

test('--fail-above ends with status 23 and says why; what cannot be read ends with 125', async (t) => {
  const folder = await scratchFolder(t);
  const [before, after] = await record(t, folder, {
    first: await buildAddon('rebuilt.cc'),
    second: await buildAddon('rebuilt.cc', ['-DSECOND_BUILD']),
  });
  const ended = (...argv: string[]) => run([process.execPath, memprofBin, 'diff', ...argv]);
  const above = await ended(before, after, '--fail-above', '4KiB', '--json');
  t.is(above.code, 23);
  t.regex(
    above.stderr,
    /^memprof: memory grew by .* which is above 4\.0 KiB \(--fail-above\)\.?\n$/,
  );
  t.true(JSON.parse(above.stdout).failAbove.isAbove);
  t.is((await ended(before, after, '--fail-above', '100KiB')).code, 0);

  const broken = join(folder, 'broken.mprof');
  const bytes = await readFile(after);
  bytes[8] = 99;
  await writeFile(broken, bytes);
  const foreign = join(folder, 'foreign.mprof');
  await writeFile(foreign, 'PNG, or something');
  for (const [argv, status, message] of [
    [[before, foreign], 125, /foreign\.mprof/],
    [[broken, after], 125, /broken\.mprof/],
    [[before, join(folder, 'gone.mprof')], 125, /gone\.mprof cannot be read/],
    [[before], 2, /one trace alone has nothing to be compared with/],
    [[before, after, '--fail-above', '4 MB'], 2, /Write '4 MiB'/],
    [[before, after, '--measure', 'rss'], 2, /live, allocated, lost/],
    [[before, after, '--from', 'nowhere'], 2, /has no moment nowhere\. It has start, #1/],
  ] as const) {
    const outcome = await ended(...argv);
    t.is(outcome.code, status, outcome.stderr);
    t.regex(outcome.stderr, message);
    t.is(outcome.stdout, '');
  }
  const cut = join(folder, 'cut.mprof');
  await writeFile(cut, (await readFile(after)).subarray(0, -2000));
  const outcome = await ended(before, cut);
  t.is(outcome.code, 0, outcome.stderr);
  t.regex(outcome.stderr, /cut\.mprof ends before its last part/);
});

test('without events marks cannot be compared, checkpoints can', async (t) => {
  const folder = await scratchFolder(t);
  const trace = join(folder, 'marks.mprof');
  const command = [process.execPath, await markingProgram(folder), await buildAddon('rebuilt.cc')];
  const memprofOptions = ['-q', '--events', 'none', '-o', trace];
  t.is((await runTraced(command, { memprofOptions })).code, 0);
  const report = await diffOf(t, trace, '--module', 'rebuilt.node', '--from', '#1', '--to', '#2');
  t.deepEqual(allocatedByAddon(report), [5, 5, 5, 5, 5]);
  const failed = await run([process.execPath, memprofBin, 'diff', trace, '--from', 'quiet']);
  t.is(failed.code, 125);
  t.regex(
    failed.stderr,
    /what was live at the mark 'quiet': the trace has no events .* It knows start, #1, #2/,
  );
});

withSqlite(
  `what better-sqlite3 takes between two marks is given back by the third${sqlite.reason === null ? '' : ` (skipped: ${sqlite.reason})`}`,
  async (t) => {
    const script = join(sqlite.folder as string, 'diff-marks.mjs');
    await writeFile(
      script,
      `import Database from 'better-sqlite3';
import { mark } from ${JSON.stringify(join(packageRoot, 'dist', 'src', 'testing', 'index.js'))};
const db = new Database(':memory:');
db.exec('create table notes (id integer primary key, text text)');
const insert = db.prepare('insert into notes (text) values (?)');
mark('empty');
db.transaction(() => { for (let i = 0; i < 5000; i++) insert.run('note '.repeat(i % 40)); })();
mark('filled');
db.exec('drop table notes; vacuum');
mark('dropped');
globalThis.keepOpen = db;
`,
    );
    const trace = join(await scratchFolder(t), 'sqlite.mprof');
    const memprofOptions = ['-q', '--checkpoint', 'none', '-o', trace];
    const outcome = await runTraced([process.execPath, script], { memprofOptions });
    t.is(outcome.code, 0, outcome.stderr);
    const growth = async (from: string, to: string) => {
      const report = await diffOf(
        t,
        trace,
        '--package',
        'better-sqlite3',
        '--from',
        from,
        '--to',
        to,
      );
      const sum = report.sites.reduce((total, site) => total + site.growth.sizeBytes, 0);
      t.is(sum, report.totals.growth.sizeBytes);
      return sum;
    };
    const filled = await growth('empty', 'filled');
    const dropped = await growth('filled', 'dropped');
    t.true(filled > 400_000, `${filled}`);
    t.true(dropped < -400_000, `${dropped}`);
    t.is(await growth('empty', 'dropped'), filled + dropped);
  },
);
