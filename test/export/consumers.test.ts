// Exports of real traces, read by the programs that they are for, and compared with the trace's own totals.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import { openTrace } from '../../src/library/index.js';
import { nodeOfMajor } from '../e2e/support/nodes.js';
import { buildWithNodeGyp, installed } from '../e2e/support/npm.js';
import { memprofBin, run, runTraced, scratchFolder } from '../e2e/support/run.js';
import { keeperTrace } from '../library/support.js';
import { csvRows, readCollapsed, stacksOfPprof } from './read-back.js';

const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
  prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
});
const readers = await installed('export-readers', ['pprof-format@2.3.2', 'speedscope@1.25.0']);
const duckdb = await installed('duckdb', ['@duckdb/node-api@1.5.6-r.1']);
const profilerCli = await installed('firefox-profiler', ['@firefox-devtools/profiler-cli@0.10.0']);
const node24 = await nodeOfMajor(24);

const keeper = await keeperTrace();
const scratch = await mkdtemp(join(tmpdir(), 'memprof-test-'));
const traces = { keeper: keeper.path, ...(await sqliteTrace()) };
test.after.always(() => keeper.remove());
test.after.always(() => rm(scratch, { recursive: true, force: true }));

async function sqliteTrace(): Promise<{ sqlite?: string }> {
  if (sqlite.folder === null) return {};
  const script = join(scratch, 'notes.cjs');
  const database = join(sqlite.folder, 'node_modules', 'better-sqlite3');
  await writeFile(
    script,
    `const Database = require(${JSON.stringify(database)});
     const db = new Database(':memory:');
     db.exec('create table notes (id integer primary key, text text)');
     const insert = db.prepare('insert into notes (text) values (?)');
     db.transaction(() => { for (let i = 0; i < 2000; i++) insert.run('note '.repeat(i % 40)); })();
     globalThis.keepOpen = db;`,
  );
  const path = join(scratch, 'notes.mprof');
  const memprofOptions = ['-q', '-o', path];
  const traced = await runTraced([process.execPath, script], { memprofOptions });
  if (traced.code !== 0) throw new Error(traced.stderr);
  return { sqlite: path };
}

/** A program of the system, or why the test is skipped. */
function program(name: string, words: readonly string[]): string | null {
  try {
    execFileSync(name, words, { stdio: 'ignore' });
    return null;
  } catch {
    return ` (skipped: no ${name} on this machine)`;
  }
}

/** Skipped with the reason where the consumer is not to be had. */
function consumer(
  title: string,
  names: readonly (keyof typeof traces)[],
  reason: string | null,
  body: (t: ExecutionContext, path: string) => Promise<void>,
): void {
  for (const name of names) {
    const path = traces[name];
    if (path === undefined) continue;
    if (reason === null) test.serial(`${title}: ${name}`, (t) => body(t, path));
    else test.skip(`${title}: ${name}${reason}`, (t) => body(t, path));
  }
}

const because = (reason: string | null) => (reason === null ? null : ` (skipped: ${reason})`);

/** Each export is made once. */
async function exported(
  t: ExecutionContext,
  path: string,
  format: string,
  ...words: readonly string[]
): Promise<string> {
  const name = [path === keeper.path ? 'keeper' : 'sqlite', ...words, format].join('.');
  const file = join(scratch, `${name}${format === 'heaptrack' ? '.zst' : ''}`);
  if (existsSync(file)) return file;
  const outcome = await run([
    process.execPath,
    memprofBin,
    'export',
    path,
    '--format',
    format,
    '-o',
    file,
    ...words,
  ]);
  t.is(outcome.code, 0, outcome.stderr);
  t.regex(outcome.stdout, / (?:B|[KMG]iB)\. For /);
  return file;
}

async function factsOf(path: string) {
  const trace = await openTrace(path);
  const [moment] = trace.moments;
  return { ...trace.totals, live: moment!.sizeBytes, liveBlocks: moment!.blockCount };
}

consumer(
  'go tool pprof adds up what lives',
  ['keeper', 'sqlite'],
  program('go', ['version']),
  async (t, path) => {
    const file = await exported(t, path, 'pprof');
    const { live, allocatedBytes } = await factsOf(path);
    for (const [index, bytes] of [
      ['inuse_space', live],
      ['alloc_space', allocatedBytes],
    ]) {
      const words = ['tool', 'pprof', '-top', '-unit=b', `-sample_index=${index}`, file];
      const outcome = await run(['go', ...words]);
      t.is(outcome.code, 0, outcome.stderr);
      t.regex(outcome.stdout, new RegExp(`of ${bytes}B total`));
    }
  },
);

