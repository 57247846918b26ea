// Opens a trace: reads chunk by chunk, keeps only what the model needs. Events are passed over when
// the trace says everything without them, and replayed through a ledger when it was cut before.
import { MemprofError } from '../errors.js';
import { type EventBatch, type LedgerHost, Recording, StackTableBuilder } from '../ledger/index.js';
import type {
  CodeInfo,
  CodeLines,
  LiveSet,
  Losses,
  MemoryTimeline,
  ModuleInfo,
  Moment,
  ProcessInfo,
  StackId,
  StackTotals,
  TraceModel,
} from '../model/index.js';
import { decodeAnnounced } from './announced.js';
import { ByteReader } from './bytes.js';
import { CallDecoder, type CallSink } from './call-decoder.js';
import { type Checkpoint, decodeCheckpoint, isObject } from './checkpoint.js';
import { CheckpointsRead } from './checkpoints.js';
import { type Chunk, chunksOf, contentOf } from './chunks.js';
import { loadCodeLines } from './code-lines.js';
import { TraceDamage } from './damage.js';
import { EventDecoder } from './event-decoder.js';
import { ChunkKind, type Codec, checkFileHeader, fileHeaderBytes } from './format.js';
import { decodeLiveSet, decodeStacks } from './tables.js';
import { decodeTimeline } from './timeline.js';
import type { MetaContent } from './writer.js';

/** Where the bytes come from: a file, or memory. */
export interface TraceSource {
  /** For messages. */
  name: string;
  sizeBytes: number;
  /** Fewer bytes than asked for only at the end. */
  read(offset: number, length: number): Uint8Array;
}

