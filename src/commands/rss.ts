// memprof rss: what resident memory consists of at a checkpoint, as a sum.
import { ExitCode, MemprofError } from '../errors.js';
import {
  allocatorMappings,
  type ExplainedMemory,
  explainMemory,
  memoryStackIds,
  otherAllocator,
  v8Summary,
} from '../memory/index.js';
import type { Checkpoint, TraceModel } from '../model/index.js';
import {
  allocatorJson,
  checkpointJson,
  chooseCheckpoint,
  jsonLines,
  processJson,
  type WithoutCheckpoint,
} from '../query/index.js';
import {
  formatBytes,
  formatDuration,
  inOrder,
  noMemoryText,
  otherAllocatorText,
  ownerText,
  peakText,
  renderMemory,
  renderV8,
  wrap,
} from '../report/index.js';
import { isNodeProcess, type StackOwners } from '../symbols/index.js';
import type { TraceCommand } from './context.js';
import { rssTimeline } from './rss-timeline.js';

export interface RssOptions {
  at?: number;
  limit: number;
  timeline?: boolean;
  json?: boolean;
}

export async function* rss(command: TraceCommand, options: RssOptions): AsyncGenerator<string> {
  const { model, style, columns } = command;
  if (options.timeline === true) {
    yield* rssTimeline(command, options.json === true);
    return;
  }
  const checkpoint = chooseCheckpoint(model, options.at, withoutMemory(model));
  const { explained } = await explain(command, checkpoint);
  const v8 = v8Summary(checkpoint, explained);
  if (options.json === true) {
    yield* jsonLines(
      {
        schema: 'memprof.rss/1',
        process: processJson(model),
        checkpoint: checkpointJson(checkpoint),
        residentBytes: explained.residentBytes,
        swappedBytes: explained.swappedBytes,
        peak: model.timeline?.peak ?? null,
        note: explained.note,
        v8,
        allocator: allocatorJson(model),
      },
      { parts: inOrder(explained.parts) },
    );
    return;
  }
  const { number, atNs, heap } = checkpoint;
  yield style.heading(
    `Checkpoint ${number}, after ${formatDuration(atNs)}: ${formatBytes(explained.residentBytes)} resident`,
  );
  if (model.timeline !== undefined) yield peakText(model.timeline);
  yield '';
  yield* renderMemory(explained, { columns, style, limit: options.limit });
  yield '';
  if (v8 !== null) {
    yield* renderV8(v8, { columns, style });
    yield '';
  } else if (isNodeProcess(model.process)) {
    const known =
      heap === null
        ? ''
        : `: ${formatBytes(heap.usedBytes)} used of ${formatBytes(heap.totalBytes)}`;
    yield style.faint(`V8's heap${known}. By space: not recorded.`);
  }
  if (explained.swappedBytes > 0)
    yield `${formatBytes(explained.swappedBytes)} more are swapped out.`;
  if (model.timeline !== undefined) yield style.faint('Over time: --timeline');
  const allocator = otherAllocatorText(checkpoint.memory, otherAllocator(model));
  if (allocator !== null) yield* wrap(allocator, columns, '', '');
  if (explained.note !== null) yield style.faint(`Note: ${explained.note}.`);
}

export const withoutMemory = ({ timeline }: TraceModel): WithoutCheckpoint => ({
  missing:
    "what resident memory consists of, how heaps are filled and what V8's heap holds cannot be given",
  instead:
    timeline === undefined
      ? null
      : '"memprof rss --timeline" needs none: resident memory and its parts over time, estimated from outside',
});

/** What memory is, with the owners of all stacks that it takes. */
export async function explain(
  { model, findOwners }: Pick<TraceCommand, 'model' | 'findOwners'>,
  checkpoint: Checkpoint,
): Promise<{ explained: ExplainedMemory; owners: StackOwners }> {
  if (checkpoint.memory === undefined)
    throw new MemprofError('ERR_MEMPROF_NO_MEMORY', noMemoryText(checkpoint), ExitCode.failed);
  const owners = await findOwners(model, memoryStackIds(checkpoint));
  const explained = explainMemory({
    checkpoint,
    modules: model.modules,
    isNode: isNodeProcess(model.process),
    allocator: allocatorMappings(model),
    ownerOf: (id) => owners.owner(id),
    nameOf: ownerText,
  });
  if (explained === null) throw new TypeError('a checkpoint with memory was not explained');
  return { explained, owners };
}
