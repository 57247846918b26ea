// Runs memprof_replay once: the trace's calls go in, piece by piece as it takes them, and its answer comes out.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ExitCode, MemprofError } from '../errors.js';
import { trimHeap } from '../native/index.js';
import { replayPath } from '../paths.js';
import { readTraceCalls } from '../record/index.js';
import {
  type Answer,
  OperationWriter,
  type OperationWriterOptions,
  parseAnswer,
  type Setting,
} from '../replay/index.js';
import { formatBytes } from '../report/index.js';

/** What it says of why it gave up is a line. */
const mostComplaintChars = 2000;
const chunksPerCollection = 64;

export function requirePlayer(): void {
  if (existsSync(replayPath)) return;
  throw new MemprofError(
    'ERR_MEMPROF_NOT_BUILT',
    `${replayPath} is missing: memprof is not built. Build it: npm run build`,
  );
}

/** What it is started with; null: its allocator is not on this machine. */
export function playerEnvironment({
  environment,
  preload,
}: Setting): Record<string, string> | null {
  if (preload === null) return { ...environment };
  const path = allocatorFolders.map((folder) => join(folder, preload)).find(existsSync);
  return path === undefined ? null : { ...environment, LD_PRELOAD: path };
}

const allocatorFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/local/lib',
  '/usr/lib',
];

export interface Played {
  answer: Answer;
  /** Whether memprof itself allocated for a moment. */
  hasOwnWork: boolean;
}

/** liveBytes: the most that was live in the recorded program, for the text where memory does not suffice. */
export async function play(
  tracePath: string,
  environment: Record<string, string>,
  options: OperationWriterOptions,
  liveBytes: number,
): Promise<Played> {
  const program = spawn(replayPath, [], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  let complaint = '';
  program.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  program.stderr.setEncoding('utf8').on('data', (piece: string) => {
    if (complaint.length < mostComplaintChars) complaint += piece;
  });
  const ended = once(program, 'close') as Promise<[number | null, string | null]>;
  // A broken pipe is told by how the program ended.
  program.stdin.on('error', () => undefined);
  let isFull = false;
  const writer: OperationWriter = new OperationWriter(options, (piece) => {
    isFull = !program.stdin.write(piece, () => writer.reuse(piece));
  });
  const collect = collector();
  let chunkCount = 0;
  try {
    for (const _ of readTraceCalls(tracePath, writer)) {
      if (chunkCount++ % chunksPerCollection === 0) collect();
      if (isFull && program.stdin.writable)
        await Promise.race([once(program.stdin, 'drain'), ended]);
      isFull = false;
      if (!program.stdin.writable) break;
    }
    writer.end();
  } catch (error) {
    program.kill('SIGKILL');
    await ended.catch(() => undefined);
    throw error;
  }
  program.stdin.end();
  const [code, signal] = await ended;
  if (code === 0) return { answer: parseAnswer(text), hasOwnWork: writer.ownWorkCount > 0 };
  throw new MemprofError(
    'ERR_MEMPROF_REPLAY_FAILED',
    failureText(code, signal, complaint.trim(), liveBytes),
    ExitCode.failed,
  );
}

/**
 * What opening the trace left behind may be as large as the program's live memory, and chunks of events lie outside of
 * V8's heap: left to itself V8 collects them late, and glibc keeps them (together 90 MiB with a million live blocks).
 */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  return () => {
    collect();
    trimHeap();
  };
}

function failureText(
  code: number | null,
  signal: string | null,
  complaint: string,
  liveBytes: number,
): string {
  const how = `the replay ended with ${signal ?? `status ${code}`}`;
  if (complaint !== '') return `${how}: ${complaint}.`;
  if (signal !== 'SIGKILL') return `${how}.`;
  // The replay tells the kernel to take it first.
  return `${how}: perhaps there is too little memory. The program had up to ${formatBytes(liveBytes)} live; the replay needs somewhat more than that.`;
}
