// The examples of examples/testing with the real runners: the leaking test fails with all that is needed to repair
// it, the repaired one passes.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { packageRoot } from '../../src/paths.js';
import { installed } from '../e2e/support/npm.js';
import type { Outcome } from '../e2e/support/run.js';
import { exampleProject } from './project.js';

const vitest = await installed('vitest', ['vitest@4.0.18']);
const jest = await installed('jest', ['jest@30.5.2']);
const own = { folder: packageRoot, reason: null };

const cases: ReadonlyArray<{
  title: string;
  example: string;
  from: { folder: string | null; reason: string | null };
  words: string[];
  failed: RegExp;
  passed: RegExp;
}> = [
  {
    title: 'ava in worker threads',
    example: 'ava',
    from: own,
    words: ['ava'],
    failed: /✘ \[fail\]: digest frees/,
    passed: /✔ digestFixed frees/,
  },
  {
    title: 'ava in processes',
    example: 'ava',
    from: own,
    words: ['ava', '--no-worker-threads'],
    failed: /✘ \[fail\]: digest frees/,
    passed: /✔ digestFixed frees/,
  },
  {
    title: 'node --test',
    example: 'node-test',
    from: own,
    words: ['node', '--test', '--test-reporter=spec'],
    failed: /✖ digest frees/,
    passed: /✔ digestFixed frees/,
  },
  {
    title: 'vitest in processes',
    example: 'vitest',
    from: vitest,
    words: ['vitest', 'run', '--pool=forks'],
    failed: /FAIL .* digest frees/,
    passed: /1 passed/,
  },
  {
    title: 'vitest in threads',
    example: 'vitest',
    from: vitest,
    words: ['vitest', 'run', '--pool=threads'],
    failed: /FAIL .* digest frees/,
    passed: /1 passed/,
  },
  {
    title: 'jest',
    example: 'jest',
    from: jest,
    words: ['jest'],
    failed: /✕ digest frees/,
    passed: /✓ digestFixed frees/,
  },
];

for (const { title, example, from, words, failed, passed } of cases) {
  const because = from.reason === null ? '' : ` (skipped: ${from.reason})`;
  // One at a time: a runner is several processes, all of them traced.
  const run = from.folder === null ? test.skip : test.serial;
  run(`${title}: a leak fails with its message, its repair passes${because}`, async (t) => {
    const project = await exampleProject(t, example, from.folder as string);
    const outcome = await project.run(['memprof-run', '--quiet', ...words]);
    const output = withoutColours(`${outcome.stdout}\n${outcome.stderr}`);
    t.is(outcome.code, 1, output);
    t.regex(output, failed);
    t.regex(output, passed);
    t.regex(output, /begin_digest\s+\S*digest\.cc:\d+/);
    t.regex(output, /tiny-digest 1\.0\.0/);
    t.regex(output, /leaks\.test\.js:\d+/);
    t.regex(output, /\.mprof/);
  });
}

function withoutColours(text: string): string {
  return text.replace(/\x1b\[[0-9;]*m/g, '');
}

const withJest = jest.folder === null ? test.skip : test.serial;
const becauseOfJest = jest.reason === null ? '' : ` (skipped: ${jest.reason})`;

/** The example's project with another test file in its place. */
async function runJest(t: ExecutionContext, source: string): Promise<Outcome> {
  const project = await exampleProject(t, 'jest', jest.folder as string);
  await writeFile(join(project.folder, 'leaks.test.js'), source);
  return project.run(['memprof-run', '--quiet', 'jest']);
}

withJest(`jest: neither fake timers nor a mocked fs are met${becauseOfJest}`, async (t) => {
  const outcome = await runJest(
    t,
    `jest.useFakeTimers();
    const { expectMemoryBelow, expectNoLeaks, track } = require('memprof/testing');
    jest.mock('fs');
    test('all', async () => {
      await expectMemoryBelow('1 GiB', () => {});
      await expectNoLeaks(() => JSON.stringify({ a: 1 }));
      expect((await (await track()).stop()).allocationCount).toBeGreaterThan(0);
    }, 60_000);`,
  );
  t.is(outcome.code, 0, outcome.stderr);
});

withJest(`jest: process.exit(0) in the function is no success${becauseOfJest}`, async (t) => {
  const outcome = await runJest(
    t,
    `const { expectMemoryBelow } = require('memprof/testing');
    test('exits', () => expectMemoryBelow('1 GiB', () => process.exit(0)));`,
  );
  t.is(outcome.code, 1);
  t.regex(
    outcome.stderr,
    /memprof: the process ended while expectMemoryBelow at leaks\.test\.js:2:\d+ was running/,
  );
});
