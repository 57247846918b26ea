// include/memprof.h as users have it: compiled by several standards, in programs and addons, with and without
// memprof.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { includePath, packageRoot } from '../../src/paths.js';
import { buildAddon, buildProgram } from './support/build.js';
import { memprofBin, memprofJson, run, runBin } from './support/run.js';

const execute = promisify(execFile);
const include = `-I${includePath}`;
const arenaFlags = ['-DNAPI_DISABLE_CPP_EXCEPTIONS', include, '-fvisibility=hidden', '-Wl,-z,now'];
const app = join(packageRoot, 'test', 'fixtures', 'apps', 'arena.cjs');

interface Leaks {
  sites: {
    verdict: string;
    blockCount: number;
    type: string | null;
    isTypeAnnounced: boolean;
    pool: string | null;
    memoryOfPool: { name: string; usedBytes: number; memoryBytes: number } | null;
    frames: { function: string | null; kind: string }[];
  }[];
  totals: Record<string, { blockCount: number; sizeBytes: number } | undefined>;
  pools: { name: string; totals: Record<string, { blockCount: number } | undefined> }[];
}
interface Summary {
  warnings: string[];
  allocated: { blockCount: number };
  pools: {
    name: string;
    poolCount: number;
    liveCount: number;
    liveBytes: number;
    allocationCount: number;
    releaseCount: number;
    endedCount: number;
  }[];
}

