// The command memprof-run: what it starts by itself, that the program sees no difference, and that the program
// never outlives a reader that died before it could take over.
import { spawn } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { memprofRunBinPath } from '../../src/paths.js';
import { SessionHeader } from '../../src/record/wire.js';
import { type Outcome, run, runCommand, runTraced, scratchFolder } from '../e2e/support/run.js';

/** A "node" for memprof-run's own use that runs a shell script first; $REAL is Node itself. */
async function ownNode(t: ExecutionContext, script: string): Promise<string> {
  const folder = await scratchFolder(t);
  const file = join(folder, 'node');
  await writeFile(file, `#!/bin/sh\nREAL='${process.execPath}'\n${script}\n`);
  await chmod(file, 0o755);
  return folder;
}

const path = (own: string) => `${own}:${process.env['PATH']}`;

/** As text: whether the program had been started when Node began. */
async function startsEarly(
  t: ExecutionContext,
  words: readonly string[],
  cwd: string,
): Promise<Outcome & { isEarly: boolean }> {
  const own = await ownNode(
    t,
    `printf '%s' "\${MEMPROF_LAUNCHED:+yes}" > "$MARK"; exec "$REAL" "$@"`,
  );
  const mark = join(own, 'mark');
  const env = { PATH: path(own), MARK: mark };
  const outcome = await run([runCommand, ...words], { cwd, env });
  return { ...outcome, isEarly: (await readFile(mark, 'utf8')) === 'yes' };
}

const node = process.execPath;

/** With less, Node looks for another place, or takes less of it. */
function hasRoom(): boolean {
  const { bavail, bsize } = statfsSync('/dev/shm');
  return bavail * bsize > 480 * 2 ** 20;
}

test('a plain command line starts the program at once', async (t) => {
  const cwd = await scratchFolder(t);
  const program = ['sh', '-c', 'echo 7'];
  const plain = [
    [],
    ['-q'],
    ['--quiet', '-f', '--'],
    ['-o', 'a.mprof', '--events', 'none'],
    ['--output=b.mprof', '--events=full', '--checkpoint=none'],
    ['-o', '/dev/null', '--checkpoint', 'exit'],
    ['-o', 'c-%p.mprof'],
    ['-f', '-o', 'a.mprof'],
  ];
  for (const options of plain) {
    const { isEarly, code, stdout, stderr } = await startsEarly(t, [...options, ...program], cwd);
    t.is(code, 0, stderr);
    t.is(stdout, '7\n');
    t.is(isEarly, hasRoom(), options.join(' '));
  }
});

test('what Node has to look at first is left to it', async (t) => {
  const cwd = await scratchFolder(t);
  await writeFile(join(cwd, 'there.mprof'), 'a trace');
  await writeFile(join(cwd, 'script.sh'), '#!/bin/sh\necho 7\n');
  await chmod(join(cwd, 'script.sh'), 0o755);
  const program = ['sh', '-c', 'echo 7'];
  const notPlain: readonly [words: string[], code: number][] = [
    [['--check=lost', ...program], 0],
    [['--exact-lines', ...program], 0],
    [['--depth', '9', ...program], 0],
    [['-qf', ...program], 0],
    [['./script.sh'], 0],
    [['-o', 'there.mprof', ...program], 125],
    [['-o', 'no/such/folder.mprof', ...program], 125],
    [['--events=some', ...program], 125],
    [['--no-such-option', ...program], 125],
    [['no-such-program'], 127],
    [['./there.mprof'], 126],
    [[], 125],
    [['--'], 125],
    [['--help'], 0],
  ];
  for (const [words, code] of notPlain) {
    const outcome = await startsEarly(t, words, cwd);
    t.false(outcome.isEarly, words.join(' '));
    t.is(outcome.code, code, `${words.join(' ')}: ${outcome.stderr}`);
  }
  t.is(await readFile(join(cwd, 'there.mprof'), 'utf8'), 'a trace');
});

