// The model's part about checkpoints: who owns a block, how it is reached, and what addons got from
// Node-API. Must not import anything but the model.
import type { Address, LiveSet, StackId } from './index.js';
import type { MemoryPicture } from './memory.js';
import type { CheckpointPools } from './pools.js';
import type { V8Picture } from './v8.js';

/** How a JavaScript object holds native memory, as MP_OWNER_* in interpose/wire.h. */
export const OwnerHold = {
  arraybuffer: 1,
  sharedArraybuffer: 2,
  wasmMemory: 3,
  wrap: 4,
  external: 5,
  internalField: 6,
  hint: 7,
} as const;

/** How a block is reached, as MP_REACH_* in interpose/wire.h; a block behind another has its root's. */
export const Reach = {
  unknown: 0,
  owner: 1,
  global: 2,
  tls: 3,
  stack: 4,
  register: 5,
  mapping: 6,
  v8: 7,
  lost: 8,
  lostIndirect: 9,
} as const;

/** Kinds of Node-API and V8 resources, as MP_RESOURCE_* in interpose/wire.h. */
export const ResourceKind = {
  wrap: 1,
  reference: 2,
  external: 3,
  externalBuffer: 4,
  externalArraybuffer: 5,
  asyncWork: 6,
  threadsafeFunction: 7,
  deferred: 8,
  cleanupHook: 9,
  asyncCleanupHook: 10,
  instanceData: 11,
  handleScope: 12,
  externalMemory: 13,
  finalizer: 14,
  persistent: 15,
  asyncContext: 16,
} as const;

/** Kinds of resources that stand for a JavaScript object which holds native data. */
export const objectResources: ReadonlySet<number> = new Set([
  ResourceKind.wrap,
  ResourceKind.external,
  ResourceKind.externalBuffer,
  ResourceKind.externalArraybuffer,
  ResourceKind.finalizer,
]);

/** Where each stands is its number in traces and reports: new ones come at the end. */
export const verdicts = [
  'unknown', // no scan
  'lost', // nothing points to it
  'lost-indirect', // only lost blocks point to it
  'orphaned', // its JavaScript owner was collected, the block was not freed
  'pending', // its finalizer is queued
  'held-by-js',
  'held-by-native',
  'runtime', // Node's own
  'ignored', // the program said that it is meant to stay; since version 3 of the trace's format
] as const;
export type Verdict = (typeof verdicts)[number];

/** One native address that one JavaScript object holds; an object may have several rows. */
export interface OwnerTable {
  count: number;
  address: Float64Array;
  /** As JavaScript sees it; 0: unknown. */
  sizeBytes: Float64Array;
  /** In the checkpoint's heap snapshot; 0: none was taken. */
  snapshotId: Float64Array;
  /** Equal for rows of one object. */
  object: Uint32Array;
  /** OwnerHold. */
  hold: Uint8Array;
  isolate: Uint32Array;
  /** Into classNames. */
  classIndex: Uint32Array;
  classNames: string[];
}

/** One row a block of the live set that it belongs to, in the same order. */
export interface Reachability {
  /** Reach. */
  reach: Uint8Array;
  /** Address of the word that points to the block; 0: a register or an owner. */
  referrer: Float64Array;
  /** Row of the block that holds that word; -1: a root. */
  referrerBlock: Int32Array;
  /** Where in the block the word points: 0 its start. */
  insideBytes: Uint32Array;
  /** Of a block that a root itself holds: owner row, thread id (register), or row of `regions`. */
  root: Uint32Array;
  /** The block's first word where it points into a module (a vtable, mostly); else 0. */
  firstWord: Float64Array;
  regions: { low: Address; high: Address; reach: number; id: number }[];
  /** Of stopped threads, by address: a frame's part of the stack begins at `low`. */
  frames: { low: Address; tid: number; kind: number; index: number; offset: number }[];
}

/** Live blocks of one stack with one verdict, at one checkpoint. */
export interface Tally {
  stackId: StackId;
  verdict: Verdict;
  blockCount: number;
  sizeBytes: number;
}

