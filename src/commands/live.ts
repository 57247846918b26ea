// memprof live PID: a view of a program that runs under memprof-run in another terminal.
import type { Socket } from 'node:net';
import { MemprofError } from '../errors.js';
import { type LiveAnswer, type LiveRequest, mostMessageBytes, parseAnswer } from '../live/index.js';
import { endLike } from '../record/launch-end.js';
// Past the door of record/: it needs sockets, which nothing else does.
import { connectToRecorder } from '../record/watcher-socket.js';
import { escapeText, formatBytes, formatCount, formatDuration } from '../report/index.js';
import { onLines } from './live-lines.js';
import { LiveTerminal } from './live-terminal.js';
import { LiveView } from './live-view.js';

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function live(pid: number): Promise<string[]> {
  const terminal = LiveTerminal.open(
    process.env,
    'Run memprof live in a terminal of its own, not in a pipe or a job',
  );
  try {
    return await watch(pid, await connectToRecorder(pid), terminal);
  } finally {
    terminal.close();
  }
}

async function watch(pid: number, socket: Socket, terminal: LiveTerminal): Promise<string[]> {
  const recorder = new Recorder(socket);
  const view = new LiveView({ terminal, pid, ask: recorder.ask, note: () => '' });
  recorder.closed.then(
    () => view.close('gone'),
    () => view.close('gone'),
  );
  const endBy = (signal: NodeJS.Signals) => {
    terminal.close();
    endLike({ code: null, signal });
  };
  const stop = () => process.kill(process.pid, 'SIGSTOP');
  for (const signal of endingSignals) process.on(signal, endBy);
  process.on('SIGTSTP', stop);
  const end = await view.ended;
  for (const signal of endingSignals) process.off(signal, endBy);
  process.off('SIGTSTP', stop);
  socket.destroy();
  if (end === 'left') return [];
  // Rejects with what was wrong with its answers.
  await recorder.closed;
  const { answer } = view;
  if (answer === null)
    throw new MemprofError(
      'ERR_MEMPROF_NOT_LOADED',
      `process ${pid} is not being recorded any more, or its memprof-run is of another version. Use the memprof that started it`,
    );
  const { total, peakBytes, elapsedNs, command } = answer;
  return [
    `process ${pid} (${escapeText(command)}) is not recorded any more. At the last look, ${formatDuration(elapsedNs)} after its start: ${formatBytes(total.liveBytes)} live in ${formatCount(total.liveCount)} blocks, peak ${formatBytes(peakBytes)}`,
  ];
}

/** The other end of the socket. */
class Recorder {
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
