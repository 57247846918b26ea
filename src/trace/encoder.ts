// What a trace has most of to bytes: events in columns, so that zstd sees like beside like, stacks, totals by stack, live sets.
// Layout: docs/trace-format.md. It is done by the native part (src/native/src/encode), for much of the
// reader's time goes there, and passed in.
import type { EventBatch } from '../ledger/index.js';
import type { LiveSet, StackTable, StackTotals } from '../model/index.js';

export const rowsPerChunk = 1 << 16;

export interface EventEncoder {
  /** Events in the chunk so far; a pair is two. */
  readonly eventCount: number;
  /** The chunk has rowsPerChunk rows: finish() comes next. */
  readonly isFull: boolean;
  /**
   * Takes rows from `start` on, up to the end of the batch or of the chunk, and returns the next row.
   * The ledger must have consumed the batch (ages and sizes of releases).
   */
  add(batch: EventBatch, start: number, nsPerTick: number): number;
  /** The chunk's content; the encoder then stands at the start of the next chunk. */
  finish(): Uint8Array;
}

/** One for each trace that is written. */
export interface TraceEncoder {
  readonly events: EventEncoder;
  /** Nodes `from` to `to` - 1: a chunk's content. */
  stacks(table: StackTable, from: number, to: number): Uint8Array;
  stackTotals(totals: StackTotals): Uint8Array;
  /** What the program announced of the blocks is not in it. */
  liveSet(live: LiveSet): Uint8Array;
}
