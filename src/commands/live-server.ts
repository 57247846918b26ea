// memprof-run's end of `memprof live PID`: connects with each watcher that shows up in the session's folder and
// answers what it asks, until it goes or the recording ends.
import { connect, type Socket } from 'node:net';
import {
  type LiveAnswer,
  type LiveRequest,
  mostMessageBytes,
  parseRequest,
} from '../live/index.js';
import { onLines } from './live-lines.js';

export class LiveServer {
  readonly #watcher: () => (request: LiveRequest) => Promise<LiveAnswer>;
  readonly #sockets = new Set<Socket>();

  /** `watcher`: makes what answers one view. */
  constructor(watcher: () => (request: LiveRequest) => Promise<LiveAnswer>) {
    this.#watcher = watcher;
  }

  serve(socketPath: string): void {
    const socket = connect(socketPath);
    this.#sockets.add(socket);
    // A view does not keep memprof-run from ending.
    socket.unref();
    const end = () => {
      this.#sockets.delete(socket);
      socket.destroy();
    };
    // It went before we came, or while we wrote.
    socket.on('error', end);
    socket.on('close', end);
    const answerTo = this.#watcher();
    onLines(socket, mostMessageBytes, end, async (line) => {
      try {
        const answer = await answerTo(parseRequest(line));
        if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`);
      } catch {
        // It speaks another language: it sees that we hang up, and says which memprof it wants.
        end();
      }
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
