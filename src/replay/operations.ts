// From events to the operations of interpose/replay/operation.h. Memory grows with live blocks, not with events.
import { type EventBatch, EventType, MarkKind } from '../ledger/index.js';

export const operationBytes = 16;
export const operationsPerPiece = 1 << 14;

const Kind = {
  malloc: 1,
  calloc: 2,
  aligned: 3,
  realloc: 4,
  free: 5,
  trim: 6,
  sample: 7,
  endThread: 8,
} as const;

/** As the replay numbers samples: checkpoints by their own number, the others above these. */
export const otherSamples = 2 ** 32;
/** Live memory has grown by this share since the last sample: another one, or a peak would be missed. */
const growthPerSample = 1.02;
const leastGrowthBytes = 1 << 20;
const maxGrowthSamples = 8000;
const maxThreads = 4096;

export class OperationWriter {
  operationCount = 0;
  /** Events of blocks that the recording does not know, and the like. */
  leftOutCount = 0;
  private readonly emit: (piece: Uint8Array) => void;
  private readonly slotOf = new Map<number, number>();
  private readonly sizeOf: number[] = [];
  private readonly freeSlots: number[] = [];
  private slotCount = 0;
  /** By thread index: the slot whose realloc has begun. */
  private readonly moving = new Map<number, number>();
  private readonly threadOf = new Map<number, number>();
  private readonly freeThreads: number[] = [];
  private threadCount = 1;
  private liveBytes = 0;
  private sampledBytes = 0;
  private growthSamples = 0;
  private piece = new DataView(new ArrayBuffer(operationsPerPiece * operationBytes));
  private filled = 0;

  /** A piece is handed over whole; another one is begun. */
  constructor(emit: (piece: Uint8Array) => void) {
    this.emit = emit;
  }

  add(batch: EventBatch): void {
    for (let row = 0; row < batch.count; row++) this.addRow(batch, row);
  }

  /** A last sample, and what is left in the piece. */
  end(): void {
    this.write(Kind.sample, 0, 0, 0, otherSamples * 2);
    this.flush();
  }

  private addRow(batch: EventBatch, row: number): void {
    const type = batch.type[row]!;
    const threadIndex = batch.threadIndex[row]!;
    if (type >= EventType.pair && type <= EventType.pairLast) {
      this.allocate(type - EventType.pair, threadIndex, batch.address(row), batch.sizeBytes(row));
      this.release(EventType.free, threadIndex, batch.address(row));
    } else if (type <= EventType.allocLast) {
      this.allocate(type, threadIndex, batch.address(row), batch.sizeBytes(row));
    } else if (type <= EventType.freeLast) {
      this.release(type, threadIndex, batch.address(row));
    } else if (type === EventType.threadEnd) {
      this.endThread(threadIndex);
    } else if (type === EventType.mark) {
      this.addMark(batch, row, threadIndex);
    }
  }

  private allocate(type: number, threadIndex: number, address: number, sizeBytes: number): void {
    const thread = this.thread(threadIndex);
    const moved = this.moving.get(threadIndex);
    const isRealloc = type === EventType.realloc || type === EventType.reallocarray;
    if (moved !== undefined) this.moving.delete(threadIndex);
    if (isRealloc && moved !== undefined) {
      this.write(Kind.realloc, 0, thread, moved, sizeBytes);
      this.keep(address, moved, sizeBytes);
    } else {
      // A realloc to nothing, which released.
      if (moved !== undefined) this.freeSlot(thread, moved);
      const slot = this.freeSlots.pop() ?? this.slotCount++;
      const kind = kindOf(type);
      const extra = kind === Kind.aligned ? alignmentOf(type, address) : 0;
      this.write(kind, extra, thread, slot, sizeBytes);
      this.keep(address, slot, sizeBytes);
    }
    this.sampleGrowth(thread);
  }

  private keep(address: number, slot: number, sizeBytes: number): void {
    // An address that is live already: its release was lost.
    const lost = this.slotOf.get(address);
    if (lost !== undefined && lost !== slot) this.leftOutCount++;
    this.slotOf.set(address, slot);
    this.sizeOf[slot] = sizeBytes;
    this.liveBytes += sizeBytes;
  }

