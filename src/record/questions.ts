// The questions of one process: each is put to the handler at the very place of its mark, and its answer
// written when there is one. Whatever the program sends, it gets an answer, and the recording goes on.
import { setTimeout as sleep } from 'node:timers/promises';
import { clockMs } from '../clock.js';
import { MemprofError } from '../errors.js';
import type { QuestionFiles } from './question-files.js';
import { type Asked, OpenView, type QuestionView, type ViewSources } from './question-view.js';

/** Answers with text, now or later; what it throws or rejects with becomes an error answer. */
export type QuestionHandler = (view: QuestionView, text: string) => string | Promise<string>;

/** So long the end of a recording waits for answers that are still being made: of what they say. */
const patienceMs = 10_000;

export class Questions {
  /** What went wrong, for the report. */
  readonly warnings: string[] = [];
  /** clockMs() of the last one; -Infinity: none so far. */
  lastAskedMs = -Infinity;
  private readonly files: QuestionFiles;
  private readonly handler: QuestionHandler | null;
  private readonly sources: ViewSources;
  private readonly outstanding = new Set<Promise<void>>();

  constructor(files: QuestionFiles, handler: QuestionHandler | null, sources: ViewSources) {
    this.files = files;
    this.handler = handler;
    this.sources = sources;
  }

  /** A question's mark has come: everything before it is in the ledger, nothing after it. */
  ask(asked: Asked): void {
    this.lastAskedMs = clockMs();
    const { number } = asked;
    let answer: string | Promise<string>;
    try {
      answer = this.put(asked);
    } catch (error) {
      answer = errorAnswer(error);
    }
    if (typeof answer === 'string') {
      this.send(number, answer);
      return;
    }
    const sent = Promise.resolve(answer)
      .then(textOf)
      .catch(errorAnswer)
      .then((text) => this.send(number, text))
      .finally(() => this.outstanding.delete(sent));
    this.outstanding.add(sent);
  }

  /** Before a recording ends: whoever answers may be about to keep what was asked. */
  async settle(): Promise<void> {
    if (this.outstanding.size === 0) return;
    const waiting = new AbortController();
    await Promise.race([
      Promise.all(this.outstanding),
      sleep(patienceMs, undefined, { signal: waiting.signal, ref: false }).catch(() => undefined),
    ]);
    waiting.abort();
    if (this.outstanding.size > 0)
      this.warnings.push(`${this.outstanding.size} questions of the program were not answered`);
  }

  private put(asked: Asked): string | Promise<string> {
    const text = this.files.read(asked.number);
    if (this.handler === null)
      throw new MemprofError(
        'ERR_MEMPROF_NO_ANSWERS',
        'this recording answers no questions of the program',
      );
    const view = new OpenView(asked, this.sources);
    try {
      return this.handler(view, text);
    } finally {
      view.close();
    }
  }

  private send(number: number, answer: string): void {
    try {
      if (this.files.isAwaited(number)) this.files.write(number, answer);
    } catch (error) {
      this.warnings.push(
        `the answer to question ${number} could not be written: ${messageOf(error)}`,
      );
    }
  }
}

function textOf(answer: unknown): string {
  if (typeof answer === 'string') return answer;
  throw new TypeError(`the answer to a question is text, not ${typeof answer}`);
}

function errorAnswer(error: unknown): string {
  const code = error instanceof MemprofError ? error.code : 'ERR_MEMPROF_ANSWER';
  return JSON.stringify({ error: { code, message: messageOf(error) } });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