test('the program sees the same, whoever starts it', async (t) => {
  const cwd = await scratchFolder(t);
  const script = `
const { readdirSync, readFileSync, readlinkSync } = require('node:fs');
const status = readFileSync('/proc/self/status', 'latin1');
const { MEMPROF_SESSION, ...env } = process.env;
const session = readFileSync(MEMPROF_SESSION + '/session');
session.writeUInt32LE(0, ${SessionHeader.readerPid});
console.log(JSON.stringify({
  argv: process.argv, argv0: process.argv0, execPath: process.execPath, env,
  session: session.toString('hex').replace(/(?:00)+$/, ''),
  descriptors: readFileSync(3, 'utf8'), title: process.title,
  signals: /^Sig(Blk|Ign):.*(?=.{8}$)/gm[Symbol.match](status), folder: MEMPROF_SESSION.replace(/\\d+-[0-9a-f]+$/, ''),
  group: readFileSync('/proc/self/stat', 'latin1').split(' ')[4] === readFileSync('/proc/' + process.ppid + '/stat', 'latin1').split(' ')[4],
}));`;
  await writeFile(join(cwd, 'app.cjs'), script);
  await writeFile(join(cwd, 'three'), 'the third');
  const seen = async (command: string, env: Record<string, string>) => {
    const line = `exec ${command} -q -o /dev/null node --no-warnings app.cjs "a b" 3< three`;
    const { code, stdout, stderr } = await run(['sh', '-c', line], {
      cwd,
      env: { SHLVL: undefined, _: undefined, ...env },
    });
    t.is(code, 0, stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  for (const env of [
    {},
    { NODE_OPTIONS: '--stack-trace-limit=7', LD_PRELOAD: ' ' },
    { NODE_OPTIONS: ' ', MEMPROF_SESSION: '/nowhere' },
  ]) {
    // What the command tells its Node is nothing that a user can set.
    const early = await seen(`"${runCommand}"`, { ...env, MEMPROF_LAUNCHED: 'x' });
    t.deepEqual(early, await seen(`"${node}" "${memprofRunBinPath}"`, env));
  }
});

test('memprof-run’s own Node does without the user’s certificates, the program does not', async (t) => {
  const own = await ownNode(t, `printf '%s' "$NODE_EXTRA_CA_CERTS" > "$MARK"; exec "$REAL" "$@"`);
  const cwd = await scratchFolder(t);
  const seen = async (env: Record<string, string>) => {
    const mark = join(cwd, 'mark');
    const outcome = await run(
      [runCommand, '-q', '-o', '/dev/null', 'sh', '-c', 'echo "$NODE_EXTRA_CA_CERTS"'],
      { cwd, env: { PATH: path(own), MARK: mark, NODE_EXTRA_CA_CERTS: '/dev/null', ...env } },
    );
    t.is(outcome.code, 0, outcome.stderr);
    return { program: outcome.stdout.trim(), own: await readFile(mark, 'utf8') };
  };
  t.deepEqual(await seen({}), { program: '/dev/null', own: hasRoom() ? '' : '/dev/null' });
  // Its server may be one that only these certificates vouch for.
  t.deepEqual(await seen({ DEBUGINFOD_URLS: 'https://localhost:1' }), {
    program: '/dev/null',
    own: '/dev/null',
  });
});

test('memprof-run’s own Node loads nothing that takes milliseconds and that a plain run can do without', async (t) => {
  const own = await ownNode(t, 'exec "$REAL" -r "$HOOK" "$@"');
  const cwd = await scratchFolder(t);
  const hook = join(cwd, 'hook.cjs');
  const list = join(cwd, 'loaded.json');
  await writeFile(
    hook,
    `const before = new Set(process.moduleLoadList);
process.on('exit', () => {
  const loaded = process.moduleLoadList.filter((name) => !before.has(name));
  require('fs').writeFileSync(${JSON.stringify(list)}, JSON.stringify(loaded));
});`,
  );
  const outcome = await run([runCommand, '-q', '-o', 'a.mprof', 'sh', '-c', 'true'], {
    cwd,
    env: { PATH: path(own), HOOK: hook },
  });
  t.is(outcome.code, 0, outcome.stderr);
  const loaded = JSON.parse(await readFile(list, 'utf8')) as string[];
  const slow = ['stream', 'net', 'perf_hooks', 'fs/promises', 'v8'];
  // Else it starts the program itself.
  if (hasRoom()) slow.push('child_process', 'crypto');
  t.deepEqual(
    slow.filter((name) => loaded.includes(`NativeModule ${name}`)),
    [],
  );
  t.true(loaded.includes('NativeModule os'), `${loaded}`);
});

test('the status and the signal of a program are passed on, however soon it ends', async (t) => {
  const cwd = await scratchFolder(t);
  for (const status of [0, 1, 255]) {
    const { code } = await runTraced(['sh', '-c', `exit ${status}`], { cwd });
    t.is(code, status);
  }
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGSEGV']) {
    const outcome = await runTraced(['sh', '-c', `kill -${signal.slice(3)} $$`], { cwd });
    t.is(outcome.signal, signal, outcome.stderr);
  }
});

async function holds(condition: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(20)) {
    if (await condition()) return true;
  }
  return false;
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`memprof-run that dies of ${signal} before it is the reader takes the program with it`, async (t) => {
    const cwd = await scratchFolder(t);
    const own = await ownNode(t, 'exec sleep 600');
    const script = "trap 'echo > ended; exit' TERM; echo > begun; while :; do sleep 0.1; done";
    const child = spawn(runCommand, ['-o', '/dev/null', 'sh', '-c', script], {
      cwd,
      env: { ...process.env, PATH: path(own) },
      stdio: 'ignore',
    });
    const exists = (name: string) => async () =>
      readFile(join(cwd, name)).then(
        () => true,
        () => false,
      );
    t.true(await holds(exists('begun')));
    child.kill(signal);
    t.true(await holds(exists('ended')));
  });
}

