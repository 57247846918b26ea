// Questions of real programs, answered by a real reader. One after another: all the readers are in this process.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { MemprofError } from '../../src/errors.js';
import { agentAddonPath, agentPath, packageRoot, shimPath } from '../../src/paths.js';
import { type QuestionView, tracedEnvironment } from '../../src/record/index.js';
import { testOnEachNode } from '../agent/support/node-builds.js';
import { runBin } from '../e2e/support/run.js';
import { agentOf, runAsked } from './asked.js';

test.serial(
  'a question is answered, a thousand in a row are, each with its own answer',
  async (t) => {
    const asked: number[] = [];
    const { code, stdout, stderr, recorded } = await runAsked(
      `let wrong = 0;
    for (let i = 0; i < 1000; i++) if (agent.ask('q' + i, 60000) !== 'answer to q' + i) wrong++;
    console.log(wrong);`,
      (view, text) => {
        asked.push(view.number);
        return `answer to ${text}`;
      },
    );
    t.is(code, 0, stderr);
    t.is(stdout, '0\n');
    t.deepEqual(
      asked,
      Array.from({ length: 1000 }, (_, at) => at + 1),
    );
    t.deepEqual(recorded[0]?.warnings, []);
  },
);

test.serial(
  'any text arrives as it is, long answers too; one that is too long is told so',
  async (t) => {
    const texts = ['', '\0', 'ü\u{1f642}', '"\\\n', 'x'.repeat(1 << 20)];
    const { code, stdout, stderr } = await runAsked(
      `for (const text of ${JSON.stringify(texts.slice(0, 4))}.concat('x'.repeat(1 << 20)))
      console.log(agent.ask(text, 60000) === text.repeat(5));
    console.log(JSON.parse(agent.ask('x'.repeat((1 << 20) + 1), 60000)).error.code);
    console.log(JSON.parse(agent.ask('ü'.repeat(5 << 20), 60000)).error.code);`,
      (_, text) => text.repeat(5),
    );
    t.is(code, 0, stderr);
    const tooLarge = 'ERR_MEMPROF_QUESTION_TOO_LARGE';
    t.deepEqual(stdout.trim().split('\n'), [...texts.map(() => 'true'), tooLarge, tooLarge]);
  },
);

test.serial(
  'nobody to answer, a handler that throws, and one that rejects are error answers',
  async (t) => {
    const script = `console.log(agent.ask('throw', 60000)); console.log(agent.ask('reject', 60000));`;
    const alone = await runAsked(script);
    t.is(alone.code, 0, alone.stderr);
    for (const line of alone.stdout.trim().split('\n'))
      t.is(JSON.parse(line).error.code, 'ERR_MEMPROF_NO_ANSWERS');
    const failing = await runAsked(script, (_, text) => {
      if (text === 'throw') throw new MemprofError('ERR_MEMPROF_TEST', 'thrown');
      return Promise.reject(new TypeError('rejected'));
    });
    t.is(failing.code, 0, failing.stderr);
    t.deepEqual(
      failing.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [
        { error: { code: 'ERR_MEMPROF_TEST', message: 'thrown' } },
        { error: { code: 'ERR_MEMPROF_ANSWER', message: 'rejected' } },
      ],
    );
  },
);

test.serial(
  'the view is as of the mark though another thread goes on, and closes when the handler returns',
  async (t) => {
    const late: unknown[] = [];
    const { code, stdout, stderr } = await runAsked(
      `const { Worker } = require('node:worker_threads');
    const busy = new Worker('const word = new Int32Array(new SharedArrayBuffer(4)); for (;;) { const some = []; for (let i = 0; i < 200; i++) some.push(Buffer.allocUnsafeSlow(2000)); Atomics.wait(word, 0, 0, 1); }', { eval: true });
    busy.once('online', () => {
      for (let i = 0; i < 8; i++) {
        const before = Number(agent.ask('3000017', 60000));
        const block = Buffer.alloc(3_000_017);
        const after = Number(agent.ask('3000017', 60000));
        console.log(after - before, block.length);
      }
      process.exit(0);
    });`,
      async (view, size) => {
        const { live } = view.model().atEnd;
        t.is(live.count, view.totals().liveCount);
        const sums = view.stackSums();
        t.is(
          sums.liveBytes.reduce((sum, bytes) => sum + bytes, 0),
          view.totals().liveBytes,
        );
        const answer = live.sizeBytes.filter((bytes) => bytes === Number(size)).length;
        await Promise.resolve();
        try {
          view.totals();
        } catch (error) {
          late.push((error as MemprofError).code);
        }
        return String(answer);
      },
    );
    t.is(code, 0, stderr);
    t.deepEqual(stdout.trim().split('\n'), Array(8).fill('1 3000017'));
    t.deepEqual(late, Array(16).fill('ERR_MEMPROF_VIEW_CLOSED'));
  },
);

