// Which checkpoint of a trace a command is asked about.
import { ExitCode, MemprofError } from '../errors.js';
import type { Checkpoint, TraceModel } from '../model/index.js';
import { describeEnd } from '../report/index.js';

/** The last one where none is named. */
export function chooseCheckpoint(model: TraceModel, number: number | undefined): Checkpoint {
  const checkpoints = model.checkpoints ?? [];
  const last = checkpoints.at(-1);
  if (last === undefined) {
    throw new MemprofError(
      'ERR_MEMPROF_NO_CHECKPOINT',
      `the trace has no checkpoint, so nothing is known of who holds what: the program ${describeEnd(model.process)}. memprof-run takes one before a program ends by itself (not with --checkpoint none); --checkpoint 30s takes one every 30 seconds, "memprof checkpoint PID" takes one from outside, and checkpoint() from 'memprof' from within. "memprof unfreed" needs none`,
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
