import { rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { EventType, MarkKind } from '../../src/ledger/index.js';
import { replayPath } from '../../src/paths.js';
import {
  maxThreads,
  OperationKind,
  OperationWriter,
  operationBytes,
  parseAnswer,
  TouchedShares,
} from '../../src/replay/index.js';
import { buildProgram } from '../e2e/support/build.js';
import { memprofBin, memprofJson, run, runTraced, scratchFolder } from '../e2e/support/run.js';

interface Replayed {
  recorded: { checkpoint: number; residentBytes: number; liveBytes: number } | null;
  honestyRatio: number | null;
  ownBytes: number;
  restBytes: number | null;
  replays: {
    name: string;
    missing: string | null;
    peakBytes: number;
    finalBytes: number;
    failedCount: number;
    unknownCount: number;
    operationCount: number;
    playerBytes: number;
    checkpoints: { number: number; residentBytes: number; liveBytes: number }[];
  }[];
}

const heaps = await buildProgram('heaps.c', ['-lpthread']);

/** Tells a writer of calls, and what it wrote: each operation as letter, thread and value: "m0:16", or "f0:3". */
function drawn(tell: (writer: OperationWriter) => void): string {
  const pieces: Uint8Array[] = [];
  const shares = new TouchedShares(undefined);
  const writer = new OperationWriter({ shares, withOwnWork: true }, (piece) =>
    pieces.push(piece.slice()),
  );
  tell(writer);
  writer.end();
  const bytes = Buffer.concat(pieces);
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += operationBytes)
    words.push(
      `${' mcarfvtsexT'[bytes[at]!]}${bytes.readUInt16LE(at + 2)}:${bytes.readUInt32LE(at + 8)}`,
    );
  // Without the last sample.
  return words.slice(0, -1).join(' ');
}

test('calls become operations: a realloc stays one, threads end and their numbers are taken again', (t) => {
  const { malloc, calloc, realloc, free, freeRealloc, threadEnd, mark } = EventType;
  t.is(
    drawn((writer) => {
      writer.allocated(malloc, 0, 10, 1);
      writer.allocated(calloc, 5, 20, 1);
      writer.released(freeRealloc, 0, 0);
      // Between the two halves of the realloc comes another thread.
      writer.allocated(malloc, 5, 30, 1);
      writer.allocated(realloc, 0, 40, 1);
      writer.released(free, 5, 1);
      writer.allocated(EventType.posixMemalign, 5, 50, 1);
      writer.released(free, 0, -1);
      writer.passed(5, 2_000_000.5);
      writer.other(threadEnd, 5, []);
      writer.allocated(malloc, 7, 70, 1);
      // A realloc to nothing, and one of nothing.
      writer.released(freeRealloc, 7, 5);
      writer.allocated(malloc, 7, 80, 1);
      writer.allocated(realloc, 7, 90, 1);
      writer.other(mark, 7, [MarkKind.checkpoint, 0, 3, 0]);
      writer.released(freeRealloc, 7, 6);
    }),
    'm0:10 c1:20 m1:30 v0:0 r0:40 f1:1 a1:50 T1:2000000 e1:0 m1:70 f1:5 m1:80 m1:90 s1:3 f1:6',
  );
});

test('more threads at once than a replay can have share its last one, which never ends', (t) => {
  const words = drawn((writer) => {
    for (let thread = 0; thread < maxThreads + 10; thread++)
      writer.allocated(EventType.malloc, thread, 1, 1);
    for (let thread = 0; thread < maxThreads + 10; thread++)
      writer.other(EventType.threadEnd, thread, []);
    writer.allocated(EventType.malloc, 5000, 1, 1);
  }).split(' ');
  const last = maxThreads - 1;
  t.deepEqual(words.slice(last, maxThreads + 10), Array(11).fill(`m${last}:1`));
  t.is(words.filter((word) => word.startsWith('e')).length, maxThreads - 2);
  t.false(words.includes(`e${last}:0`));
  t.is(words.at(-1), `m${last - 1}:1`);
});

