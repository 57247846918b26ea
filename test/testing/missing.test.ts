import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { run, scratchFolder } from '../e2e/support/run.js';
import { type Failure, runScript, said, testingBundle } from './support.js';

const plain = { isTraced: false } as const;

test('without memprof-run an error names the command; notes cost nothing', async (t) => {
  const outcome = await runScript(
    t,
    `say(await failure(expectMemoryBelow('1 MiB', () => say('not called'))));
    say(await failure(track()));
    mark('x');`,
    plain,
  );
  t.is(outcome.code, 0, outcome.stderr);
  const [below, tracked] = said(outcome) as Failure[];
  t.is(below?.code, 'ERR_MEMPROF_NOT_LOADED');
  t.regex(
    below?.message ?? '',
    /^memprof is not loaded in this process, so expectMemoryBelow at script\.cjs:2:\d+ cannot see native memory\. Run the tests under it:\n {2}npx memprof-run --quiet node script\.cjs\n/,
  );
  t.regex(below?.message ?? '', /MEMPROF_WHEN_MISSING=skip .* MEMPROF_WHEN_MISSING=run /);
  t.is(tracked?.code, 'ERR_MEMPROF_NOT_LOADED');
});

test('skip: the call resolves, one note is written', async (t) => {
  const body = `say(await expectMemoryBelow('1 MiB', () => say('not called')${'OPTIONS'}));
    say(await expectMemoryBelow('1 MiB', () => say('not called')${'OPTIONS'}));
    const tracker = await track('t'${'OPTIONS'});
    say([tracker.skipped, tracker.stats().liveBytes, tracker.sites(), await tracker.stop()].length);`;
  for (const [options, env] of [
    [`, { whenMissing: 'skip' }`, {}],
    ['', { MEMPROF_WHEN_MISSING: 'skip' }],
  ] as const) {
    const outcome = await runScript(t, body.replaceAll('OPTIONS', options), { ...plain, env });
    t.is(outcome.code, 0, outcome.stderr);
    t.deepEqual(said(outcome), [{ skipped: true }, { skipped: true }, 4]);
    t.regex(
      outcome.stderr,
      /^memprof: not loaded in this process, so expectMemoryBelow at script\.cjs:2:\d+ and what follows is skipped\. To run it: npx memprof-run --quiet node script\.cjs\n$/,
    );
  }
});

test('a wrong MEMPROF_WHEN_MISSING is an error that names it', async (t) => {
  const outcome = await runScript(t, `say(await failure(expectMemoryBelow('1 MiB', () => {})));`, {
    ...plain,
    env: { MEMPROF_WHEN_MISSING: 'maybe' },
  });
  t.like(said(outcome)[0], {
    code: 'ERR_MEMPROF_USAGE',
    message: `MEMPROF_WHEN_MISSING must be error, skip or run, and is 'maybe'`,
  });
});

test('run: each call of a script ends as it did under memprof-run, by its place and turn', async (t) => {
  const outcome = await runScript(
    t,
    `const options = { whenMissing: 'run' };
    const inOrder = [];
    for (const limit of ['1 GiB', '1 KiB'])
      inOrder.push(await failure(expectMemoryBelow(limit, () => { Buffer.alloc(1 << 20); }, options)));
    inOrder.push(await failure(expectMemoryBelow('1 GiB', () => { throw new Error('mine'); }, options)));
    say(inOrder);
    if (process.env.MEMPROF_RERUN_RESULTS !== undefined) process.exit(3);
    say(await failure(expectMemoryBelow('1 GiB', () => {}, options)));`,
    plain,
  );
  t.is(outcome.code, 0, outcome.stderr);
  const [[below, above, thrown], notReached] = said(outcome) as [
    [Failure, Failure, Failure],
    Failure,
  ];
  t.like(below.value, { skipped: false, limitBytes: 1 << 30 });
  t.is(above.code, 'ERR_MEMPROF_ABOVE_LIMIT');
  t.regex(
    above.message,
    /^expectMemoryBelow at script\.cjs:5:\d+: native memory rose by (?:1\.\d MiB|(?:9|10)\d\d\.\d KiB)/,
  );
  const trace = /^trace {2}(\S+)$/m.exec(above.message)?.[1] ?? '';
  t.true(existsSync(trace), `the trace is kept: ${trace}`);
  t.regex(above.stack, /script\.cjs:5:/);
  t.like(thrown, { code: 'ERR_MEMPROF_FUNCTION_THREW' });
  t.regex(thrown.message, /the function threw .*mine/);
  t.is(notReached.code, 'ERR_MEMPROF_RERUN');
  t.regex(
    notReached.message,
    /did not get to script\.cjs:9:\d+: it ended with status 3\. Its traces are in /,
  );
});

test('run: a test file of node --test, one test of which needs too much', async (t) => {
  const folder = await scratchFolder(t);
  await writeFile(
    join(folder, 'peak.test.cjs'),
    `const test = require('node:test');
const { expectMemoryBelow } = require(${JSON.stringify(testingBundle)});
test('little', () => expectMemoryBelow('1 GiB', () => {}, { whenMissing: 'run' }));
test('much', () => expectMemoryBelow('1 MiB', () => { Buffer.alloc(4 << 20); }, { whenMissing: 'run' }));
`,
  );
  const outcome = await run([process.execPath, '--test', '--test-reporter=tap', 'peak.test.cjs'], {
    cwd: folder,
    env: { TMPDIR: folder },
  });
  t.is(outcome.code, 1, outcome.stderr);
  t.regex(outcome.stdout, /^\s*ok \d+ - little$/m);
  t.regex(outcome.stdout, /^\s*not ok \d+ - much$/m);
  t.regex(
    outcome.stdout,
    /expectMemoryBelow at peak\.test\.cjs:4:\d+: native memory rose by (?:3\.[5-9]|4\.\d) MiB/,
  );
  t.regex(outcome.stdout, /code: 'ERR_MEMPROF_ABOVE_LIMIT'/);
});

test('run: what cannot be run again says so', async (t) => {
  const outcome = await run([process.execPath, '-'], {
    input: `const { expectMemoryBelow } = require(${JSON.stringify(testingBundle)});
      expectMemoryBelow('1 GiB', () => {}, { whenMissing: 'run' }).catch((error) => console.log(error.code, error.message));`,
  });
  t.regex(
    outcome.stdout,
    /^ERR_MEMPROF_NOT_LOADED .*whenMissing 'run' cannot tell how to run this test file again/,
  );
});
