import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { packageRoot, shimPath } from '../../src/paths.js';
import { type Session, startSession } from '../../src/record/index.js';
import { buildProgram } from '../e2e/support/build.js';

const program = await buildProgram('scan-visible.c', [
  '-ldl',
  `-I${join(packageRoot, 'interpose')}`,
]);

function open(): Session {
  return startSession({ events: 'none', overwrite: true, tracePathFor: () => null });
}

function start(session: Session, ...words: string[]): ChildProcess {
  return spawn(program, words, {
    env: { ...process.env, ...session.environment, LD_PRELOAD: shimPath },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

const finish = (session: Session) => session.finish({ pid: 0, code: 0, signal: null });
/** Gone, or dead and not yet taken in. */
const isGone = (pid: number) =>
  !existsSync(`/proc/${pid}/stat`) || /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));

async function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const piece of child.stdout!) {
    text += String(piece);
    if (text.includes('\n')) break;
  }
  return text.trim();
}

/** For what comes some time: longer than any machine takes. */
async function until(isTrue: () => boolean): Promise<boolean> {
  for (let waited = 0; waited < 60_000; waited += 20) {
    if (isTrue()) return true;
    await delay(20);
  }
  return isTrue();
}

test('wait, SIGCHLD, dispositions, and threads in poll, epoll_wait, sleep and read notice nothing', async (t) => {
  const session = open();
  const child = start(session, 'all');
  const ended = once(child, 'close');
  t.is(await firstLine(child), 'unnoticed');
  await ended;
  t.is(child.exitCode, 0);
  const [recorded] = await finish(session);
  t.deepEqual(recorded!.warnings, []);
  const checkpoints = recorded!.model.checkpoints!;
  t.deepEqual(
    checkpoints.map(({ number, reason }) => `${number} ${reason}`),
    ['1 program', '2 program', '3 program', '4 exit'],
  );
  for (const checkpoint of checkpoints) {
    t.is(checkpoint.scanFailure, null);
    t.true(checkpoint.stoppedCount <= checkpoint.threadCount);
    t.true(checkpoint.pauseNs >= checkpoint.forkNs && checkpoint.forkNs > 0);
    t.true(checkpoint.scanNs > 0 && checkpoint.scannedBytes > 0);
  }
  t.deepEqual(
    checkpoints.map(({ threadCount }) => threadCount),
    [4, 4, 4, 0],
  );
  // On a busy machine a thread may not get to run, and so to stop, in time; not in each of them.
  t.true(checkpoints.slice(0, 3).some((one) => one.stoppedCount === one.threadCount));
  t.deepEqual(
    checkpoints.map(({ detail }) => detail !== null),
    [false, false, false, true],
  );
});

test("a pipe's reader sees its end while the scanner still waits for the reader", async (t) => {
  const session = open();
  await delay(200);
  session.pauseForTest(1e9);
  const child = start(session, 'print');
  const ended = once(child, 'close');
  const line = once(child.stdout!, 'data');
  const scanner = Number(String((await line)[0]).trim());
  t.false(isGone(scanner));
  child.stdin!.end();
  // 'close' comes when all copies of the pipe's other end are closed.
  await ended;
  t.false(isGone(scanner));
  session.pauseForTest(0);
  const [recorded] = await finish(session);
  t.is(recorded!.model.checkpoints!.length, 2);
  t.true(recorded!.model.checkpoints!.every(({ scanFailure }) => scanFailure === null));
  t.true(await until(() => isGone(scanner)));
});

test('a scanner whose reader is gone ends, and the program goes on', async (t) => {
  const session = open();
  await delay(200);
  session.pauseForTest(1e9);
  const child = start(session, 'print');
  const ended = once(child, 'close');
  const line = once(child.stdout!, 'data');
  const scanner = Number(String((await line)[0]).trim());
  t.false(isGone(scanner));
  // As the kernel does when the reader is killed: its lock is free, its folder stays or goes.
  await session.abort();
  t.true(await until(() => isGone(scanner)));
  t.false(existsSync(session.folder));
  child.stdin!.end();
  await ended;
  t.is(child.exitCode, 0);
});

test('a scanner that is killed leaves a checkpoint without verdicts that says why', async (t) => {
  const session = open();
  await delay(200);
  session.pauseForTest(1e9);
  const child = start(session, 'print');
  const ended = once(child, 'close');
  const line = once(child.stdout!, 'data');
  const scanner = Number(String((await line)[0]).trim());
  process.kill(scanner, 'SIGKILL');
  session.pauseForTest(0);
  child.stdin!.end();
  await ended;
  const [recorded] = await finish(session);
  const [first, second] = recorded!.model.checkpoints!;
  t.is(first!.scanFailure, 'the scanner was ended before it was done');
  t.true(first!.tallies.every(({ verdict }) => verdict === 'unknown'));
  t.is(second!.scanFailure, null);
});

test('nothing of a checkpoint stays in the session', async (t) => {
  const session = open();
  const child = start(session, 'all');
  const ended = once(child, 'close');
  child.stdout!.resume();
  await ended;
  await until(() => !readdirSync(session.folder).some((name) => name.includes('.k')));
  t.deepEqual(
    readdirSync(session.folder).filter((name) => /\.k[123]/.test(name)),
    [],
  );
  await finish(session);
  t.false(existsSync(session.folder));
});
