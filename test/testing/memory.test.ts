import test from 'ava';
import type { TrackSite, TrackStats } from '../../src/checks/index.js';
import { type Failure, runScript, said } from './support.js';

test('a peak below the limit passes and is told; one above it fails with sites and the trace', async (t) => {
  const outcome = await runScript(
    t,
    `const use = (bytes) => { Buffer.alloc(bytes, 1); };
    say(await expectMemoryBelow('24 MiB', () => use(4 << 20)));
    say(await expectMemoryBelow(24 << 20, async () => { await null; use(4 << 20); }));
    say(await failure(expectMemoryBelow('1 MiB', () => use(4 << 20))));`,
  );
  t.is(outcome.code, 0, outcome.stderr);
  const [below, inBytes, above] = said(outcome) as [
    { skipped: boolean; peakBytes: number; limitBytes: number },
    { peakBytes: number },
    Failure,
  ];
  t.false(below.skipped);
  // As high as they are, less what V8 releases meanwhile.
  t.is(below.limitBytes, 24 << 20);
  for (const { peakBytes } of [below, inBytes])
    t.true(peakBytes >= 3.5 * 2 ** 20 && peakBytes < 8 << 20, `${peakBytes}`);
  t.is(above.code, 'ERR_MEMPROF_ABOVE_LIMIT');
  t.regex(
    above.message,
    /^expectMemoryBelow at script\.cjs:5:\d+: native memory rose by (?:3\.[5-9]|4\.\d) MiB at its peak,\s+(?:2\.[5-9]|3\.\d)\s+MiB above the limit of 1\.0 MiB\n/,
  );
  t.regex(above.message, /\n {2}1\. 4\.0 MiB in \d+ allocations?, .*Node's runtime\n/);
  t.regex(above.message, /\n +use +script\.cjs:2\n/);
  t.regex(above.message, /\ntrace {2}memprof-script.*\.mprof$/);
  t.regex(above.stack, /\n {4}at \S+script\.cjs:5:\d+\)?$/m);
  t.is(outcome.stderr, '');
});

test('what the function does wrong comes out as it is', async (t) => {
  const outcome = await runScript(
    t,
    `say(await failure(expectMemoryBelow('1 GiB', () => { throw Object.assign(new Error('mine'), { code: 'E1' }); })));
    say(await failure(expectMemoryBelow('1 GiB', async () => { throw Object.assign(new Error('later'), { code: 'E2' }); })));
    say(await failure(expectMemoryBelow('1 GiB', () => new Promise(() => setTimeout(() => {}, 2000).ref()), { timeoutMs: 100 })));
    say(await failure(expectMemoryBelow('1 GiB', () => {})));`,
  );
  const [thrown, rejected, late, after] = said(outcome) as Failure[];
  t.like(thrown, { code: 'E1', message: 'mine' });
  t.like(rejected, { code: 'E2', message: 'later' });
  t.is(late?.code, 'ERR_MEMPROF_TIMEOUT');
  t.regex(
    late?.message ?? '',
    /^expectMemoryBelow at script\.cjs:4:\d+: its function did not settle within 0\.1 s/,
  );
  t.truthy(after?.value, 'a failed watch is over');
});

