// How what is held grows from checkpoint to checkpoint. Pure.
import type { StackId, Tally, Verdict } from '../model/index.js';

/** Whose blocks are told apart: a stack's with one verdict. */
export interface StackVerdict {
  stackId: StackId;
  verdict: Verdict;
}

export interface BlockGrowth {
  checkpointCount: number;
  /** From how many checkpoints to the next there were more blocks or bytes. */
  riseCount: number;
  firstBlockCount: number;
  lastBlockCount: number;
  firstBytes: number;
  lastBytes: number;
  /** Least squares over all checkpoints, a checkpoint. */
  blocksPerCheckpoint: number;
  bytesPerCheckpoint: number;
}

/**
 * Growth of the blocks that `groupOf` puts together, where there is any: the last checkpoint has more than the
 * first, and none fewer than the one before. null from groupOf: not asked about.
 */
export function growthOf<One extends Tally>(
  checkpoints: readonly { tallies: readonly One[] }[],
  groupOf: (one: One) => string | null,
): Map<string, BlockGrowth> {
  const found = new Map<string, BlockGrowth>();
  const count = checkpoints.length;
  if (count < 2) return found;
  const series = new Map<string, { blocks: Float64Array; bytes: Float64Array }>();
  for (const [at, checkpoint] of checkpoints.entries()) {
    for (const tally of checkpoint.tallies) {
      const group = groupOf(tally);
      if (group === null) continue;
      let one = series.get(group);
      if (one === undefined) {
        one = { blocks: new Float64Array(count), bytes: new Float64Array(count) };
        series.set(group, one);
      }
      one.blocks[at] += tally.blockCount;
      one.bytes[at] += tally.sizeBytes;
    }
  }
  for (const [group, { blocks, bytes }] of series) {
    if (!isRising(blocks) && !isRising(bytes)) continue;
    found.set(group, {
      checkpointCount: count,
      riseCount: risesOf(blocks, bytes),
      firstBlockCount: blocks[0],
      lastBlockCount: blocks[count - 1],
      firstBytes: bytes[0],
      lastBytes: bytes[count - 1],
      blocksPerCheckpoint: slope(blocks),
      bytesPerCheckpoint: slope(bytes),
    });
  }
  return found;
}

function isRising(values: Float64Array): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] < values[i - 1]) return false;
  return values[values.length - 1] > values[0];
}

function risesOf(blocks: Float64Array, bytes: Float64Array): number {
  let count = 0;
  for (let i = 1; i < blocks.length; i++)
    if (blocks[i] > blocks[i - 1] || bytes[i] > bytes[i - 1]) count++;
  return count;
}

function slope(values: Float64Array): number {
  const middle = (values.length - 1) / 2;
  let above = 0;
  let below = 0;
  for (let i = 0; i < values.length; i++) {
    above += (i - middle) * values[i];
    below += (i - middle) ** 2;
  }
  return above / below;
}
