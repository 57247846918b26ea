// What the ledger takes from outside: memory for its tables, and the loops over them. The
// loops are native (src/native/src/ledger.rs, snapshot.rs), for V8 compiles it late, again for each branch it had not seen, and has no
// way to ask for memory ahead of its use.
import type { LiveSet, StackTotals } from '../model/index.js';
import type { EventBatch } from './events.js';

export interface LedgerHost {
  /** Zeroed; at least so many bytes. */
  allocate(sizeBytes: number): ArrayBuffer;
  /** Nothing looks into it any more. */
  release(buffer: ArrayBuffer): void;
  /**
   * Takes the block events of a batch from row `start` on, and says why it stopped (Stop) before the row that
   * it leaves in the state. Fills in, of releases, size (0 when unknown), stack and age.
   */
  consumeBlocks(batch: EventBatch, start: number, tables: LedgerTables): number;
  /** Fills in columns that are as long as blocks are live, in order of allocation. */
  liveBlocks(tables: LedgerTables, nsPerTick: number, into: LiveSet): void;
  /** Fills in columns of zeros, which have a row for each stack id. */
  stackTotals(tables: LedgerTables, into: StackTotals): void;
  /** Puts what is live into an empty table, which is large enough. */
  moveLive(old: Int32Array, slots: Int32Array): void;
  /** Takes out what is released, in place; at least one slot is free. */
  purgeReleased(slots: Int32Array): void;
}

export interface LedgerTables {
  /** Live blocks, by address: slots.ts. */
  slots: Int32Array<ArrayBuffer>;
  /** Rows of stackSums by stack id; 0: it has not allocated. */
  rowOfStack: Uint32Array<ArrayBuffer>;
  /** By row. */
  stackSums: Float64Array<ArrayBuffer>;
  /** By thread: 2^48 + the address that its last event allocated; 0: that was a release. */
  lastOfThread: Float64Array<ArrayBuffer>;
  /** State, and from State.eventCounts on how many events there were, by type. */
  readonly state: Float64Array<ArrayBuffer>;
}

export const Stop = {
  /** The batch's end, or an event that is not about blocks. */
  done: 0,
  /** No free slot is left. */
  slots: 1,
  /** No room for the stack of the row's allocation. */
  stacks: 2,
  /** No room for the row's thread. */
  threads: 3,
} as const;

/** Allocations and releases of pairs: allocationCount (the serial) has them, the other sums do not. */
export const State = {
  /** Where the loop stopped. */
  row: 0,
  allocationCount: 1,
  allocatedBytes: 2,
  releaseCount: 3,
  releasedBytes: 4,
  pairCount: 5,
  pairBytes: 6,
  liveCount: 7,
  liveBytes: 8,
  peakBytes: 9,
  peakBlockCount: 10,
  peakTick: 11,
  /** Most live bytes since a watch of them began; without one, peakBytes. */
  ceilingBytes: 12,
  /** Slots that are live or released. */
  usedCount: 13,
  /** One above the last row of stackSums. */
  rowLimit: 14,
  /** One above the highest stack id that allocated. */
  stackLimit: 15,
  unknownReleaseCount: 16,
  doubleAllocationCount: 17,
  eventCounts: 32,
} as const;

export const stateWords = State.eventCounts + 256;