for (const kind of ['every-second', 'one-a-page', 'many-arenas', 'threshold-creep', 'cache']) {
  test(`${kind}: with the recorded settings the replay has the recorded memory within a tenth`, async (t) => {
    const trace = join(await scratchFolder(t), 'run.mprof');
    await runTraced([heaps, kind], { memprofOptions: ['--quiet', '-o', trace] });
    const found = await memprofJson<Replayed>(t, 'replay', trace, '--with', 'jemalloc,mimalloc');
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

test('of a small Node program most of what memprof itself used at the checkpoint is known, and replayed', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  await runTraced([process.execPath, '-e', '0'], { memprofOptions: ['--quiet', '-o', trace] });
  const found = await memprofJson<Replayed>(t, 'replay', trace, '--with', 'glibc');
  t.true(Math.abs(found.honestyRatio! - 1) <= 0.1, String(found.honestyRatio));
  // V8's sets of 80,000 objects, as far as there was no free memory for them.
  t.true(found.ownBytes > 256 << 10, String(found.ownBytes));
  // The rows are without it.
  const { residentBytes } = found.replays[0]!.checkpoints.at(-1)!;
  t.true(residentBytes < found.recorded!.residentBytes - found.ownBytes / 2);
});

test('a trace without events cannot be replayed, and says so', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  await runTraced([heaps, 'cache'], { memprofOptions: ['--quiet', '--events=none', '-o', trace] });
  const outcome = await run([process.execPath, memprofBin, 'replay', trace]);
  t.is(outcome.code, 125);
  t.regex(outcome.stderr, /has no events: it was recorded with --events none/);
  await rm(trace);
});

/** What the player says to bytes. */
const played = (input: Uint8Array) => run([replayPath], { env: {}, input });

test('the player says what is wrong with operations that are none', async (t) => {
  const bytes = (kind: number, thread = 0, touched = 0, value = 0n, extra = 0) => {
    const one = Buffer.alloc(operationBytes);
    one.writeUInt8(kind, 0);
    one.writeUInt8(extra, 1);
    one.writeUInt16LE(thread, 2);
    one.writeUInt32LE(touched, 4);
    one.writeBigUInt64LE(value, 8);
    return one;
  };
  const { malloc, aligned, free, transient } = OperationKind;
  const wrong: [input: Buffer, complaint: RegExp][] = [
    [bytes(0xee), /unknown kind/],
    [bytes(0), /unknown kind/],
    [bytes(malloc, maxThreads), /a thread beyond the last/],
    [bytes(malloc, 0, 257), /touches more than there is/],
    [bytes(malloc, 0, 0, 2n ** 63n), /more than 2\^48 bytes/],
    [bytes(aligned, 0, 0, 8n, 40), /unknown alignment/],
    [bytes(transient, 0, 24, 2n ** 40n), /touches more than there is/],
    [Buffer.concat([bytes(free), Buffer.alloc(7)]), /cut in the middle of one/],
  ];
  for (const [input, complaint] of wrong) {
    const { code, stdout, stderr } = await played(input);
    t.is(code, 3);
    t.is(stdout, '');
    t.regex(stderr, complaint);
  }
  // What memory does not suffice for is counted; what nobody allocated cannot be released.
  const { code, stdout } = await played(
    Buffer.concat([bytes(malloc, 0, 0, 2n ** 47n), bytes(free, 3), bytes(malloc, 3, 256, 100n)]),
  );
  t.is(code, 0);
  const answer = parseAnswer(stdout);
  t.is(answer.failedCount, 1);
  t.is(answer.unknownCount, 1);
});

test('whatever operations come, the player answers or says why it does not', async (t) => {
  const operation = fc.record({
    kind: fc.integer({ min: 1, max: 11 }),
    extra: fc.nat({ max: 22 }),
    thread: fc.oneof(fc.nat({ max: 5 }), fc.integer({ min: maxThreads - 2, max: maxThreads })),
    touched: fc.nat({ max: 256 }),
    value: fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 1 << 20 })),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 300 }),
      fc.nat({ max: 3 }),
      async (all, cut) => {
        const input = Buffer.alloc(all.length * operationBytes);
        for (const [at, { kind, extra, thread, touched, value }] of all.entries()) {
          input.writeUInt8(kind, at * operationBytes);
          input.writeUInt8(extra, at * operationBytes + 1);
          input.writeUInt16LE(thread, at * operationBytes + 2);
          input.writeUInt32LE(touched, at * operationBytes + 4);
          input.writeUInt32LE(value, at * operationBytes + 8);
        }
        const outcome = await played(input.subarray(0, Math.max(0, input.length - cut)));
        t.is(outcome.signal, null);
        if (outcome.code === 0) parseAnswer(outcome.stdout);
        else t.regex(outcome.stderr, /^[a-z].+\n$/);
      },
    ),
    { numRuns: 100 },
  );
});

test('an answer is checked', (t) => {
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
  t.pass();
});