test('a program that cannot be executed after all is told as ever', async (t) => {
  const cwd = await scratchFolder(t);
  // Looks like a program of this machine as far as its headers tell.
  const whole = await readFile('/bin/true');
  await writeFile(join(cwd, 'cut'), whole.subarray(0, 1200));
  await chmod(join(cwd, 'cut'), 0o755);
  const early = await run([runCommand, './cut'], { cwd });
  const late = await run([node, memprofRunBinPath, './cut'], { cwd });
  t.deepEqual(early, late);
});

test('it is found through links, and says so where its Node is not there', async (t) => {
  const cwd = await scratchFolder(t);
  await mkdir(join(cwd, 'bin'));
  await symlink(runCommand, join(cwd, 'bin', 'memprof-run'));
  const linked = await run([join(cwd, 'bin', 'memprof-run'), '-q', 'sh', '-c', 'echo 7'], { cwd });
  t.deepEqual([linked.code, linked.stdout], [0, '7\n'], linked.stderr);
  const lost = await run([runCommand, '/bin/true'], { cwd, env: { PATH: join(cwd, 'bin') } });
  t.is(lost.code, 127);
  t.regex(lost.stderr, /^memprof-run: node: command not found\. .*\n$/);
});

test('without the rest of the package nothing is started', async (t) => {
  const cwd = await scratchFolder(t);
  const alone = join(cwd, 'build', 'Release', 'memprof-run');
  await mkdir(dirname(alone), { recursive: true });
  await copyFile(runCommand, alone);
  const outcome = await run([alone, 'sh', '-c', 'echo 7'], { cwd });
  t.is(outcome.stdout, '');
  t.not(outcome.code, 0);
});
