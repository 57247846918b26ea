// Records one image of one process: drains its rings, keeps its ledger, writes its trace. Works in
// slices, so that one busy process holds up neither the others nor the event loop.
import { existsSync } from 'node:fs';
import { clockMs } from '../clock.js';
import { MemprofError } from '../errors.js';
import { EventBatch, Recording, StackTableBuilder } from '../ledger/index.js';
import type { ProcessAllocator, ProcessInfo, TraceModel } from '../model/index.js';
import * as native from '../native/index.js';
import { formatVersion, type TraceSources } from '../trace/index.js';
import { type CheckpointHost, Checkpoints, type StackClasses } from './checkpoints.js';
import { endedOf, type RootStatus } from './ended.js';
import { Merge } from './merge.js';
import { MetaParser } from './meta.js';
import { nativeLedger } from './native-ledger.js';
import { processAllocator } from './process-allocator.js';
import { ProcessFacts } from './process-facts.js';
import { ProcessMemory } from './process-memory.js';
import { QuestionFiles } from './question-files.js';
import { OpenView, type QuestionView, type ViewSources } from './question-view.js';
import { Questions } from './questions.js';
import {
  type EndOfRecording,
  lossesOf,
  type ProcessSummary,
  type RecordedProcess,
  type RecorderOptions,
} from './recorded.js';
import { RingDrain } from './ring-drain.js';
import { StackReader } from './stack-reader.js';
import { type LiveNow, Timeline } from './timeline.js';
import { TraceFile } from './trace-file.js';
import { ProcessHeader, ReaderState, StopReason } from './wire.js';

/** Small enough to stay in the second-level cache. */
const batchEvents = 1024;
/** Waiting for compression: above this the rings wait, too. */
const maxBacklogBytes = 64 << 20;
/** Merged before the rings are looked at again. */
const mergeMsPerDrain = 4;
/** Above these a look at everything takes too long, and too much memory, to be taken while the program runs. */
const largeBlockCount = 100_000;
const largeStackCount = 200_000;
/** How long events may wait for the record that says what process they come from. */
const processFactsPatienceMs = 1000;

export class ProcessRecorder {
  isRoot = false;
  /** A newer image of the same process has joined. */
  wasReplaced = false;

  private readonly options: RecorderOptions;
  private readonly memory: ProcessMemory;
  private readonly startTime: number | null;
  private readonly batch = new EventBatch(batchEvents);
  private readonly rings: RingDrain;
  private readonly merge: Merge;
  private readonly meta = new MetaParser();
  private readonly stackReader = new StackReader();
  private readonly stacks = new StackTableBuilder();
  private readonly recording = new Recording(nativeLedger);
  private readonly checkpoints: Checkpoints;
  private readonly questions: Questions;
  private readonly timeline: Timeline;
  private readonly facts = new ProcessFacts();
  private readonly warnings: string[] = [];
  private trace: TraceFile | null = null;
  /** Estimated at each drain: too dear for each batch. */
  private nsPerTick = 1;
  private hasStarted = false;
  private readonly foundAtMs = clockMs();

  constructor(folder: string, name: string, options: RecorderOptions) {
    this.options = options;
    this.memory = new ProcessMemory(folder, name);
    const host = this.checkpointHost(folder, name);
    this.checkpoints = new Checkpoints(host);
    this.timeline = new Timeline({
      ...host,
      pid: this.memory.pid,
      modules: () => this.facts.modules(1),
    });
    this.recording.onCheckpoint = (tick, number) => {
      this.readStacks(false);
      this.checkpoints.begin(tick, number);
      this.timeline.lastWords(this.memory.clock().durationNs);
    };
    this.questions = new Questions(
      new QuestionFiles(folder, name),
      options.onQuestion ?? null,
      this.viewSources(),
    );
    this.recording.onQuestion = (tick, number, threadIndex) => {
      this.readStacks(false);
      this.questions.ask({ tick, number, threadIndex });
    };
    this.startTime = native.processStartTime(this.pid);
    this.rings = new RingDrain(this.memory);
    this.merge = new Merge(this.rings.rings, (ring) =>
      this.warnings.push(
        `ring ${ring.index} of process ${this.pid} was damaged (${ring.damage}) and read no further`,
      ),
    );
  }

  get pid(): number {
    return this.memory.pid;
  }