test('more threads than the player has, one after another, are replayed each as its own', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const threads = await buildProgram('many-threads.c', ['-lpthread']);
  await runTraced([threads, '4500'], { memprofOptions: ['--quiet', '-o', trace] });
  const found = await memprofJson<Replayed>(t, 'replay', trace, '--with', 'glibc');
  const [glibc] = found.replays;
  t.is(glibc!.failedCount, 0);
  t.is(glibc!.unknownCount, 0);
  t.is(glibc!.checkpoints.at(-1)!.liveBytes, found.recorded!.liveBytes);
});

test('a trace that was cut is replayed up to there, and says that it did not come to the checkpoint', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  await runTraced([heaps, 'one-a-page'], { memprofOptions: ['--quiet', '-o', trace] });
  const { size } = await stat(trace);
  await truncate(trace, size - 2000);
  const outcome = await run([process.execPath, memprofBin, 'replay', trace, '--with=glibc']);
  t.is(outcome.code, 0, outcome.stderr);
  t.regex(outcome.stderr, /cut/);
  t.regex(outcome.stdout, /not known|not come to the checkpoint|How near it is/);
});

test('memory for a replay is that of the live blocks, not of the events', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const steady = await buildProgram('steady.c');
  await runTraced([steady, '100000', '1000000'], {
    memprofOptions: ['--quiet', '--checkpoint=none', '-o', trace],
  });
  const folder = await scratchFolder(t);
  const hook = join(folder, 'usage.cjs');
  await writeFile(
    hook,
    "process.on('exit', () => console.error('maxRSS', process.resourceUsage().maxRSS));",
  );
  const command = ['-r', hook, memprofBin, 'replay', '--json', trace, '--with', 'glibc'];
  const outcome = await run([process.execPath, ...command]);
  t.is(outcome.code, 0, outcome.stderr);
  const [replayed] = (JSON.parse(outcome.stdout) as Replayed).replays;
  t.true(replayed!.operationCount >= 2_000_000);
  const readerBytes = Number(/maxRSS (\d+)/.exec(outcome.stderr)![1]) * 1024;
  // Both at their peaks, which do not even come at once.
  const most = replayed!.peakBytes + (200 << 20);
  t.true(
    readerBytes + replayed!.playerBytes <= most,
    `${readerBytes} and ${replayed!.playerBytes} of ${most}`,
  );
});

test('what to replay with is chosen by names with commas or again and again, before or behind the trace', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  await runTraced([heaps, 'cache'], { memprofOptions: ['--quiet', '-o', trace] });
  const names = async (...argv: string[]) =>
    (await memprofJson<Replayed>(t, 'replay', ...argv)).replays.map(({ name }) => name);
  const expected = ['glibc', 'arena-max-1', 'no-tcache'];
  t.deepEqual(await names('--with', 'no-tcache,arena-max-1', trace), expected);
  t.deepEqual(await names('--with=no-tcache', trace, '--with', 'arena-max-1'), expected);
  const wrong = await run([process.execPath, memprofBin, 'replay', trace, '--with', 'dlmalloc']);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /There are: glibc, arena-max-1,/);
});

// mimalloc gives pages back after 10 ms: how many of those that only pass depends on how fast the program is.
for (const [kind, names] of [
  ['arenas', 'arena-max-1,jemalloc'],
  ['halves', 'arena-max-1,jemalloc,mimalloc'],
] as const) {
  test(`${kind}: what the replay says of other allocators is what really happens with them, within a fifth`, async (t) => {
    const trace = join(await scratchFolder(t), 'run.mprof');
    const program = await buildProgram('what-if.c');
    await runTraced([program, kind], { memprofOptions: ['--quiet', '-o', trace] });
    const found = await memprofJson<Replayed>(t, 'replay', trace, '--with', names);
    const environments: Record<string, Record<string, string>> = {
      glibc: {},
      'arena-max-1': { MALLOC_ARENA_MAX: '1' },
      jemalloc: { LD_PRELOAD: 'libjemalloc.so.2' },
      mimalloc: { LD_PRELOAD: 'libmimalloc.so.2' },
    };
    for (const { name, missing, checkpoints } of found.replays) {
      if (missing !== null) {
        t.log(`${name}: ${missing}`);
        continue;
      }
      const really = await run([program, kind], { env: environments[name]! });
      const { residentBytes } = JSON.parse(really.stdout) as { residentBytes: number };
      const replayedBytes = found.restBytes! + checkpoints.at(-1)!.residentBytes;
      const text = `${name}: ${replayedBytes} replayed, ${residentBytes} really`;
      t.true(Math.abs(replayedBytes / residentBytes - 1) <= 0.2, text);
    }
  });
}
