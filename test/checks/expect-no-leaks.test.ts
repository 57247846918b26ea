// expectNoLeaks from end to end: every leak kind in every call and in one of ten, their clean twins, and real clean
// functions, each in a process of its own under memprof-run.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { memprofBinPath, packageRoot } from '../../src/paths.js';
import { buildAddonPackage, fixturesFolder } from '../e2e/support/build.js';
import { run, runTraced, scratchFolder } from '../e2e/support/run.js';

const addon = await buildAddonPackage('leak-kinds');
const app = join(fixturesFolder, 'apps', 'leak-tests.mjs');
const testing = join(packageRoot, 'dist', 'src', 'testing', 'index.js');

interface Finding {
  rule: string;
  packageName: string;
  perIteration: { blocks: number; bytes: number };
  place: { file: string; line: number } | null;
  stack: { name: string; file: string | null }[];
}

interface Outcome {
  name: string;
  ms: number;
  verdict: string;
  code?: string;
  text: string;
  iterationCount?: number;
  findings?: Finding[];
}

async function outcomes(
  t: ExecutionContext,
  every: number,
  names: readonly string[],
  options: object = {},
): Promise<Map<string, Outcome>> {
  const folder = await scratchFolder(t);
  const words = [testing, addon, String(every), JSON.stringify(options), ...names];
  const { code, stdout, stderr } = await runTraced(['node', app, ...words], {
    cwd: folder,
    memprofOptions: ['--quiet', '-o', join(folder, 'test.mprof')],
  });
  t.is(code, 0, stderr);
  const found = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
  t.deepEqual(
    found.map(({ name }) => name),
    names,
  );
  return new Map(found.map((one) => [one.name, one]));
}

/** The kind, what its first finding must be, and a function on its stack. */
const kinds: readonly [name: string, rule: RegExp, functionName: string][] = [
  ['LeakMalloc', /^(?:lost|orphaned)$/, 'LeakMalloc::fill'],
  ['LeakChain', /^(?:lost|orphaned)$/, 'LeakChain::fill'],
  ['LeakCycle', /^(?:lost|orphaned)$/, 'LeakCycle::fill'],
  ['LeakMap', /^(?:lost|orphaned)$/, 'make_catalog'],
  ['LeakStrongCycle', /^growth$/, 'LeakStrongCycle::fill'],
  ['LeakWrap', /^orphaned$/, 'handles::leak_wrap'],
  ['LeakExternal', /^orphaned$/, 'handles::leak_external'],
  ['LeakBuffer', /^orphaned$/, 'handles::leak_buffer'],
  ['LeakReference', /^growth$/, 'handles::leak_reference'],
  ['LeakThreadsafe', /^(?:growth|lost)$/, 'handles::leak_threadsafe'],
  ['LeakIntoCache', /^growth$/, 'cache::leak_for_cache'],
  ['LeakAsyncWork', /./, 'LeakAsyncWork'],
  ['LeakInPool', /^(?:growth|lost)$/, 'pool::'],
  // V8 may have inlined the function into its caller, which then stands for it.
  ['LeakKeptBuffers', /^owner-growth$/, 'leak-tests.mjs'],
  ['LeakKeptObjects', /^growth$/, 'CleanMalloc::fill'],
  ['LeakSpread', /^owner-growth$/, 'handles::fill_at'],
];
const halves = [kinds.slice(0, 8), kinds.slice(8)];

for (const every of [1, 10]) {
  for (const half of halves) {
    const names = half.map(([name]) => name);
    test(`a leak in ${every === 1 ? 'every call' : 'one of ten calls'} is found, with its cause: ${names.join(', ')}`, async (t) => {
      const found = await outcomes(t, every, names);
      for (const [name, rule, functionName] of half) {
        const { code, text, findings = [] } = found.get(name) as Outcome;
        t.is(code, 'ERR_MEMPROF_LEAK', `${name}: ${text}`);
        const first = findings.find((one) => one.rule !== 'resource-growth') as Finding;
        t.regex(first.rule, rule, text);
        t.true(
          first.stack.some(({ name: frame, file }) => `${frame} ${file}`.includes(functionName)),
          text,
        );
        // Of one site at least the rate is exact; a kind may have several blocks a call.
        const rates = findings.map(({ perIteration }) => perIteration.blocks * every);
        t.true(
          rates.some((rate) => rate > 0.85 && rate < 8),
          `${name}: ${rates.join(' ')}`,
        );
      }
    });
  }
}

