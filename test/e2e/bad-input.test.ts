import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildProgram } from './support/build.js';
import {
  memprofBin,
  memprofJson,
  type Outcome,
  onlyTrace,
  run,
  runBin,
  runTraced,
  scratchFolder,
} from './support/run.js';

// A mount namespace of its own, so that /dev/shm is small for this one run only.
const namespaces =
  (await run(['unshare', '--mount', 'true']).catch(() => ({ code: 1 }))).code === 0;
const inNamespace = namespaces ? test : test.skip;
const why = namespaces ? '' : ' (skipped: unshare --mount is not permitted here)';

/** One line, starting with the tool's name, and no stack of ours. */
function assertOneLine(
  t: ExecutionContext,
  outcome: Outcome,
  exitCode: number,
  pattern: RegExp,
): void {
  t.is(outcome.code, exitCode, outcome.stderr);
  t.is(outcome.stdout, '');
  t.regex(outcome.stderr, /^memprof(-run)?: [^\n]+\n$/);
  t.regex(outcome.stderr, pattern);
}

test('a command that does not exist is 127', async (t) => {
  assertOneLine(t, await runTraced(['no-such-command-anywhere']), 127, /no-such-command-anywhere/);
  assertOneLine(t, await runTraced(['/nonexistent/program']), 127, /\/nonexistent\/program/);
});

test('a command that is not executable is 126', async (t) => {
  const folder = await scratchFolder(t);
  const path = join(folder, 'script');
  await writeFile(path, '#!/bin/sh\nexit 0\n', { mode: 0o644 });
  assertOneLine(t, await runTraced([path]), 126, /script/);
  assertOneLine(t, await runTraced([folder]), 126, /memprof-test-/);
});

test('no command at all is a usage error that says what to type', async (t) => {
  const outcome = await runTraced([]);
  t.is(outcome.code, 125, outcome.stderr);
  t.regex(outcome.stderr, /memprof-run/);
  t.is(outcome.stdout, '');
});

test('an option that does not exist is refused, and the same option after the command is the command’s', async (t) => {
  const outcome = await runTraced(['--no-such-option', 'true']);
  t.is(outcome.code, 125, outcome.stderr);
  t.regex(outcome.stderr, /--no-such-option/);
  const folder = await scratchFolder(t);
  const echoed = await runTraced(['echo', '--no-such-option', '-o', 'x'], { cwd: folder });
  t.is(echoed.stdout, '--no-such-option -o x\n');
});

test('a statically linked program is refused, because nothing can be preloaded', async (t) => {
  const program = await buildProgram('flood.c', ['-static']);
  const folder = await scratchFolder(t);
  const outcome = await runTraced([program, '2000'], { cwd: folder });
  assertOneLine(t, outcome, 125, /static/);
});

test('a setuid program is refused, because the loader ignores preloads there', async (t) => {
  const folder = await scratchFolder(t);
  const path = join(folder, 'flood');
  await copyFile(await buildProgram('flood.c'), path);
  await chmod(path, 0o4755);
  assertOneLine(t, await runTraced([path, '2000'], { cwd: folder }), 125, /setuid/);
});

test('an output folder that is missing or cannot be written is said before the program starts', async (t) => {
  const folder = await scratchFolder(t);
  const ran = join(folder, 'ran');
  for (const output of [join(folder, 'missing', 'x.mprof'), '/proc/x.mprof']) {
    const outcome = await runTraced(['touch', ran], {
      cwd: folder,
      memprofOptions: ['-o', output],
    });
    assertOneLine(t, outcome, 125, /x\.mprof/);
  }
  await t.throwsAsync(readFile(ran), { code: 'ENOENT' });
});

test('a file that exists is never overwritten without -f', async (t) => {
  const folder = await scratchFolder(t);
  const output = join(folder, 'x.mprof');
  await writeFile(output, 'precious');
  const refused = await runTraced(['true'], { cwd: folder, memprofOptions: ['-o', output] });
  assertOneLine(t, refused, 125, /x\.mprof.*-f/);
  t.is(await readFile(output, 'utf8'), 'precious');

  const forced = await runTraced(['true'], {
    cwd: folder,
    memprofOptions: ['-q', '-f', '-o', output],
  });
  t.is(forced.code, 0, forced.stderr);
  await memprofJson(t, 'summary', output);
});

