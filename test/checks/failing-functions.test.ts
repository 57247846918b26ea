// expectNoLeaks with functions that fail and with wrong options: whose error it is, and what it says.
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { fixturesFolder } from '../e2e/support/build.js';
import { runTraced } from '../e2e/support/run.js';

interface Outcome {
  name: string;
  code?: string;
  message?: string;
  stack?: string;
  isSame?: boolean;
  hasCause?: boolean;
  verdict?: string;
}

const app = join(fixturesFolder, 'apps', 'failing-functions.mjs');
const testing = join(packageRoot, 'dist', 'src', 'testing', 'index.js');
const { stdout } = await runTraced(['node', app, testing], {
  memprofOptions: ['--quiet', '-o', '/dev/null'],
});
const lines = stdout.split('\n').filter((line) => line !== '');
const outcomes = new Map(
  lines.map((line) => JSON.parse(line) as Outcome).map((one) => [one.name, one]),
);
const of = (name: string): Outcome => outcomes.get(name) ?? { name };

test('what the function throws comes out as it is, with the call in which it was thrown', (t) => {
  for (const [name, call] of [
    ['throws', 17],
    ['rejects', 60],
  ] as const) {
    const { isSame, hasCause, stack = '' } = of(name);
    t.true(isSame, name);
    t.true(hasCause, name);
    t.regex(
      stack,
      new RegExp(`expectNoLeaks, in call ${call} of its function \\(.*failing-functions\\.mjs:`),
    );
  }
  t.true(of('throws a text').isSame);
  t.true(of('throws what is frozen').isSame);
});

test('a function that never settles ends with the time that it was given', (t) => {
  const { code, message = '' } = of('never settles');
  t.is(code, 'ERR_MEMPROF_TIMEOUT');
  t.regex(message, /failing-functions\.mjs:\d+:\d+.*did not settle within 0\.2 s/);
});

const wrong: readonly [name: string, code: string, message: RegExp][] = [
  ['no function', 'ERR_MEMPROF_USAGE', /needs a function to run, and got 'no function'/],
  ['unknown option', 'ERR_MEMPROF_USAGE', /no option 'iteration'.*iterations/],
  ['too few rounds', 'ERR_MEMPROF_USAGE', /'rounds' must be a whole number from 3.*is 2/],
  ['half a call', 'ERR_MEMPROF_USAGE', /'iterations' must be.*is 0\.5/],
  ['negative warm-up', 'ERR_MEMPROF_USAGE', /'warmup' must be.*is -1/],
  ['tolerance as text', 'ERR_MEMPROF_USAGE', /'tolerance' must be.*is '16'/],
  ['tolerance of something else', 'ERR_MEMPROF_USAGE', /'tolerance' must be/],
  ['malformed ignore', 'ERR_MEMPROF_SUPPRESSIONS', /ignore:1: expected/],
  ['empty ignore', 'ERR_MEMPROF_USAGE', /'ignore' is empty/],
  ['unknown threads', 'ERR_MEMPROF_USAGE', /'threads' must be 'all' or 'calling'/],
];
for (const [name, code, message] of wrong) {
  test(`a wrong option is named, with the place of the call: ${name}`, (t) => {
    const found = of(name);
    t.is(found.code, code);
    t.regex(found.message ?? '', message);
    t.regex(found.message ?? '', /expectNoLeaks at .*failing-functions\.mjs:\d+:\d+/);
  });
}

test('after all these failures the process can be tested as before', (t) => {
  t.is(of('works after all').verdict, 'clean');
});
