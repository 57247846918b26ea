import test from 'ava';
import {
  commandToRerun,
  commandToType,
  type RunnerFacts,
  type RunnerName,
  runnerOf,
} from '../../src/testing/runner.js';

const facts = (over: Partial<RunnerFacts>): RunnerFacts => ({
  execPath: '/usr/bin/node',
  execArgv: [],
  argv: ['/usr/bin/node', '/p/a.test.js'],
  env: {},
  cwd: '/p',
  testFile: '/p/a.test.js',
  jestCli: null,
  ...over,
});
const short = (path: string) => path.replace('/p/', '');
const script = (path: string) => ['/usr/bin/node', path];

const cases: ReadonlyArray<{
  name: RunnerName;
  title: string;
  over: Partial<RunnerFacts>;
  typed: string;
  rerun: string | null;
}> = [
  {
    name: 'node',
    title: 'a script with its options',
    over: { execArgv: ['--no-warnings'], argv: [...script('/p/a.test.js'), '--fast'] },
    typed: 'node a.test.js',
    rerun: '/usr/bin/node --no-warnings /p/a.test.js --fast',
  },
  {
    name: 'node',
    title: 'code on the command line',
    over: { execArgv: ['-e', 'x()'], argv: ['/usr/bin/node'], testFile: null },
    typed: 'node app.js',
    rerun: '/usr/bin/node -e x()',
  },
  {
    name: 'node',
    title: 'code from standard input',
    over: { argv: ['/usr/bin/node'], testFile: null },
    typed: 'node app.js',
    rerun: null,
  },
  {
    name: 'node',
    title: 'a dash for standard input',
    over: { argv: ['/usr/bin/node', '-'], testFile: null },
    typed: 'node -',
    rerun: null,
  },
  {
    name: 'node --test',
    title: 'a process for the file',
    over: { env: { NODE_TEST_CONTEXT: 'child-v8' } },
    typed: 'node --test a.test.js',
    rerun: '/usr/bin/node /p/a.test.js',
  },
  {
    name: 'node --test',
    title: 'without isolation',
    over: {
      execArgv: ['--test', '--test-isolation=none', '--expose-gc'],
      argv: ['/usr/bin/node'],
    },
    typed: 'node --test a.test.js',
    rerun: '/usr/bin/node --expose-gc /p/a.test.js',
  },
  {
    name: 'ava',
    title: 'a worker of either kind',
    over: { argv: script('/p/node_modules/ava/lib/worker/base.js') },
    typed: 'ava a.test.js',
    rerun: '/usr/bin/node /p/node_modules/ava/entrypoints/cli.mjs /p/a.test.js',
  },
  {
    name: 'vitest',
    title: 'a worker of either kind, packages kept by pnpm',
    over: {
      env: { VITEST: 'true' },
      argv: script('/p/node_modules/.pnpm/vitest@4/node_modules/vitest/dist/workers/forks.js'),
    },
    typed: 'vitest run a.test.js',
    rerun:
      '/usr/bin/node /p/node_modules/.pnpm/vitest@4/node_modules/vitest/vitest.mjs run --root /p /p/a.test.js',
  },
  {
    name: 'jest',
    title: 'a worker',
    over: {
      env: { JEST_WORKER_ID: '1' },
      argv: script('/p/node_modules/jest-worker/build/workers/processChild.js'),
      jestCli: '/p/node_modules/jest/bin/jest.js',
    },
    typed: 'jest a.test.js',
    rerun: '/usr/bin/node /p/node_modules/jest/bin/jest.js --runTestsByPath /p/a.test.js',
  },
  {
    name: 'jest',
    title: 'not to be found',
    over: { env: { JEST_WORKER_ID: '1' } },
    typed: 'jest a.test.js',
    rerun: null,
  },
  {
    name: 'mocha',
    title: 'in its own process',
    over: { argv: script('/p/node_modules/mocha/bin/mocha.js') },
    typed: 'mocha a.test.js',
    rerun: '/usr/bin/node /p/node_modules/mocha/bin/mocha.js /p/a.test.js',
  },
  {
    name: 'ava',
    title: 'a test file that is not known',
    over: { argv: script('/p/node_modules/ava/lib/worker/base.js'), testFile: null },
    typed: 'ava',
    rerun: null,
  },
];

for (const { name, title, over, typed, rerun } of cases) {
  test(`${name}: ${title}`, (t) => {
    t.is(runnerOf(facts(over)), name);
    t.is(commandToType(facts(over), short), `npx memprof-run --quiet ${typed}`);
    t.is(commandToRerun(facts(over))?.join(' ') ?? null, rerun);
  });
}

test('a file name that a shell would take apart is quoted', (t) => {
  t.is(
    commandToType(facts({ testFile: "/p/it's a $test.js" }), short),
    `npx memprof-run --quiet node 'it'\\''s a $test.js'`,
  );
});
