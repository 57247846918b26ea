// Compiled code kept between runs: it changes no behaviour, whatever happened to its file.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { memprofRunBinPath } from '../../src/paths.js';
import { type Outcome, run, scratchFolder } from '../e2e/support/run.js';

interface Home {
  cwd: string;
  /** Where the cache's files are. */
  folder: string;
  memprofRun(words: readonly string[], env?: Record<string, string>): Promise<Outcome>;
}

async function home(t: ExecutionContext): Promise<Home> {
  const cwd = await scratchFolder(t);
  return {
    cwd,
    folder: join(cwd, 'caches', 'memprof', 'code'),
    memprofRun: (words, env = {}) =>
      run([process.execPath, memprofRunBinPath, '-f', '-o', 'x.mprof', ...words], {
        cwd,
        env: { XDG_CACHE_HOME: join(cwd, 'caches'), MEMPROF_NO_CACHE: undefined, ...env },
      }),
  };
}

const program = ['sh', '-c', 'echo 7'];

async function onlyFile(t: ExecutionContext, folder: string): Promise<string> {
  const names = await readdir(folder);
  t.is(names.length, 1, names.join(' '));
  return join(folder, names[0] as string);
}

test('it is written by the first report and read by what follows', async (t) => {
  const { folder, memprofRun } = await home(t);
  t.is((await memprofRun(['-q', ...program])).code, 0);
  await t.throwsAsync(readdir(folder), { code: 'ENOENT' }, 'no report, none of its code');
  t.is((await memprofRun(program)).code, 0);
  const file = await onlyFile(t, folder);
  const { mtimeMs, mode } = await stat(file);
  t.is(mode & 0o777, 0o600);
  const second = await memprofRun(program);
  t.deepEqual([second.code, second.stdout], [0, '7\n'], second.stderr);
  t.is((await stat(await onlyFile(t, folder))).mtimeMs, mtimeMs);
  // Other flags are another V8 as far as its code is concerned.
  t.is((await memprofRun(program, { NODE_OPTIONS: '--stack-trace-limit=20' })).code, 0);
  t.is((await readdir(folder)).length, 2);
});

test('damaged, cut or made up, it is made anew', async (t) => {
  const { folder, memprofRun } = await home(t);
  await memprofRun(program);
  const file = await onlyFile(t, folder);
  const whole = await readFile(file);
  const flipped = (at: number) => {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 4;
    return bytes;
  };
  const bad = [
    Buffer.alloc(0),
    whole.subarray(0, 7),
    whole.subarray(0, whole.length >> 1),
    flipped(1),
    flipped(5),
    flipped(20),
    flipped(whole.length >> 1),
    flipped(whole.length - 1),
  ];
  for (const bytes of bad) {
    await writeFile(file, bytes);
    const { code, stdout, stderr } = await memprofRun(program);
    t.deepEqual([code, stdout], [0, '7\n'], stderr);
    t.true((await readFile(await onlyFile(t, folder))).length > whole.length / 2);
  }
});

test('who wants no cache gets none, and a place that cannot be written is no error', async (t) => {
  const { cwd, folder, memprofRun } = await home(t);
  await memprofRun(program, { MEMPROF_NO_CACHE: '1' });
  await t.throwsAsync(readdir(folder), { code: 'ENOENT' });
  await writeFile(join(cwd, 'file'), '');
  const outcome = await memprofRun(program, { XDG_CACHE_HOME: join(cwd, 'file') });
  t.deepEqual([outcome.code, outcome.stdout], [0, '7\n'], outcome.stderr);
});

test('places in stack traces of our own are those of the files', async (t) => {
  const { cwd, memprofRun } = await home(t);
  await memprofRun(program);
  // A part of the bundle whose every call fails, by what it is given.
  const script = `process.argv = [process.argv[0], ${JSON.stringify(memprofRunBinPath)}, '-q', 'true'];
    process.cwd = () => { throw new Error('no folder'); };
    require(${JSON.stringify(memprofRunBinPath)});`;
  const env = { XDG_CACHE_HOME: join(cwd, 'caches'), MEMPROF_NO_CACHE: undefined };
  const failed = (extra: Record<string, string>) =>
    run([process.execPath, '-e', script], { cwd, env: { ...env, ...extra } });
  const cached = await failed({});
  t.regex(cached.stderr, /no folder[\s\S]*\(src\/commands\/run\.ts:\d+:\d+/);
  t.is(cached.stderr, (await failed({ NODE_DISABLE_COMPILE_CACHE: '1' })).stderr);
});