export type CheckpointReason = 'exit' | 'program' | 'demand' | 'interval' | 'signal';

export interface Checkpoint {
  /** From 1. */
  number: number;
  reason: CheckpointReason;
  atNs: number;
  /** Garbage collection and finalizers. */
  collectNs: number;
  ownersNs: number;
  /** How long other threads stood still, the fork included. */
  pauseNs: number;
  forkNs: number;
  /** Of the scanner, beside the program. */
  scanNs: number;
  scannedBytes: number;
  skippedBytes: number;
  threadCount: number;
  /** Threads whose registers are known. */
  stoppedCount: number;
  owners: 'none' | 'complete' | 'partial' | 'failed';
  /** null: scanned. Else why there are no verdicts. */
  scanFailure: string | null;
  /** After the collection, of all isolates; external: stores of ArrayBuffers and external strings. */
  heap: { usedBytes: number; totalBytes: number; externalBytes: number } | null;
  /** Absent in older traces, and where V8 was not asked. */
  v8?: V8Picture;
  pendingFinalizerCount: number;
  liveCount: number;
  liveBytes: number;
  /** Sums over blocks, by stack and verdict. */
  tallies: Tally[];
  /** The same over blocks of pools, whose bytes are in other blocks. Absent where there are none. */
  poolTallies?: (Tally & { poolName: string })[];
  /** By class of the owner: how many objects hold how many blocks. Blocks behind blocks are counted. */
  classes: { className: string; objectCount: number; blockCount: number; sizeBytes: number }[];
  /** What memory consisted of; absent where nobody could look. */
  memory?: MemoryPicture;
  /** Block by block: kept of the latest checkpoint only. */
  detail: CheckpointDetail | null;
}

export interface CheckpointDetail {
  /** Behind the process's blocks those of pools, if there are `pools`. */
  live: LiveSet;
  pools?: CheckpointPools;
  verdict: Verdict[];
  owners: OwnerTable;
  reachability: Reachability | null;
  /** Row of the owner for each block held by JavaScript, or of the one it had; -1: none. */
  ownerRow: Int32Array;
  /** For an orphaned block: class of the object that it had, and the checkpoint that saw it last (0: none did). */
  orphans: { block: number; className: string; lastSeen: number }[];
}

/** Resources of one kind from one stack. */
export interface ResourceTotals {
  kind: number;
  stackId: StackId;
  createdCount: number;
  /** Of the created ones: those whose end nobody tells, as they have no finalizer. */
  unwatchedCount: number;
  /** By the addon itself, by a finalizer, by the end of the environment. */
  releasedCount: number;
  finalizedCount: number;
  tornDownCount: number;
  /** Sum of the values of outstanding ones (bytes, or strong holds: see interpose/wire.h). */
  outstandingValue: number;
  className: string;
}

/** Resources of one kind, stack and class that exist at one moment. */
export interface ResourceBalance {
  kind: number;
  stackId: StackId;
  className: string;
  createdCount: number;
  outstandingCount: number;
  /** Sum of their values (bytes, or strong holds: see interpose/wire.h). */
  outstandingValue: number;
}

/** Resources that exist, one row each. */
export interface ResourceTable {
  count: number;
  id: Float64Array;
  kind: Uint8Array;
  stackId: Uint32Array;
  threadIndex: Uint32Array;
  environment: Uint32Array;
  createdNs: Float64Array;
  /** Native memory that it stands for; 0: none. */
  data: Float64Array;
  /** napi_ref, napi_async_work, ...; 0: none. */
  handle: Float64Array;
  value: Float64Array;
  classIndex: Uint32Array;
  classNames: string[];
  /** 1: it has a finalizer, which tells when it ends. Known while recording, not kept in traces. */
  isWatched?: Uint8Array;
}

export interface ResourceLedger {
  totals: ResourceTotals[];
  /** Outstanding before teardown if the program came to it, else at the end. */
  outstanding: ResourceTable;
}
