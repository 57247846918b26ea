// What can be exported of each stack: what lives, what was ever allocated, what lived at the peak, ... Pure.
import type { Checkpoint, LiveSet, TraceModel } from '../model/index.js';
import { isLeak } from '../report/index.js';

export type Measure = 'live' | 'allocated' | 'temporary' | 'peak' | 'lost';

/** Sums by stack id. */
export interface StackSums {
  measure: Measure;
  blockCount: Float64Array;
  /** null: only counted (temporary). */
  sizeBytes: Float64Array | null;
}

function emptySums(measure: Measure, length: number) {
  return {
    measure,
    blockCount: new Float64Array(length),
    sizeBytes: new Float64Array(length),
  };
}

/** Of a live set; stacks that the table does not have are of a damaged trace and count as the empty stack. */
export function liveSums(model: TraceModel, live: LiveSet): StackSums {
  const sums = emptySums('live', model.stacks.count);
  for (let row = 0; row < live.count; row++) {
    const id = live.stackId[row]! < model.stacks.count ? live.stackId[row]! : 0;
    sums.blockCount[id]!++;
    sums.sizeBytes[id]! += live.sizeBytes[row]!;
  }
  return sums;
}

/** Over the whole run. */
export function allocatedSums({ stackTotals }: TraceModel): StackSums {
  const { allocationCount, allocatedBytes } = stackTotals;
  return { measure: 'allocated', blockCount: allocationCount, sizeBytes: allocatedBytes };
}

/** Freed by the next event of the same thread: a trace counts these, without their sizes. */
export function temporarySums({ stackTotals }: TraceModel): StackSums {
  return { measure: 'temporary', blockCount: stackTotals.temporaryCount, sizeBytes: null };
}

/** Lost and orphaned blocks of a checkpoint, and what is lost behind them. */
export function lostSums(model: TraceModel, checkpoint: Checkpoint): StackSums {
  const sums = emptySums('lost', model.stacks.count);
  for (const { stackId, verdict, blockCount, sizeBytes } of checkpoint.tallies) {
    if (!isLeak(verdict) || verdict === 'pending') continue;
    sums.blockCount[stackId]! += blockCount;
    sums.sizeBytes[stackId]! += sizeBytes;
  }
  return sums;
}