test('wrong arguments are told with the place of the call, before anything runs', async (t) => {
  const outcome = await runScript(
    t,
    `let ran = false; const fn = () => { ran = true; };
    say(await failure(expectMemoryBelow('24 MB', fn)));
    say(await failure(expectMemoryBelow('24 foo', fn)));
    say(await failure(expectMemoryBelow('1 MiB')));
    say(await failure(expectMemoryBelow('1 MiB', fn, { timeout: 3 })));
    say(await failure(expectMemoryBelow('1 MiB', fn, { timeoutMs: '3' })));
    say(await failure(expectMemoryBelow('1 MiB', fn, null)));
    say(await failure(expectMemoryBelow('1 MiB', fn, { whenMissing: 'never' })));
    say(await failure(track(3)));
    say(await failure(track('a', { whenMissing: 'run' })));
    say(await failure((async () => ignoreLeaks())()));
    say(await failure((async () => mark())()));
    say(ran);`,
  );
  const answers = said(outcome) as Failure[];
  t.is(answers.pop() as unknown, false);
  const expected = [
    /: '24 MB': MB means .* Write '24 MiB'/,
    /: '24 foo' has the unit foo/,
    /: needs a function to run, and got undefined$/,
    /: there is no option 'timeout'\. There are: name, timeoutMs, whenMissing$/,
    /: 'timeoutMs' must be a number of milliseconds above 0, and is '3'$/,
    /: its options must be an object/,
    /: 'whenMissing' must be 'error', 'skip' or 'run', and is 'never'$/,
    /: its name must be a text$/,
    /: 'whenMissing' must be 'error' or 'skip'/,
    /: needs a function to run/,
    /: needs a name$/,
  ];
  t.is(answers.length, expected.length);
  for (const [at, { code, message, stack }] of answers.entries()) {
    t.is(code, 'ERR_MEMPROF_USAGE');
    t.regex(message, expected[at] as RegExp);
    t.regex(message, new RegExp(`^\\w+ at script\\.cjs:${at + 3}:`));
    t.regex(stack, new RegExp(`script\\.cjs:${at + 3}:`));
  }
});

test('two at once: the second is refused with both places, the first goes on; trackers may overlap', async (t) => {
  const outcome = await runScript(
    t,
    `let release; const held = new Promise((resolve) => { release = resolve; });
    const first = failure(expectMemoryBelow('1 GiB', () => held));
    const one = await track('one'), two = await track('two');
    say(await failure(expectMemoryBelow('1 GiB', () => {})));
    release();
    say(await first);
    say(await failure(expectMemoryBelow('1 GiB', () => {})));
    const kept = Buffer.alloc(1 << 20, 1);
    say([(await one.stop()).liveBytes, two.stats().liveBytes, kept.length]);`,
  );
  t.is(outcome.code, 0, outcome.stderr);
  const [refused, first, after, [one, two]] = said(outcome) as [
    Failure,
    Failure,
    Failure,
    [number, number],
  ];
  t.is(refused.code, 'ERR_MEMPROF_OVERLAP');
  t.regex(
    refused.message,
    /^expectMemoryBelow at script\.cjs:5:\d+ began while expectMemoryBelow at script\.cjs:3:/,
  );
  t.truthy(first.value);
  t.truthy(after.value);
  t.true(one >= 1 << 20 && two >= 1 << 20);
});

test('a leak is found whatever trackers overlap it, and the trackers go on', async (t) => {
  const outcome = await runScript(
    t,
    `const kept = [];
    const outer = await track('outer');
    const found = await failure(expectNoLeaks(function leak() { kept.push(Buffer.allocUnsafeSlow(4096)); }));
    const inner = await track('inner');
    kept.push(Buffer.allocUnsafeSlow(1 << 20));
    say(found);
    say([kept.length, (await outer.stop()).liveBytes, (await inner.stop()).liveBytes]);`,
  );
  t.is(outcome.code, 0, outcome.stderr);
  const [found, [count, outer, inner]] = said(outcome) as [Failure, [number, number, number]];
  t.is(found.code, 'ERR_MEMPROF_LEAK');
  t.regex(found.message, /^expectNoLeaks at script\.cjs:4:/);
  t.regex(found.message, /4\.0 KiB/);
  t.true(outer >= (count - 1) * 4096 + (1 << 20), `${outer}`);
  t.true(inner >= 1 << 20 && inner < 2 << 20, `${inner}`);
});

test('of two threads the second waits for the first', async (t) => {
  const outcome = await runScript(
    t,
    `const { Worker } = require('node:worker_threads');
    const code = 'const { parentPort, workerData } = require("node:worker_threads");'
      + 'require(workerData).expectMemoryBelow("1 GiB", () => {}).then((verdict) => parentPort.postMessage(verdict))';
    let isDone = false;
    const begun = expectMemoryBelow('1 GiB', async () => {
      const worker = new Worker(code, { eval: true, workerData: testingPath });
      await new Promise((resolve) => worker.on('online', resolve));
      await new Promise((resolve) => setTimeout(resolve, 500));
      return (globalThis.done = new Promise((resolve) => worker.on('message', resolve)).then((verdict) => { isDone = true; return verdict; }), undefined);
    });
    await begun;
    say(isDone);
    say(await done);`,
  );
  t.is(outcome.code, 0, outcome.stderr);
  const [isDone, verdict] = said(outcome);
  t.false(isDone);
  t.like(verdict, { skipped: false });
});

