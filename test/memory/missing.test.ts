// Traces that lack what rss, fragmentation and replay live on: each says which figures it cannot give.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { rss } from '../../src/commands/rss.js';
import { plainStyle } from '../../src/report/index.js';
import { textOf } from '../commands/support.js';
import {
  memprofBin,
  memprofJson,
  type Outcome,
  run,
  runTraced,
  scratchFolder,
} from '../e2e/support/run.js';
import { readTrace } from '../e2e/support/trace.js';

async function traced(t: ExecutionContext, ...options: string[]): Promise<string> {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const script = 'globalThis.kept = Buffer.alloc(2e7, 1)';
  const { code, stderr } = await runTraced([process.execPath, '-e', script], {
    memprofOptions: ['--quiet', '-o', trace, ...options],
  });
  t.is(code, 0, stderr);
  return trace;
}

const memprof = (...argv: string[]): Promise<Outcome> =>
  run([process.execPath, memprofBin, ...argv]);

test('without events all of a checkpoint is there, and a replay says that it has nothing to replay', async (t) => {
  const trace = await traced(t, '--events', 'none');
  const found = await memprofJson<{
    residentBytes: number;
    parts: { kind: string; residentBytes: number }[];
    v8: { collected: { beforeBytes: number } } | null;
  }>(t, 'rss', trace);
  t.is(
    found.parts.reduce((sum, part) => sum + part.residentBytes, 0),
    found.residentBytes,
  );
  t.true(found.parts.some((part) => part.kind === 'arraybuffers' && part.residentBytes >= 2e7));
  t.true((found.v8?.collected.beforeBytes ?? 0) >= 2e7);
  const { arenas, pages } = await memprofJson<{ arenas: unknown[]; pages: unknown[] | null }>(
    t,
    'fragmentation',
    trace,
  );
  t.true(arenas.length > 0);
  t.is(pages?.length, 5);
  const replay = await memprof('replay', trace);
  t.is(replay.code, 125);
  t.regex(replay.stderr, /has no events: it was recorded with --events none/);
});

test('without a checkpoint rss and fragmentation name the figures that cannot be given, and where others are', async (t) => {
  const trace = await traced(t, '--checkpoint', 'none');
  for (const command of ['rss', 'fragmentation']) {
    const { code, stdout, stderr } = await memprof(command, trace);
    t.deepEqual([code, stdout], [125, '']);
    t.regex(
      stderr,
      /no checkpoint, so what resident memory consists of, how heaps are filled and what V8's heap holds cannot be given/,
    );
    if (readTrace(trace).timeline !== undefined) t.regex(stderr, /memprof rss --timeline/);
  }
});

test('a trace from before V8 was asked says so, and all else is there', async (t) => {
  const model = readTrace(await traced(t));
  const older = {
    ...model,
    process: { ...model.process },
    checkpoints: (model.checkpoints ?? []).map(({ v8: _, ...checkpoint }) => checkpoint),
  };
  delete older.process.allocator;
  const text = await textOf(
    rss(
      {
        model: older,
        tracePath: 'x.mprof',
        findOwners: () =>
          Promise.resolve({
            owner: () => ({ kind: 'unknown', package: null, module: null, key: 'unknown' }),
          }),
        nameStacks: () => Promise.reject(new Error('nobody asks')),
        nameData: () => Promise.resolve([]),
        findSymbols: () => Promise.resolve([]),
        columns: 80,
        style: plainStyle,
        memprofCommand: 'memprof',
      },
      { limit: 5 },
    ),
  );
  t.regex(text, /V8's heap: \S+ MiB used of \S+ MiB\. By space: not recorded\./);
  t.regex(text, /ArrayBuffers and Buffers/);
  t.notRegex(text, /its allocator is/);
});
