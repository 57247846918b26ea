// Suppressions that a run is given and prints, what CI systems get, and options that are wrong.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { check, faults, node, project, traces, writeFiles } from './support.js';

const flat = (text: string): string => text.replace(/\s+/g, ' ');
const loseBoth = "const s = require('./index.cjs'); s.lose(20); s.loseElsewhere(20);";

test('suppressions hide by what allocates: a caller far from it hides nothing, and each rule is accounted for', async (t) => {
  const folder = await project(
    t,
    {
      'far.supp': 'leak:node::Start\nleak:uv_run\n',
      'near.supp': '{\n  known\n  Memcheck:Leak\n  ...\n  fun:_ZN5shelf10make_block*\n}\n',
    },
    { memprof: { suppressions: ['near.supp'], ignore: ['leak:never'] } },
  );
  const outcome = await check(
    folder,
    ['--check=lost', '--suppressions', 'far.supp'],
    node(loseBoth),
  );
  t.is(outcome.code, 23, outcome.stderr);
  t.is(faults(outcome).length, 1);
  t.regex(faults(outcome)[0], /lose_elsewhere/);
  const told = flat(outcome.stderr);
  t.regex(told, /! near\.supp:1: \{ known \} hides a fault of shelf-app itself: lost: /);
  t.regex(told, / 1 suppressed /);
  t.regex(told, /suppression not used: far\.supp:1: leak:node::Start /);
  t.regex(told, /suppression not used: far\.supp:2: leak:uv_run /);
  t.regex(told, /suppression not used: package\.json "ignore":1: leak:never/);
});

for (const format of ['lsan', 'valgrind']) {
  test(`--gen-suppressions=${format}: what it prints hides exactly what was found`, async (t) => {
    const folder = await project(t, {});
    const lose = node("require('./index.cjs').lose(20);");
    const first = await check(folder, ['--check=lost', `--gen-suppressions=${format}`], lose);
    t.is(first.code, 23, first.stderr);
    const printed = first.stderr.slice(first.stderr.indexOf('\n# lost: '));
    await writeFiles(folder, { 'made.supp': printed });
    const options = ['--check=lost', '--suppressions', 'made.supp'];
    const again = await check(folder, options, node(loseBoth));
    t.is(again.code, 23, again.stderr);
    t.is(faults(again).length, 1);
    t.regex(faults(again)[0], /lose_elsewhere/);
    t.notRegex(again.stderr, /suppression not used/);
    const only = await check(folder, options, lose);
    t.is(only.code, 0, only.stderr);
    t.regex(
      flat(only.stderr),
      /no faults in 1 process \(lost\) ! made\.supp:\d+: .* hides a fault of shelf-app itself/,
    );
  });
}

test('SARIF, JUnit, the summary and annotations are written, in a workflow of GitHub without being asked', async (t) => {
  const folder = await project(t, { 'step.md': 'before\n', '.git/HEAD': '' });
  const outcome = await check(
    folder,
    ['--check', '--sarif', 'a.sarif', '--junit', 'a.xml', '--summary', 'a.md'],
    node("require('./index.cjs').lose(20)"),
    { env: { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: join(folder, 'step.md') } },
  );
  t.is(outcome.code, 23, outcome.stderr);
  t.regex(outcome.stderr, /^::error .*title=.*::/m);
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  const sarif = JSON.parse(await read('a.sarif'));
  t.is(sarif.version, '2.1.0');
  t.is(sarif.runs[0].results.length, 1);
  t.regex(await read('a.xml'), /<failure /);
  t.regex(await read('a.md'), /^### ❌ memprof: 1 fault in 1 process/);
  t.is(await read('step.md'), `before\n${await read('a.md')}\n`);
  const plain = await check(
    folder,
    ['--check', '--annotations'],
    node("require('./index.cjs').lose(20)"),
  );
  t.regex(plain.stderr, /^::error /m);
});

const wrong: [string, string[], RegExp][] = [
  [
    'an unknown kind',
    ['--check=lost,leaks'],
    /--check=lost,leaks: 'leaks' is none of lost, orphaned, growth, budgets/,
  ],
  [
    'no checkpoints',
    ['--check', '--checkpoint', 'none'],
    /cannot be combined with --checkpoint none/,
  ],
  [
    'budgets without any',
    ['--check=budgets'],
    /--check=budgets: there is no configuration with budgets\. Write one/,
  ],
  [
    'an option of the check alone',
    ['--sarif', 'x.sarif'],
    /--sarif is for --check, which was not given/,
  ],
  [
    'an unknown format',
    ['--check', '--gen-suppressions=gcc'],
    /--gen-suppressions=gcc: there are lsan and valgrind/,
  ],
  [
    'suppressions that are not there',
    ['--check', '--suppressions', 'none.supp'],
    /none\.supp cannot be read: ENOENT/,
  ],
  [
    'malformed suppressions',
    ['--check', '--suppressions', 'bad.supp'],
    /bad\.supp:2: expected leak:PATTERN .*found "oops"/,
  ],
  [
    'an output that is a folder',
    ['--check', '--junit', 'build'],
    /build cannot be written: it is a folder/,
  ],
  [
    'an output in no folder',
    ['--check', '--summary', 'no/such/a.md'],
    /no\/such\/a\.md cannot be written: ENOENT/,
  ],
];

test('what is wrong is told before the program runs, with status 125', async (t) => {
  const folder = await project(t, { 'bad.supp': 'leak:a\noops\n' });
  for (const [name, options, expected] of wrong) {
    const outcome = await check(folder, options, node("console.log('ran')"));
    t.is(outcome.code, 125, name);
    t.is(outcome.stdout, '', name);
    t.regex(outcome.stderr, expected, name);
  }
  await writeFiles(folder, { 'memprof.config.mjs': "export default { budgets: { a: '24 MB' } }" });
  const config = await check(folder, ['--check'], node("console.log('ran')"));
  t.is(config.code, 125);
  t.regex(config.stderr, /^memprof-run: memprof\.config\.mjs: budgets\.a: '24 MB': MB means/);
  // Whoever does not ask for a check is not kept from running by its configuration.
  const unasked = await check(folder, ['-q'], node("console.log('ran')"));
  t.is(unasked.stdout, 'ran\n', unasked.stderr);
  t.is((await traces(folder)).length, 1);
});
