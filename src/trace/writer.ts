// Writes a trace: chunks in order, each compressed and handed to the sink whole.
import type { EventBatch, StackTableBuilder } from '../ledger/index.js';
import type {
  Checkpoint,
  CodeInfo,
  CodeLines,
  LiveSet,
  MemoryTimeline,
  ModuleInfo,
  ProcessInfo,
  TraceModel,
} from '../model/index.js';
import { encodeAnnounced } from './announced.js';
import { encodeBlockVerdicts } from './block-verdicts.js';
import { ByteWriter } from './bytes.js';
import { encodeCheckpoint } from './checkpoint.js';
import { encodeCheckpointVerdicts } from './checkpoint-verdicts.js';
import { type StoredCodeLines, storeCodeLines } from './code-lines.js';
import type { TraceEncoder } from './encoder.js';
import {
  type ChunkHeader,
  ChunkKind,
  type Codec,
  encodeChunkHeader,
  encodeFileHeader,
} from './format.js';
import { encodeMemory, encodePages } from './memory.js';
import { encodePools } from './pools.js';
import { encodeResources } from './resources.js';
import { encodeTimeline } from './timeline.js';
import { encodeV8 } from './v8.js';

/** May wait for compression while more is encoded. */
const fewBytes = 4 << 20;

export interface TraceWriterOptions {
  /** Gets the file's bytes in order. Not called again once it threw. */
  sink(bytes: Uint8Array): void;
  codec: Codec;
  /** Of this writer alone. */
  encoder: TraceEncoder;
  /** Used instead of codec.compress, if given: on another thread, which reads `data` until it is done. */
  compressAsync?(data: Uint8Array): Promise<Uint8Array>;
  events: 'full' | 'none';
}

/** What is appended to a trace as it becomes known. The writer remembers how far it has written. */
export interface TraceSources {
  process(): ProcessInfo;
  modules(): ModuleInfo[];
  codes: readonly CodeInfo[];
  codeLines?: readonly CodeLines[];
  texts: readonly (readonly [id: number, text: string])[];
  stacks: StackTableBuilder;
  nsPerTick(): number;
}

export interface MetaContent {
  process: ProcessInfo;
  modules: ModuleInfo[];
  codes: CodeInfo[];
  /** Absent in older traces. */
  codeLines?: StoredCodeLines[];
  texts: (readonly [id: number, text: string])[];
  hasEvents: boolean;
}

export class TraceWriter {
  /** Given to the sink so far. */
  writtenBytes = 0;
  eventCount = 0;
  /** Waiting for compression. */
  backlogBytes = 0;

  private readonly options: TraceWriterOptions;
  private readonly sources: TraceSources;
  private sequence = 0;
  private last: Promise<void> = Promise.resolve();
  private failure: { error: unknown } | null = null;
  private writtenCodes = 0;
  private writtenCodeLines = 0;
  private writtenTexts = 0;
  private writtenStacks = 1;
  private writtenVerdicts = 0;
  private writtenModules = '';

  constructor(options: TraceWriterOptions, sources: TraceSources) {
    this.options = options;
    this.sources = sources;
    this.emit(encodeFileHeader());
    this.writeMeta(true);
  }

  /** The ledger must have consumed the batch. */
  addEvents(batch: EventBatch): void {
    if (this.options.events === 'none') return;
    const { events } = this.options.encoder;
    let row = 0;
    while (row < batch.count) {
      row = events.add(batch, row, this.sources.nsPerTick());
      if (events.isFull) this.flushEvents();
    }
  }

  /** So that a reader of a cut file finds them. */
  flushEvents(): void {
    this.appendKnown();
    const { events } = this.options.encoder;
    const { eventCount } = events;
    if (eventCount === 0) return;
    this.eventCount += eventCount;
    this.writeChunk(ChunkKind.events, events.finish(), eventCount);
  }

  /** The live set before Node's environment teardown. */
  teardown(atNs: number, live: LiveSet): void {
    this.flushEvents();
    this.announced(live);
    const out = new ByteWriter(1 << 16);
    out.float64(atNs);
    out.raw(this.options.encoder.liveSet(live));
    this.writeChunk(ChunkKind.teardown, out.written(), 0);
  }

  /** Facts and sums of a checkpoint of the program; not again what was written before. */
  verdicts(checkpoint: Checkpoint): void {
    if (checkpoint.number <= this.writtenVerdicts) return;
    this.writtenVerdicts = checkpoint.number;
    this.appendKnown();
    this.writeEncoded(ChunkKind.verdicts, (out) => encodeCheckpointVerdicts(checkpoint, out));
    const { number, memory, v8 } = checkpoint;
    if (memory !== undefined)
      this.writeEncoded(ChunkKind.memory, (out) => encodeMemory(number, memory, out));
    if (v8 !== undefined) this.writeEncoded(ChunkKind.v8, (out) => encodeV8(number, v8, out));
  }

  /** One piece of the file that V8 wrote for a checkpoint. */
  heapSnapshotPiece(checkpointNumber: number, bytes: Uint8Array): void {
    this.writeEncoded(ChunkKind.heapSnapshot, (out) => {
      out.varint(checkpointNumber);
      out.section(bytes);
    });
  }

  timeline(timeline: MemoryTimeline): void {
    this.writeEncoded(ChunkKind.timeline, (out) => encodeTimeline(timeline, out));
  }

