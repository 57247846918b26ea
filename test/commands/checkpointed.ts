// A model with checkpoints, from a drawn heap whose blocks stand on drawn stacks.
import type { Checkpoint, StackId, TraceModel } from '../../src/model/index.js';
import { type JudgeInput, judge, type OwnerMemory } from '../../src/verdicts/index.js';
import type { Heap } from '../verdicts/heap.js';

/** `stacks`: of the heap's blocks in order. */
export function checkpointOf(
  heap: Heap,
  stacks: readonly StackId[],
  memory: OwnerMemory,
  number: number,
  more: Partial<Checkpoint> & { input?: Partial<JudgeInput> } = {},
): Checkpoint {
  const { input, ...facts } = more;
  const live = heap.live([...stacks]);
  const judged = judge(heap.input(number, { live, ...input }), memory);
  return {
    number,
    reason: 'interval',
    atNs: number * 1e9,
    collectNs: 12e6,
    ownersNs: 3e6,
    pauseNs: 1.5e6,
    forkNs: 1e6,
    scanNs: 200e6,
    scannedBytes: 320 * 2 ** 20,
    skippedBytes: 0,
    threadCount: 10,
    stoppedCount: 10,
    owners: 'complete',
    scanFailure: null,
    heap: { usedBytes: 4 << 20, totalBytes: 6 << 20, externalBytes: 1000 },
    pendingFinalizerCount: 0,
    liveCount: live.count,
    liveBytes: live.sizeBytes.reduce((sum, one) => sum + one, 0),
    ...judged,
    ...facts,
  };
}

/** As a trace keeps them: the blocks of the last one alone. */
export function withCheckpoints(model: TraceModel, checkpoints: Checkpoint[]): TraceModel {
  return {
    ...model,
    checkpoints: checkpoints.map((one, at) =>
      at === checkpoints.length - 1 ? one : { ...one, detail: null },
    ),
  };
}