async function scratch(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'memprof-h-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs it under memprof-run and returns its trace's path. */
async function recorded(
  t: ExecutionContext,
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<{ trace: string; stdout: string }> {
  const trace = join(await scratch(t), 'run.mprof');
  const all = [process.execPath, runBin, '-q', '-o', trace, '--', ...command];
  const outcome = await run(all, { env });
  t.is(outcome.code, 0, outcome.stderr);
  return { trace, stdout: outcome.stdout };
}

test('the header compiles without a warning in every standard, and is nothing with MEMPROF_DISABLED', async (t) => {
  const folder = await scratch(t);
  const source = join(folder, 'all.c');
  await writeFile(
    source,
    `#include <memprof.h>
     int all(void *block);
     int all(void *block) {
       MEMPROF_POOL_CREATE(block, "a", block, 8);
       MEMPROF_POOL_MEMORY(block, block, 8);
       MEMPROF_POOL_ALLOC(block, block, 8);
       if (block) MEMPROF_POOL_FREE(block, block); else MEMPROF_POOL_CLEAR(block);
       MEMPROF_POOL_DESTROY(block);
       MEMPROF_TYPE(block, "b");
       MEMPROF_IGNORE(block);
       MEMPROF_IGNORE_BEGIN();
       MEMPROF_IGNORE_END();
       MEMPROF_MARK("c");
       return MEMPROF_LOADED() + MEMPROF_H_VERSION;
     }`,
  );
  const object = join(folder, 'all.o');
  const strict = ['-pedantic', '-Wall', '-Wextra', '-Werror', include, '-c', '-o', object];
  for (const [compiler, standard] of [
    ['gcc', 'c89'],
    ['gcc', 'c99'],
    ['gcc', 'c17'],
    ['g++', 'c++98'],
    ['g++', 'c++20'],
  ] as const) {
    const language = compiler === 'gcc' ? 'c' : 'c++';
    await t.notThrowsAsync(
      execute(compiler, [...strict, `-std=${standard}`, '-O2', '-x', language, source]),
      standard,
    );
  }
  t.regex((await execute('nm', [object])).stdout, / w memprof_v1_pool_create/);
  await execute('gcc', [...strict, '-DMEMPROF_DISABLED', source]);
  t.notRegex((await execute('nm', [object])).stdout, /memprof_v1/);
});

test('the example of the documentation is whole, and finds memprof when it is there', async (t) => {
  const text = await readFile(join(packageRoot, 'docs', 'memprof-h.md'), 'utf8');
  const [, example] = /```c\n(#include <memprof\.h>[\s\S]*?)```/.exec(text) ?? [];
  t.truthy(example);
  const folder = await scratch(t);
  const source = join(folder, 'example.c');
  await writeFile(source, example ?? '');
  const program = join(folder, 'example');
  await execute('gcc', ['-std=c89', '-Wall', '-Wextra', '-g', include, '-o', program, source]);
  t.is((await run([program])).code, 3, 'without memprof');
  const { trace } = await recorded(t, [program]);
  const { sites, totals, pools } = await memprofJson<Leaks>(t, 'leaks', trace, '--all');
  t.is(totals['ignored']?.blockCount, 1);
  t.is(pools[0]?.name, 'tiles');
  const tile = sites.find((site) => site.pool === 'tiles');
  t.like(tile, { type: 'tile', isTypeAnnounced: true, blockCount: 1 });
  const memory = sites.find((site) => site.memoryOfPool !== null);
  t.deepEqual(memory?.memoryOfPool, { name: 'tiles', usedBytes: 32, memoryBytes: 65536 });
  const said = await memprofJson<{
    blocks: { type: string | null; isIgnored: boolean }[];
    poolBlocks: { pool: string; type: string | null; sizeBytes: number }[];
  }>(t, 'blocks', trace);
  t.like(said.poolBlocks, [{ pool: 'tiles', type: 'tile', sizeBytes: 32 }]);
  t.is(said.blocks.filter((block) => block.isIgnored).length, 1);
});

for (const isMapped of [false, true]) {
  const where = isMapped ? 'mapped memory' : 'malloc';
  test(`objects that leak in an addon's own arena are named with site and type, over ${where}`, async (t) => {
    const addon = await buildAddon(join('arena', 'arena.cc'), arenaFlags);
    const env = { ARENA_MAPPED: isMapped ? '1' : '0' };
    const command = [process.execPath, '--expose-gc', app, addon];
    const plain = await run(command, { env });
    t.is(plain.stdout, 'loaded false\n', plain.stderr);
    const { trace, stdout } = await recorded(t, command, env);
    t.is(stdout, 'loaded true\n');
    const { sites, pools, totals } = await memprofJson<Leaks>(t, 'leaks', trace, '--all');
    const shapes = sites.filter((site) => site.pool === 'shapes');
    const countOf = (type: string, passes: (verdict: string) => boolean) =>
      shapes
        .filter((site) => site.type === type && passes(site.verdict))
        .reduce((sum, site) => sum + site.blockCount, 0);
    const isLeak = (verdict: string) =>
      verdict === 'lost' || verdict === 'lost-indirect' || verdict === 'orphaned';
    const found = JSON.stringify(pools);
    // A stale word may hold a few.
    t.true(countOf('LeakyShape::Shape', isLeak) >= 250, found);
    t.is(
      countOf('LeakyShape::Shape', () => true),
      300,
      found,
    );
    t.is(countOf('CleanShape::Shape', isLeak), 0, found);
    t.true(countOf('CleanShape::Shape', () => true) >= 20, found);
    const leak = shapes.find((site) => site.type === 'LeakyShape::Shape' && isLeak(site.verdict));
    t.true(leak?.isTypeAnnounced);
    t.true(leak?.frames.some((frame) => frame.function?.includes('make_shape')));
    t.true(leak?.frames.some((frame) => frame.kind === 'js' && frame.function === 'many'));
    t.is(totals['ignored']?.blockCount, 51);
    const text = await run([process.execPath, memprofBin, 'leaks', trace]);
    t.regex(
      text.stdout,
      /blocks of pool shapes\n\s+type LeakyShape::Shape \(announced by the program\)/,
    );
    t.regex(text.stdout, /ignored by the program\s+\S+ KiB\s+51\n/);
  });
}

test('misuse, threads, signals, forks and any names are survived, counted and told', async (t) => {
  const program = await buildProgram('announce.c', [include, '-fPIE']);
  t.is((await run([program])).stdout, 'loaded 0, child 0\n');
  const folder = await scratch(t);
  const outcome = await run([
    process.execPath,
    runBin,
    '-q',
    '-o',
    join(folder, 'run.mprof'),
    '--',
    program,
  ]);
  t.is(outcome.stdout, 'loaded 1, child 0\n', outcome.stderr);
  const trace = join(folder, 'run.mprof');
  const summary = await memprofJson<Summary>(t, 'summary', trace);
  const poolOf = (name: string) => summary.pools.find((one) => one.name === name);
  // Each thread: 1,000 blocks that ended by eights, one more that lives.
  t.like(poolOf('of a thread'), {
    poolCount: 7, // the first one's place became another pool's
    allocationCount: 8008,
    liveCount: 7,
    liveBytes: 70,
    releaseCount: 0,
    endedCount: 8001,
  });
  t.like(poolOf('early'), { poolCount: 1, liveCount: 0, releaseCount: 200 });
  t.truthy(poolOf('x'.repeat(1024)), 'a long name is cut');
  const told = summary.warnings.filter((line) => line.startsWith('memprof.h: ')).join('\n');
  t.regex(told, /2 calls named a pool that was not announced/);
  t.regex(told, /1 releases were of blocks that the pool did not have/);
  t.regex(told, /1 blocks were handed out where the pool had a live one/);
  t.regex(told, /outside the memory/);
  t.regex(told, /2 types or ignores named no live block/);
  t.regex(told, /1 MEMPROF_IGNORE_END had no beginning/);
  const { poolBlocks } = await memprofJson<{ poolBlocks: { type: string | null; pool: string }[] }>(
    t,
    'blocks',
    trace,
  );
  t.true(poolBlocks.some((block) => block.type === '(one of too many names)'));
  const shown = await run([process.execPath, memprofBin, 'summary', trace]);
  t.notRegex(shown.stdout, /\x1b\[31m/, 'names are escaped');
  t.is(shown.code, 0);
});

test('builds find the header by the package and by the command', async (t) => {
  const { stdout } = await execute(process.execPath, [memprofBin, '--include-dir']);
  t.is(stdout, `${includePath}\n`);
  t.true(existsSync(join(stdout.trim(), 'memprof.h')));
  const asked = ['-p', "require('memprof/include').dir"];
  // By its own name a package finds itself.
  const found = await execute(process.execPath, asked, { cwd: packageRoot });
  t.is(found.stdout, `${includePath}\n`);
});
