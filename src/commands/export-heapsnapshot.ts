// memprof export --format heapsnapshot: V8's heap snapshot with the native blocks in it.
import { MemprofError } from '../errors.js';
import { heapSnapshotWithNative } from '../exporters/index.js';
import { type HeapSnapshot, HeapSnapshotParser } from '../heap/index.js';
import type { Checkpoint, CheckpointDetail, StackId, TraceModel } from '../model/index.js';
import { readHeapSnapshot } from '../record/index.js';
import { frameText, siteFrame } from '../report/index.js';
import { stackContext } from './context.js';
import type { ExportRequest } from './export-formats.js';

export async function heapSnapshotPieces({ command }: ExportRequest): Promise<Iterable<string>> {
  const { model, tracePath } = command;
  const { checkpoint, detail } = checkpointOf(model, tracePath);
  const snapshot = snapshotOf(tracePath, checkpoint);
  const names = await command.nameStacks(model, new Set(detail.live.stackId as Iterable<StackId>));
  const context = stackContext(model);
  return heapSnapshotWithNative(snapshot, detail, (stackId) => {
    const frame = siteFrame(names.stack(stackId), context);
    return frame === null ? 'native block' : frameText(frame);
  });
}

function checkpointOf(
  model: TraceModel,
  tracePath: string,
): { checkpoint: Checkpoint; detail: CheckpointDetail } {
  const checkpoint = model.checkpoints?.at(-1);
  if (checkpoint === undefined || checkpoint.detail === null)
    throw new MemprofError(
      'ERR_MEMPROF_NO_CHECKPOINT',
      `${tracePath} has no checkpoint, so nobody knows which object owns which block. Record it without --checkpoint none.`,
    );
  return { checkpoint, detail: checkpoint.detail };
}

function snapshotOf(tracePath: string, { number }: Checkpoint): HeapSnapshot {
  const parser = new HeapSnapshotParser();
  let isThere = false;
  for (const piece of readHeapSnapshot(tracePath, number)) {
    isThere = true;
    parser.push(piece);
  }
  if (!isThere)
    throw new MemprofError(
      'ERR_MEMPROF_NO_HEAP_SNAPSHOT',
      `${tracePath} holds no heap snapshot of its last checkpoint. Record it with memprof-run --retainers.`,
    );
  return parser.finish();
}
