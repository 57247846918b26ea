// Pages in a browser that watch a program: starts the thread that serves them, and tells it what to follow.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MemprofError } from '../errors.js';
import { livePagesPath } from '../paths.js';
import type { FromPages, LivePagesData, ToPages } from './live-pages-messages.js';

/** What open pages may take to get the finished report, beyond what the end takes anyway; most of it is its making. */
const graceMs = 60_000;

export class LivePages {
  readonly url: string;
  readonly #worker: Worker;
  /** Resolves when the thread has no more to do, for whatever reason. */
  readonly #finished: Promise<void>;

  /** Rejects where nothing can listen. `say`: what goes wrong later. */
  static async open(port: number, say: (sentence: string) => void): Promise<LivePages> {
    const token = randomBytes(24).toString('base64url');
    const data: LivePagesData = { port, token };
    const worker = new Worker(livePagesPath, { workerData: data, execArgv: [] });
    const listening = await new Promise<number>((opened, failed) => {
      worker.once('error', failed);
      worker.once('message', (message: FromPages) => {
        worker.off('error', failed);
        if (message.kind === 'listening') opened(message.port);
        else failed(openError(port, message));
      });
    }).catch(async (error: unknown) => {
      await worker.terminate();
      throw error;
    });
    return new LivePages(worker, `http://127.0.0.1:${listening}/?token=${token}`, say);
  }

  private constructor(worker: Worker, url: string, say: (sentence: string) => void) {
    this.#worker = worker;
    this.url = url;
    // The program's end is waited for, not the pages'.
    worker.unref();
    this.#finished = new Promise((finished) => {
      worker.on('error', (error) => {
        say(`pages are served no more: ${error.message}`);
        finished();
      });
      worker.on('exit', () => finished());
      worker.on('message', (message: FromPages) => {
        if (message.kind === 'failed') say(`pages get no final data: ${message.message}`);
        finished();
      });
    });
  }

  /** A trace that begins: the program's, or that of the one that replaced it. */
  follow(tracePath: string): void {
    this.#tell({ kind: 'follow', path: resolve(tracePath) });
  }

  /** The trace is whole. Resolves when open pages have what it says, at the latest after the grace. */
  async finish(): Promise<void> {
    this.#tell({ kind: 'finish' });
    const waiting = new AbortController();
    const tooLate = sleep(graceMs, undefined, { signal: waiting.signal }).catch(() => undefined);
    await Promise.race([this.#finished, tooLate]);
    waiting.abort();
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #tell(message: ToPages): void {
    this.#worker.postMessage(message);
  }
}

function openError(port: number, message: FromPages): MemprofError {
  const { code, message: reason } =
    message.kind === 'failed' ? message : { code: '', message: 'it said something else' };
  if (code.startsWith('ERR_MEMPROF')) return new MemprofError(code, reason);
  const facts: Record<string, string> = {
    EADDRINUSE: `port ${port} of 127.0.0.1 is in use. Take another one with --port, or leave it out: a free one is found`,
    EACCES: `port ${port} of 127.0.0.1 is not for you (EACCES: those below 1024 are the system's). Take another one with --port`,
  };
  return new MemprofError(
    'ERR_MEMPROF_PORT',
    facts[code] ?? `no page can be served on 127.0.0.1: ${reason}`,
  );
}
