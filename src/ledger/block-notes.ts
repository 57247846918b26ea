// What the program said of single blocks of malloc: their types, and that they are meant to stay. Notes follow
// their blocks through realloc and end with them, exactly. As long as there are none, nobody asks: Recording
// looks at isActive once a batch.
import type { LiveSet } from '../model/index.js';
import { type EventBatch, EventType } from './events.js';

interface Note {
  typeId: number;
  isIgnored: boolean;
  stackId: number;
  sizeBytes: number;
}

/** Live blocks that are ignored, of one stack. */
export interface IgnoredSum {
  blockCount: number;
  sizeBytes: number;
}

const filterBits = 16;
/** A Map has room for 2^24. */
const mostNotes = (1 << 24) - 1;

export class BlockNotes {
  /** Notes that found no room. */
  lostCount = 0;
  unmatchedEndCount = 0;
  private readonly byAddress = new Map<number, Note>();
  /** How many notes have an address of this hash: spares the map nearly all questions. */
  private readonly filter = new Uint32Array(1 << filterBits);
  private readonly depthByThread = new Map<number, number>();
  /** Of a reallocation whose second half has not come. */
  private readonly moving = new Map<number, Note>();
  private readonly sums = new Map<number, IgnoredSum>();

  get isActive(): boolean {
    return this.byAddress.size > 0 || this.depthByThread.size > 0 || this.moving.size > 0;
  }

  get hasNotes(): boolean {
    return this.byAddress.size > 0;
  }

  /** Live blocks that are ignored, by stack id. */
  get ignoredByStack(): ReadonlyMap<number, IgnoredSum> {
    return this.sums;
  }

  isIgnored(address: number): boolean {
    if (this.filter[filterOf(address >>> 0)] === 0) return false;
    return this.byAddress.get(address)?.isIgnored === true;
  }

  isIgnoring(threadIndex: number): boolean {
    return this.depthByThread.has(threadIndex);
  }

  beginIgnoring(threadIndex: number): void {
    this.depthByThread.set(threadIndex, (this.depthByThread.get(threadIndex) ?? 0) + 1);
  }

  endIgnoring(threadIndex: number): void {
    const depth = this.depthByThread.get(threadIndex);
    if (depth === undefined) this.unmatchedEndCount++;
    else if (depth === 1) this.depthByThread.delete(threadIndex);
    else this.depthByThread.set(threadIndex, depth - 1);
  }

  endThread(threadIndex: number): void {
    this.depthByThread.delete(threadIndex);
    this.moving.delete(threadIndex);
  }

  /** `block`: the live block that begins there. */
  setType(address: number, block: { stackId: number; sizeBytes: number }, typeId: number): void {
    const known = this.byAddress.get(address);
    if (known !== undefined) known.typeId = typeId;
    else if (typeId !== 0) this.add(address, { ...block, typeId, isIgnored: false });
  }

  ignore(address: number, block: { stackId: number; sizeBytes: number }): void {
    const known = this.byAddress.get(address);
    if (known?.isIgnored === true) return;
    if (known !== undefined) this.remove(address, known);
    this.add(address, { ...block, typeId: known?.typeId ?? 0, isIgnored: true });
  }

  /** Rows that the ledger has consumed: allocations, releases and pairs alone. */
  follow(batch: EventBatch, from: number, to: number): void {
    const { type, threadIndex, addressLow, addressHigh, stackId } = batch;
    const { filter, byAddress, moving, depthByThread } = this;
    for (let row = from; row < to; row++) {
      const kind = type[row]!;
      const thread = threadIndex[row]!;
      let moved: Note | undefined;
      if (moving.size > 0) {
        moved = moving.get(thread);
        if (moved !== undefined) moving.delete(thread);
      }
      const low = addressLow[row]!;
      const known =
        filter[filterOf(low)] === 0
          ? undefined
          : byAddress.get(addressHigh[row]! * 4294967296 + low);
      if (known !== undefined) {
        // Of an allocation at a live address: its release was lost.
        this.remove(batch.address(row), known);
        if (kind === EventType.freeRealloc) moving.set(thread, known);
      }
      if (kind > EventType.allocLast) continue;
      const isMoved =
        moved !== undefined && (kind === EventType.realloc || kind === EventType.reallocarray);
      const isIgnored =
        (isMoved && moved?.isIgnored === true) ||
        (depthByThread.size > 0 && depthByThread.has(thread));
      const typeId = isMoved && moved !== undefined ? moved.typeId : 0;
      if (!isIgnored && typeId === 0) continue;
      const sizeBytes = batch.sizeBytes(row);
      this.add(batch.address(row), { typeId, isIgnored, stackId: stackId[row]!, sizeBytes });
    }
  }

  /** Fills in what is known of a live set's rows from `firstRow` on; type ids, not yet indices. */
  describe(live: LiveSet, typeIds: Uint32Array, isIgnored: Uint8Array): void {
    for (let row = 0; row < live.count; row++) {
      const address = live.address[row]!;
      if (this.filter[filterOf(address >>> 0)] === 0) continue;
      const note = this.byAddress.get(address);
      if (note === undefined) continue;
      typeIds[row] = note.typeId;
      isIgnored[row] = note.isIgnored ? 1 : 0;
    }
  }

  private add(address: number, note: Note): void {
    if (this.byAddress.size >= mostNotes) {
      this.lostCount++;
      return;
    }
    this.byAddress.set(address, note);
    this.filter[filterOf(address >>> 0)]!++;
    if (note.isIgnored) this.count(note, 1);
  }

  private remove(address: number, note: Note): void {
    this.byAddress.delete(address);
    this.filter[filterOf(address >>> 0)]!--;
    if (note.isIgnored) this.count(note, -1);
  }

  private count({ stackId, sizeBytes }: Note, by: 1 | -1): void {
    let sum = this.sums.get(stackId);
    if (sum === undefined) this.sums.set(stackId, (sum = { blockCount: 0, sizeBytes: 0 }));
    sum.blockCount += by;
    sum.sizeBytes += by * sizeBytes;
    if (sum.blockCount === 0) this.sums.delete(stackId);
  }
}

function filterOf(addressLow: number): number {
  return Math.imul(addressLow, 0x9e3779b1) >>> (32 - filterBits);
}
