// From a program's calls to the operations of interpose/replay/operation.h. Memory grows with threads alone.
import { EventType, MarkKind } from '../ledger/index.js';
import type { TouchedShares } from './touched.js';

export const operationBytes = 16;
export const operationsPerPiece = 1 << 14;
/** As kMaxThreads: more at once share the last one. */
export const maxThreads = 4096;

export const OperationKind = {
  malloc: 1,
  calloc: 2,
  aligned: 3,
  realloc: 4,
  free: 5,
  move: 6,
  trim: 7,
  sample: 8,
  endThread: 9,
  transient: 10,
  time: 11,
} as const;

/** As the replay numbers samples: checkpoints by their own number, the last one by this. */
export const lastSample = 2 ** 32;
/** The recording does not say how a block was aligned: a line of the cache, which is what most ask for. */
const alignmentLog = 6;
const pageLog = 12;
/** MP_QUIET_BYTES in interpose/wire.h. */
const ownBlockBytes = 24;
/** As the replay can do at once. */
const mostTransient = 1 << 22;

export interface OperationWriterOptions {
  shares: TouchedShares;
  /** What memprof itself allocated for a moment at checkpoints, which is not among the events, too. */
  withOwnWork: boolean;
}

/** Takes what src/trace/call-decoder.ts tells: it is its CallSink. */
export class OperationWriter {
  operationCount = 0;
  /** Releases of blocks that the recording does not know. */
  leftOutCount = 0;
  /** How often memprof itself allocated for a moment. */
  ownWorkCount = 0;
  private readonly emit: (piece: Uint8Array<ArrayBuffer>) => void;
  private readonly shares: TouchedShares;
  private readonly withOwnWork: boolean;
  /** By thread index: the block whose realloc has begun. */
  private readonly moving = new Map<number, number>();
  private readonly threadOf = new Map<number, number>();
  private readonly freeThreads: number[] = [];
  private threadCount = 1;
  /** Those that may be filled again. */
  private readonly emptied: DataView<ArrayBuffer>[] = [];
  private piece: DataView<ArrayBuffer> = newPiece();
  private filled = 0;

  /** A piece is handed over whole, until it is given back by reuse(). */
  constructor(
    { shares, withOwnWork }: OperationWriterOptions,
    emit: (piece: Uint8Array<ArrayBuffer>) => void,
  ) {
    this.shares = shares;
    this.withOwnWork = withOwnWork;
    this.emit = emit;
  }

  /** Not needed for what comes out; without it there is more garbage than the live blocks are large. */
  reuse(piece: Uint8Array<ArrayBuffer>): void {
    this.emptied.push(new DataView(piece.buffer));
  }

  allocated(type: number, threadIndex: number, sizeBytes: number, stackId: number): void {
    const thread = this.thread(threadIndex);
    const touched = this.shares.of(type, sizeBytes, stackId);
    const moved = this.takeMoving(threadIndex);
    const isRealloc = type === EventType.realloc || type === EventType.reallocarray;
    if (isRealloc && moved !== undefined) {
      this.write(OperationKind.move, 0, thread, 0, moved);
      this.write(OperationKind.realloc, 0, thread, touched, sizeBytes);
      return;
    }
    // A realloc to nothing, which released.
    if (moved !== undefined) this.free(thread, moved);
    const kind = kindOf(type);
    const extra = kind === OperationKind.aligned ? alignmentOf(type) : 0;
    this.write(kind, extra, thread, touched, sizeBytes);
  }

  released(type: number, threadIndex: number, serial: number): void {
    if (serial < 0) {
      this.leftOutCount++;
      return;
    }
    const thread = this.thread(threadIndex);
    const before = this.takeMoving(threadIndex);
    if (before !== undefined) this.free(thread, before);
    if (type === EventType.freeRealloc) this.moving.set(threadIndex, serial);
    else this.free(thread, serial);
  }

  passed(threadIndex: number, timeNs: number): void {
    this.write(OperationKind.time, 0, this.thread(threadIndex), 0, Math.floor(timeNs));
  }

