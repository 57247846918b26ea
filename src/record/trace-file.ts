// A trace being written to disk. A full disk or a broken one ends the trace, never the recording: the
// report is made from memory.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { clockMs } from '../clock.js';
import { MemprofError } from '../errors.js';
import type { EventBatch } from '../ledger/index.js';
import type { MemoryTimeline, TraceModel } from '../model/index.js';
import * as native from '../native/index.js';
import { type TraceSources, TraceWriter } from '../trace/index.js';
import { nativeCodec, nativeEncoder, zstdLevel } from './codec.js';

const flushIntervalMs = 1000;
/** A checkpoint may take one part in this many of the time. */
const checkpointShare = 30;
/** A timeline is written again when the run is longer by one part in this many: a few dozen times in hours. */
const timelineGrowth = 4;
const heapSnapshotPieceBytes = 4 << 20;

export class TraceFile {
  readonly path: string;
  /** Why the file ends before the recording; null: it does not. */
  failure: string | null = null;
  private readonly descriptor: number;
  private readonly writer: TraceWriter;
  private readonly events: 'full' | 'none';
  private nextFlushMs = clockMs() + flushIntervalMs;
  private readonly startMs = clockMs();
  private nextTimelineMs = 0;
  /** Since the last flush. */
  private hasNews = false;

  static create(
    path: string,
    options: { overwrite: boolean; events: 'full' | 'none' },
    sources: TraceSources,
  ): TraceFile {
    let descriptor: number;
    try {
      descriptor = openSync(path, options.overwrite ? 'w' : 'wx', 0o600);
    } catch (error) {
      throw cannotWrite(path, error);
    }
    return new TraceFile(path, descriptor, options.events, sources);
  }

  private constructor(
    path: string,
    descriptor: number,
    events: 'full' | 'none',
    sources: TraceSources,
  ) {
    this.path = path;
    this.descriptor = descriptor;
    this.events = events;
    const sink = (bytes: Uint8Array) => this.write(bytes);
    const compressAsync = (data: Uint8Array) => native.zstdCompressAsync(data, zstdLevel);
    const codec = nativeCodec;
    const encoder = nativeEncoder();
    this.writer = new TraceWriter({ sink, codec, encoder, compressAsync, events }, sources);
  }

  get backlogBytes(): number {
    return this.writer.backlogBytes;
  }

  addEvents(batch: EventBatch): void {
    this.hasNews = true;
    if (this.failure === null) this.writer.addEvents(batch);
  }

  /** Once in a while, so that a killed memprof-run leaves a trace that is nearly up to date. */
  flushIfDue(model: () => TraceModel, timeline: () => MemoryTimeline | null): void {
    const startMs = clockMs();
    if (!this.hasNews || startMs < this.nextFlushMs || this.failure !== null) return;
    this.hasNews = false;
    if (this.events === 'full') {
      this.writer.flushEvents();
    } else {
      const now = model();
      if (now.beforeTeardown !== null)
        this.writer.teardown(now.beforeTeardown.atNs, now.beforeTeardown.live);
      this.writer.checkpoint(now);
    }
    this.flushTimeline(startMs, timeline);
    const costMs = clockMs() - startMs;
    this.nextFlushMs = startMs + Math.max(flushIntervalMs, costMs * checkpointShare);
  }

  private flushTimeline(nowMs: number, timeline: () => MemoryTimeline | null): void {
    if (nowMs < this.nextTimelineMs) return;
    this.nextTimelineMs = nowMs + (nowMs - this.startMs) / timelineGrowth;
    const now = timeline();
    if (now !== null) this.writer.timeline(now);
  }

  /** Resolves when everything so far is in the file, or the file has failed. */
  async idle(): Promise<void> {
    try {
      await this.writer.idle();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Takes V8's heap snapshot of a checkpoint in; a file that cannot be read is a snapshot less. */
  async addHeapSnapshot(checkpointNumber: number, path: string): Promise<void> {
    if (this.failure !== null) return;
    const piece = new Uint8Array(heapSnapshotPieceBytes);
    const descriptor = openSync(path, 'r');
    try {
      for (;;) {
        const length = readSync(descriptor, piece);
        if (length === 0) break;
        this.writer.heapSnapshotPiece(checkpointNumber, piece.slice(0, length));
        await this.idle();
      }
    } finally {
      closeSync(descriptor);
    }
  }

  /** Returns the file's size. */
  async finish(model: TraceModel): Promise<number> {
    try {
      if (this.failure === null) await this.writer.end(model);
    } catch (error) {
      this.fail(error);
    }
    closeSync(this.descriptor);
    return this.writer.writtenBytes;
  }

  /** Leaves the file as it is: it opens up to its last whole chunk. */
  async abandon(): Promise<void> {
    this.writer.flushEvents();
    await this.idle();
    closeSync(this.descriptor);
  }

  private write(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) at += writeSync(this.descriptor, bytes, at);
  }

  private fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.failure ??= `${this.path} ends early: ${reason}. The report is complete, the trace is not.`;
  }
}

function cannotWrite(path: string, error: unknown): MemprofError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EEXIST') {
    return new MemprofError(
      'ERR_MEMPROF_TRACE_EXISTS',
      `${path} exists and is not overwritten. Choose another name with -o, or overwrite it with -f.`,
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new MemprofError(
    'ERR_MEMPROF_TRACE_NOT_WRITABLE',
    `${path} cannot be written (${reason}). Choose another place with -o.`,
  );
}