  get generation(): number {
    return this.memory.generation;
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
    this.memory.setReaderState(ReaderState.detached);
  }

  /**
   * Drains and merges for about `budgetMs`.
   *
   * @param isFinal the process writes no more: everything published is final
   * @returns how many words were drained, and whether there is more to merge at once
   */
  slice(budgetMs: number, isFinal: boolean): { drainedWords: number; hasMore: boolean } {
    const deadline = clockMs() + budgetMs;
    let drainedWords = 0;
    let hasMore = true;
    let drainedTick = 0;
    while (hasMore && clockMs() < deadline) {
      const { words, now } = this.drain(isFinal);
      drainedWords += words;
      drainedTick = now;
      if (!this.mayStart(isFinal)) return { drainedWords, hasMore: false };
      hasMore =
        this.mergeUntil(Math.min(deadline, clockMs() + mergeMsPerDrain), now) ||
        (isFinal && words > 0);
    }
    if (!isFinal && !this.wasReplaced)
      this.timeline.look(clockMs(), () =>
        this.liveNow(hasMore ? this.recording.lastTick : drainedTick, hasMore),
      );
    this.trace?.flushIfDue(
      () => this.model(null),
      () => this.timeline.timeline(),
    );
    return { drainedWords, hasMore };
  }

  /** A scanner is at work, and its answer will come. */
  get awaitsScan(): boolean {
    return this.checkpoints.isWaiting;
  }

  /** clockMs() of its last question; -Infinity: it has asked none. */
  get lastAskedMs(): number {
    return this.questions.lastAskedMs;
  }

  get isLarge(): boolean {
    return (
      this.recording.ledger.blockCount > largeBlockCount || this.stacks.count > largeStackCount
    );
  }

  /** As if it had ended here. */
  modelNow(): TraceModel {
    this.readStacks(false);
    return this.model(null);
  }

  /** What process it is, is known. */
  get isStarted(): boolean {
    return this.hasStarted;
  }

  /** Shows what is recorded so far: a question that nobody in the program asked. */
  look<Seen>(use: (view: QuestionView) => Seen): Seen {
    this.readStacks(false);
    const { nsPerTick, durationNs } = this.memory.clock();
    const asked = { number: 0, tick: durationNs / nsPerTick, threadIndex: 0 };
    const view = new OpenView(asked, this.viewSources());
    try {
      return use(view);
    } finally {
      view.close();
    }
  }

  /** Takes scanners' answers, and resolves when the trace's compression has caught up. */
  async catchUp(): Promise<void> {
    await this.checkpoints.poll();
    if (this.trace !== null && this.trace.backlogBytes > maxBacklogBytes) await this.trace.idle();
  }

  /** Closes the trace, forgets the files and answers with everything. The rings must be drained. */
  async close(status: RootStatus | null, isStillRunning: boolean): Promise<RecordedProcess> {
    this.drain(true);
    while (this.mergeUntil(Infinity, Infinity));
    this.readStacks(true);
    this.stacks.pushReadyMade();
    this.checkpoints.giveUp();
    await this.checkpoints.poll();
    await this.questions.settle();
    this.timeline.close(this.wasReplaced ? this.recording.lastTick * this.nsPerTick : null);
    const model = this.model({ status, isStillRunning });
    // Encoding takes as much memory as these give back.
    this.recording.ledger.dispose();
    this.memory.unmapRings();
    const tracePath = this.trace?.path ?? null;
    const traceBytes = (await this.trace?.finish(model)) ?? 0;
    this.collectWarnings(isStillRunning);
    this.memory.unmap();
    if (!isStillRunning) this.memory.unlink();
    return { model, tracePath, traceBytes, isRoot: this.isRoot, warnings: this.warnings };
  }

  /** Lets go without a report. */
  async abort(): Promise<void> {
    this.detach();
    this.checkpoints.abandon();
    this.timeline.close(null);
    await this.trace?.abandon();
    this.memory.unmap();
  }

  /** Everything before `tick` is in the ledger. */
  private liveNow(tick: number, isBehind: boolean): LiveNow {
    const { nsPerTick, durationNs } = this.memory.clock();
    const { blockBytes, blockCount } = this.recording.ledger;
    const lagNs = this.memory.hasSteadyClock ? durationNs - tick * nsPerTick : 0;
    return {
      atNs: Math.round(durationNs),
      lagNs: Math.max(0, Math.round(lagNs)),
      liveBytes: blockBytes,
      liveCount: blockCount,
      isBehind,
    };
  }