  checkpoint(model: TraceModel): void {
    this.flushEvents();
    const { pools } = model;
    if (pools !== undefined)
      this.writeEncoded(ChunkKind.pools, (out) => encodePools(pools, this.options.encoder, out));
    this.announced(model.atEnd.live);
    const out = new ByteWriter(1 << 16);
    encodeCheckpoint(model, this.options.encoder, out);
    this.writeChunk(ChunkKind.checkpoint, out.written(), 0);
  }

  /** The last words; resolves when the sink has everything. */
  async end(model: TraceModel): Promise<void> {
    if (model.beforeTeardown !== null)
      this.teardown(model.beforeTeardown.atNs, model.beforeTeardown.live);
    await this.checkpoints(model);
    if (model.timeline !== undefined) this.timeline(model.timeline);
    this.checkpoint(model);
    const out = new ByteWriter(16);
    out.varint(this.eventCount);
    this.writeChunk(ChunkKind.end, out.written(), 0);
    await this.idle();
  }

  /** Resolves when everything so far is with the sink; rejects with what the sink threw. */
  async idle(): Promise<void> {
    await this.last;
    if (this.failure !== null) throw this.failure.error;
  }

  private async checkpoints({ checkpoints = [], resources }: TraceModel): Promise<void> {
    for (const one of checkpoints) this.verdicts(one);
    const last = checkpoints.at(-1);
    const detail = last?.detail ?? null;
    if (last !== undefined && detail !== null) {
      await this.relieve();
      this.announced(detail.live);
      this.writeEncoded(
        ChunkKind.blockVerdicts,
        (out) => encodeBlockVerdicts(last.number, detail, this.options.encoder, out),
        // Mostly enough: growing leaves copies behind that are as large.
        detail.live.count * 32 + detail.owners.count * 24 + 4096,
      );
    }
    const pages = last?.memory?.pages ?? null;
    if (last !== undefined && pages !== null)
      this.writeEncoded(ChunkKind.pages, (out) => encodePages(last.number, pages, out));
    await this.relieve();
    if (resources !== undefined)
      this.writeEncoded(ChunkKind.resources, (out) => encodeResources(resources, out));
    await this.relieve();
  }

  /** Large chunks one after the other: what waits for compression is memory, and so is each compression. */
  private async relieve(): Promise<void> {
    if (this.backlogBytes > fewBytes) await this.last;
  }

  /** Before the chunk that has the live set. */
  private announced({ announced }: LiveSet): void {
    if (announced !== undefined)
      this.writeEncoded(ChunkKind.announced, (out) => encodeAnnounced(announced, out));
  }

  private writeEncoded(
    kind: number,
    encode: (out: ByteWriter) => void,
    capacityBytes = 1 << 16,
  ): void {
    const out = new ByteWriter(capacityBytes);
    encode(out);
    this.writeChunk(kind, out.written(), 0);
  }

  private appendKnown(): void {
    this.writeMeta(false);
    const { stacks } = this.sources;
    const { count } = stacks;
    if (count > this.writtenStacks) {
      const content = this.options.encoder.stacks(stacks.table(), this.writtenStacks, count);
      this.writtenStacks = count;
      this.writeChunk(ChunkKind.stacks, content, 0);
    }
  }

  private writeMeta(isFirst: boolean): void {
    const { codes, codeLines = [], texts } = this.sources;
    const modules = this.sources.modules();
    const modulesState = `${modules.length} ${modules.filter((module) => module.unloadedNs !== null).length}`;
    const isKnown =
      codes.length === this.writtenCodes &&
      codeLines.length === this.writtenCodeLines &&
      texts.length === this.writtenTexts &&
      modulesState === this.writtenModules;
    if (isKnown && !isFirst) return;
    const content: MetaContent = {
      process: this.sources.process(),
      modules: modulesState === this.writtenModules ? [] : modules,
      codes: codes.slice(this.writtenCodes),
      codeLines: codeLines.slice(this.writtenCodeLines).map(storeCodeLines),
      texts: texts.slice(this.writtenTexts),
      hasEvents: this.options.events === 'full',
    };
    this.writtenCodes = codes.length;
    this.writtenCodeLines = codeLines.length;
    this.writtenTexts = texts.length;
    this.writtenModules = modulesState;
    const out = new ByteWriter(1024);
    out.json(content);
    this.writeChunk(ChunkKind.meta, out.written(), 0);
  }

  private writeChunk(kind: number, raw: Uint8Array, eventCount: number): void {
    const sequence = this.sequence++;
    const finish = (stored: Uint8Array) => {
      const header: ChunkHeader = {
        kind,
        sequence,
        eventCount,
        rawBytes: raw.length,
        storedBytes: stored.length,
        payloadCrc: this.options.codec.crc32(stored),
      };
      this.emit(encodeChunkHeader(header, this.options.codec.crc32));
      this.emit(stored);
    };
    const { compressAsync } = this.options;
    if (compressAsync === undefined) {
      if (this.failure === null) finish(this.options.codec.compress(raw));
      return;
    }
    // Compressed side by side, written in order.
    this.backlogBytes += raw.length;
    const compressed = compressAsync(raw);
    compressed.catch(() => undefined); // reported below, in its turn
    this.last = this.last.then(async () => {
      try {
        const stored = await compressed;
        if (this.failure === null) finish(stored);
      } catch (error) {
        this.failure ??= { error };
      } finally {
        this.backlogBytes -= raw.length;
      }
    });
  }

  private emit(bytes: Uint8Array): void {
    if (this.failure !== null) return;
    try {
      this.options.sink(bytes);
      this.writtenBytes += bytes.length;
    } catch (error) {
      this.failure = { error };
    }
  }
}