const clean = kinds.map(([name]) => name.replace('Leak', 'Clean'));
const twins = [
  ...clean.filter((name) => !/Into|Kept/.test(name)),
  'CleanCache',
  'CleanLru',
  'CleanTable',
];
const real = [
  'CleanHash',
  'CleanHmac',
  'CleanRandom',
  'CleanCipher',
  'CleanPbkdf2',
  'CleanScrypt',
  'CleanDeflate',
  'CleanGzip',
  'CleanBrotli',
  'CleanAsyncGzip',
  'CleanBuffers',
];
for (const [what, names] of [
  ['twins of the leak kinds, a bounded list, a table that fills', twins],
  ["functions of Node's crypto, zlib and Buffer", real],
] as const) {
  test(`clean functions pass: ${what}`, async (t) => {
    const found = await outcomes(t, 1, names);
    for (const { name, verdict, text } of found.values())
      t.not(verdict, 'failed', `${name}: ${text}`);
  });
}

test('the message says what leaks, where, who holds it, and how to go on, in 80 columns', async (t) => {
  const found = await outcomes(t, 10, ['LeakIntoCache', 'LeakReference']);
  const cache = (found.get('LeakIntoCache') as Outcome).text;
  t.regex(cache, /^expectNoLeaks at .*leak-tests\.mjs:\d+:\d+: native memory grows/);
  t.regex(cache, /\d calls in \d+ rounds, after \d+ to warm up; confidence above 99\.9 %/);
  t.regex(cache, /1\. leak-kinds 1\.2\.3: 1 call in (?:10|9\.\d|10\.\d) keeps 1 block of 1\.1 KiB/);
  t.regex(cache, /held by cache::grown in leak-kinds\.node/);
  t.regex(cache, /cache::leak_for_cache .*work\.h:\d+/);
  t.regex(cache, /frames of the test runner/);
  t.regex(cache, /^trace {2}.*test\.mprof$/m);
  const command = /^next {3}(.*)$/m.exec(cache)?.[1] ?? '';
  t.true(command.includes(memprofBinPath) && command.includes(' why '), command);
  const references = (found.get('LeakReference') as Outcome).text;
  t.regex(references, /keeps 1 napi reference/);
  t.regex(references, /reference +1?,?\d+ +1?,?\d+/);
  for (const line of `${cache}\n${references}`.split('\n'))
    t.true(line.length <= 80 || /^(?:expectNoLeaks|trace|next) /.test(line), line);
});

test('the command in the message shows what holds the blocks', async (t) => {
  const folder = await scratchFolder(t);
  const trace = join(folder, 'test.mprof');
  const words = [testing, addon, '1', '{}', 'LeakIntoCache'];
  const { stdout } = await runTraced(['node', app, ...words], {
    cwd: folder,
    memprofOptions: ['--quiet', '-o', trace],
  });
  const { text } = JSON.parse(stdout) as Outcome;
  const command = /^next {3}(.*)$/m.exec(text)?.[1] ?? '';
  const shown = await run(['sh', '-c', command], { cwd: folder });
  t.is(shown.code, 0, shown.stderr);
  t.regex(shown.stdout, /cache::grown/);
});

test('what is tolerated or ignored passes; other limits and names do not help', async (t) => {
  const verdict = async (options: object) => {
    const { verdict: said, code } = (await outcomes(t, 1, ['LeakMalloc'], options)).get(
      'LeakMalloc',
    ) as Outcome;
    return code ?? said;
  };
  t.is(await verdict({ tolerance: 1024 }), 'clean');
  t.is(await verdict({ tolerance: { blocks: 0.5 } }), 'ERR_MEMPROF_LEAK');
  t.is(await verdict({ ignore: 'LeakMalloc::fill' }), 'clean');
  t.is(await verdict({ ignore: ['leak:leak-kinds'], threads: 'calling' }), 'clean');
  t.is(await verdict({ ignore: ['leak:other'], iterations: 20, rounds: 4 }), 'ERR_MEMPROF_LEAK');
});