test.serial('asking leaves nothing in the recording', async (t) => {
  const counts: number[] = [];
  await runAsked(`for (let i = 0; i < 200; i++) agent.ask('again', 60000);`, (view) => {
    counts.push(view.totals().allocationCount);
    return '';
  });
  const between = counts.slice(1).map((count, at) => count - counts[at]!);
  // V8 compiles and collects now and then.
  t.true(between.filter((count) => count > 0).length < 100, between.join(' '));
});

test.serial(
  'Workers and child processes ask for themselves, several at once, and answers find who asked',
  async (t) => {
    const threads = new Set<string>();
    let outstanding = 0;
    let areSeveral = () => {};
    const several = new Promise<void>((resolve) => {
      areSeveral = resolve;
    });
    const { code, stdout, stderr } = await runAsked(
      `const { Worker, isMainThread, workerData } = require('node:worker_threads');
    const { spawn } = require('node:child_process');
    const ask = (who) => {
      for (let i = 0; i < 30; i++) {
        const text = who + ' ' + i;
        if (agent.ask(text, 60000) !== text) throw new Error(text);
      }
      console.log(who);
    };
    const source = ${JSON.stringify(agentOf())} + 'const ask = ' + ask + '; ask(require("node:worker_threads").workerData ?? process.argv[1]);';
    for (const name of ['worker-1', 'worker-2']) new Worker(source, { eval: true, workerData: name });
    spawn(process.execPath, ['-e', source, 'child'], { stdio: 'inherit' });
    spawn('/bin/sh', ['-c', 'exec "$0" -e "$1" exec-ed', process.execPath, source], { stdio: 'inherit' });
    ask('main');`,
      async (view, text) => {
        const { pid, generation } = view.process;
        threads.add(`${text.split(' ')[0]} ${pid} ${generation} ${view.threadIndex}`);
        // The first question is answered when there is another one.
        if (++outstanding === 2) areSeveral();
        await several;
        outstanding--;
        return text;
      },
    );
    t.is(code, 0, stderr);
    t.deepEqual(stdout.trim().split('\n').sort(), [
      'child',
      'exec-ed',
      'main',
      'worker-1',
      'worker-2',
    ]);
    t.is(threads.size, 5, [...threads].join('\n'));
    const execed = [...threads].find((line) => line.startsWith('exec-ed'));
    t.is(execed?.split(' ')[2], '1', 'the image after exec is the second of its process');
  },
);

testOnEachNode('every Node can ask, collect and wait for a checkpoint', async (t, nodePath) => {
  const { code, stdout, stderr } = await runAsked(
    `(() => { for (let i = 0; i < 20; i++) Buffer.allocUnsafeSlow(1_000_000); })();
    const before = Number(agent.ask('live', 60000));
    setImmediate(() => {
      const isCollected = agent.collect();
      const after = Number(agent.ask('live', 60000));
      console.log(isCollected, before - after > 19e6, agent.ask(String(agent.checkpoint('')), 60000));
    });`,
    async (view, text) => {
      if (text === 'live') return String(view.totals().liveBytes);
      const { owners, scanFailure } = await view.checkpoint(Number(text));
      return `${owners} ${scanFailure}`;
    },
    { nodePath },
  );
  t.is(code, 0, stderr);
  t.is(stdout, 'true true complete null\n');
});

test.serial('fake timers, a replaced fs and a vm context of its own do not matter', async (t) => {
  const { code, stdout, stderr } = await runAsked(
    `const vm = require('node:vm');
    const fs = require('node:fs');
    for (const name of Object.keys(fs)) if (typeof fs[name] === 'function') fs[name] = () => { throw new Error('mocked'); };
    for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Date', 'performance', 'Promise', 'JSON', 'Buffer'])
      Object.defineProperty(globalThis, name, { value: undefined, configurable: true, writable: true });
    const log = process._rawDebug;
    log(agent.ask('main', 60000));
    const holder = vm.runInNewContext('const holder = { exports: {} }; process.dlopen(holder, path); holder', { process: { dlopen: process.dlopen }, path: ${JSON.stringify(agentAddonPath)} });
    log(String(holder.exports.isLoaded()), holder.exports.ask('vm', 60000), String(holder.exports.collect()));`,
    (_, text) => `hello ${text}`,
  );
  t.is(code, 0, stderr);
  t.is(stdout, '');
  t.is(stderr, 'hello main\ntrue hello vm true\n');
});

