// Records one image of one process: maps its files, drains its rings, keeps its ledger, writes its
// trace. Works in slices, so that one busy process holds up neither the others nor the event loop.
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { MemprofError } from '../errors.js';
import { EventBatch, Recording, StackTableBuilder } from '../ledger/index.js';
import type { Losses, ProcessInfo, TraceModel } from '../model/index.js';
import * as native from '../native/index.js';
import { formatVersion, type TraceSources } from '../trace/index.js';
import { endedOf, type RootStatus } from './ended.js';
import { Merge } from './merge.js';
import { MetaParser } from './meta.js';
import { ProcessFacts } from './process-facts.js';
import { RingReader } from './ring-reader.js';
import { StackReader } from './stack-reader.js';
import { TraceFile } from './trace-file.js';
import {
  ClockMode,
  Magic,
  ProcessHeader,
  ReaderState,
  readUint64,
  StopReason,
  wireAbi,
} from './wire.js';

/** Small enough to stay in the second-level cache: with 65,536 rows the ledger was a third slower. */
const batchEvents = 8192;
/** Above this, only rings that hold up the order are drained: their producers wait instead. */
const maxStagedBytes = 64 << 20;
/** Waiting for compression: above this the rings wait, too. */
const maxBacklogBytes = 64 << 20;
/** Merged before the rings are looked at again. */
const mergeMsPerDrain = 4;
/** How long events may wait for the record that says what process they come from. */
const processFactsPatienceMs = 1000;

/** What is known about a process when its trace gets a name. */
export interface ProcessSummary {
  pid: number;
  ppid: number;
  generation: number;
  argv: string[];
  executable: string;
  isRoot: boolean;
}

export interface RecorderOptions {
  events: 'full' | 'none';
  overwrite: boolean;
  tracePathFor(process: ProcessSummary): string | null;
  onProcess?(process: ProcessSummary): void;
}

export interface RecordedProcess {
  model: TraceModel;
  tracePath: string | null;
  traceBytes: number;
  isRoot: boolean;
  warnings: string[];
}

interface EndOfRecording {
  status: RootStatus | null;
  isStillRunning: boolean;
}

export class ProcessRecorder {
  readonly pid: number;
  readonly generation: number;
  readonly name: string;
  isRoot = false;
  /** A newer image of the same process has joined. */
  wasReplaced = false;

  private readonly folder: string;
  private readonly options: RecorderOptions;
  private readonly header: Uint32Array;
  private readonly buffers: ArrayBuffer[] = [];
  private readonly clockBase: bigint;
  private readonly clockMode: number;
  private readonly startMonotonicNs: bigint;
  private readonly startTime: number | null;
  private readonly metaStart: number;
  private readonly metaBytes: number;
  private metaTail: number;

  private readonly batch = new EventBatch(batchEvents);
  private readonly merge: Merge;
  private readonly meta = new MetaParser();
  private readonly stackReader = new StackReader();
  private readonly stacks = new StackTableBuilder();
  private readonly recording = new Recording();
  private readonly facts = new ProcessFacts();
  private readonly warnings: string[] = [];
  private trace: TraceFile | null = null;
  /** Estimated at each drain: too dear for each batch. */
  private nsPerTick = 1;
  private ringsSeen = 0;
  private hasStarted = false;
  private readonly foundAtMs = performance.now();

  constructor(folder: string, name: string, options: RecorderOptions) {
    this.folder = folder;
    this.name = name;
    this.options = options;
    const buffer = native.mapShared(join(folder, name));
    this.buffers.push(buffer);
    const header = new Uint32Array(buffer);
    this.header = header;
    const magic = buffer.byteLength >= 4096 ? new BigUint64Array(buffer, 0, 1)[0] : 0n;
    if (magic !== Magic.process || this.field(ProcessHeader.abi) !== wireAbi) {
      native.unmapShared(buffer);
      throw new MemprofError(
        'ERR_MEMPROF_WIRE',
        `${name}: not the header of a process of this version of memprof`,
      );
    }
    this.pid = this.field(ProcessHeader.pid);
    this.generation = this.field(ProcessHeader.generation);
    this.clockMode = this.field(ProcessHeader.clockMode);
    const wide = new BigUint64Array(buffer, 0, 512);
    this.clockBase = wide[ProcessHeader.clockBase / 8]!;
    this.startMonotonicNs = wide[ProcessHeader.startMonotonicNs / 8]!;
    this.metaStart = this.field(ProcessHeader.metaOffset);
    this.metaBytes = this.field(ProcessHeader.metaBytes);
    this.metaTail = this.field(ProcessHeader.metaTail);
    if (
      this.metaStart + this.metaBytes > buffer.byteLength ||
      this.metaBytes % 8 !== 0 ||
      this.metaStart % 8 !== 0
    ) {
      this.metaBytes = 0;
      this.warnings.push(
        `${name}: its meta ring does not fit its file; names of modules and functions are missing`,
      );
    }
    this.startTime = native.processStartTime(this.pid);
    this.merge = new Merge((ring) =>
      this.warnings.push(
        `ring ${ring.index} of process ${this.pid} was damaged (${ring.damage}) and read no further`,
      ),
    );
    Atomics.store(header, ProcessHeader.readerPid >>> 2, process.pid);
    Atomics.store(header, ProcessHeader.readerState >>> 2, ReaderState.attached);
  }

