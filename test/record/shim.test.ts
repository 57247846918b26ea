// The reader against the real shim, where what matters happens in the reader.
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { EventType } from '../../src/ledger/index.js';
import { shimPath } from '../../src/paths.js';
import { readTraceFile, startSession } from '../../src/record/index.js';
import { buildProgram } from '../e2e/support/build.js';
import { onlyTrace, run, runBin, runTraced, scratchFolder } from '../e2e/support/run.js';

for (const way of ['exchange', 'arena', 'realloc']) {
  test(`without a steady clock two threads (${way}) are in order by tickets, and times are not made up`, async (t) => {
    const program = await buildProgram('swap.c');
    const folder = await scratchFolder(t);
    const rounds = 50_000;
    const outcome = await runTraced([program, way, String(rounds)], {
      cwd: folder,
      env: { MEMPROF_TICKET_CLOCK: '1' },
    });
    t.is(outcome.code, 0, outcome.stderr);
    t.regex(outcome.stderr.replace(/\s+/g, ' '), /no steady time stamp counter/);
    const { totals, losses } = readTraceFile(await onlyTrace(t, folder));
    t.is(losses.unknownReleaseCount, 0);
    t.is(losses.doubleAllocationCount, 0);
    t.is(losses.lostEventCount, 0);
    t.true(totals.allocationCount >= 2 * rounds);
    t.true(totals.liveCount <= 2, `${totals.liveCount} blocks are left`);
  });
}

test('a process that outlives the program is recorded up to then, and goes on unharmed', async (t) => {
  const folder = await scratchFolder(t);
  const child = `
    const fs = require('node:fs');
    fs.writeFileSync('child-pid', String(process.pid));
    const waiting = setInterval(() => {
      if (!fs.existsSync('go')) return;
      clearInterval(waiting);
      for (let i = 0; i < 1e5; i++) Buffer.allocUnsafeSlow(64);
      fs.writeFileSync('done', '');
    }, 20);
    setTimeout(() => process.exit(1), 120_000).unref();`;
  const shell = `"${process.execPath}" -e '${child.replaceAll("'", `'\\''`)}' </dev/null >/dev/null 2>&1 & while [ ! -e child-pid ]; do sleep 0.05; done`;
  const outcome = await runTraced(['sh', '-c', shell], { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  const models = (await readdir(folder))
    .filter((name) => name.endsWith('.mprof'))
    .map((name) => readTraceFile(join(folder, name)));
  const stayed = models.find((model) => model.process.nodeVersion !== null);
  t.deepEqual(stayed?.process.ended, { how: 'still-running', code: null, signal: null });
  t.true(stayed?.complete);
  t.true((stayed?.totals.allocationCount ?? 0) > 1000);
  await writeFile(join(folder, 'go'), '');
  for (let tries = 0; tries < 1000 && !existsSync(join(folder, 'done')); tries++) await delay(50);
  t.true(existsSync(join(folder, 'done')), 'the process did not survive its recording');
});

test('SIGKILL of memprof-run with --events=none leaves a trace as of its last checkpoint', async (t) => {
  const program = await buildProgram('endless.c');
  const folder = await scratchFolder(t);
  const trace = join(folder, 'killed.mprof');
  let killed: Promise<void> | undefined;
  let pid = 0;
  const command = [process.execPath, runBin, '--events=none', '-o', trace, program, 'progress'];
  const outcome = await run(command, {
    cwd: folder,
    onOutput: (text, reader) => {
      pid ||= Number(text.split(' ')[0]);
      killed ??= (async () => {
        // The header and the first facts take less than a checkpoint with 64 live blocks does.
        while (!existsSync(trace) || readTraceFile(trace).totals.allocationCount === 0)
          await delay(50);
        reader.kill('SIGKILL');
        process.kill(pid, 'SIGKILL');
      })();
    },
  });
  await killed;
  t.is(outcome.signal, 'SIGKILL');
  const model = readTraceFile(trace);
  t.false(model.complete);
  t.false(model.hasEvents);
  const { totals, atEnd } = model;
  t.true(totals.allocationCount > 64);
  t.true(totals.liveCount >= 63 && totals.liveCount <= 80, `${totals.liveCount} live blocks`);
  t.is(atEnd.live.count, totals.liveCount);
  t.is(totals.allocationCount - totals.releaseCount, totals.liveCount);
  t.is(totals.eventCounts[EventType.free], totals.releaseCount + model.losses.unknownReleaseCount);
});

test('a reader that fails does not hold up the program', async (t) => {
  const program = await buildProgram('flood.c');
  const folder = await scratchFolder(t);
  const session = startSession({
    events: 'full',
    overwrite: false,
    tracePathFor: () => {
      throw new TypeError('a bug of ours');
    },
  });
  // More events than its ring holds.
  const outcome = await run([program, '2000000'], {
    cwd: folder,
    env: { ...session.environment, LD_PRELOAD: shimPath },
  });
  t.is(outcome.code, 0, outcome.stderr);
  const status = { pid: 1, code: 0, signal: null };
  await t.throwsAsync(session.finish(status), { message: 'a bug of ours' });
  t.false(existsSync(session.folder));
});