export function sourceOf(bytes: Uint8Array, name = 'the trace'): TraceSource {
  return {
    name,
    sizeBytes: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** `host`: for the ledger of a trace that was cut. */
export function openTrace(source: TraceSource, codec: Codec, host: LedgerHost): TraceModel {
  const formatVersion = checkFileHeader(source.read(0, fileHeaderBytes), source.name);
  const state = new OpenState(host);
  for (const chunk of chunksOf(source, codec, () => undefined)) {
    if (chunk.header.kind === ChunkKind.events) {
      state.eventChunks.push(chunk);
      continue;
    }
    // Asked for by heapSnapshotPieces() alone: it may be larger than all the rest.
    if (chunk.header.kind === ChunkKind.heapSnapshot) continue;
    try {
      state.take(chunk, new ByteReader(contentOf(source, chunk, codec)));
    } catch (error) {
      if (!(error instanceof TraceDamage)) throw error;
      break;
    }
  }
  if (!state.isEnded && state.hasEvents) replay(state, source, codec);
  return state.model(formatVersion);
}

/**
 * Every batch of events in order, with addresses, sizes, stacks and ages filled in. A batch is valid
 * until the next is asked for. Ends at the last whole chunk of a cut file; a chunk that is damaged
 * in its middle throws ERR_MEMPROF_TRACE_DAMAGED.
 */
export function* eventsOf(
  source: TraceSource,
  codec: Codec,
): Generator<{ batch: EventBatch; nsPerTick: number }> {
  const decoder = new EventDecoder();
  for (const batch of decodedChunks(source, codec, (content) => decoder.decode(content)))
    yield { batch, nsPerTick: decoder.nsPerTick };
}

/** Tells the sink of every call of the allocator, and yields after each chunk. */
export function callsOf(source: TraceSource, codec: Codec, sink: CallSink): Generator<void> {
  const decoder = new CallDecoder();
  return decodedChunks(source, codec, (content) => decoder.decode(content, sink));
}

function* decodedChunks<T>(
  source: TraceSource,
  codec: Codec,
  decode: (content: Uint8Array) => T,
): Generator<T> {
  checkFileHeader(source.read(0, fileHeaderBytes), source.name);
  for (const chunk of chunksOf(source, codec, () => undefined)) {
    if (chunk.header.kind !== ChunkKind.events) continue;
    try {
      yield decode(contentOf(source, chunk, codec));
    } catch (error) {
      if (!(error instanceof TraceDamage)) throw error;
      throw new MemprofError(
        'ERR_MEMPROF_TRACE_DAMAGED',
        `${source.name}: the chunk at byte ${chunk.offset} ${error.message}. What lies before it can be read.`,
      );
    }
  }
}

/** Rebuilds what the last checkpoint would have said, from the events. */
function replay(state: OpenState, source: TraceSource, codec: Codec): void {
  const decoder = new EventDecoder();
  const recording = new Recording(state.host);
  for (const [id, text] of state.texts) recording.addText(id, text);
  for (const chunk of state.eventChunks) {
    try {
      recording.consume(decoder.decode(contentOf(source, chunk, codec)));
    } catch (error) {
      if (!(error instanceof TraceDamage)) throw error;
      break;
    }
  }
  state.replayed = { recording, nsPerTick: decoder.nsPerTick };
}

/** What chunks have said so far. */
export class OpenState {
  hasEvents = false;
  isEnded = false;
  readonly eventChunks: Chunk[] = [];
  /** Of marks and thread names, by id. */
  readonly texts: [number, string][] = [];
  /** What events say where no checkpoint does. */
  replayed: { recording: Recording; nsPerTick: number } | null = null;
  readonly host: LedgerHost;
  private readonly stacks = new StackTableBuilder();
  private readonly codes: CodeInfo[] = [];
  private readonly codeLines: CodeLines[] = [];
  private modules: ModuleInfo[] = [];
  private process: ProcessInfo | null = null;
  private beforeTeardown: Moment | null = null;
  private checkpoint: Checkpoint | null = null;
  private timeline: MemoryTimeline | null = null;
  /** Of the live set of the next chunk. */
  private announced: ((live: LiveSet) => LiveSet) | null = null;
  private readonly checkpoints = new CheckpointsRead();

  constructor(host: LedgerHost) {
    this.host = host;
  }

  take(chunk: Chunk, reader: ByteReader): void {
    const { announced } = this;
    this.announced = null;
    this.takeContent(chunk, reader, announced ?? ((live) => live));
  }

  private takeContent(
    { header }: Chunk,
    reader: ByteReader,
    announced: (live: LiveSet) => LiveSet,
  ): void {
    switch (header.kind) {
      case ChunkKind.meta:
        this.takeMeta(reader.json());
        break;
      case ChunkKind.stacks:
        decodeStacks(reader, this.stacks);
        break;
      case ChunkKind.teardown:
        this.beforeTeardown = {
          name: 'before-teardown',
          atNs: reader.float64(),
          live: announced(decodeLiveSet(reader)),
        };
        break;
      case ChunkKind.checkpoint: {
        const checkpoint = decodeCheckpoint(reader, this.stacks.count);
        this.checkpoint = { ...checkpoint, live: announced(checkpoint.live) };
        break;
      }
      case ChunkKind.announced:
        this.announced = decodeAnnounced(reader);
        break;
      case ChunkKind.timeline:
        this.timeline = decodeTimeline(reader);
        break;
      case ChunkKind.end:
        this.isEnded = this.checkpoint !== null;
        break;
      default:
        if (!this.checkpoints.take(header.kind, reader, announced))
          throw new TraceDamage(`is of kind ${header.kind}, which this format does not have`);
    }
  }

  /** `isGrowing`: more chunks will be taken, and those of stacks begin where the last one ended. */
  model(formatVersion: number, isGrowing = false): TraceModel {
    const { checkpoint, replayed } = this;
    if (!isGrowing) this.stacks.pushReadyMade();
    const shared = {
      formatVersion,
      codes: this.codes,
      codeLines: this.codeLines,
      ...this.checkpoints.parts(this.stacks.count, stackNotTaken as StackId),
      ...(this.timeline === null ? {} : { timeline: this.timeline }),
      hasEvents: this.hasEvents,
      complete: this.isEnded,
    };
    if (replayed !== null) {
      const { recording, nsPerTick } = replayed;
      const parts = recording.parts(nsPerTick, this.stacks.count);
      const process = {
        ...(checkpoint?.facts.process ?? this.process ?? unknownProcess()),
        durationNs: parts.atEnd.atNs,
      };
      const losses: Losses = {
        ...(checkpoint?.facts.losses ?? noLosses()),
        lostEventCount: Math.max(recording.lostCount, checkpoint?.facts.losses.lostEventCount ?? 0),
        unknownReleaseCount: recording.ledger.unknownReleaseCount,
        doubleAllocationCount: recording.ledger.doubleAllocationCount,
      };
      return this.withAllStacks({
        ...shared,
        ...parts,
        process,
        losses,
        modules: this.modules,
        stacks: this.stacks.table(),
      });
    }
    if (checkpoint !== null) {
      const { atNs, totals, ...facts } = checkpoint.facts;
      return this.withAllStacks({
        ...shared,
        ...facts,
        totals: { ...totals, eventCounts: Float64Array.from(totals.eventCounts) },
        stacks: this.stacks.table(),
        stackTotals: checkpoint.stackTotals,
        beforeTeardown: this.beforeTeardown,
        atEnd: { name: 'at-end', atNs, live: checkpoint.live },
      });
    }
    const parts = new Recording(this.host, 2).parts(1, this.stacks.count);
    const process = this.process ?? unknownProcess();
    return {
      ...shared,
      ...parts,
      beforeTeardown: this.beforeTeardown,
      process,
      losses: noLosses(),
      modules: this.modules,
      stacks: this.stacks.table(),
    };
  }

  /** Every stack id that the model names has a node, and totals are as long as the stack table. */
  private withAllStacks(model: TraceModel): TraceModel {
    const sets = [
      model.atEnd.live,
      ...(model.beforeTeardown === null ? [] : [model.beforeTeardown.live]),
    ];
    for (const live of sets) clampStacks(live, model.stacks.count);
    const length = model.stacks.count;
    if (model.stackTotals.allocationCount.length === length) return model;
    return { ...model, stackTotals: resizeTotals(model.stackTotals, length) };
  }

  private takeMeta(value: unknown): void {
    if (!isObject(value) || !isObject(value['process']))
      throw new TraceDamage('has facts that are none');
    const meta = value as unknown as MetaContent;
    if (![meta.modules, meta.codes, meta.codeLines ?? [], meta.texts].every(Array.isArray))
      throw new TraceDamage('has facts that are none');
    this.process = meta.process;
    this.hasEvents = meta.hasEvents === true;
    if (meta.modules.length > 0) this.modules = meta.modules;
    for (const code of meta.codes) this.codes.push(code);
    for (const stored of meta.codeLines ?? []) this.codeLines.push(loadCodeLines(stored));
    for (const [id, text] of meta.texts) this.texts.push([id, text]);
  }
}

const stackNotTaken = 4;

function clampStacks(live: LiveSet, stackCount: number): void {
  for (let i = 0; i < live.count; i++)
    if (live.stackId[i]! >= stackCount) live.stackId[i] = stackNotTaken;
}

/** Totals of stacks whose nodes were cut away go to the stack that says so. */
function resizeTotals(totals: StackTotals, length: number): StackTotals {
  const resize = (column: Float64Array): Float64Array => {
    const resized = new Float64Array(length);
    resized.set(column.subarray(0, length));
    for (let id = length; id < column.length; id++) resized[stackNotTaken]! += column[id]!;
    return resized;
  };
  return {
    allocationCount: resize(totals.allocationCount),
    allocatedBytes: resize(totals.allocatedBytes),
    liveCount: resize(totals.liveCount),
    liveBytes: resize(totals.liveBytes),
    temporaryCount: resize(totals.temporaryCount),
  };
}

/** What is said of a process before its own description was read. */
export function unknownProcess(): ProcessInfo {
  return {
    pid: 0,
    ppid: 0,
    generation: 0,
    executable: '',
    cwd: '',
    argv: [],
    nodeVersion: null,
    v8Version: null,
    startRealtimeMs: 0,
    durationNs: 0,
    ended: { how: 'unknown', code: null, signal: null },
  };
}

/** Of a run in which nothing was lost. */
export function noLosses(): Losses {
  return {
    lostEventCount: 0,
    untracedThreadCount: 0,
    nestedEventCount: 0,
    cutStackCount: 0,
    fullTableStackCount: 0,
    unknownReleaseCount: 0,
    doubleAllocationCount: 0,
    ringWaitCount: 0,
    ringWaitNs: 0,
    bootstrapBytes: 0,
    stoppedEarly: null,
  };
}
