// memprof's agent in this process: what asks the reader. Loaded past require, so that test runners that keep a
// module registry of their own (jest) share it; what is needed of JavaScript is kept from before a test
// could replace it (fake timers).
import { performance } from 'node:perf_hooks';
import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import type { ErrorAnswer, Question } from '../checks/protocol.js';
import { MemprofError } from '../errors.js';
import { agentAddonPath } from '../paths.js';

export interface Agent {
  /** Blocks until the reader has answered; null: it has ended, or the time is up. */
  ask(text: string, timeoutMs: number): string | null;
  /** Collects garbage and runs what finalizers are due. To be called from the event loop. */
  collect(): void;
  /** -1: not under memprof-run; 0: not now. */
  checkpoint(name: string): number;
  mark(name: string): void;
  /** What the calling thread allocates between begin and end is nobody's leak. May be nested. */
  ignore(begin: boolean): void;
  isLoaded(): boolean;
}

/** null: this process is not under memprof-run, or addons are forbidden in it. */
export const agent: Agent | null = load();

const answerTimeoutMs = 120_000;
const later = setImmediate;
export const startTimer: typeof setTimeout = setTimeout;
export const stopTimer: typeof clearTimeout = clearTimeout;
export const nowMs: () => number = performance.now.bind(performance);

function load(): Agent | null {
  const holder = { exports: {} as Agent };
  try {
    process.dlopen(holder, agentAddonPath);
    return holder.exports.isLoaded() ? holder.exports : null;
  } catch {
    // Not built, or addons are forbidden: then memprof-run's agent is not here either.
    return null;
  }
}

/** In the next turn of the event loop: with no JavaScript on the stack finalizers may run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => later(resolve));
}

/** The reader's answer; its errors are thrown. */
export function ask<Answer extends object>(from: Agent, question: Question): Answer {
  const text = from.ask(JSON.stringify(question), answerTimeoutMs);
  if (text === null)
    throw new MemprofError(
      'ERR_MEMPROF_NO_ANSWER',
      `memprof-run did not answer the question ${question.ask}: it has ended, or could not read this process's events for ${answerTimeoutMs / 1000} s. Look at what it says on standard error`,
    );
  const answer = JSON.parse(text) as Answer | ErrorAnswer;
  if ('error' in answer && answer.error !== undefined)
    throw new MemprofError(answer.error.code, answer.error.message);
  return answer as Answer;
}
