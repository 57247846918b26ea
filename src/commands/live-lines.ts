// Lines of a socket, one by one: the next is given when the last was dealt with.
import type { Socket } from 'node:net';

export function onLines(
  socket: Socket,
  mostBytes: number,
  onTooLong: () => void,
  take: (line: string) => Promise<void> | void,
): void {
  let pending = '';
  let last = Promise.resolve();
  socket.setEncoding('utf8');
  socket.on('data', (piece: string) => {
    const lines = (pending + piece).split('\n');
    pending = lines.pop() as string;
    if (pending.length > mostBytes) {
      onTooLong();
      return;
    }
    for (const line of lines) last = last.then(() => take(line));
  });
}
