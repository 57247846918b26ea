import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { EventType } from '../../src/ledger/index.js';
import {
  readTraceEvents,
  readTraceFile,
  type SessionOptions,
  startSession,
} from '../../src/record/index.js';
import { buildWireDump } from './support.js';

const dump = buildWireDump();
const outputFolder = mkdtempSync(join(tmpdir(), 'memprof-test-out-'));
test.after.always(() => {
  dump.remove();
  rmSync(outputFolder, { recursive: true, force: true });
});

let traceNumber = 0;
function options(changes: Partial<SessionOptions> = {}): SessionOptions {
  const path = join(outputFolder, `${traceNumber++}.mprof`);
  return { events: 'full', overwrite: false, tracePathFor: () => path, ...changes };
}

async function record(args: number[], changes: Partial<SessionOptions> = {}, pauseMs = 0) {
  const session = startSession(options(changes));
  if (pauseMs > 0) session.pauseForTest(pauseMs);
  const status = await dump.write(session.folder, args, (pid) => {
    session.rootPid = pid;
  });
  const processes = await session.finish(status);
  return { session, processes, status };
}

test('what a process wrote into its rings is what the model says', async (t) => {
  const threads = 3;
  const pairs = 5000;
  const { session, processes } = await record([threads, pairs]);
  t.is(processes.length, 1);
  const { model, isRoot, warnings } = processes[0]!;
  t.deepEqual(warnings, []);
  t.true(isRoot);
  t.true(model.complete);
  t.deepEqual(model.process.argv, ['dump', 'an argument']);
  t.is(model.process.executable, '/bin/dump');
  t.is(model.process.cwd, '/tmp');
  t.is(model.process.nodeVersion, 'v20.1.0');
  t.deepEqual(model.process.ended, { how: 'process.exit', code: 7, signal: null });

  t.is(model.totals.allocationCount, threads * (pairs + 10));
  t.is(model.totals.releaseCount, threads * pairs + 1);
  t.is(model.totals.eventCounts[EventType.calloc], threads * 10);
  t.is(model.losses.unknownReleaseCount, 1);
  t.is(model.losses.cutStackCount, 3);
  t.is(model.losses.doubleAllocationCount, 0);

  // Ten blocks a thread stay; the first of thread 0 goes after the teardown mark.
  t.is(model.atEnd.live.count, threads * 10 - 1);
  t.is(model.beforeTeardown?.live.count, threads * 10);
  t.is(model.atEnd.live.sizeBytes.filter((bytes) => bytes === 5 * 2 ** 30 + 1).length, threads);
  t.true(model.atEnd.live.entry.every((entry) => entry === EventType.calloc));
  t.deepEqual([...new Set(model.atEnd.live.threadIndex)].sort(), [0, 1, 2]);

  t.is(model.stacks.count, 9);
  t.is(model.stacks.kind[6], 1);
  t.is(model.stacks.index[6], 1);
  t.is(model.stacks.offset[6], 0x1234);
  t.is(model.stacks.kind[7], 4);
  t.is(model.stacks.index[7], 5);
  t.is(model.stacks.offset[7], 0x77);
  t.is(model.stacks.parent[8], 7);
  t.is(model.stacks.offset[8], 0x7fffdeadbeef);
  t.is(model.modules[0]!.path, '/bin/dump');
  t.is(model.modules[0]!.buildId, '01ab');
  t.is(model.codes[0]!.rawName, 'JS:~f /app.js:12:3');
  t.deepEqual(model.threads.map(({ index, tid, name }) => [index, tid, name]).sort(), [
    [0, 1000, 'main'],
    [1, 1001, ''],
    [2, 1002, ''],
  ]);
  t.deepEqual(
    model.marks.map(({ kind, text, value }) => [kind, text, value]),
    [
      ['user', 'half way', 42],
      ['before-teardown', '', 7],
    ],
  );
  t.deepEqual(
    model.mappings.map(({ address, sizeBytes, stackId }) => [address, sizeBytes, stackId]),
    [
      [0x10000, 0x1000, 6],
      [0x90000, 0x5000, 7],
      [0x600000, 0x21000, 8],
    ],
  );
  t.false(existsSync(session.folder));
});

test('the trace on disk says what the model in memory says', async (t) => {
  for (const events of ['full', 'none'] as const) {
    const { processes } = await record([2, 3000], { events });
    const { model, tracePath, traceBytes } = processes[0]!;
    t.is(statSync(tracePath!).size, traceBytes);
    t.deepEqual(readTraceFile(tracePath!), model);
    let count = 0;
    for (const { batch } of readTraceEvents(tracePath!)) count += batch.count;
    t.is(count, events === 'none' ? 0 : model.totals.eventCounts.reduce((sum, n) => sum + n, 0));
  }
});

