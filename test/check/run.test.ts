// memprof-run --check on whole runs: programs, workers, and what cannot be judged.
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { check, faults, node, project, traces } from './support.js';

test('a fault makes a run that succeeded fail with 23, the fixed twin passes and leaves no trace', async (t) => {
  const folder = await project(t, {});
  const leaky = await check(
    folder,
    ['--check'],
    node("const s = require('./index.cjs'); s.lose(50); s.orphan(40); s.keep(5);"),
  );
  t.is(leaky.code, 23, leaky.stderr);
  t.regex(leaky.stderr, /\nmemprof check: 2 faults in 1 process \(lost, orphaned\)\n/);
  // Node's heap lies below 4 GiB, where four bytes of a certificate look like a pointer: each run some of the
  // lost blocks are held by such words (41 to 49 of 50 were lost in 60 runs), so which fault is larger is open.
  const [lost, orphaned] = faults(leaky).sort();
  t.regex(
    lost,
    /^lost: [12]\.[0-9] MiB in (?:[34]\d|50) blocks, allocated in shelf::make_block \(shelf\.cc:\d+\)$/,
  );
  t.regex(orphaned, /^orphaned: 1\.[0-9] MiB in (?:3\d|40) blocks, /);
  t.regex(leaky.stderr, /\n 1\. shelf-app\n/);
  t.regex(leaky.stderr, /\n {5}its ArrayBuffer was collected, nobody called free\n/);
  t.regex(leaky.stderr, /\n {7}shelf::lose +\S+shelf\.cc:\d+\n/);
  const left = await traces(folder);
  t.is(left.length, 1);
  t.regex(leaky.stderr, new RegExp(`\\n {5}next {2}.*memprof\\S* leaks ${left[0]}\\n`));
  const fixed = await check(
    folder,
    ['--check'],
    node("const s = require('./index.cjs'); s.release(50); s.lend(40); s.keep(5);"),
  );
  t.is(fixed.code, 0, fixed.stderr);
  t.regex(fixed.stderr, /\nmemprof check: no faults in 1 process \(lost, orphaned\)\n/);
  t.deepEqual(await traces(folder), left);
});

test("the command's own failure comes first, a fault or not", async (t) => {
  const folder = await project(t, {});
  const lose = "require('./index.cjs').lose(20);";
  const failed = await check(folder, ['--check=lost'], node(`${lose} process.exitCode = 3;`));
  t.is(failed.code, 3, failed.stderr);
  t.is(faults(failed).length, 1);
  t.regex(
    failed.stderr.replace(/\s+/g, ' '),
    /the command itself ended with status 3, and memprof-run ends likewise/,
  );
  const killed = await check(
    folder,
    ['--check'],
    node(`${lose} process.kill(process.pid, 'SIGKILL');`),
  );
  t.is(killed.signal, 'SIGKILL', killed.stderr);
  t.regex(
    killed.stderr.replace(/\s+/g, ' '),
    /could not be judged: .* was killed by SIGKILL, without a/,
  );
});

test('the same fault in several processes and threads is one, and the processes are counted', async (t) => {
  const folder = await project(t, {
    'work.cjs': "require('./index.cjs').lose(20);",
    'main.cjs': `
const { fork } = require('node:child_process');
const { Worker } = require('node:worker_threads');
require('./index.cjs').release(1);
fork('./work.cjs').on('exit', () => fork('./work.cjs').on('exit', () => new Worker('./work.cjs')));
`,
  });
  const outcome = await check(folder, ['--check=lost'], [process.execPath, 'main.cjs']);
  t.is(outcome.code, 23, outcome.stderr);
  t.is(faults(outcome).length, 1, outcome.stderr);
  t.regex(faults(outcome)[0], /^lost: [12]\.\d MiB in (?:[45]\d|60) blocks/);
  t.regex(
    outcome.stderr,
    /\n {5}in 3 processes, most of it in pid \d+: \S+ KiB in (?:1\d|20) blocks\n/,
  );
  t.regex(outcome.stderr, /memprof check: 1 fault in 3 processes \(lost\)\n/);
});

test('a process that could not be judged is told, and fails the check if it had loaded an addon', async (t) => {
  const folder = await project(t, {
    'killed.cjs':
      "require('./index.cjs').release(1); process.send('up'); setInterval(() => {}, 1000);",
    'plain.cjs': "process.send('up'); setInterval(() => {}, 1000);",
    'main.cjs': `
const child = require('node:child_process').fork(process.argv[2]);
child.on('message', () => child.kill('SIGKILL'));
`,
  });
  const main = (script: string) => [process.execPath, 'main.cjs', script];
  const addon = await check(folder, ['--check'], main('./killed.cjs'));
  t.is(addon.code, 125, addon.stderr);
  const told = addon.stderr.replace(/\s+/g, ' ');
  t.regex(told, /memprof check: no faults in 2 processes/);
  t.regex(
    told,
    /! 1 process could not be judged: \S+ \S+killed\.cjs \(pid \d+\) .*without a checkpoint/,
  );
  const plain = await check(folder, ['--check'], main('./plain.cjs'));
  t.is(plain.code, 0, plain.stderr);
  t.regex(
    plain.stderr.replace(/\s+/g, ' '),
    / 1 process without any addon could not be judged: node/,
  );
});

