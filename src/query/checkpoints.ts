// Which checkpoint of a trace a command is asked about.
import { ExitCode, MemprofError } from '../errors.js';
import type { Checkpoint, TraceModel } from '../model/index.js';
import { describeEnd } from '../report/index.js';

/** What cannot be told without a checkpoint, and what can. */
export interface WithoutCheckpoint {
  missing: string;
  instead: string | null;
}

const unowned: WithoutCheckpoint = {
  missing: 'nothing is known of who holds what',
  instead: '"memprof unfreed" needs none',
};

/** The last one where none is named. */
export function chooseCheckpoint(
  model: TraceModel,
  number: number | undefined,
  { missing, instead }: WithoutCheckpoint = unowned,
): Checkpoint {
  const checkpoints = model.checkpoints ?? [];
  const last = checkpoints.at(-1);
  if (last === undefined) {
    throw new MemprofError(
      'ERR_MEMPROF_NO_CHECKPOINT',
      `the trace has no checkpoint, so ${missing}: the program ${describeEnd(model.process)}. memprof-run takes one before a program ends by itself (not with --checkpoint none); --checkpoint 30s takes one every 30 seconds, "memprof checkpoint PID" takes one from outside, and checkpoint() from 'memprof' from within${instead === null ? '' : `. ${instead}`}`,
      ExitCode.failed,
    );
  }
  if (number === undefined) return last;
  const found = checkpoints.find((one) => one.number === number);
  if (found === undefined) {
    throw new MemprofError(
      'ERR_MEMPROF_NO_CHECKPOINT',
      `the trace has no checkpoint ${number}. It has ${checkpoints.map((one) => one.number).join(', ')}`,
      ExitCode.failed,
    );
  }
  return found;
}

export function checkpointJson(checkpoint: Checkpoint) {
  const {
    tallies: _sums,
    classes: _classes,
    memory: _memory,
    v8: _v8,
    detail: _blocks,
    ...facts
  } = checkpoint;
  return facts;
}
