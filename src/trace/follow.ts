// Follows a trace that is still being written: each call takes what was appended since the last.
import { EventBatch, EventType, type LedgerHost, Recording, recordWords } from '../ledger/index.js';
import type { TraceModel } from '../model/index.js';
import { ByteReader } from './bytes.js';
import { type ChunkPlace, chunksOf, contentOf, firstChunk, placeAfter } from './chunks.js';
import { TraceDamage } from './damage.js';
import { EventDecoder } from './event-decoder.js';
import { ChunkKind, type Codec, checkFileHeader, fileHeaderBytes } from './format.js';
import { OpenState, type TraceSource } from './open.js';

export class TraceFollower {
  readonly #source: TraceSource;
  readonly #codec: Codec;
  readonly #state: OpenState;
  readonly #decoder = new EventDecoder();
  readonly #facts: Recording;
  #formatVersion: number | null = null;
  #at: ChunkPlace = firstChunk;
  #takenTexts = 0;

  /** `source.sizeBytes` is asked again at each call: it grows. */
  constructor(source: TraceSource, codec: Codec, host: LedgerHost) {
    this.#source = source;
    this.#codec = codec;
    this.#state = new OpenState(host);
    this.#facts = new Recording(host, 2);
  }

  get isEnded(): boolean {
    return this.#state.isEnded;
  }

  get hasEvents(): boolean {
    return this.#state.hasEvents;
  }

  get nsPerTick(): number {
    return this.#decoder.nsPerTick;
  }

  /** Everything before it was taken. */
  get offset(): number {
    return this.#at.offset;
  }

  /** Whether nothing will be appended any more. */
  isWhole(): boolean {
    if (this.isEnded) return true;
    for (const { header } of chunksOf(this.#source, this.#codec, () => undefined, this.#at))
      if (header.kind === ChunkKind.end) return true;
    return false;
  }

  /**
   * Takes the next whole chunk: its events, valid until the next call, or 'facts'; null: it is not there yet. A chunk that
   * is damaged never comes: who reads the finished file is told.
   */
  next(): EventBatch | 'facts' | null {
    const source = this.#source;
    if (this.#formatVersion === null) {
      if (source.sizeBytes < fileHeaderBytes) return null;
      this.#formatVersion = checkFileHeader(source.read(0, fileHeaderBytes), source.name);
    }
    if (this.#state.isEnded) return null;
    for (const chunk of chunksOf(source, this.#codec, () => undefined, this.#at)) {
      let batch: EventBatch | null = null;
      try {
        if (chunk.header.kind === ChunkKind.events)
          batch = this.#decoder.decode(contentOf(source, chunk, this.#codec));
        else if (chunk.header.kind !== ChunkKind.heapSnapshot)
          this.#state.take(chunk, new ByteReader(contentOf(source, chunk, this.#codec)));
      } catch (error) {
        if (!(error instanceof TraceDamage)) throw error;
        return null;
      }
      this.#at = placeAfter(chunk);
      if (batch !== null) this.#keepFacts(batch);
      return batch ?? 'facts';
    }
    return null;
  }

  /**
   * What is known so far. Of a trace with events: threads, marks, what names stacks; blocks and totals are empty. Of one
   * without: as of its last checkpoint.
   */
  model(): TraceModel {
    const state = this.#state;
    for (; this.#takenTexts < state.texts.length; this.#takenTexts++)
      this.#facts.addText(...state.texts[this.#takenTexts]!);
    state.replayed = state.hasEvents ? { recording: this.#facts, nsPerTick: this.nsPerTick } : null;
    return state.model(this.#formatVersion ?? 0, true);
  }

  /** Threads and marks, not what happened to blocks: whoever follows sums that up for himself. */
  #keepFacts(batch: EventBatch): void {
    const rows: number[] = [];
    for (let row = 0; row < batch.count; row++) if (factTypes.has(batch.type[row]!)) rows.push(row);
    const kept = new EventBatch(rows.length);
    for (const row of rows) {
      const type = batch.type[row]!;
      const halves: number[] = [];
      for (let word = 0; word < recordWords(type) - 1; word++)
        halves.push(batch.rareLow(row, word), batch.rareHigh(row, word));
      kept.pushRare(type, batch.threadIndex[row]!, batch.tick(row), halves);
    }
    this.#facts.consume(kept);
    if (batch.count > 0)
      this.#facts.lastTick = Math.max(this.#facts.lastTick, batch.endTick(batch.count - 1));
  }
}

const factTypes: ReadonlySet<number> = new Set([
  EventType.threadBegin,
  EventType.threadEnd,
  EventType.threadName,
  EventType.mark,
  EventType.exit,
  EventType.lost,
]);