  private checkpointHost(folder: string, name: string): CheckpointHost {
    const isNode = () => this.facts.nodeVersion !== null;
    const sources = {
      stacks: () => this.stacks.table(),
      modules: () => this.facts.modules(1),
    };
    let classes: StackClasses | null | undefined;
    return {
      folder,
      name,
      isNode,
      // At the first checkpoint: what the process is, is not known before.
      classes: () => {
        if (classes === undefined)
          classes = this.options.classesFor?.({ ...sources, isNode: isNode() }) ?? null;
        return classes;
      },
      isRunning: () => this.isRunning(),
      live: () => this.recording.liveWithPools(),
      memory: () => {
        const modules = this.facts.modules(1).filter((module) => module.unloadedNs === null);
        return (address, sizeBytes) =>
          this.recording.mappings.holds(address, sizeBytes) ||
          modules.some(({ low, high }) => address >= low && address + sizeBytes <= high);
      },
      mappings: () => this.recording.mappings.list(1),
      collected: () => this.recording.collectedNow(),
      hasUnrecordedBlocks: () => this.allocator()?.hasOwnNew === true,
      resources: (live, index) =>
        this.recording.resourcesNow(live, (address) => index.rowAt(address) >= 0),
      keepHeapSnapshot: async (number, path) => {
        if (existsSync(path)) await this.trace?.addHeapSnapshot(number, path);
      },
    };
  }

  private viewSources(): ViewSources {
    return {
      recording: this.recording,
      nsPerTick: () => this.memory.clock().nsPerTick,
      process: () => this.summary(),
      tracePath: () => this.trace?.path ?? null,
      stackCount: () => this.stacks.count,
      stackParts: () => ({
        stacks: this.stacks.table(),
        modules: this.facts.modules(this.memory.clock().nsPerTick),
        codes: this.facts.codes,
        isNode: this.facts.nodeVersion !== null,
      }),
      model: () => this.model(null),
      namingModel: () => this.namingModel(),
      prepareCheckpoints: () => this.checkpoints.prepare(),
      checkpoint: (number) => this.checkpoints.whenJudged(number, this.memory.clock().nsPerTick),
    };
  }

  private readStacks(isFinal: boolean): void {
    const used = Math.max(this.recording.ledger.stackIdLimit, this.merge.rareStackLimit);
    const count = Math.max(this.memory.field(ProcessHeader.stackNodeCount), used);
    this.stackReader.readUpTo(count, this.stacks, isFinal);
  }

  private drain(isFinal: boolean): { words: number; now: number } {
    const drained = this.rings.drain(isFinal);
    this.nsPerTick = this.memory.clock().nsPerTick;
    this.drainMeta();
    this.memory.addNewStackChunks(this.stackReader);
    this.stackReader.readUpTo(this.memory.field(ProcessHeader.stackNodeCount), this.stacks, false);
    return drained;
  }

  private drainMeta(): void {
    if (this.meta.damage !== null) return;
    try {
      for (const record of this.meta.push(this.memory.takeMeta())) {
        this.facts.add(record);
        if (record.type === 'text') this.recording.addText(record.id, record.text);
      }
    } catch (error) {
      if (!(error instanceof MemprofError)) throw error;
      this.meta.damage ??= error.message;
    }
  }

