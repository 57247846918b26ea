// memprof rss --timeline: resident memory, what it consists of and what is live, over time.
import { ExitCode, MemprofError } from '../errors.js';
import type { Checkpoint, MemoryTimeline, TraceModel, V8Isolate } from '../model/index.js';
import { jsonLines, processJson } from '../query/index.js';
import {
  formatDuration,
  peakText,
  renderTimeline,
  renderV8AtCheckpoints,
  type V8Moment,
} from '../report/index.js';
import type { TraceCommand } from './context.js';

export function* rssTimeline(
  { model, style, columns }: Pick<TraceCommand, 'model' | 'style' | 'columns'>,
  asJson: boolean,
): Generator<string> {
  const timeline = timelineOf(model);
  if (asJson) {
    const { peak, cost } = timeline;
    yield* jsonLines(
      {
        schema: 'memprof.rss-timeline/1',
        process: processJson(model),
        peak,
        cost,
        parts: [...rowsOf(timeline.parts)],
        v8: v8Rows(model.checkpoints ?? []),
      },
      { samples: rowsOf(timeline.samples) },
    );
    return;
  }
  const { durationNs } = model.process;
  yield style.heading(`Resident memory over ${formatDuration(durationNs)}`);
  yield peakText(timeline);
  yield '';
  yield* renderTimeline(timeline, { columns, style });
  const v8 = v8Rows(model.checkpoints ?? []);
  if (v8.length === 0) return;
  yield '';
  yield* renderV8AtCheckpoints(v8, { columns, style });
}

/** V8 itself is asked at checkpoints alone: what it says may not be read from outside. */
function v8Rows(checkpoints: readonly Checkpoint[]): V8Moment[] {
  return checkpoints.flatMap(({ number, atNs, v8 }) => {
    if (v8 === undefined) return [];
    const sum = (of: (isolate: V8Isolate) => number) =>
      v8.isolates.reduce((total, isolate) => total + of(isolate), 0);
    return {
      checkpoint: number,
      atNs,
      usedBeforeBytes: sum(({ before }) => before.usedBytes),
      usedBytes: sum(({ after }) => after.usedBytes),
      committedBytes: sum(({ after }) => after.totalBytes),
      externalBytes: sum(({ after }) => after.externalBytes),
    };
  });
}

function timelineOf({ timeline }: TraceModel): MemoryTimeline {
  if (timeline !== undefined) return timeline;
  throw new MemprofError(
    'ERR_MEMPROF_NO_TIMELINE',
    'the trace has no memory over time: it is from an older memprof, or the process was gone before memprof-run could look. Record it again.',
    ExitCode.failed,
  );
}

/** Columns as rows of their names. */
function* rowsOf<Table extends { count: number }>({
  count,
  ...columns
}: Table): Generator<Record<string, number>> {
  const entries = Object.entries(columns) as [string, Float64Array][];
  for (let row = 0; row < count; row++)
    yield Object.fromEntries(entries.map(([name, column]) => [name, column[row]!]));
}
