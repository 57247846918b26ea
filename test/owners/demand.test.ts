// When checkpoints are taken: by the program, from outside, by the clock, before a signal; and what is said
// where none can be taken.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { packageRoot } from '../../src/paths.js';
import { memprofBin, type Outcome, run, runTraced, scratchFolder } from '../e2e/support/run.js';
import { readTrace } from '../e2e/support/trace.js';

interface Traced {
  outcome: Outcome;
  reasons: string[];
  marks: string[];
}

async function traced(
  t: ExecutionContext,
  source: string,
  {
    options = [],
    onLine,
  }: { options?: string[]; onLine?: (pid: number, own: number) => void } = {},
): Promise<Traced> {
  const folder = await scratchFolder(t);
  const program = join(folder, 'program.mjs');
  await writeFile(program, source);
  const trace = join(folder, 'trace.mprof');
  let told = false;
  const outcome = await runTraced([process.execPath, program], {
    memprofOptions: ['-q', '-o', trace, ...options],
    onOutput: (text, child) => {
      const pid = /pid (\d+)/.exec(text)?.[1];
      if (pid === undefined || told) return;
      told = true;
      onLine?.(Number(pid), child.pid as number);
    },
  });
  const model = readTrace(trace);
  return {
    outcome,
    reasons: (model.checkpoints ?? []).map(({ reason }) => reason),
    marks: model.marks.filter(({ kind }) => kind === 'user').map(({ text }) => text),
  };
}

const alive = `console.log('pid', process.pid); setInterval(() => {}, 1000);`;
const library = JSON.stringify(join(packageRoot, 'dist', 'src', 'library', 'index.js'));

test('by default one is taken at the end, with --checkpoint none none', async (t) => {
  t.deepEqual((await traced(t, 'export {}')).reasons, ['exit']);
  t.deepEqual((await traced(t, 'export {}', { options: ['--checkpoint', 'none'] })).reasons, []);
});

test('the program takes one where it wants to', async (t) => {
  const source = `import { checkpoint } from ${library}; console.log((await checkpoint('first')).number, (await checkpoint('second')).number);`;
  const { outcome, reasons, marks } = await traced(t, source);
  t.is(outcome.stdout, '1 2\n', outcome.stderr);
  t.deepEqual(reasons, ['program', 'program', 'exit']);
  t.deepEqual(marks, ['first', 'second']);
});

test('without memprof-run the library says what to do', async (t) => {
  const source = `import { checkpoint } from ${library}; await checkpoint().catch(({ code, message }) => console.log(code, message));`;
  const { stdout } = await run([process.execPath, '--input-type=module', '-e', source]);
  t.regex(stdout, /^ERR_MEMPROF_NOT_LOADED .*memprof-run node app\.js/);
});

test('memprof checkpoint takes one of a running program, busy or not', async (t) => {
  for (const source of [
    alive,
    `console.log('pid', process.pid); setTimeout(() => {}, 1); const end = Date.now() + 20_000; while (Date.now() < end);`,
  ]) {
    let asked: Outcome | undefined;
    const { reasons } = await traced(t, source, {
      onLine: async (pid) => {
        asked = await run([process.execPath, memprofBin, 'checkpoint', String(pid)]);
        process.kill(pid, 'SIGKILL');
      },
    });
    t.regex(
      asked?.stdout ?? '',
      /^checkpoint 1 of process \d+ taken, after [\d.]+ m?s\n$/,
      asked?.stderr,
    );
    t.deepEqual(reasons, ['demand']);
  }
});

test('memprof checkpoint says why it cannot', async (t) => {
  const ask = (pid: string) => run([process.execPath, memprofBin, 'checkpoint', pid]);
  const gone = await ask('999999999');
  t.deepEqual([gone.code, gone.stdout], [125, '']);
  t.regex(gone.stderr, /there is no process 999999999/);
  t.regex((await ask(String(process.pid))).stderr, /not started by memprof-run/);
  t.is((await ask('nobody')).code, 2);
});

test('a program that is not Node.js has nobody who listens', async (t) => {
  const folder = await scratchFolder(t);
  let asked: Outcome | undefined;
  await runTraced(['sh', '-c', 'echo pid $$; read nothing < /dev/null; sleep 20; true'], {
    memprofOptions: ['-q', '-o', join(folder, '%p.mprof')],
    onOutput: async (text) => {
      const pid = Number(/pid (\d+)/.exec(text)?.[1]);
      asked = await run([process.execPath, memprofBin, 'checkpoint', String(pid)]);
      process.kill(pid, 'SIGKILL');
    },
  });
  t.regex(asked?.stderr ?? '', /nobody listens for checkpoints in process \d+/);
});

test('a signal that ends the program waits for a checkpoint; one that it handles does not', async (t) => {
  const terminate = (_: number, own: number) => process.kill(own, 'SIGTERM');
  const ended = await traced(t, alive, { onLine: terminate });
  t.is(ended.outcome.signal, 'SIGTERM');
  t.deepEqual(ended.reasons, ['signal']);
  const handled = await traced(t, `process.on('SIGTERM', () => process.exit(7)); ${alive}`, {
    onLine: terminate,
  });
  t.is(handled.outcome.code, 7);
  t.deepEqual(handled.reasons, ['exit']);
});

test('one is taken every so often, and at the end', async (t) => {
  const { outcome, reasons } = await traced(t, 'setTimeout(() => {}, 3000)', {
    options: ['--checkpoint', '400ms'],
  });
  t.is(outcome.code, 0);
  t.is(reasons.at(-1), 'exit');
  t.true(reasons.length >= 2, 'and none in teardown');
  t.true(reasons.slice(0, -1).every((reason) => reason === 'interval'));
});

test('--checkpoint refuses what is no time', async (t) => {
  for (const wrong of ['1', '30', 'often', '1ms', '25h']) {
    const { code, stderr } = await runTraced(['true'], { memprofOptions: ['--checkpoint', wrong] });
    t.is(code, 125, wrong);
    t.regex(stderr, /exit, none, or a time/);
  }
});
