import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { buildProgram } from './support/build.js';
import { unfreed } from './support/report.js';
import {
  memprofBin,
  onlyTrace,
  run,
  runTraced,
  scratchFolder,
  untilReading,
} from './support/run.js';
import { readTrace } from './support/trace.js';

/** Counters that the program kept in a file: what it had begun and finished when it died. */
async function progressOf(path: string): Promise<{ begun: number; finished: number }> {
  const bytes = await readFile(path);
  return { begun: Number(bytes.readBigUInt64LE(0)), finished: Number(bytes.readBigUInt64LE(8)) };
}

/** The first line of endless.c: its pid and its session's folder. */
function firstLine(text: string): { pid: number; session: string } {
  const [pid, session] = (text.split('\n')[0] as string).split(' ');
  return { pid: Number(pid), session: session as string };
}

async function untilFinished(path: string, count: number): Promise<void> {
  while (
    !existsSync(path) ||
    (await stat(path)).size < 16 ||
    (await progressOf(path)).finished < count
  ) {
    await delay(5);
  }
}

// Far apart on purpose: before the first drain, in the middle, after many chunks.
const moments = [1, 200, 5_000, 60_000, 200_000];

for (const count of moments) {
  test(`SIGKILL of the program after ${count} allocations leaves a report and a trace up to the last one`, async (t) => {
    const program = await buildProgram('endless.c');
    const folder = await scratchFolder(t);
    const progress = join(folder, 'progress');
    let killed: Promise<void> | undefined;
    const outcome = await runTraced([program, progress], {
      cwd: folder,
      onOutput: (text) => {
        killed ??= untilFinished(progress, count).then(() => {
          process.kill(firstLine(text).pid, 'SIGKILL');
        });
      },
    });
    await killed;
    t.is(outcome.signal, 'SIGKILL', `ended with status ${outcome.code}`);
    t.regex(outcome.stderr, /SIGKILL/, 'the report says how the program ended');
    await assertUpToLastRecord(t, folder, progress);
  });
}

async function assertUpToLastRecord(t: ExecutionContext, folder: string, progressPath: string) {
  const trace = await onlyTrace(t, folder);
  const progress = await progressOf(progressPath);
  const report = await unfreed(t, trace);
  t.deepEqual(report.process.ended, { how: 'signal', code: null, signal: 'SIGKILL' });

  const { totals, losses, atEnd } = await readTrace(trace);
  t.is(losses.unknownReleaseCount, 0);
  t.is(losses.doubleAllocationCount, 0);
  t.true(
    totals.allocationCount >= progress.finished && totals.allocationCount <= progress.begun,
    `${totals.allocationCount} recorded, ${progress.finished} finished, ${progress.begun} begun`,
  );
  // The blocks in the ring of 64 are the last ones; the oldest may be free already.
  const last = totals.allocationCount;
  const sizes = new Set(
    Array.from({ length: Math.min(64, last) }, (_, back) => 1000 + ((last - 1 - back) % 512)),
  );
  t.true(atEnd.live.count >= Math.min(64, last) - 1 && atEnd.live.count <= 64);
  for (let row = 0; row < atEnd.live.count; row++) {
    t.true(
      sizes.has(atEnd.live.sizeBytes[row] as number),
      `a block of ${atEnd.live.sizeBytes[row]}`,
    );
  }
}

test('after SIGKILL of memprof-run the program runs to its normal end, and the next run cleans up', async (t) => {
  const program = await buildProgram('endless.c');
  const folder = await scratchFolder(t);
  const progress = join(folder, 'progress');
  const rounds = 1_000_000; // more than any ring holds
  let first: { pid: number; session: string } | undefined;
  const outcome = await runTraced([program, progress, String(rounds)], {
    cwd: folder,
    onOutput: (text, reader) => {
      if (first !== undefined) return;
      first = firstLine(text);
      // Looked at now: once memprof-run is dead, any other run may sweep it.
      t.true(existsSync(first.session), first.session);
      void untilFinished(progress, 1000)
        .then(() => untilReading(reader))
        .then(() => reader.kill('SIGKILL'));
    },
  });
  // The pipe closes only when the program, which holds it too, has ended.
  t.is(outcome.signal, 'SIGKILL');
  t.true(outcome.stdout.endsWith('end\n'), outcome.stdout);
  t.deepEqual(await progressOf(progress), { begun: rounds, finished: rounds });

  const { session } = first as { session: string };
  await runTraced(['true'], { cwd: folder, memprofOptions: ['-q', '-o', 'next.mprof'] });
  t.false(existsSync(session));
});

test('nothing is left in the session folder’s place after an ordinary run', async (t) => {
  const program = await buildProgram('endless.c');
  const folder = await scratchFolder(t);
  const outcome = await runTraced([program, join(folder, 'progress'), '1000'], { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  t.false(existsSync(firstLine(outcome.stdout).session));
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} to memprof-run reaches the program, and both end by it`, async (t) => {
    const program = await buildProgram('endless.c');
    const folder = await scratchFolder(t);
    const progress = join(folder, 'progress');
    let sent = false;
    const outcome = await runTraced([program, progress], {
      cwd: folder,
      onOutput: (_text, reader) => {
        if (sent) return;
        sent = true;
        void untilFinished(progress, 100)
          .then(() => untilReading(reader))
          .then(() => reader.kill(signal));
      },
    });
    t.is(outcome.signal, signal, `status ${outcome.code}: ${outcome.stderr}`);
    const report = await unfreed(t, await onlyTrace(t, folder));
    t.deepEqual(report.process.ended, { how: 'signal', code: null, signal });
  });
}

test('a trace cut at any byte opens up to its last whole chunk or says what it is', async (t) => {
  const program = await buildProgram('endless.c');
  const folder = await scratchFolder(t);
  await runTraced([program, join(folder, 'progress'), '20000'], { cwd: folder });
  const bytes = await readFile(await onlyTrace(t, folder));
  const { writeFile } = await import('node:fs/promises');
  for (const share of [0.02, 0.3, 0.5, 0.77, 0.95, 0.999]) {
    const cut = join(folder, `cut-${share}`);
    await writeFile(cut, bytes.subarray(0, Math.floor(bytes.length * share)));
    const outcome = await run([process.execPath, memprofBin, 'summary', '--json', cut]);
    if (outcome.code === 0) t.notThrows(() => JSON.parse(outcome.stdout));
    else t.regex(outcome.stderr, /^[^\n]+\n$/, 'one clear line');
  }
});
