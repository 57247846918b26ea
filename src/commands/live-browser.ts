// memprof live PID --web: pages that watch a program which runs under memprof-run in another terminal.
import { setTimeout as sleep } from 'node:timers/promises';
import { MemprofError } from '../errors.js';
import { type LiveAnswer, type LiveRequest, liveVersion } from '../live/index.js';
// Past the door of record/: it needs sockets, which nothing else does.
import { connectToRecorder } from '../record/watcher-socket.js';
import { escapeText } from '../report/index.js';
import { LivePages } from './live-pages.js';
import { notRecorded, Recorder } from './live-recorder.js';

/** Whether it is still recorded, and where: exec makes another trace. */
const askMs = 1000;

type Trace = Extract<LiveAnswer, { kind: 'trace' }>;

export async function liveInBrowser(pid: number, port: number): Promise<string[]> {
  const say = (sentence: string) => process.stderr.write(`memprof: ${escapeText(sentence)}\n`);
  const socket = await connectToRecorder(pid);
  const recorder = new Recorder(socket);
  try {
    const trace = await traceNow(recorder, pid);
    if (trace === null) throw notRecorded(pid);
    const pages = await LivePages.open(port, say);
    try {
      pages.follow(pathOf(trace));
      say(`watch process ${pid} (${trace.command}) in a browser: ${pages.url}`);
      say('Ctrl-C ends this; the program goes on.');
      await untilEnd(recorder, pid, trace, pages);
      await pages.finish();
    } finally {
      await pages.close();
    }
  } finally {
    socket.destroy();
  }
  return [`process ${pid} is not recorded any more`];
}

async function untilEnd(
  recorder: Recorder,
  pid: number,
  first: Trace,
  pages: LivePages,
): Promise<void> {
  for (let last: Trace | null = first; last !== null; ) {
    await sleep(askMs);
    const now = await traceNow(recorder, pid);
    if (now !== null && now.tracePath !== last.tracePath) pages.follow(pathOf(now));
    last = now;
  }
}

/** null: it is not recorded, or not any more. Throws what was wrong with the answer. */
async function traceNow(recorder: Recorder, pid: number): Promise<Trace | null> {
  const gone = recorder.closed.then(() => null);
  const answer = await Promise.race([recorder.ask(traceRequest(pid)), gone]);
  if (answer === null || answer.kind === 'none') return null;
  if (answer.kind === 'trace') return answer;
  throw new MemprofError(
    'ERR_MEMPROF_LIVE_VERSION',
    `the memprof-run of process ${pid} is of an older version, which serves the terminal view alone: memprof live ${pid}`,
  );
}

function pathOf({ pid, tracePath }: Trace): string {
  if (tracePath !== null) return tracePath;
  throw new MemprofError(
    'ERR_MEMPROF_NO_TRACE',
    `process ${pid} is recorded without a trace (-o /dev/null), and the page shows what is in the trace. In the terminal: memprof live ${pid}`,
  );
}

/** What figures need is not asked for, but stands in each request. */
const traceRequest = (pid: number): LiveRequest => ({
  version: liveVersion,
  wants: 'trace',
  pid,
  sort: 'bytes',
  filter: '',
  siteLimit: 0,
  packageLimit: 0,
  stackOf: null,
  columns: 0,
  mark: 0,
});
