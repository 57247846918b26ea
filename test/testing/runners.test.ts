// The examples of examples/testing with the real runners: the leaking test fails with all that is needed to repair
// it, the repaired one passes.
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { installed } from '../e2e/support/npm.js';
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
