// memprof checkpoint PID: asks a running program that memprof-run started for a checkpoint.
import { MemprofError } from '../errors.js';
import { type DemandAnswer, demandCheckpoint, headerOfProcess } from '../record/index.js';

export async function* checkpoint(pid: number, timeoutMs: number): AsyncIterable<string> {
  yield answerText(pid, await demandCheckpoint(headerOfProcess(pid), 'demand', timeoutMs));
}

function answerText(pid: number, { isHeard, isServed, number, waitedMs }: DemandAnswer): string {
  const waited =
    waitedMs < 1000 ? `${Math.round(waitedMs)} ms` : `${(waitedMs / 1000).toFixed(1)} s`;
  if (number !== null) return `checkpoint ${number} of process ${pid} taken, after ${waited}`;
  if (!isHeard)
    throw new MemprofError(
      'ERR_MEMPROF_NO_AGENT',
      `nobody listens for checkpoints in process ${pid}: it is not a Node.js program, has only just started, or forbids addons. Ask one of its Node.js processes`,
    );
  if (!isServed)
    throw new MemprofError(
      'ERR_MEMPROF_NO_ANSWER',
      `process ${pid} did not answer within ${waited}: its main thread is at work in native code, or stopped. The checkpoint is taken as soon as it comes back; give it more time with --timeout`,
    );
  throw new MemprofError(
    'ERR_MEMPROF_NOT_TAKEN',
    `process ${pid} could not take a checkpoint: no room for its file, or another one was being taken. Try again`,
  );
}