test('a reader that pauses loses nothing: producers wait for small rings', async (t) => {
  const { processes } = await record([4, 100_000, 65536], {}, 300);
  const { model, warnings } = processes[0]!;
  t.deepEqual(warnings, []);
  t.is(model.totals.allocationCount, 4 * 100_010);
  t.is(model.atEnd.live.count, 39);
  t.is(model.losses.unknownReleaseCount, 1);
  t.is(model.losses.doubleAllocationCount, 0);
});

test('a process that was killed is recorded up to its last whole record', async (t) => {
  const path = join(outputFolder, 'killed.mprof');
  const session = startSession(options({ tracePathFor: () => path }));
  const status = await dump.write(session.folder, [2, 100_000_000], (pid) => {
    session.rootPid = pid;
    // In the middle of it: some of its events are written already.
    const looking = setInterval(() => {
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < 20_000) return;
      clearInterval(looking);
      process.kill(pid, 'SIGKILL');
    }, 20);
  });
  const [recorded] = await session.finish(status);
  t.deepEqual(recorded!.warnings, []);
  t.deepEqual(recorded!.model.process.ended, { how: 'signal', code: null, signal: 'SIGKILL' });
  t.true(recorded!.model.totals.allocationCount > 1000);
  t.true(recorded!.model.atEnd.live.count <= 2);
  t.is(recorded!.model.losses.doubleAllocationCount, 0);
  t.deepEqual(readTraceFile(recorded!.tracePath!), recorded!.model);
});

test('a trace that cannot be written does not take the report with it', async (t) => {
  const path = join(outputFolder, 'taken.mprof');
  writeFileSync(path, 'precious');
  const { processes } = await record([1, 10], { tracePathFor: () => path });
  t.is(processes[0]!.tracePath, null);
  t.regex(processes[0]!.warnings.join('\n'), /taken\.mprof exists and is not overwritten/);
  t.is(processes[0]!.model.totals.allocationCount, 20);
  t.is(statSync(path).size, 8);
});

test('files that no shim wrote are told and do not stop the recording', async (t) => {
  const session = startSession(options());
  writeFileSync(join(session.folder, 'p1.0'), new Uint8Array(4096));
  writeFileSync(join(session.folder, 'p2.0'), 'x');
  const status = await dump.write(session.folder, [1, 10], (pid) => {
    session.rootPid = pid;
    // A second ring that is announced without being one.
    writeFileSync(join(session.folder, `p${pid}.0.r1`), new Uint8Array(8192));
  });
  const [recorded] = await session.finish(status);
  t.is(recorded!.model.totals.allocationCount, 20);
  t.is(recorded!.warnings.filter((warning) => /could not be recorded/.test(warning)).length, 2);
});

test('a full disk ends the trace, with a warning, and not the recording', async (t) => {
  const { processes } = await record([1, 200_000], {
    tracePathFor: () => '/dev/full',
    overwrite: true,
  });
  t.regex(processes[0]!.warnings.join('\n'), /\/dev\/full ends early: ENOSPC/);
  t.is(processes[0]!.model.totals.allocationCount, 200_010);
});

test('a dead session is swept, a living one and strangers are not', async (t) => {
  const place = mkdtempSync(join(outputFolder, 'shm-'));
  const uid = process.getuid!();
  mkdirSync(join(place, `memprof-${uid}-1-dead`));
  writeFileSync(join(place, `memprof-${uid}-1-dead`, 'session'), 'x');
  mkdirSync(join(place, 'memprof-notes'));
  const living = startSession(options({ candidates: [place] }));
  const other = startSession(options({ candidates: [place] }));
  t.deepEqual(
    readdirSync(place).sort(),
    [living.folder, other.folder]
      .map((path) => path.slice(place.length + 1))
      .concat('memprof-notes')
      .sort(),
  );
  await living.abort();
  await other.abort();
  t.deepEqual(readdirSync(place), ['memprof-notes']);
});

test('without room anywhere the error names every place that was tried', (t) => {
  const error = t.throws(() => startSession(options({ candidates: ['/proc', '/nowhere'] })));
  t.is((error as { code?: string } | undefined)?.code, 'ERR_MEMPROF_NO_SHARED_MEMORY');
  t.regex(error!.message, /\/proc: /);
  t.regex(error!.message, /\/nowhere: /);
});
