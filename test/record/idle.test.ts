// What the reader does ahead while the program runs.
import { spawn } from 'node:child_process';
import test from 'ava';
import type { TraceModel } from '../../src/model/index.js';
import { agentPath, shimPath } from '../../src/paths.js';
import { startSession } from '../../src/record/index.js';
import { tracedEnvironment } from '../../src/record/launch.js';

const patienceMs = 60_000;

test('while the program waits, what is recorded of it so far can be looked at, once', async (t) => {
  t.timeout(2 * patienceMs);
  let looks = 0;
  let saw = (_: { model: TraceModel; isOver: () => boolean }) => {};
  const seen = new Promise<{ model: TraceModel; isOver: () => boolean }>((resolve) => {
    saw = resolve;
  });
  const session = startSession({
    events: 'none',
    overwrite: false,
    tracePathFor: () => null,
    // A machine that runs tests may have none.
    idleCores: 0,
    onIdle: (model, isOver) => {
      looks++;
      saw({ model, isOver });
    },
  });
  const { folder, environment } = session;
  const program = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: tracedEnvironment(process.env, {
      shimPath,
      agentPath,
      sessionFolder: folder,
      session: environment,
    }),
  });
  const ended = new Promise<{ pid: number; code: number | null; signal: string | null }>(
    (resolve) =>
      program.once('exit', (code, signal) => resolve({ pid: program.pid ?? 0, code, signal })),
  );
  session.rootPid = program.pid ?? null;
  const late = setTimeout(() => program.kill(), patienceMs);
  const first = await Promise.race([seen, ended.then(() => null)]);
  clearTimeout(late);
  if (first === null) {
    await session.abort();
    t.fail('nobody was asked to look');
    return;
  }
  t.is(first.model.process.pid, program.pid ?? 0);
  t.false(first.model.complete);
  t.true(first.model.atEnd.live.count > 0);
  t.false(first.isOver());
  program.stdin.end();
  const recorded = await session.finish(await ended);
  t.true(first.isOver());
  t.is(looks, 1);
  const { totals } = recorded[0].model;
  t.true(totals.allocationCount > first.model.totals.allocationCount);
});