  other(type: number, threadIndex: number, halves: readonly number[]): void {
    if (type === EventType.threadEnd) this.endThread(threadIndex);
    else if (type === EventType.mark) this.addMark(threadIndex, halves);
  }

  /** What has been written so far, a last sample if the calls came to their end, and what is left in the piece. */
  end(): void {
    for (const [threadIndex, serial] of this.moving) this.free(this.thread(threadIndex), serial);
    this.moving.clear();
    this.write(OperationKind.sample, 0, 0, 0, lastSample);
    this.flush();
  }

  private free(thread: number, serial: number): void {
    this.write(OperationKind.free, 0, thread, 0, serial);
  }

  private takeMoving(threadIndex: number): number | undefined {
    if (this.moving.size === 0) return undefined;
    const serial = this.moving.get(threadIndex);
    if (serial !== undefined) this.moving.delete(threadIndex);
    return serial;
  }

  private endThread(threadIndex: number): void {
    const thread = this.threadOf.get(threadIndex);
    if (thread === undefined) return;
    const moving = this.takeMoving(threadIndex);
    if (moving !== undefined) this.free(thread, moving);
    this.threadOf.delete(threadIndex);
    // The last one may have others on it.
    if (thread === 0 || thread === maxThreads - 1) return;
    this.write(OperationKind.endThread, 0, thread, 0, 0);
    this.freeThreads.push(thread);
  }

  private addMark(threadIndex: number, halves: readonly number[]): void {
    const kind = halves[0]!;
    const value = halves[3]! * 2 ** 32 + halves[2]!;
    if (kind === MarkKind.mallocTrim)
      this.write(OperationKind.trim, 0, this.thread(threadIndex), 0, value);
    if (kind === MarkKind.quiet) this.addOwnWork(threadIndex, value);
    if (kind === MarkKind.checkpoint)
      this.write(OperationKind.sample, 0, this.thread(threadIndex), 0, value);
  }

  private addOwnWork(threadIndex: number, blockCount: number): void {
    this.ownWorkCount++;
    if (!this.withOwnWork) return;
    const thread = this.thread(threadIndex);
    const count = Math.min(blockCount, mostTransient);
    this.write(OperationKind.transient, 0, thread, ownBlockBytes, count);
  }

  /** The first thread is the program's first; numbers of threads that ended are taken again. */
  private thread(threadIndex: number): number {
    let thread = this.threadOf.get(threadIndex);
    if (thread === undefined) {
      thread =
        threadIndex === 0
          ? 0
          : (this.freeThreads.pop() ?? Math.min(this.threadCount++, maxThreads - 1));
      this.threadOf.set(threadIndex, thread);
    }
    return thread;
  }

  private write(kind: number, extra: number, thread: number, touched: number, value: number): void {
    const at = this.filled * operationBytes;
    const { piece } = this;
    piece.setUint8(at, kind);
    piece.setUint8(at + 1, extra);
    piece.setUint16(at + 2, thread, true);
    piece.setUint32(at + 4, touched, true);
    piece.setUint32(at + 8, value >>> 0, true);
    piece.setUint32(at + 12, Math.floor(value / 2 ** 32), true);
    this.operationCount++;
    if (++this.filled === operationsPerPiece) this.flush();
  }

  private flush(): void {
    if (this.filled === 0) return;
    this.emit(new Uint8Array(this.piece.buffer, 0, this.filled * operationBytes));
    this.piece = this.emptied.pop() ?? newPiece();
    this.filled = 0;
  }
}

const newPiece = (): DataView<ArrayBuffer> =>
  new DataView(new ArrayBuffer(operationsPerPiece * operationBytes));

function kindOf(type: number): number {
  if (type === EventType.calloc) return OperationKind.calloc;
  return type >= EventType.posixMemalign ? OperationKind.aligned : OperationKind.malloc;
}

const alignmentOf = (type: number): number =>
  type === EventType.valloc || type === EventType.pvalloc ? pageLog : alignmentLog;