  private release(type: number, threadIndex: number, address: number): void {
    const slot = this.slotOf.get(address);
    if (slot === undefined) {
      this.leftOutCount++;
      return;
    }
    const thread = this.thread(threadIndex);
    this.slotOf.delete(address);
    this.liveBytes -= this.sizeOf[slot]!;
    const before = this.moving.get(threadIndex);
    if (before !== undefined) this.freeSlot(thread, before);
    this.moving.delete(threadIndex);
    if (type === EventType.freeRealloc) this.moving.set(threadIndex, slot);
    else this.freeSlot(thread, slot);
  }

  private freeSlot(thread: number, slot: number): void {
    this.write(Kind.free, 0, thread, slot, 0);
    this.freeSlots.push(slot);
  }

  private endThread(threadIndex: number): void {
    const thread = this.threadOf.get(threadIndex);
    if (thread === undefined) return;
    const moving = this.moving.get(threadIndex);
    if (moving !== undefined) {
      this.freeSlot(thread, moving);
      this.moving.delete(threadIndex);
    }
    this.write(Kind.endThread, 0, thread, 0, 0);
    this.threadOf.delete(threadIndex);
    if (thread !== 0) this.freeThreads.push(thread);
  }

  private addMark(batch: EventBatch, row: number, threadIndex: number): void {
    const kind = batch.rareLow(row, 0);
    if (kind === MarkKind.mallocTrim)
      this.write(Kind.trim, 0, this.thread(threadIndex), 0, batch.rareWord(row, 1));
    if (kind === MarkKind.checkpoint)
      this.write(Kind.sample, 0, this.thread(threadIndex), 0, batch.rareWord(row, 1));
  }

  private sampleGrowth(thread: number): void {
    if (this.liveBytes < this.sampledBytes * growthPerSample + leastGrowthBytes) return;
    if (this.growthSamples >= maxGrowthSamples) return;
    this.sampledBytes = this.liveBytes;
    this.write(Kind.sample, 0, thread, 0, otherSamples + this.growthSamples++);
  }

  /** The first thread is the program's first; numbers of threads that ended are taken again. */
  private thread(threadIndex: number): number {
    let thread = this.threadOf.get(threadIndex);
    if (thread === undefined) {
      thread = threadIndex === 0 ? 0 : (this.freeThreads.pop() ?? this.threadCount++);
      // More at once than the replay can have share the last one.
      if (thread >= maxThreads) thread = maxThreads - 1;
      this.threadOf.set(threadIndex, thread);
    }
    return thread;
  }

  private write(kind: number, extra: number, thread: number, slot: number, bytes: number): void {
    const at = this.filled * operationBytes;
    const { piece } = this;
    piece.setUint8(at, kind);
    piece.setUint8(at + 1, extra);
    piece.setUint16(at + 2, thread, true);
    piece.setUint32(at + 4, slot, true);
    piece.setUint32(at + 8, bytes >>> 0, true);
    piece.setUint32(at + 12, Math.floor(bytes / 2 ** 32), true);
    this.operationCount++;
    if (++this.filled === operationsPerPiece) this.flush();
  }

  private flush(): void {
    if (this.filled === 0) return;
    this.emit(new Uint8Array(this.piece.buffer, 0, this.filled * operationBytes));
    this.piece = new DataView(new ArrayBuffer(operationsPerPiece * operationBytes));
    this.filled = 0;
  }
}

function kindOf(type: number): number {
  if (type === EventType.calloc) return Kind.calloc;
  return type >= EventType.posixMemalign ? Kind.aligned : Kind.malloc;
}

/** log2. The recording has no alignments: as far as the address is aligned, at most to a page. */
function alignmentOf(type: number, address: number): number {
  if (type === EventType.valloc || type === EventType.pvalloc) return 12;
  let log = 4;
  while (log < 12 && address % 2 ** (log + 1) === 0) log++;
  return log;
}
