import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { EventBatch, EventType } from '../../src/ledger/index.js';
import { replayPath } from '../../src/paths.js';
import { OperationWriter, operationBytes, parseAnswer } from '../../src/replay/index.js';
import { buildProgram } from '../e2e/support/build.js';
import { memprofBin, memprofJson, run, runTraced, scratchFolder } from '../e2e/support/run.js';

interface Replayed {
  recorded: { checkpoint: number; residentBytes: number; liveBytes: number } | null;
  honestyRatio: number | null;
  replays: {
    name: string;
    missing: string | null;
    peakBytes: number;
    finalBytes: number;
    failedCount: number;
    checkpoints: { number: number; residentBytes: number; liveBytes: number }[];
  }[];
}

const heaps = await buildProgram('heaps.c', ['-lpthread']);

/** Each operation as letter, thread and slot: "m0:3" a malloc by thread 0 into slot 3. */
function drawn(batch: EventBatch): string {
  const pieces: Uint8Array[] = [];
  const writer = new OperationWriter((piece) => pieces.push(piece.slice()));
  writer.add(batch);
  writer.end();
  const bytes = Buffer.concat(pieces);
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += operationBytes) {
    const kind = bytes[at]!;
    const word = `${' mcarftse'[kind]}${bytes.readUInt16LE(at + 2)}:${bytes.readUInt32LE(at + 4)}`;
    if (kind !== 7) words.push(word);
  }
  return words.join(' ');
}

test('events become operations: slots are taken again, a realloc keeps its own, threads end', (t) => {
  const batch = new EventBatch(64);
  const { malloc, calloc, realloc, free, freeRealloc, threadEnd, posixMemalign } = EventType;
  batch.pushAllocation(malloc, 0, 1, 0x1000, 10, 1);
  batch.pushAllocation(calloc, 5, 2, 0x2000, 20, 1);
  batch.pushRelease(freeRealloc, 0, 3, 0x1000);
  // Between the two halves of the realloc another thread gets its old address.
  batch.pushAllocation(malloc, 5, 4, 0x1000, 30, 1);
  batch.pushAllocation(realloc, 0, 5, 0x3000, 40, 1);
  batch.pushRelease(free, 5, 6, 0x2000);
  batch.pushAllocation(posixMemalign, 5, 7, 0x4000, 50, 1);
  batch.pushPair(malloc, 0, 8, 0x5000, 60, 1, 1);
  batch.pushRelease(free, 0, 9, 0x9999);
  batch.pushRare(threadEnd, 5, 10, []);
  batch.pushAllocation(malloc, 7, 11, 0x6000, 70, 1);
  batch.pushRelease(freeRealloc, 7, 12, 0x6000);
  batch.pushAllocation(malloc, 7, 13, 0x7000, 80, 1);
  t.is(drawn(batch), 'm0:0 c1:1 m1:2 r0:0 f1:1 a1:1 m0:3 f0:3 e1:0 m1:3 f1:3 m1:3');
});

for (const kind of ['every-second', 'one-a-page', 'many-arenas', 'threshold-creep', 'cache']) {
  test(`${kind}: with the recorded settings the replay has the recorded memory within a tenth`, async (t) => {
    const trace = join(await scratchFolder(t), 'run.mprof');
    await runTraced([heaps, kind], { memprofOptions: ['--quiet', '-o', trace] });
    const found = await memprofJson<Replayed>(t, 'replay', trace, '--with', 'jemalloc', 'mimalloc');
    const [glibc, ...others] = found.replays;
    t.true(Math.abs(found.honestyRatio! - 1) <= 0.1, String(found.honestyRatio));
    t.is(glibc!.failedCount, 0);
    // What is live is not measured but done: it is the recording's.
    t.is(glibc!.checkpoints.at(-1)!.liveBytes, found.recorded!.liveBytes);
    t.true(glibc!.peakBytes >= glibc!.finalBytes);
    for (const { name, missing, checkpoints } of others) {
      if (missing !== null) t.log(`${name}: ${missing}`);
      else t.is(checkpoints.at(-1)!.liveBytes, found.recorded!.liveBytes);
    }
  });
}

test('a Node program with worker threads is replayed with all its operations', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const script = `const { Worker, isMainThread } = require('node:worker_threads');
    for (let i = 0; i < 3; i++) new Worker('Buffer.alloc(1e6, 1)', { eval: true });`;
  await runTraced([process.execPath, '-e', script], { memprofOptions: ['--quiet', '-o', trace] });
  const found = await memprofJson<Replayed>(t, 'replay', trace, '--with', 'arena-max-1');
  t.deepEqual(
    found.replays.map(({ name, failedCount }) => [name, failedCount]),
    [
      ['glibc', 0],
      ['arena-max-1', 0],
    ],
  );
  t.is(found.replays[0]!.checkpoints.at(-1)!.liveBytes, found.recorded!.liveBytes);
});

test('a trace without events cannot be replayed, and says so', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  await runTraced([heaps, 'cache'], { memprofOptions: ['--quiet', '--events=none', '-o', trace] });
  const outcome = await run([process.execPath, memprofBin, 'replay', trace]);
  t.is(outcome.code, 125);
  t.regex(outcome.stderr, /has no events: it was recorded with --events none/);
  await rm(trace);
});

test('the replay refuses what is no operation, and its answer is checked', async (t) => {
  const child = promisify(execFile)(replayPath, ['256', '256']);
  child.child.stdin!.end(Buffer.alloc(operationBytes, 0xee));
  const error = await t.throwsAsync(child);
  t.regex(error.message, /an operation of unknown kind|status 3|code 3|Command failed/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseAnswer(text);
        return false;
      } catch (thrown) {
        return thrown instanceof Error && 'code' in thrown;
      }
    }),
  );
});
