import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { checkKinds, findProject, loadConfig, readConfig } from '../../src/config/index.js';
import { MemprofError } from '../../src/errors.js';
import { installed } from '../e2e/support/npm.js';
import { scratchFolder } from '../e2e/support/run.js';
import { writeFiles } from './support.js';

const mib = 1024 * 1024;
const typescript = await installed('typescript', ['typescript@5.9.3']);
const esbuild = await installed('esbuild', ['esbuild@0.25.12']);

const messageOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (!(error instanceof MemprofError)) throw error;
    return `${error.code} ${error.exitCode} ${error.message}`;
  }
  return 'no error';
};

const load = async (cwd: string) => loadConfig(cwd, findProject(cwd));

async function failureOf(t: ExecutionContext, cwd: string): Promise<string> {
  const error = await t.throwsAsync(async () => load(cwd), { instanceOf: MemprofError });
  t.is(error?.exitCode, 125);
  return error?.message ?? '';
}

test('every setting is read, sizes with their units', (t) => {
  const config = readConfig(
    {
      check: ['lost', 'growth'],
      budgets: {
        sharp: '24 MiB',
        'better-sqlite3': { live: 1000, peak: '1.5 MiB' },
        a: { peak: 1 },
      },
      suppressions: ['leaks.supp'],
      ignore: ['leak:libfoo'],
    },
    'x',
  );
  t.deepEqual(config, {
    check: ['lost', 'growth'],
    budgets: new Map([
      ['sharp', { liveBytes: 24 * mib, peakBytes: null }],
      ['better-sqlite3', { liveBytes: 1000, peakBytes: 1.5 * mib }],
      ['a', { liveBytes: null, peakBytes: 1 }],
    ]),
    suppressions: ['leaks.supp'],
    ignore: ['leak:libfoo'],
  });
  t.is(readConfig({}, 'x').check, null);
});

test('a wrong value is told with the file and the key, and what would be right', (t) => {
  const at = (value: unknown) => messageOf(() => readConfig(value, 'memprof.config.mjs'));
  const told = (text: string) => `ERR_MEMPROF_CONFIG 125 memprof.config.mjs: ${text}`;
  t.is(
    at({ checks: [] }),
    told('checks: there is no such setting. There are check, budgets, suppressions, ignore'),
  );
  t.is(at(7), told("7 is no configuration. Export an object: { check: ['lost'] }"));
  t.is(
    at({ check: ['lost', 'leaks'] }),
    told("check[1]: 'leaks' is none of lost, orphaned, growth, budgets"),
  );
  t.is(at({ check: 'lost' }), told("check: expected an array, found 'lost'"));
  t.is(at({ check: [] }), told('check: nothing is to be checked. Leave the key out'));
  t.is(
    at({ budgets: ['24 MiB'] }),
    told("budgets: expected an object such as { sharp: '24 MiB' }, found an array"),
  );
  t.regex(
    at({ budgets: { sharp: '24 MB' } }),
    /^\S+ 125 memprof\.config\.mjs: budgets\.sharp: '24 MB': MB means .* Write '24 MiB'/,
  );
  t.regex(
    at({ budgets: { 'a-b': { live: '24 foo' } } }),
    /: budgets\['a-b'\]\.live: '24 foo' has the unit foo/,
  );
  t.is(
    at({ budgets: { a: { most: 1 } } }),
    told('budgets.a.most: there is no such limit. There are live and peak'),
  );
  t.is(
    at({ budgets: { a: {} } }),
    told("budgets.a: expected a size, or { live: '24 MiB', peak: '64 MiB' }"),
  );
  t.is(at({ suppressions: [''] }), told('suppressions[0]: expected a file, found an empty text'));
  t.is(at({ ignore: [1] }), told("ignore[0]: expected a line such as 'leak:libfoo', found 1"));
});

test('whatever is exported is a configuration or an error that names the file', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.anything(),
        fc.record(
          {
            check: fc.oneof(fc.anything(), fc.array(fc.constantFrom(...checkKinds, 'x'))),
            budgets: fc.oneof(fc.anything(), fc.dictionary(fc.string(), fc.anything())),
            suppressions: fc.oneof(fc.anything(), fc.array(fc.string())),
          },
          { requiredKeys: [] },
        ),
      ),
      (value) => {
        const message = messageOf(() => readConfig(value, 'file'));
        t.true(
          message === 'no error' || message.startsWith('ERR_MEMPROF_CONFIG 125 file: '),
          message,
        );
      },
    ),
    { numRuns: 500 },
  );
});

