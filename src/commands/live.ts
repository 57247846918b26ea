// memprof live PID: a view of a program that runs under memprof-run in another terminal.
import type { Socket } from 'node:net';
import { endLike } from '../record/launch-end.js';
// Past the door of record/: it needs sockets, which nothing else does.
import { connectToRecorder } from '../record/watcher-socket.js';
import { escapeText, formatBytes, formatCount, formatDuration } from '../report/index.js';
import { notRecorded, Recorder } from './live-recorder.js';
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
  if (answer === null) throw notRecorded(pid);
  const { total, peakBytes, elapsedNs, command } = answer;
  return [
    `process ${pid} (${escapeText(command)}) is not recorded any more. At the last look, ${formatDuration(elapsedNs)} after its start: ${formatBytes(total.liveBytes)} live in ${formatCount(total.liveCount)} blocks, peak ${formatBytes(peakBytes)}`,
  ];
}
