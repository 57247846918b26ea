// Which blocks go between the moment before V8 is made to collect garbage and the checkpoint that follows. While
// nobody collects, it is not asked.
import type { CollectedBlocks, StackId } from '../model/index.js';
import { type EventBatch, EventType } from './events.js';

/** Of the stacks that lost blocks so many are kept. */
const keptStacks = 64;

interface Watch {
  residentBeforeBytes: number;
  beforeCount: number;
  beforeBytes: number;
  /** Of the first allocation that comes afterwards. */
  serial: number;
}

export class CollectionWatch {
  private watch: Watch | null = null;
  private goneCount = 0;
  private goneBytes = 0;
  private readonly stacks = new Map<number, { blockCount: number; sizeBytes: number }>();

  get isActive(): boolean {
    return this.watch !== null;
  }

  begin(watch: Watch): void {
    this.end();
    this.watch = watch;
  }

  /** Rows that the ledger has consumed: block events alone. `serial`: of the first allocation among them. */
  follow(batch: EventBatch, from: number, to: number, serial: number): void {
    if (this.watch === null) return;
    const { type, age, stackId } = batch;
    let next = serial;
    for (let row = from; row < to; row++) {
      const kind = type[row]!;
      if (kind <= EventType.allocLast || kind >= EventType.pair) {
        next++;
        continue;
      }
      // A block that nobody knows, or one that goes on elsewhere.
      if (age[row]! < 0 || kind === EventType.freeRealloc) continue;
      if (next - 1 - age[row]! >= this.watch.serial) continue;
      const sizeBytes = batch.sizeBytes(row);
      this.goneCount++;
      this.goneBytes += sizeBytes;
      const stack = this.stacks.get(stackId[row]!);
      if (stack === undefined) this.stacks.set(stackId[row]!, { blockCount: 1, sizeBytes });
      else {
        stack.blockCount++;
        stack.sizeBytes += sizeBytes;
      }
    }
  }

  /** null: nobody was made to collect. */
  result(): CollectedBlocks | null {
    if (this.watch === null) return null;
    const { residentBeforeBytes, beforeCount, beforeBytes } = this.watch;
    return {
      residentBeforeBytes,
      beforeCount,
      beforeBytes,
      goneCount: this.goneCount,
      goneBytes: this.goneBytes,
      stacks: [...this.stacks]
        .map(([stackId, sum]) => ({ stackId: stackId as StackId, ...sum }))
        .sort((a, b) => b.sizeBytes - a.sizeBytes || a.stackId - b.stackId)
        .slice(0, keptStacks),
    };
  }

  end(): void {
    this.watch = null;
    this.goneCount = 0;
    this.goneBytes = 0;
    this.stacks.clear();
  }
}