for (const [words, mount] of [
  ['holds 64 KiB', 'mount -t tmpfs -o size=64k tmpfs /dev/shm'],
  ['holds 3 MiB', 'mount -t tmpfs -o size=3m tmpfs /dev/shm'],
  ['is read-only', 'mount -t tmpfs -o ro tmpfs /dev/shm'],
  [
    'is no folder',
    'mount --bind /dev/null /dev/null && mount -t tmpfs tmpfs /dev && ln -s /proc/self/fd /dev/fd && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9',
  ],
] as const) {
  inNamespace(
    `where /dev/shm ${words} another folder is taken and nothing is lost${why}`,
    async (t) => {
      const program = await buildProgram('flood.c');
      const folder = await scratchFolder(t);
      const script = `${mount} && exec "$@"`;
      const outcome = await run(
        [
          'unshare',
          '--mount',
          'sh',
          '-c',
          script,
          'sh',
          process.execPath,
          runBin,
          program,
          '20000',
        ],
        { cwd: folder },
      );
      t.is(outcome.code, 0, outcome.stderr);
      t.is(outcome.stdout, 'middle\n');
      const summary = await memprofJson<{ totals: { atEnd?: { blockCount: number } } }>(
        t,
        'unfreed',
        await onlyTrace(t, folder),
      );
      t.is(summary.totals.atEnd?.blockCount, 1000);
    },
  );
}

inNamespace(
  `a program that takes the last of /dev/shm goes on, recorded until then${why}`,
  async (t) => {
    const program = await buildProgram('fill.c');
    const folder = await scratchFolder(t);
    const script = `mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"`;
    const traced = [process.execPath, runBin, program, '/dev/shm/rest', '300000'];
    const outcome = await run(['unshare', '--mount', 'sh', '-c', script, 'sh', ...traced], {
      cwd: folder,
    });
    t.is(outcome.code, 0, outcome.stderr);
    t.is(outcome.stdout, 'done\n');
    t.regex(outcome.stderr, /recording stopped before the program's end: there was no space/);
    t.regex(outcome.stderr, /1 event could not be recorded/);
    t.notRegex(outcome.stderr, /_exit/);
    const { allocated } = await memprofJson<{ allocated: { blockCount: number } }>(
      t,
      'summary',
      await onlyTrace(t, folder),
    );
    // What the ring's first piece has room for: 32,768 words, five for an allocation and its release.
    t.true(allocated.blockCount > 6000 && allocated.blockCount < 6554, `${allocated.blockCount}`);
  },
);

inNamespace(`where no folder has room memprof-run says how much it needs${why}`, async (t) => {
  const folder = await scratchFolder(t);
  const small = join(folder, 'small');
  await mkdir(small);
  const script = `mount -t tmpfs -o size=64k tmpfs /dev/shm && mount -t tmpfs -o size=64k tmpfs ${small} && for other in /run /run/* /tmp; do ! mountpoint -q "$other" || mount -t tmpfs -o size=64k tmpfs "$other" || exit 9; done; exec "$@"`;
  const outcome = await run(
    [
      'unshare',
      '--mount',
      'sh',
      '-c',
      script,
      'sh',
      process.execPath,
      runBin,
      '-o',
      join(folder, 'x.mprof'),
      'true',
    ],
    { cwd: folder, env: { TMPDIR: small, XDG_RUNTIME_DIR: small } },
  );
  assertOneLine(t, outcome, 125, /MiB/);
});

test('a file that is no trace is named as such', async (t) => {
  const folder = await scratchFolder(t);
  for (const [name, bytes] of [
    ['empty', ''],
    ['text', 'hello, this is no trace at all\n'.repeat(1000)],
    ['zeros', '\0'.repeat(65536)],
  ] as const) {
    const path = join(folder, name);
    await writeFile(path, bytes);
    for (const command of ['summary', 'sites', 'tree', 'blocks', 'unfreed']) {
      const outcome = await run([process.execPath, memprofBin, command, path]);
      assertOneLine(t, outcome, 125, new RegExp(name));
    }
  }
});

test('a trace of a newer version says so and what to do', async (t) => {
  const folder = await scratchFolder(t);
  const path = join(folder, 'x.mprof');
  await runTraced(['true'], { cwd: folder, memprofOptions: ['-q', '-o', path] });
  const bytes = await readFile(path);
  bytes.writeUInt32LE(999, 8);
  await writeFile(path, bytes);
  const outcome = await run([process.execPath, memprofBin, 'summary', path]);
  assertOneLine(t, outcome, 125, /999.*newer/);
});

test('a trace that does not exist is named', async (t) => {
  const outcome = await run([process.execPath, memprofBin, 'summary', '/nonexistent/x.mprof']);
  assertOneLine(t, outcome, 125, /\/nonexistent\/x\.mprof/);
});

test('a program that cannot be traced further still gets its own exit status', async (t) => {
  const folder = await scratchFolder(t);
  const outcome = await runTraced(['sh', '-c', 'exit 37'], { cwd: folder });
  t.is(outcome.code, 37, outcome.stderr);
});

test('who reads help may stop: nothing is said of it', async (t) => {
  const command = `"${process.execPath}" "${memprofBin}" help | exec 0<&-`;
  const { code, stderr } = await run(['bash', '-o', 'pipefail', '-c', command]);
  t.deepEqual([code, stderr], [0, '']);
});