consumer(
  'pprof-format reads totals and build ids',
  ['keeper', 'sqlite'],
  because(readers.reason),
  async (t, path) => {
    const { gunzipSync } = await import('node:zlib');
    const bytes = gunzipSync(readFileSync(await exported(t, path, 'pprof')));
    const require = createRequire(join(readers.folder as string, 'x.js'));
    const profile = require('pprof-format').Profile.decode(bytes);
    const read = stacksOfPprof(profile);
    const facts = await factsOf(path);
    const totals = [0, 1, 2, 3].map((at) => sum(read.stacks(at).values()));
    t.deepEqual(totals, [
      facts.liveBlocks,
      facts.live,
      facts.allocationCount,
      facts.allocatedBytes,
    ]);
    const { strings } = profile.stringTable;
    t.true(
      profile.mapping.some((one: { buildId: number }) =>
        /^[0-9a-f]{40}$/.test(strings[one.buildId]),
      ),
    );
    const stacks = [...read.stacks(1).keys()].join('\n');
    t.regex(stacks, /\.cjs\\",\d+|\.cjs/, 'JavaScript with its file');
    t.regex(stacks, /\.(?:cc|c|cpp)\\/, 'C++ with its file');
  },
);

const sum = (values: Iterable<number>): number => [...values].reduce((all, one) => all + one, 0);

consumer(
  'heaptrack_print counts the same calls, peak and leaks',
  ['keeper'],
  program('heaptrack_print', ['--version']),
  async (t, path) => {
    const { allocationCount, peakBytes, liveBytes } = await factsOf(path);
    const plain = await exported(t, path, 'heaptrack');
    const outcome = await run(['heaptrack_print', '--disable-builtin-suppressions', plain]);
    t.is(outcome.code, 0, outcome.stderr);
    t.notRegex(outcome.stderr, /failed|unexpected/);
    t.regex(outcome.stdout, new RegExp(`calls to allocation functions: ${allocationCount} `));
    const said = (what: RegExp) => what.exec(outcome.stdout)?.[1] ?? '';
    // It rounds to two places of its own units.
    t.is(said(/peak heap memory consumption: (\S+)/), heaptrackBytes(peakBytes));
    t.is(said(/total memory leaked: (\S+)/), heaptrackBytes(liveBytes));
    if (path === keeper.path) t.regex(outcome.stdout, /keepFromHotFunction\n\s+at \S+keep\.cjs:47/);
  },
);

/** As its util/formatbytes does: by thousands, two places. */
function heaptrackBytes(bytes: number): string {
  let [value, at] = [bytes, 0];
  for (; value >= 1000; at++) value /= 1000;
  return at === 0 ? `${value}B` : `${value.toFixed(2)}${'BKMGT'[at]}`;
}

const dhView = '/usr/libexec/valgrind/dh_view.js';
consumer(
  'valgrind’s dh_view builds its tree with all totals',
  ['sqlite'],
  existsSync(dhView) ? null : ' (skipped: no dh_view.js on this machine)',
  async (t, path) => {
    const text = readFileSync(await exported(t, path, 'dhat'), 'utf8');
    const context = createContext({ document: {}, window: {}, text });
    runInContext(readFileSync(dhView, 'utf8'), context);
    const found = runInContext(
      `gData = JSON.parse(text); gSelect = { childNodes: [{}], selectedIndex: 0 }; buildTree();
       JSON.stringify([gRoot._totalBytes, gRoot._totalBlocks, gRoot._atTGmaxBytes, gRoot._atTEndBytes,
                       gRoot._atTEndBlocks])`,
      context,
    );
    const facts = await factsOf(path);
    t.deepEqual(JSON.parse(found), [
      facts.allocatedBytes,
      facts.allocationCount,
      facts.peakBytes,
      facts.liveBytes,
      facts.liveCount,
    ]);
  },
);

consumer(
  'the Firefox Profiler loads it and sums the native allocations',
  ['keeper'],
  because(profilerCli.reason ?? node24.reason),
  async (t, path) => {
    const file = await exported(t, path, 'firefox');
    const folder = await scratchFolder(t);
    const cli = join(
      profilerCli.folder as string,
      'node_modules/@firefox-devtools/profiler-cli/dist/profiler-cli.js',
    );
    const ask = async (...words: string[]) => {
      const env = { PROFILER_CLI_SESSION_DIR: folder, HOME: folder };
      return run([node24.path as string, cli, ...words], { env });
    };
    const loaded = await ask('load', file);
    try {
      // Its daemon may take longer than load waits for it.
      let samples = await ask('thread', 'samples', '--json');
      for (let tries = 0; samples.code !== 0 && tries < 20; tries++) {
        await new Promise((done) => setTimeout(done, 500));
        samples = await ask('thread', 'samples', '--json');
      }
      t.is(samples.code, 0, `${loaded.stderr}\n${samples.stderr}`);
      const strategy = await ask('strategy', 'native-allocations', '--json');
      t.is(strategy.code, 0, strategy.stderr);
      const found = JSON.parse((await ask('thread', 'samples', '--json')).stdout);
      t.is(found.weightType, 'bytes');
      t.is(found.categoryBreakdown.totalSamples, (await factsOf(path)).live);
    } finally {
      await ask('stop', '--all');
    }
  },
);

consumer(
  'Speedscope in Chromium imports it and shows its totals',
  ['sqlite'],
  because(readers.reason) ?? program('chromium', ['--version']),
  async (t, path) => {
    const file = await exported(t, path, 'speedscope');
    const folder = await scratchFolder(t);
    const script = join(folder, 'load.js');
    const base64 = readFileSync(file).toString('base64');
    await writeFile(script, `speedscope.loadFileFromBase64("out.json", ${JSON.stringify(base64)})`);
    const page = join(readers.folder as string, 'node_modules/speedscope/dist/release/index.html');
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      `--user-data-dir=${folder}/c`,
    ];
    const url = `file://${page}#localProfilePath=${script}&view=sandwich`;
    const outcome = await run([
      'chromium',
      ...flags,
      '--allow-file-access-from-files',
      '--virtual-time-budget=10000',
      '--dump-dom',
      url,
    ]);
    const { live, liveBlocks } = await factsOf(path);
    const cells = [...outcome.stdout.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map((one) => one[1]);
    t.true(cells.includes('<span>live: bytes</span>'), outcome.stdout.slice(0, 2000));
    t.true(cells.includes(`${(live / 1024 ** 2).toFixed(2)} MB`), cells.slice(0, 9).join(' '));
    t.true(cells.includes(liveBlocks.toLocaleString('en')), cells.slice(0, 9).join(' '));
  },
);

consumer(
  'DuckDB reads blocks, events and stacks',
  ['sqlite'],
  because(duckdb.reason),
  async (t, path) => {
    const require = createRequire(join(duckdb.folder as string, 'x.js'));
    const { DuckDBInstance } = require('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const ask = async (query: string): Promise<string[][]> =>
      (await connection.runAndReadAll(query)).getRowsJson();
    const facts = await factsOf(path);
    for (const format of ['parquet', 'csv']) {
      const blocks = await exported(t, path, format);
      t.deepEqual(await ask(`select count(*), sum(size_bytes) from '${blocks}'`), [
        [`${facts.liveBlocks}`, `${facts.live}`],
      ]);
      const events = await exported(t, path, format, '--rows', 'events');
      t.deepEqual(
        await ask(
          `select count(*), sum(size_bytes) from '${events}' where serial is not null group by event order by event`,
        ),
        [
          [`${facts.allocationCount}`, `${facts.allocatedBytes}`],
          [`${facts.releaseCount}`, `${facts.releasedBytes}`],
        ],
      );
      const stacks = await exported(t, path, format, '--rows', 'stacks');
      t.deepEqual(
        await ask(
          `select sum(b.size_bytes) from '${blocks}' b join '${stacks}' s using (stack_id) where s.stack is not null`,
        ),
        [[`${facts.live}`]],
      );
    }
    connection.closeSync();
  },
);

consumer('every measure of collapsed stacks adds up', ['sqlite'], null, async (t, path) => {
  const facts = await factsOf(path);
  const total = async (...words: string[]) =>
    sum(
      readCollapsed(readFileSync(await exported(t, path, 'collapsed', ...words), 'utf8')).values(),
    );
  t.is(await total(), facts.live);
  t.is(await total('--moment', 'at-end'), facts.liveBytes);
  t.is(await total('--measure', 'allocated'), facts.allocatedBytes);
  t.is(await total('--measure', 'peak'), facts.peakBytes);
  const trace = await openTrace(path);
  const { totals, runtimeTotals } = await trace.leaks();
  const lost = (['lost', 'lost-indirect', 'orphaned'] as const).flatMap((verdict) => [
    totals[verdict]?.sizeBytes ?? 0,
    runtimeTotals[verdict]?.sizeBytes ?? 0,
  ]);
  t.is(await total('--measure', 'lost'), sum(lost));
  const sites = await trace.sites({ all: true });
  t.is(await total('--measure', 'temporary'), sum(sites.map((site) => site.temporaryCount)));
});

const exportTo = (path: string, ...words: string[]) =>
  run([process.execPath, memprofBin, 'export', path, ...words]);

test.serial('-o - writes to standard output, and nothing else', async (t) => {
  const outcome = await exportTo(keeper.path, '--format', 'csv', '-o', '-');
  t.is(outcome.code, 0, outcome.stderr);
  t.is(csvRows(outcome.stdout).length, (await factsOf(keeper.path)).liveBlocks);
});

test.serial(
  'a file is not overwritten without -f, and the default name is beside the trace',
  async (t) => {
    const folder = await scratchFolder(t);
    const path = join(folder, 'run.mprof');
    await writeFile(path, readFileSync(keeper.path));
    const first = await exportTo(path, '--format', 'collapsed');
    t.is(first.code, 0, first.stderr);
    const made = join(folder, 'run.collapsed.txt');
    t.true(first.stdout.startsWith(made));
    const again = await exportTo(path, '--format', 'collapsed');
    t.is(again.code, 2);
    t.regex(again.stderr, /exists and is not overwritten/);
    const forced = await exportTo(path, '--format', 'collapsed', '-f');
    t.is(forced.code, 0, forced.stderr);
    const before = readFileSync(made);
    const failing = ['--format', 'heapsnapshot', '-f', '-o', made];
    t.is((await exportTo(path, ...failing)).code, 125, 'it has no heap snapshot');
    t.deepEqual(readFileSync(made), before, 'a failed export leaves the old file');
    t.deepEqual((await readdir(folder)).sort(), ['run.collapsed.txt', 'run.mprof']);
    const device = await exportTo(path, '--format', 'collapsed', '-o', '/dev/null');
    t.is(device.code, 0, device.stderr);
    const nowhere = await exportTo(path, '--format', 'csv', '-o', join(folder, 'none', 'x.csv'));
    t.is(nowhere.code, 125);
    t.regex(nowhere.stderr, /cannot be written/);
  },
);

test.serial(
  'options that say nothing for a format are refused with what they are for',
  async (t) => {
    for (const [words, pattern] of [
      [['--format', 'dhat', '--measure', 'live'], /--measure does not apply to dhat/],
      [['--format', 'pprof', '--rows', 'events'], /--rows does not apply to pprof/],
      [['--format', 'heaptrack', '--moment', 'at-end'], /--moment does not apply to heaptrack/],
      [['--format', 'pprof', '--measure', 'peak', '--moment', 'at-end'], /not of a moment/],
      [['--format', 'odt'], /Allowed choices are/],
    ] as const) {
      const outcome = await exportTo(keeper.path, ...words, '-o', '-');
      t.is(outcome.code, 2, outcome.stderr);
      t.regex(outcome.stderr, pattern);
      t.is(outcome.stdout, '');
    }
    const inBlocks = await exportTo(
      keeper.path,
      '--format',
      'heapprofile',
      '--measure',
      'temporary',
      '-o',
      '-',
    );
    t.is(inBlocks.code, 125);
    t.regex(inBlocks.stderr, /counts bytes/);
  },
);

test.serial(
  'a trace without events says which exports need them, and gives the others',
  async (t) => {
    const real = await keeperTrace(['--events', 'none']);
    t.teardown(() => real.remove());
    for (const words of [
      ['--format', 'heaptrack'],
      ['--format', 'collapsed', '--measure', 'peak'],
      ['--format', 'csv', '--rows', 'events'],
    ]) {
      const outcome = await exportTo(real.path, ...words);
      t.is(outcome.code, 125);
      t.regex(outcome.stderr, /has no events.*--events none/s);
    }
    const folder = await scratchFolder(t);
    for (const format of ['dhat', 'pprof']) {
      const outcome = await exportTo(real.path, '--format', format, '-o', join(folder, format));
      t.is(outcome.code, 0, outcome.stderr);
    }
  },
);

test.serial('a trace that was cut exports what it has, with a warning', async (t) => {
  const folder = await scratchFolder(t);
  const path = join(folder, 'cut.mprof');
  const bytes = readFileSync(keeper.path);
  await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
  const outcome = await exportTo(path, '--format', 'collapsed', '-o', '-');
  t.is(outcome.code, 0, outcome.stderr);
  t.regex(outcome.stderr, /ends before its last part/);
  t.is(sum(readCollapsed(outcome.stdout).values()), (await factsOf(path)).live);
});