  isRunning(): boolean {
    return (
      !this.wasReplaced &&
      this.startTime !== null &&
      native.processStartTime(this.pid) === this.startTime
    );
  }

  /** Asks the shim to stop recording; the program goes on. */
  detach(): void {
    Atomics.store(this.header, ProcessHeader.readerState >>> 2, ReaderState.detached);
  }

  /**
   * Drains and merges for about `budgetMs`.
   *
   * @param isFinal the process writes no more: everything published is final
   * @returns how many words were drained, and whether there is more to merge at once
   */
  slice(budgetMs: number, isFinal: boolean): { drainedWords: number; hasMore: boolean } {
    const deadline = performance.now() + budgetMs;
    let drainedWords = 0;
    let hasMore = true;
    while (hasMore && performance.now() < deadline) {
      const { words, now } = this.drain(isFinal);
      drainedWords += words;
      if (!this.mayStart(isFinal)) return { drainedWords, hasMore: false };
      hasMore =
        this.mergeUntil(Math.min(deadline, performance.now() + mergeMsPerDrain), now) ||
        (isFinal && words > 0);
    }
    if (drainedWords > 0) this.trace?.flushIfDue(() => this.model(null));
    return { drainedWords, hasMore };
  }

  /** Resolves when the trace's compression has caught up. */
  async catchUp(): Promise<void> {
    if (this.trace !== null && this.trace.backlogBytes > maxBacklogBytes) await this.trace.idle();
  }

  /** Closes the trace, forgets the files and answers with everything. The rings must be drained. */
  async close(status: RootStatus | null, isStillRunning: boolean): Promise<RecordedProcess> {
    this.drain(true);
    while (this.mergeUntil(Infinity, Infinity));
    const used = Math.max(this.recording.ledger.stackIdLimit, this.merge.rareStackLimit);
    this.stackReader.readUpTo(
      Math.max(this.field(ProcessHeader.stackNodeCount), used),
      this.stacks,
      true,
    );
    this.stacks.pushReadyMade();
    const model = this.model({ status, isStillRunning });
    const tracePath = this.trace?.path ?? null;
    const traceBytes = (await this.trace?.finish(model)) ?? 0;
    this.collectWarnings();
    if (isStillRunning)
      this.warnings.push(
        `process ${this.pid} was still running when the recording ended: what it did later is not known`,
      );
    for (const buffer of this.buffers) native.unmapShared(buffer);
    if (!isStillRunning) this.unlinkFiles();
    return { model, tracePath, traceBytes, isRoot: this.isRoot, warnings: this.warnings };
  }

  /** Lets go without a report. */
  async abort(): Promise<void> {
    this.detach();
    await this.trace?.abandon();
    for (const buffer of this.buffers) native.unmapShared(buffer);
  }

  private field(offset: number): number {
    return Atomics.load(this.header, offset >>> 2);
  }

  private drain(isFinal: boolean): { words: number; now: number } {
    const rings = this.merge.rings;
    let now = Infinity;
    let words = 0;
    if (!isFinal) {
      if (this.clockMode === ClockMode.tsc) {
        now = native.fence(this.clockBase);
      } else {
        // Tickets are given out in order: whoever is idle after the fence takes a later one than any
        // that was published before it.
        for (const ring of rings) words += ring.drain();
        now = rings.reduce((last, ring) => Math.max(last, ring.lastStagedTick()), 0) + 1;
        native.membarrier();
      }
    }
    this.findRings();
    let stagedBytes = 0;
    for (const ring of rings) stagedBytes += 4 * ring.stagedHalves;
    for (const ring of rings) {
      if (stagedBytes > maxStagedBytes && ring.stagedHalves > 0) ring.skip();
      else words += ring.drain();
    }
    this.nsPerTick = this.clock().nsPerTick;
    this.drainMeta();
    this.findStackChunks();
    this.stackReader.readUpTo(this.field(ProcessHeader.stackNodeCount), this.stacks, false);
    return { words, now };
  }

