// The blocks' lives as the recording saw them, from the events: for what needs their order. Pure.
import { type EventBatch, EventType } from '../ledger/index.js';
import type { TraceModel } from '../model/index.js';
import type { StackSums } from './measures.js';

export interface TimedBatch {
  batch: EventBatch;
  nsPerTick: number;
}

export interface BlockVisitor {
  allocated(stackId: number, sizeBytes: number, timeNs: number): void;
  /** Of a block of that stack and size; a release of an unknown block is not told. */
  released(stackId: number, sizeBytes: number, timeNs: number): void;
}

/**
 * Calls for each allocation and release in order. Where the recording lost a release and the address came
 * again, the block before it ends there, as in the ledger.
 */
export class BlockReplay {
  /** Only where releases were lost must addresses be known, which costs memory by live blocks. */
  readonly #live: LiveBlocks | null;

  constructor({ losses }: TraceModel) {
    this.#live = losses.doubleAllocationCount > 0 ? new LiveBlocks() : null;
  }

  take({ batch, nsPerTick }: TimedBatch, visitor: BlockVisitor): void {
    const live = this.#live;
    for (let row = 0; row < batch.count; row++) {
      const type = batch.type[row]!;
      if (type > EventType.freeLast && type < EventType.pair) continue;
      const isPair = type >= EventType.pair;
      const stackId = batch.stackId[row]!;
      const sizeBytes = batch.sizeBytes(row);
      const timeNs = batch.tick(row) * nsPerTick;
      if (!isPair && type > EventType.allocLast) {
        if (batch.age[row]! < 0) continue;
        live?.take(batch.address(row));
        visitor.released(stackId, sizeBytes, timeNs);
        continue;
      }
      const before = live?.take(batch.address(row));
      if (before !== undefined) visitor.released(before.stackId, before.sizeBytes, timeNs);
      visitor.allocated(stackId, sizeBytes, timeNs);
      if (isPair) visitor.released(stackId, sizeBytes, batch.endTick(row) * nsPerTick);
      else live?.add(batch.address(row), { stackId, sizeBytes });
    }
  }
}

export function replayBlocks(
  model: TraceModel,
  batches: Iterable<TimedBatch>,
  visitor: BlockVisitor,
): void {
  const replay = new BlockReplay(model);
  for (const batch of batches) replay.take(batch, visitor);
}

interface LiveBlock {
  stackId: number;
  sizeBytes: number;
}

class LiveBlocks {
  readonly #byAddress = new Map<number, LiveBlock>();

  add(address: number, block: LiveBlock): void {
    this.#byAddress.set(address, block);
  }

  take(address: number): LiveBlock | undefined {
    const block = this.#byAddress.get(address);
    if (block !== undefined) this.#byAddress.delete(address);
    return block;
  }
}

/** Live blocks and bytes by stack, and what they were when most bytes were live. */
export class PeakWatch implements BlockVisitor {
  readonly liveCount: Float64Array;
  readonly liveBytes: Float64Array;
  /** null: the events have not come to the peak of the recording. */
  peak: StackSums | null = null;
  peakNs = 0;
  readonly #peakBytes: number;
  #bytes = 0;

  /** `length`: of the columns. */
  constructor({ totals }: TraceModel, length: number) {
    this.liveCount = new Float64Array(length);
    this.liveBytes = new Float64Array(length);
    this.#peakBytes = totals.peakBytes;
    if (totals.peakBytes === 0) this.#keep(0);
  }

  allocated(stackId: number, sizeBytes: number, timeNs: number): void {
    this.liveCount[stackId]!++;
    this.liveBytes[stackId]! += sizeBytes;
    this.#bytes += sizeBytes;
    // The first time that it comes so high is what the recording calls its peak.
    if (this.peak === null && this.#bytes === this.#peakBytes) this.#keep(timeNs);
  }

  released(stackId: number, sizeBytes: number, _timeNs: number): void {
    this.liveCount[stackId]!--;
    this.liveBytes[stackId]! -= sizeBytes;
    this.#bytes -= sizeBytes;
  }

  #keep(timeNs: number): void {
    this.peakNs = timeNs;
    this.peak = {
      measure: 'peak',
      blockCount: this.liveCount.slice(),
      sizeBytes: this.liveBytes.slice(),
    };
  }
}

/** What lived when most bytes did: exact. null: the events never come to that (some are missing). */
export function peakSums(model: TraceModel, batches: Iterable<TimedBatch>): StackSums | null {
  const watch = new PeakWatch(model, model.stacks.count);
  replayBlocks(model, batches, watch);
  return watch.peak;
}
