// One watch of the reader's, from begin to finish, whatever the function under test does: it may throw, never
// settle, or end the process.
import { randomInt } from 'node:crypto';
import { threadId } from 'node:worker_threads';
import type { AskAgainCode, FinishAnswer, WaitCode, WatchOptions } from '../checks/protocol.js';
import { MemprofError } from '../errors.js';
import { type Agent, ask, nextTurn, nowMs, startTimer, stopTimer } from './agent.js';
import type { Call } from './missing.js';

const waitForOthersMs = 50;
const waitCode: WaitCode = 'ERR_MEMPROF_WAIT';
const askAgainCode: AskAgainCode = 'ERR_MEMPROF_ASK_AGAIN';

export interface Watch {
  number: number;
  /** Calls fn and awaits it, for as long as is left of the call's time. */
  run: (fn: () => unknown) => Promise<void>;
}

/** Begins a watch, lets `work` do its rounds, and finishes; what `work` throws finishes it, too. */
export async function watched(
  from: Agent,
  call: Call & { name: string; timeoutMs: number },
  options: WatchOptions,
  work: (watch: Watch) => Promise<void>,
): Promise<FinishAnswer> {
  const watch = await begin(from, call, options);
  const deadline = nowMs() + call.timeoutMs;
  const stopListening = failWhenProcessExits(call);
  try {
    await work({ number: watch, run: (fn) => settled(fn, deadline, call) });
  } catch (error) {
    ask(from, { ask: 'finish', watch, error: String(error) });
    throw error;
  } finally {
    stopListening();
  }
  return ask<FinishAnswer>(from, { ask: 'finish', watch });
}

/** Waits while another thread of this process has such a watch: no order of tests could prevent that. */
export async function begin(
  from: Agent,
  call: { name: string; place: { text: string }; timeoutMs: number },
  options: WatchOptions,
): Promise<number> {
  // Of all threads of the process, and of all copies of this module in them.
  const watch = randomInt(2 ** 47);
  const { name, place } = call;
  const question = { ask: 'begin', watch, name, place: place.text, thread: threadId, options };
  const deadline = nowMs() + call.timeoutMs;
  await nextTurn();
  from.collect();
  for (;;) {
    try {
      ask(from, { ...question, ask: 'begin' });
      return watch;
    } catch (error) {
      if (!(error instanceof MemprofError)) throw error;
      if (error.code === askAgainCode) continue;
      if (error.code !== waitCode) throw error;
      if (nowMs() > deadline)
        throw new MemprofError(
          'ERR_MEMPROF_OVERLAP',
          `${error.message} and did not end within ${seconds(call.timeoutMs)}`,
        );
    }
    await new Promise<void>((resolve) => startTimer(resolve, waitForOthersMs));
  }
}

async function settled(fn: () => unknown, deadline: number, call: Call & { timeoutMs: number }) {
  const result = fn();
  // No promise, no turn of the event loop: a round of a function that takes a microsecond is to stay short.
  if (typeof (result as PromiseLike<unknown> | null | undefined)?.then !== 'function') return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const leftMs = Math.max(1, deadline - nowMs());
    timer = startTimer(() => reject(timedOut(call)), leftMs);
  });
  try {
    await Promise.race([result, late]);
  } finally {
    stopTimer(timer);
  }
}

function timedOut(call: Call & { timeoutMs: number }): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_TIMEOUT',
    `${call.title}: its function did not settle within ${seconds(call.timeoutMs)}. If it needs longer, give { timeoutMs }`,
  );
}

const seconds = (ms: number): string => `${ms / 1000} s`;

/** A test whose verdict never came must not pass: runners take a process that exits with 0 for a success. */
function failWhenProcessExits(call: Call): () => void {
  const say = () =>
    process.stderr.write(
      `memprof: the process ended while ${call.title} was running (its function called process.exit, or nothing was left to wait for): there is no verdict\n`,
    );
  const listener = () => {
    say();
    if (process.exitCode === undefined || process.exitCode === 0) process.exitCode = 1;
  };
  process.on('exit', listener);
  const restore = process.env['JEST_WORKER_ID'] === undefined ? null : replaceExit(say);
  return () => {
    process.removeListener('exit', listener);
    restore?.();
  };
}

/** jest's tests have a copy of `process`, which nobody tells of the end: only its exit() can be met. */
function replaceExit(say: () => void): () => void {
  const { exit } = process;
  const replaced = (code?: number | string | null): never => {
    say();
    return exit(code === undefined || code === null || Number(code) === 0 ? 1 : code);
  };
  process.exit = replaced;
  return () => {
    if (process.exit === replaced) process.exit = exit;
  };
}