  private mayStart(isFinal: boolean): boolean {
    if (this.hasStarted) return true;
    const isPatient = !isFinal && performance.now() - this.foundAtMs < processFactsPatienceMs;
    if (this.facts.command === null && isPatient) return false;
    this.hasStarted = true;
    const summary = this.summary();
    this.options.onProcess?.(summary);
    try {
      const path = this.options.tracePathFor(summary);
      if (path !== null) this.trace = TraceFile.create(path, this.options, this.sources());
    } catch (error) {
      if (!(error instanceof MemprofError)) throw error;
      this.warnings.push(error.message);
    }
    return true;
  }

  /** Returns whether there is more to merge at once. */
  private mergeUntil(deadline: number, now: number): boolean {
    const { batch } = this;
    // Not stackNodeCount: it is stored without order, and may lag behind a record's stack.
    const stackLimit = this.stackReader.capacity;
    let isFull = true;
    while (isFull) {
      isFull = this.merge.fill(batch, now, stackLimit);
      if (batch.count === 0) break;
      this.recording.consume(batch);
      this.trace?.addEvents(batch);
      batch.clear();
      if (performance.now() > deadline) break;
    }
    return isFull;
  }

  /**
   * Maps rings that are new. They are announced when they are there: one that cannot be mapped never
   * will be, and waiting for it would hold up all the others.
   */
  private findRings(): void {
    const count = Math.min(this.field(ProcessHeader.ringCount), 1 << 16);
    for (; this.ringsSeen < count; this.ringsSeen++) {
      const index = this.ringsSeen;
      this.tryMap(`${this.name}.r${index}`, (buffer) =>
        this.merge.rings.push(new RingReader(buffer, index)),
      );
    }
  }

  private findStackChunks(): void {
    const count = Math.min(this.field(ProcessHeader.stackChunkCount), 1 << 16);
    while (this.stackReader.chunkCount < count) {
      const name = `${this.name}.s${this.stackReader.chunkCount}`;
      if (!this.tryMap(name, (buffer) => this.stackReader.addChunk(buffer))) return;
    }
  }

  /** False: the file is not there. One with a damaged header is there, but not used. */
  private tryMap(name: string, use: (buffer: ArrayBuffer) => void): boolean {
    let buffer: ArrayBuffer;
    try {
      buffer = native.mapShared(join(this.folder, name));
    } catch (error) {
      this.warnOnce(`${name} cannot be mapped: ${messageOf(error)}`);
      return false;
    }
    this.buffers.push(buffer);
    try {
      use(buffer);
    } catch (error) {
      this.warnOnce(`${name} is not used: ${messageOf(error)}`);
    }
    return true;
  }

  private warnOnce(warning: string): void {
    if (!this.warnings.includes(warning)) this.warnings.push(warning);
  }

  private drainMeta(): void {
    if (this.metaBytes === 0) return;
    const head = this.field(ProcessHeader.metaHead);
    const words = (head - this.metaTail) >>> 0;
    if (words * 8 > this.metaBytes) this.meta.damage ??= `a meta ring with ${words} unread words`;
    if (words === 0 || this.meta.damage !== null) return;
    const bytes = new Uint8Array(words * 8);
    const data = new Uint8Array(this.header.buffer, this.metaStart, this.metaBytes);
    const start = (this.metaTail * 8) % this.metaBytes;
    const first = Math.min(bytes.length, this.metaBytes - start);
    bytes.set(data.subarray(start, start + first));
    bytes.set(data.subarray(0, bytes.length - first), first);
    this.metaTail = head;
    Atomics.store(this.header, ProcessHeader.metaTail >>> 2, head);
    for (const record of this.meta.push(bytes)) {
      this.facts.add(record);
      if (record.type === 'text') this.recording.addText(record.id, record.text);
    }
  }

  private summary(): ProcessSummary {
    return {
      pid: this.pid,
      ppid: this.field(ProcessHeader.ppid),
      generation: this.generation,
      argv: this.facts.command?.argv ?? [],
      executable: this.facts.command?.executable ?? '',
      isRoot: this.isRoot,
    };
  }