test('a Worker that is terminated in the middle of it stands in nobody’s way', async (t) => {
  const outcome = await runScript(
    t,
    `const { Worker } = require('node:worker_threads');
    const code = 'const { parentPort, workerData } = require("node:worker_threads");'
      + 'setInterval(() => {}, 1000); require(workerData).expectMemoryBelow("1 GiB", () => new Promise(() => parentPort.postMessage("begun")));';
    const worker = new Worker(code, { eval: true, workerData: testingPath });
    await new Promise((resolve) => worker.on('message', resolve));
    await worker.terminate();
    say(await failure(expectMemoryBelow('1 GiB', () => {}, { timeoutMs: 60_000 })));`,
  );
  const [{ value, message }] = said(outcome) as [Failure];
  t.truthy(value, message);
});

test('process.exit inside: the process fails and says where', async (t) => {
  const outcome = await runScript(t, `await expectMemoryBelow('1 GiB', () => process.exit(0));`);
  t.is(outcome.code, 1);
  t.regex(
    outcome.stderr,
    /^memprof: the process ended while expectMemoryBelow at script\.cjs:2:\d+ was running/,
  );
  const kept = await runScript(t, `await expectMemoryBelow('1 GiB', () => process.exit(7));`);
  t.is(kept.code, 7);
});

test('a tracker counts what came since, by site, until it is stopped; a forgotten one harms nobody', async (t) => {
  const outcome = await runScript(
    t,
    `await track('forgotten');
    const tracker = await track('cache');
    const kept = [];
    function fill() { for (let i = 0; i < 10; i++) kept.push(Buffer.allocUnsafeSlow(1 << 20)); }
    fill();
    say(tracker.stats());
    say(tracker.sites({ limit: 3 }));
    const last = await tracker.stop();
    kept.push(Buffer.alloc(5 << 20));
    say([last, tracker.stats(), await tracker.stop()]);
    say(await failure((async () => tracker.sites())()));`,
  );
  t.is(outcome.code, 0, outcome.stderr);
  const [stats, sites, ends, after] = said(outcome) as [
    TrackStats,
    TrackSite[],
    [TrackStats, TrackStats, TrackStats],
    Failure,
  ];
  t.true(stats.liveBytes >= 10 << 20 && stats.liveBytes < 11 << 20, `${stats.liveBytes}`);
  t.true(stats.peakBytes >= stats.liveBytes);
  t.true(stats.allocationCount - stats.releaseCount <= stats.liveCount + stats.releaseCount);
  t.true(sites.length > 0 && sites.length <= 3);
  const [largest] = sites as [TrackSite];
  t.is(largest.packageName, 'node');
  t.true(largest.liveCount >= 10 && largest.allocationCount >= largest.liveCount);
  t.true(largest.liveBytes >= 10 << 20 && largest.liveBytes < (10 << 20) + 4096);
  t.true(
    largest.stack.some((line) => /^fill +script\.cjs:5/.test(line)),
    largest.stack.join('\n'),
  );
  t.deepEqual(ends[0], ends[1]);
  t.deepEqual(ends[0], ends[2]);
  t.is(after.code, 'ERR_MEMPROF_USAGE');
});

test('ignoreLeaks returns what its function returns, and lets through what it throws', async (t) => {
  for (const isTraced of [true, false]) {
    const outcome = await runScript(
      t,
      `say(ignoreLeaks(() => 5));
      say(await ignoreLeaks(async () => 6));
      say(await failure((async () => ignoreLeaks(() => { throw new Error('sync'); }))()));
      say(await failure(ignoreLeaks(async () => { throw new Error('async'); })));
      mark('a moment');`,
      { isTraced },
    );
    t.is(outcome.code, 0, outcome.stderr);
    const [five, six, sync, late] = said(outcome) as [number, number, Failure, Failure];
    t.deepEqual([five, six, sync.message, late.message], [5, 6, 'sync', 'async']);
  }
});