  private mayStart(isFinal: boolean): boolean {
    if (this.hasStarted) return true;
    const isPatient = !isFinal && clockMs() - this.foundAtMs < processFactsPatienceMs;
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
      if (clockMs() > deadline) break;
    }
    return isFull;
  }

  private summary(): ProcessSummary {
    return {
      pid: this.pid,
      ppid: this.memory.field(ProcessHeader.ppid),
      generation: this.generation,
      argv: this.facts.command?.argv ?? [],
      executable: this.facts.command?.executable ?? '',
      isRoot: this.isRoot,
    };
  }

  /** `end` null: the process is still running, and so is its recording. */
  private model(end: EndOfRecording | null): TraceModel {
    const { nsPerTick, durationNs } = this.memory.clock();
    const parts = this.recording.parts(nsPerTick, this.stacks.count);
    const checkpoints = this.checkpoints.list(nsPerTick);
    const timeline = this.timeline.timeline();
    // Of the last event, not of now: the process may be gone for a while.
    const lastNs = this.memory.hasSteadyClock ? parts.atEnd.atNs : durationNs;
    return {
      formatVersion,
      process: this.processInfo(end, lastNs),
      modules: this.facts.modules(nsPerTick),
      codes: [...this.facts.codes],
      codeLines: [...this.facts.codeLines],
      stacks: this.stacks.table(),
      ...parts,
      ...(checkpoints.length === 0 ? {} : { checkpoints }),
      ...(timeline === null ? {} : { timeline }),
      losses: lossesOf(this.memory, this.recording.ledger),
      hasEvents: this.options.events === 'full',
      complete: end !== null,
    };
  }

  /** Without a look at the blocks. */
  private namingModel(): TraceModel {
    const { nsPerTick, durationNs } = this.memory.clock();
    return {
      formatVersion,
      process: this.processInfo(null, durationNs),
      modules: this.facts.modules(nsPerTick),
      codes: [...this.facts.codes],
      codeLines: [...this.facts.codeLines],
      stacks: this.stacks.table(),
      ...new Recording(nativeLedger, 2).parts(nsPerTick, 0),
      losses: lossesOf(this.memory, this.recording.ledger),
      hasEvents: this.options.events === 'full',
      complete: false,
    };
  }

  private allocator(): ProcessAllocator | null {
    const { memory, facts } = this;
    return processAllocator(
      {
        realMalloc: memory.counter(ProcessHeader.realMalloc),
        boundMalloc: memory.counter(ProcessHeader.boundMalloc),
        boundNew: memory.counter(ProcessHeader.boundNew),
      },
      facts.modules(1),
    );
  }

  private processInfo(end: EndOfRecording | null, durationNs: number): ProcessInfo {
    const { pid, ppid, generation, executable, argv } = this.summary();
    const allocator = this.allocator();
    return {
      pid,
      ppid,
      generation,
      executable,
      cwd: this.facts.command?.cwd ?? '',
      argv,
      nodeVersion: this.facts.nodeVersion,
      v8Version: this.facts.v8Version,
      startRealtimeMs: this.memory.counter(ProcessHeader.startRealtimeNs) / 1e6,
      durationNs,
      ended: endedOf({
        exit: this.recording.exit,
        status: end?.status ?? null,
        wasReplaced: this.wasReplaced,
        isRunning: end?.isStillRunning === true,
        stoppedEarly: this.memory.field(ProcessHeader.stopReason) !== StopReason.none,
      }),
      ...(allocator === null ? {} : { allocator }),
    };
  }

  private sources(): TraceSources {
    return {
      process: () => this.processInfo(null, 0),
      modules: () => this.facts.modules(this.memory.clock().nsPerTick),
      codes: this.facts.codes,
      codeLines: this.facts.codeLines,
      texts: this.facts.texts,
      stacks: this.stacks,
      nsPerTick: () => this.nsPerTick,
    };
  }

  private collectWarnings(isStillRunning: boolean): void {
    const { warnings, merge, stackReader } = this;
    warnings.push(
      ...this.memory.warnings,
      ...this.checkpoints.warnings,
      ...this.questions.warnings,
    );
    for (const number of this.facts.unknownTypes)
      warnings.push(`meta records of unknown type ${number} were passed over`);
    if (!this.memory.hasSteadyClock) {
      warnings.push(
        'this machine has no steady time stamp counter: events are in order, but times and ages are not known',
      );
    }
    if (this.meta.damage !== null)
      warnings.push(`${this.meta.damage}: later names of modules and functions are missing`);
    if (merge.fallenTickCount > 0)
      warnings.push(`${merge.fallenTickCount} records were out of order in their ring`);
    if (merge.unknownStackCount > 0)
      warnings.push(`${merge.unknownStackCount} records named a stack that does not exist`);
    if (stackReader.brokenNodeCount > 0)
      warnings.push(`${stackReader.brokenNodeCount} nodes of the stack table were damaged`);
    if (this.trace?.failure) warnings.push(this.trace.failure);
    if (isStillRunning)
      warnings.push(
        `process ${this.pid} was still running when the recording ended: what it did later is not known`,
      );
  }
}