test.serial(
  'a reader that does not answer holds the program up for the timeout, a dead one for less',
  async (t) => {
    const reader = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { startSession } from ${JSON.stringify(pathToFileURL(join(packageRoot, 'dist/src/record/index.js')).href)};
      const session = startSession({ events: 'none', overwrite: true, tracePathFor: () => null, onQuestion: () => new Promise(() => {}) });
      console.log(session.folder);
      setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const folder = await new Promise<string>((resolve) => {
      reader.stdout.once('data', (piece: Buffer) => resolve(piece.toString().trim()));
    });
    const env = tracedEnvironment(process.env, {
      shimPath,
      agentPath,
      sessionFolder: folder,
      session: { MEMPROF_SESSION: folder },
    });
    const script = `${agentOf()}const timed = (ms) => { const begin = process.hrtime(); const answer = agent.ask('anybody?', ms); const [s, ns] = process.hrtime(begin); return [answer, s * 1e3 + ns / 1e6]; };
    const [first, firstMs] = timed(300);
    console.log('ready');
    const [second, secondMs] = timed(60_000);
    console.log(JSON.stringify([first, firstMs >= 300, second, secondMs < 60_000, agent.ask('again', 60_000)]));`;
    const program = spawn(process.execPath, ['-e', script], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    program.stdout.on('data', (piece: Buffer) => {
      if (stdout === '') reader.kill('SIGKILL');
      stdout += piece.toString();
    });
    const code = await new Promise((resolve) => program.once('close', resolve));
    t.is(code, 0);
    t.deepEqual(JSON.parse(stdout.trim().split('\n')[1] ?? ''), [null, true, null, true, null]);
  },
);

test.serial('questions that nobody waits for any more leave no files behind', async (t) => {
  const { code, stdout, stderr } = await runAsked(
    `const { readdirSync } = require('node:fs');
    const left = () => readdirSync(process.env.MEMPROF_SESSION).filter((name) => /[.][qa]\\d/.test(name)).length;
    for (let i = 0; i < 5; i++) agent.ask('slow', 30);
    for (let i = 0; i < 5; i++) agent.ask('now', 60000);
    let looks = 0;
    const look = () => { if (left() === 0 || ++looks === 600) console.log(left()); else setTimeout(look, 100); };
    setTimeout(look, 400);`,
    (_, text) =>
      text === 'now' ? '' : new Promise((resolve) => setTimeout(() => resolve('late'), 200)),
  );
  t.is(code, 0, stderr);
  t.is(stdout, '0\n');
});

test.serial('peaks are those of every event between two marks', async (t) => {
  const watches = new Map<string, ReturnType<QuestionView['watchPeak']>>();
  const { code, stdout, stderr } = await runAsked(
    `const ask = (text) => Number(agent.ask(text, 60000));
    const burst = (count, bytes) => { const some = []; for (let i = 0; i < count; i++) some.push(Buffer.allocUnsafeSlow(bytes)); };
    const free = () => agent.collect();
    const out = [];
    ask('warm-up'); ask('end warm-up');
    ask('outer');
    burst(10, 4_000_000); free();
    ask('inner');
    burst(3, 4_000_000); free();
    out.push(ask('end inner'), ask('end outer'));
    console.log(JSON.stringify(out));`,
    (view, text) => {
      if (!text.startsWith('end ')) {
        watches.set(text, view.watchPeak());
        return '0';
      }
      const watch = watches.get(text.slice(4))!;
      const bytes = view.peakBytes(watch) - watch.startBytes;
      view.endPeak(watch);
      return String(bytes);
    },
  );
  t.is(code, 0, stderr);
  const [inner, outer] = JSON.parse(stdout) as [number, number];
  // What a burst leaves for its collection, plus what V8 itself needs.
  t.true(inner >= 12_000_000 && inner < 16_000_000, `${inner}`);
  t.true(outer >= 40_000_000 && outer < 48_000_000, `${outer}`);
});

test.serial('what is live since an earlier question, of one thread or of all', async (t) => {
  let serial = 0;
  const sizeOf = ({ liveBytes }: { liveBytes: Float64Array }) =>
    Math.round(liveBytes.reduce((sum, bytes) => sum + bytes, 0) / 1e6);
  const { code, stdout, stderr } = await runAsked(
    `const { Worker } = require('node:worker_threads');
    const before = Buffer.alloc(7_000_000);
    agent.ask('begin', 60000);
    const after = Buffer.alloc(20_000_000);
    Buffer.alloc(40_000_000);
    const worker = new Worker('const kept = Buffer.alloc(300_000_000); require("node:worker_threads").parentPort.once("message", () => kept); require("node:worker_threads").parentPort.postMessage(0)', { eval: true });
    worker.once('message', () => {
      agent.collect();
      console.log(agent.ask('end', 60000));
      worker.terminate();
    });`,
    (view, text) => {
      if (text === 'begin') {
        serial = view.allocationSerial;
        return '';
      }
      const all = sizeOf(view.liveSince(serial));
      const mine = sizeOf(view.liveSince(serial, view.threadIndex));
      t.is(view.stackTotals().liveBytes.length, view.model().stacks.count);
      t.true(view.mappings().length > 0);
      t.deepEqual(view.resources(), []);
      return `${all} ${mine} ${sizeOf(view.stackSums()) - sizeOf(view.stackSums(view.threadIndex)) - (all - mine)}`;
    },
  );
  t.is(code, 0, stderr);
  const [all, mine, rest] = stdout.split(' ').map(Number) as [number, number, number];
  t.true(all >= 320 && all < 330, `${all}`);
  t.true(mine >= 20 && mine < 23, `${mine}`);
  t.true(Math.abs(rest) <= 2, `${rest}`);
});

test.serial(
  'a checkpoint is answered for when it is judged, before and after; without one it is said',
  async (t) => {
    const { code, stdout, stderr } = await runAsked(
      `agent.ask('prepare', 60000);
    setImmediate(() => {
      const number = agent.checkpoint('');
      for (const which of [number, number, number + 1]) console.log(agent.ask(String(which), 60000));
    });`,
      async (view, text) => {
        view.prepareCheckpoints();
        if (text === 'prepare') return '';
        const { number, scanFailure, tallies, owners } = await view.checkpoint(Number(text));
        return JSON.stringify({ number, scanFailure, owners, isJudged: tallies.length > 0 });
      },
    );
    t.is(code, 0, stderr);
    const [first, again, none] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.deepEqual(first, { number: 1, scanFailure: null, owners: 'complete', isJudged: true });
    t.deepEqual(again, first);
    t.is(none.error.code, 'ERR_MEMPROF_NO_CHECKPOINT');
  },
);

test.serial(
  'marks have their names in the trace, and what is to be ignored is no mark',
  async (t) => {
    const { code, stderr, recorded } = await runAsked(
      `agent.ignore(true); agent.mark('half \\u{1f642} way'); agent.ignore(false); agent.ask('', 60000);`,
      () => '',
    );
    t.is(code, 0, stderr);
    t.deepEqual(
      recorded[0]?.model.marks.filter(({ kind }) => kind === 'user').map(({ text }) => text),
      ['half \u{1f642} way'],
    );
    t.deepEqual([...new Set(recorded[0]?.model.marks.map(({ kind }) => kind))].sort(), [
      'before-teardown',
      'checkpoint',
      'user',
    ]);
  },
);

test.serial('memprof-run answers, and without memprof every function does nothing', async (t) => {
  const script = `${agentOf()}console.log(agent.isLoaded(), agent.ask('x', 5000), agent.collect(), agent.mark('m'), agent.ignore(true), agent.ignore(false));
    try { agent.ask(5); } catch (error) { console.log(error.code); }`;
  const outputOf = (file: string, argv: string[]) =>
    new Promise<string>((resolve) => {
      const child = spawn(file, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (piece: Buffer) => {
          text += piece.toString();
        });
      child.once('close', () => resolve(text));
    });
  t.is(
    await outputOf(process.execPath, ['-e', script]),
    'false null false undefined undefined undefined\n',
  );
  const traced = await outputOf(process.execPath, [
    runBin,
    '--quiet',
    '-f',
    '-o',
    '/dev/null',
    process.execPath,
    '-e',
    script,
  ]);
  t.regex(
    traced,
    /^true \{.*\} true undefined undefined undefined\nERR_INVALID_ARG_TYPE\n$/,
    traced,
  );
});
