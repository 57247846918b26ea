// The memprof-run that records a process, as `memprof live` talks with it.
import type { Socket } from 'node:net';
import { MemprofError } from '../errors.js';
import { type LiveAnswer, type LiveRequest, mostMessageBytes, parseAnswer } from '../live/index.js';
import { onLines } from './live-lines.js';

/** The other end of the socket. */
export class Recorder {
  /** Rejects when an answer made no sense. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #awaiting: ((answer: LiveAnswer) => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((closed, failed) => {
      const fail = (error: unknown) => {
        failed(error);
        socket.destroy();
      };
      socket.on('close', () => closed());
      // ECONNRESET, EPIPE: it closes right after.
      socket.on('error', () => undefined);
      const tooLong = () =>
        fail(new MemprofError('ERR_MEMPROF_LIVE_MESSAGE', 'memprof-run sent an endless answer'));
      onLines(socket, mostMessageBytes, tooLong, (line) => {
        try {
          this.#awaiting?.(parseAnswer(line));
        } catch (error) {
          fail(error);
        }
      });
    });
  }

  /** One at a time. Never resolves when the other end goes: `closed` tells. */
  readonly ask = (request: LiveRequest): Promise<LiveAnswer> =>
    new Promise((answered) => {
      this.#awaiting = answered;
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
}

export function notRecorded(pid: number): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_NOT_LOADED',
    `process ${pid} is not being recorded any more, or its memprof-run is of another version. Use the memprof that started it`,
  );
}
