// Which of the two moments a command is asked about.
import { ExitCode, MemprofError } from '../errors.js';
import type { Moment, TraceModel } from '../model/index.js';
import { describeEnd, momentNamed } from '../report/index.js';

/** Before teardown where the program reached it: what teardown frees was held until then. */
export function chooseMoment(model: TraceModel, name: Moment['name'] | undefined): Moment {
  if (name === undefined) return model.beforeTeardown ?? model.atEnd;
  const moment = momentNamed(model, name);
  if (moment === null) {
    throw new MemprofError(
      'ERR_MEMPROF_NO_MOMENT',
      `the trace has no moment before teardown: the program ${describeEnd(model.process)}. Use --moment at-end`,
      ExitCode.failed,
    );
  }
  return moment;
}

export const momentText = (moment: Moment, model: TraceModel): string => {
  if (moment.name === 'before-teardown') return "live before Node's teardown";
  return model.process.ended.how === 'still-running'
    ? 'live when recording stopped'
    : 'unfreed at the end';
};
