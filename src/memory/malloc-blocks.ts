// The live blocks of a checkpoint without those of pools, which lie in these. Pure.
import type { CheckpointDetail, LiveSet } from '../model/index.js';

export function mallocBlocks({ live, pools }: CheckpointDetail): LiveSet {
  return pools === undefined ? live : { ...live, count: pools.firstRow };
}