  private clock(): { nsPerTick: number; durationNs: number } {
    const { tsc, monotonicNs } = native.clockPair();
    const durationNs = Number(monotonicNs - this.startMonotonicNs);
    const ticks = Number(tsc - this.clockBase);
    const isTsc = this.clockMode === ClockMode.tsc && ticks > 0 && durationNs > 0;
    return { nsPerTick: isTsc ? durationNs / ticks : 1, durationNs };
  }

  /** `end` null: the process is still running, and so is its recording. */
  private model(end: EndOfRecording | null): TraceModel {
    const { nsPerTick, durationNs } = this.clock();
    const parts = this.recording.parts(nsPerTick, this.stacks.count);
    // Of the last event, not of now: the process may be gone for a while.
    const lastNs = this.clockMode === ClockMode.tsc ? parts.atEnd.atNs : durationNs;
    return {
      formatVersion,
      process: this.processInfo(end, lastNs),
      modules: this.facts.modules(nsPerTick),
      codes: [...this.facts.codes],
      stacks: this.stacks.table(),
      ...parts,
      losses: this.losses(),
      hasEvents: this.options.events === 'full',
      complete: end !== null,
    };
  }

  private processInfo(end: EndOfRecording | null, durationNs: number): ProcessInfo {
    const { pid, ppid, generation, executable, argv } = this.summary();
    return {
      pid,
      ppid,
      generation,
      executable,
      cwd: this.facts.command?.cwd ?? '',
      argv,
      nodeVersion: this.facts.nodeVersion,
      v8Version: this.facts.v8Version,
      startRealtimeMs: readUint64(this.header, ProcessHeader.startRealtimeNs) / 1e6,
      durationNs,
      ended: endedOf({
        exit: this.recording.exit,
        status: end?.status ?? null,
        wasReplaced: this.wasReplaced,
        isRunning: end?.isStillRunning === true,
      }),
    };
  }

  private sources(): TraceSources {
    return {
      process: () => this.processInfo(null, 0),
      modules: () => this.facts.modules(this.clock().nsPerTick),
      codes: this.facts.codes,
      texts: this.facts.texts,
      stacks: this.stacks,
      nsPerTick: () => this.nsPerTick,
    };
  }

  private losses(): Losses {
    const count = (offset: number) => readUint64(this.header, offset);
    const stop = this.field(ProcessHeader.stopReason);
    return {
      lostEventCount: count(ProcessHeader.lostEvents),
      untracedThreadCount: count(ProcessHeader.untracedThreads),
      nestedEventCount: count(ProcessHeader.nestedEvents),
      cutStackCount: count(ProcessHeader.cutStacks),
      fullTableStackCount: count(ProcessHeader.fullTableStacks),
      unknownReleaseCount: this.recording.ledger.unknownReleaseCount,
      doubleAllocationCount: this.recording.ledger.doubleAllocationCount,
      ringWaitCount: count(ProcessHeader.waitCount),
      ringWaitNs: count(ProcessHeader.waitNs),
      bootstrapBytes: count(ProcessHeader.bootstrapBytes),
      stoppedEarly: stoppedEarly(stop),
    };
  }

  private collectWarnings(): void {
    for (const number of this.facts.unknownTypes) {
      this.warnings.push(`meta records of unknown type ${number} were passed over`);
    }
    if (this.clockMode === ClockMode.ticket) {
      this.warnings.push(
        'this machine has no steady time stamp counter: events are in order, but times and ages are not known',
      );
    }
    if (this.meta.damage !== null)
      this.warnings.push(`${this.meta.damage}: later names of modules and functions are missing`);
    if (this.merge.fallenTickCount > 0)
      this.warnings.push(`${this.merge.fallenTickCount} records were out of order in their ring`);
    if (this.merge.unknownStackCount > 0)
      this.warnings.push(
        `${this.merge.unknownStackCount} records named a stack that does not exist`,
      );
    if (this.stackReader.brokenNodeCount > 0)
      this.warnings.push(
        `${this.stackReader.brokenNodeCount} nodes of the stack table were damaged`,
      );
    if (this.trace?.failure) this.warnings.push(this.trace.failure);
  }

  private unlinkFiles(): void {
    for (const name of readdirSync(this.folder)) {
      if (name === this.name || name.startsWith(`${this.name}.`))
        unlinkSync(join(this.folder, name));
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function stoppedEarly(reason: number): Losses['stoppedEarly'] {
  if (reason === StopReason.readerGone) return 'reader-gone';
  if (reason === StopReason.detached) return 'detached';
  return reason === StopReason.noSpace ? 'no-space' : null;
}
