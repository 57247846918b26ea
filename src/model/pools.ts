// The model's part about what programs say by memprof.h: pools (allocators of their own, whose blocks lie in other
// memory), types of blocks, blocks to be ignored. Must not import anything but the model.
import type { Address, LiveSet, StackId } from './index.js';

/** What the program said of the blocks of a live set, in its rows. */
export interface Announced {
  /** 0: nothing; else 1 + index in `typeNames`. */
  typeIndex: Uint32Array;
  typeNames: string[];
  /** 1: it is meant to stay. */
  isIgnored: Uint8Array;
}

/** All pools of one name that were created from one stack. */
export interface PoolGroup {
  /** '' for a pool without a name, and for one that was never announced. */
  name: string;
  stackId: StackId;
  createdCount: number;
  destroyedCount: number;
  allocationCount: number;
  allocatedBytes: number;
  /** By the program, one by one. */
  releaseCount: number;
  releasedBytes: number;
  /** Blocks that ended with their pool, or when it was cleared. */
  endedCount: number;
  endedBytes: number;
  /** Of all its pools together. */
  peakBytes: number;
}

/** Blocks of one group of pools from one stack. */
export interface PoolSite {
  group: number;
  stackId: StackId;
  allocationCount: number;
  allocatedBytes: number;
  liveCount: number;
  liveBytes: number;
}

export interface LivePool {
  name: string;
  /** Into PoolLedger.groups. */
  group: number;
  /** What stands for it in the program. */
  key: Address;
  createdNs: number;
  liveCount: number;
  liveBytes: number;
  /** As the program told it; by address. */
  memory: { address: Address; sizeBytes: number }[];
}

/** Pools and their blocks at one moment. Their bytes lie in memory that is counted elsewhere. */
export interface PoolMoment {
  pools: LivePool[];
  live: LiveSet;
  /** Of each row of `live`: which of `pools`. */
  poolIndex: Uint32Array;
}

/** What was said that cannot be right: nothing of it is in the sums. */
export interface PoolMisuse {
  /** Calls about a pool that was not announced (their blocks are kept all the same). */
  unknownPoolCount: number;
  unknownReleaseCount: number;
  /** Blocks at an address that the pool had handed out already. */
  doubleAllocationCount: number;
  /** A pool created where one was. */
  doubleCreateCount: number;
  /** Blocks outside the memory that the pool told of. */
  outsideCount: number;
  /** Types and ignores of addresses where no live block begins. */
  unknownBlockCount: number;
  unmatchedIgnoreEndCount: number;
}

export interface PoolLedger {
  groups: PoolGroup[];
  sites: PoolSite[];
  beforeTeardown: PoolMoment | null;
  atEnd: PoolMoment;
  misuse: PoolMisuse;
}

/** Rows of pools' blocks at the end of a checkpoint's live set. */
export interface CheckpointPools {
  firstRow: number;
  /** Of each of these rows: which of `pools`. */
  poolIndex: Uint32Array;
  pools: LivePool[];
}