test('the search goes up to the nearest package.json and no further', async (t) => {
  const folder = await scratchFolder(t);
  await writeFiles(folder, {
    'memprof.config.js': 'module.exports = { check: ["growth"] };',
    'app/package.json': '{"name":"app"}',
    'app/memprof.config.mjs': 'export default { check: ["lost"], suppressions: ["a.supp"] };',
    'app/src/deep/x.js': '',
    'other/package.json': '{"name":"other"}',
  });
  const found = await load(join(folder, 'app/src/deep'));
  t.is(found.file, join(folder, 'app/memprof.config.mjs'));
  t.deepEqual(found.config.check, ['lost']);
  t.deepEqual(found.suppressions, [join(folder, 'app/a.supp')]);
  t.is(findProject(join(folder, 'app/src/deep')).packageName, 'app');
  t.like(await load(join(folder, 'other')), { file: null, config: { check: null } });
});

test('a .js file is a CommonJS or an ES module, as its package says', async (t) => {
  const folder = await scratchFolder(t);
  await writeFiles(folder, {
    'cjs/package.json': '{}',
    'cjs/memprof.config.js': 'module.exports = { check: ["growth"] };',
    'esm/package.json': '{"type":"module"}',
    'esm/memprof.config.js': 'export default { check: ["orphaned"] };',
    'own/package.json': '{"memprof":{"check":["budgets"]}}',
  });
  t.deepEqual((await load(join(folder, 'cjs'))).config.check, ['growth']);
  t.deepEqual((await load(join(folder, 'esm'))).config.check, ['orphaned']);
  const own = await load(join(folder, 'own'));
  t.deepEqual([own.file, own.config.check], [join(folder, 'own/package.json'), ['budgets']]);
});

test('two configurations are an error that names both', async (t) => {
  const folder = await scratchFolder(t);
  await writeFiles(folder, {
    'a/package.json': '{"memprof":{}}',
    'a/memprof.config.js': 'module.exports = {};',
    'b/package.json': '{}',
    'b/memprof.config.js': 'module.exports = {};',
    'b/memprof.config.ts': 'export default {};',
  });
  t.is(
    await failureOf(t, join(folder, 'a')),
    `there are 2 configurations: memprof.config.js and package.json ("memprof"). Keep one`,
  );
  t.is(
    await failureOf(t, join(folder, 'b')),
    'there are 2 configurations: memprof.config.js and memprof.config.ts. Keep one',
  );
});

test('a configuration that cannot be loaded is told with its name and why', async (t) => {
  const folder = await scratchFolder(t);
  await writeFiles(folder, {
    'throws/package.json': '{}',
    'throws/memprof.config.mjs': 'throw new Error("not today")',
    'empty/package.json': '{}',
    'empty/memprof.config.mjs': 'export const check = []',
    'broken/package.json': '{',
    'wrong/package.json': '{"memprof":{"budget":{}}}',
  });
  t.regex(
    await failureOf(t, join(folder, 'throws')),
    /^memprof\.config\.mjs cannot be loaded: Error: not today/,
  );
  t.regex(
    await failureOf(t, join(folder, 'empty')),
    /^memprof\.config\.mjs has no default export\. /,
  );
  t.regex(await failureOf(t, join(folder, 'broken')), /broken\/package\.json cannot be read: /);
  t.regex(
    await failureOf(t, join(folder, 'wrong')),
    /^package\.json \("memprof"\): budget: there is no such setting/,
  );
});

const isStripping = Boolean((process.features as { typescript?: unknown }).typescript);
const source = `import { kind } from './kind.mjs';
const kinds: string[] = [kind];
export default { check: kinds } satisfies { check: string[] };
`;
const files = {
  'package.json': '{}',
  'memprof.config.ts': source,
  'kind.mjs': "export const kind = 'growth';",
};

for (const [name, found] of Object.entries({ typescript, esbuild })) {
  (found.folder === null ? test.skip : test)(
    `memprof.config.ts is read by Node itself or by the project's ${name}${found.folder === null ? ` (${found.reason})` : ''}`,
    async (t) => {
      // Below the installed package, so that it is found as a project's own.
      const folder = join(found.folder as string, `project-${process.pid}`);
      await mkdir(folder, { recursive: true });
      t.teardown(async () => (await import('node:fs/promises')).rm(folder, { recursive: true }));
      await writeFiles(folder, files);
      t.deepEqual((await load(folder)).config.check, ['growth']);
      const left = await (await import('node:fs/promises')).readdir(folder);
      t.deepEqual(left.sort(), Object.keys(files).sort());
    },
  );
}

(isStripping ? test.skip : test)(
  'memprof.config.ts without anything that reads it is an error that says what to do',
  async (t) => {
    const folder = await scratchFolder(t);
    await writeFiles(folder, files);
    t.regex(
      await failureOf(t, folder),
      /^memprof\.config\.ts: Node v\S+ does not read TypeScript, .* Run memprof-run with Node 22\.18 or newer, or rename the file to memprof\.config\.mjs$/,
    );
  },
);
