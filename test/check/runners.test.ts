// Test runners as they are installed, with their worker processes and Worker threads.
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { installed } from '../e2e/support/npm.js';
import { check, faults, project } from './support.js';

const mocha = await installed('mocha', ['mocha@^11.7.5']);
const jest = await installed('jest', ['jest@^30.5.2']);
const vitest = await installed('vitest', ['vitest@^4.0.18']);

const body = "const s = require('../index.cjs');";
const nodeTest = `const { test } = require('node:test');\n${body}\ntest('one', () => { s.METHOD(20); });\n`;

test('node --test: a fault in two test files, each in a process of its own, is one', async (t) => {
  const folder = await project(t, {
    'test/a.test.cjs': nodeTest.replace('METHOD', 'lose'),
    'test/b.test.cjs': nodeTest.replace('METHOD', 'lose'),
  });
  const command = [process.execPath, '--test', 'test/a.test.cjs', 'test/b.test.cjs'];
  const outcome = await check(folder, ['--check'], command);
  t.is(outcome.code, 23, outcome.stderr);
  t.is(faults(outcome).length, 1, outcome.stderr);
  t.regex(outcome.stderr, /\n {5}in 2 processes, most of it in pid \d+: /);
});

test('npm test: the scripts and shells between are no faults, the fixed addon passes', async (t) => {
  const folder = await project(
    t,
    {
      'test/a.test.cjs': nodeTest.replace('METHOD', 'lose'),
      'test/fixed.test.cjs': nodeTest.replace('METHOD', 'release'),
    },
    {
      scripts: {
        test: 'node --test test/a.test.cjs',
        'test:fixed': 'node --test test/fixed.test.cjs',
      },
    },
  );
  const leaky = await check(folder, ['--check'], ['npm', 'test']);
  t.is(leaky.code, 23, leaky.stderr);
  t.is(faults(leaky).length, 1, leaky.stderr);
  const fixed = await check(folder, ['--check'], ['npm', 'run', 'test:fixed']);
  t.is(fixed.code, 0, fixed.stderr);
});

for (const threads of [false, true]) {
  test(`ava, in ${threads ? 'Worker threads' : 'processes'}`, async (t) => {
    const source = `import test from 'ava';\nimport s from '../index.cjs';\ntest('one', (t) => { s.lose(20); t.pass(); });\n`;
    const folder = await project(
      t,
      { 'test/a.test.mjs': source },
      { ava: { files: ['test/*.mjs'], workerThreads: threads, timeout: '5m' } },
    );
    await symlink(join(packageRoot, 'node_modules', 'ava'), join(folder, 'node_modules', 'ava'));
    const command = [process.execPath, 'node_modules/ava/entrypoints/cli.mjs'];
    const outcome = await check(folder, ['--check=lost'], command);
    t.is(outcome.code, 23, outcome.stderr + outcome.stdout);
    t.is(faults(outcome).length, 1, outcome.stderr);
  });
}

(mocha.folder === null ? test.skip : test)(
  `mocha --parallel, which ends its worker processes${mocha.folder === null ? ` (${mocha.reason})` : ''}`,
  async (t) => {
    const source = `${body}\ndescribe('shelf', () => { it('one', () => { s.lose(20); }); });\n`;
    const folder = await project(t, { 'test/a.cjs': source, 'test/b.cjs': source });
    const bin = join(mocha.folder as string, 'node_modules', 'mocha', 'bin', 'mocha.js');
    const command = [process.execPath, bin, '--parallel', 'test/a.cjs', 'test/b.cjs'];
    const outcome = await check(folder, ['--check=lost'], command);
    t.is(outcome.code, 23, outcome.stderr);
    t.is(faults(outcome).length, 1, outcome.stderr);
  },
);

for (const pool of ['forks', 'threads']) {
  (vitest.folder === null ? test.skip : test)(
    `vitest --pool=${pool}${vitest.folder === null ? ` (${vitest.reason})` : ''}`,
    async (t) => {
      const source = `import { test } from 'vitest';\nimport s from '../index.cjs';\ntest('one', () => { s.lose(20); });\n`;
      const folder = await project(t, { 'test/a.test.mjs': source });
      const modules = join(vitest.folder as string, 'node_modules');
      for (const name of ['vitest', 'vite'])
        await symlink(join(modules, name), join(folder, 'node_modules', name));
      const bin = join(modules, 'vitest', 'vitest.mjs');
      const command = [process.execPath, bin, 'run', `--pool=${pool}`];
      const outcome = await check(folder, ['--check=lost'], command);
      t.is(outcome.code, 23, outcome.stderr + outcome.stdout);
      t.is(faults(outcome).length, 1, outcome.stderr);
    },
  );
}

(jest.folder === null ? test.skip : test)(
  `jest in two processes${jest.folder === null ? ` (${jest.reason})` : ''}`,
  async (t) => {
    const source = `${body}\ntest('one', () => { s.lose(20); });\n`;
    const folder = await project(t, { 'test/a.test.cjs': source, 'test/b.test.cjs': source });
    const bin = join(jest.folder as string, 'node_modules', 'jest', 'bin', 'jest.js');
    const options = ['--rootDir', folder, '--testMatch', '**/*.test.cjs', '--maxWorkers', '2'];
    const outcome = await check(folder, ['--check=lost'], [process.execPath, bin, ...options]);
    t.is(outcome.code, 23, outcome.stderr);
    t.is(faults(outcome).length, 1, outcome.stderr);
    t.regex(outcome.stderr, /\n {5}in 2 processes, /);
  },
);