test('a worker that its parent ends with SIGTERM is judged before it goes', async (t) => {
  const folder = await project(t, {
    'work.cjs': "require('./index.cjs').lose(20); process.send('up'); setInterval(() => {}, 1000);",
    'main.cjs': `
const child = require('node:child_process').fork('./work.cjs');
child.on('message', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => console.log(code, signal));
`,
  });
  const outcome = await check(folder, ['--check'], [process.execPath, 'main.cjs']);
  t.is(outcome.stdout, 'null SIGTERM\n');
  t.is(outcome.code, 23, outcome.stderr);
  t.is(faults(outcome).length, 1);
});

test('a SIGKILL that follows soon waits for the checkpoint', async (t) => {
  const folder = await project(t, {
    'work.cjs': "require('./index.cjs').lose(20); process.send('up'); setInterval(() => {}, 1000);",
    'main.cjs': `
const child = require('node:child_process').fork('./work.cjs');
child.on('message', () => {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), 200);
});
`,
  });
  const outcome = await check(folder, ['--check'], [process.execPath, 'main.cjs']);
  t.is(outcome.code, 23, outcome.stderr);
});

test("a program's own handler of SIGTERM is the one that runs, and a copy without exec dies of it", async (t) => {
  const folder = await project(t, {
    'work.cjs': `
process.on('SIGTERM', () => { console.log('handled'); process.exit(4); });
process.send('up');
setInterval(() => {}, 1000);
`,
    'main.cjs': `
const child = require('node:child_process').fork('./work.cjs');
child.on('message', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => console.log(code, signal));
`,
  });
  const outcome = await check(folder, ['--check'], [process.execPath, 'main.cjs']);
  t.is(outcome.stdout, 'handled\n4 null\n');
  t.is(outcome.code, 0, outcome.stderr);
});

test('growth: what rises over four checkpoints and more is a fault, a cache that is full is none', async (t) => {
  const folder = await project(t, {
    'grow.mjs': `
import { checkpoint } from 'memprof';
import s from './index.cjs';
import other from 'other-shelf/index.cjs';
other.keep(50);
for (let round = 0; round < 5; round++) {
  s.keep(2);
  await checkpoint();
}
`,
  });
  await symlink(packageRoot, join(folder, 'node_modules', 'memprof'));
  const outcome = await check(folder, ['--check=growth'], [process.execPath, 'grow.mjs']);
  t.is(outcome.code, 23, outcome.stderr);
  t.is(faults(outcome).length, 1, outcome.stderr);
  t.regex(
    faults(outcome)[0],
    /^growth: .* blocks after \d+ checkpoints, from \d+ at the first, allocated in shelf::/,
  );
  t.regex(outcome.stderr, /\n 1\. shelf-app\n/);
  const short = await check(folder, ['--check=growth'], node("require('./index.cjs').keep(5)"));
  t.is(short.code, 125, short.stderr);
  t.regex(
    short.stderr.replace(/\s+/g, ' '),
    /! growth needs 4 checkpoints, and no process lived so long: take them more often \(--checkpoint 500ms\)/,
  );
});

test('budgets: live memory at the last checkpoint, and the peak, of each package in a process', async (t) => {
  const folder = await project(
    t,
    {
      'use.cjs': `
const s = require('./index.cjs');
const other = require('other-shelf/index.cjs');
s.keep(20);
other.keep(40);
`,
    },
    {
      memprof: {
        budgets: {
          'shelf-app': { live: '1 MiB', peak: '512 KiB' },
          'other-shelf': '2 MiB',
          'never-loaded': '1 KiB',
        },
      },
    },
  );
  const command = [process.execPath, 'use.cjs'];
  const outcome = await check(folder, ['--check'], command);
  t.is(outcome.code, 23, outcome.stderr);
  t.regex(outcome.stderr, /memprof check: 1 fault in 1 process \(lost, orphaned, budgets\)/);
  t.regex(
    outcome.stderr.replace(/\s+/g, ' '),
    /budget: shelf-app had 96\d\.\d KiB at its peak, 4\d\d\.\d KiB above its budget of 512\.0 KiB/,
  );
  t.regex(outcome.stderr, /budget not used: no memory of never-loaded was seen/);
  t.regex(outcome.stderr, /next {2}.* sites memprof-use\.\d+\.mprof/);
  const only = await check(folder, ['--check=lost'], command);
  t.is(only.code, 0, only.stderr);
});

test('a dependency leaks: the fault is told as its own', async (t) => {
  const folder = await project(t, {});
  const outcome = await check(
    folder,
    ['--check'],
    node("require('other-shelf/index.cjs').lose(20)"),
  );
  t.is(outcome.code, 23, outcome.stderr);
  t.regex(outcome.stderr, /\n 1\. other-shelf\n/);
});

test('-q is silent about a run without faults', async (t) => {
  const folder = await project(t, {});
  const clean = await check(folder, ['-q', '--check'], node('0'));
  t.deepEqual([clean.code, clean.stderr], [0, '']);
  const faulty = await check(folder, ['-q', '--check'], node("require('./index.cjs').lose(20)"));
  t.is(faulty.code, 23);
  t.is(faults(faulty).length, 1);
});

test('with -o the traces stay', async (t) => {
  const folder = await project(t, {});
  const outcome = await check(folder, ['--check', '-o', join(folder, 'all.mprof')], node('0'));
  t.is(outcome.code, 0, outcome.stderr);
  t.deepEqual(await traces(folder), ['all.mprof']);
});
