// What whoever answers a question of the program may look at: the recording as of the question's mark.
import { MemprofError } from '../errors.js';
import type { PeakWatch, Recording } from '../ledger/index.js';
import type {
  Checkpoint,
  CodeInfo,
  Mapping,
  ModuleInfo,
  ResourceBalance,
  StackSums,
  StackTable,
  StackTotals,
  Totals,
  TraceModel,
} from '../model/index.js';
import type { ProcessSummary } from './recorded.js';

export type { PeakWatch } from '../ledger/index.js';

/**
 * Everything is as of the mark until the handler returns, or comes to its first await; from then on only
 * checkpoint(), prepareCheckpoints() and endPeak() may be called, the others throw ERR_MEMPROF_VIEW_CLOSED.
 */
export interface QuestionView {
  readonly process: ProcessSummary;
  /** The question's number, from 1; unique in the process. */
  readonly number: number;
  /** Of the thread that asks. */
  readonly threadIndex: number;
  readonly atNs: number;
  /** null: no trace is written. */
  readonly tracePath: string | null;
  /** How many allocations came before the mark: liveSince() of a later question takes it. */
  readonly allocationSerial: number;
  hasThreadEnded(threadIndex: number): boolean;
  totals(): Totals;
  /** Live blocks by stack, without those that the program wants ignored; those of one thread if one is given (that costs a pass over the blocks). */
  stackSums(threadIndex?: number): StackSums;
  /** Of blocks that were allocated after an earlier question's mark. One pass over the blocks. */
  liveSince(allocationSerial: number, threadIndex?: number): StackSums;
  stackTotals(): StackTotals;
  /** What stacks are made of, as far as they are known. Grows with later events; cheap. */
  stackParts(): StackParts;
  resources(): ResourceBalance[];
  /** All that the process has mapped itself. */
  mappings(): Mapping[];
  /** The whole trace as of the mark, live blocks included: tens of milliseconds. */
  model(): TraceModel;
  /** What names stacks, and nothing of what the events said: no blocks, no totals. Cheap. */
  namingModel(): TraceModel;
  /**
   * Resolves when checkpoint `number` of this process is judged; at once if it was. Rejects with
   * ERR_MEMPROF_NO_CHECKPOINT where there is none of that number.
   */
  checkpoint(number: number): Promise<Checkpoint>;
  /** Checkpoints will follow, and be waited for: the first takes 40 ms then instead of 200. */
  prepareCheckpoints(): void;
  /** From this mark on the most live bytes are kept, until endPeak(). */
  watchPeak(): PeakWatch;
  /** Over every event from the watch's mark to this one. */
  peakBytes(watch: PeakWatch): number;
  endPeak(watch: PeakWatch): void;
}

/** Where a question stands. */
export interface Asked {
  number: number;
  tick: number;
  threadIndex: number;
}

/** To be read as long as one likes: stacks and codes only grow. */
export interface StackParts {
  stacks: StackTable;
  modules: readonly ModuleInfo[];
  codes: readonly CodeInfo[];
  isNode: boolean;
}

/** What a view is made of. */
export interface ViewSources {
  recording: Recording;
  nsPerTick(): number;
  process(): ProcessSummary;
  tracePath(): string | null;
  stackCount(): number;
  stackParts(): StackParts;
  model(): TraceModel;
  namingModel(): TraceModel;
  prepareCheckpoints(): void;
  checkpoint(number: number): Promise<Checkpoint>;
}

export class OpenView implements QuestionView {
  readonly process: ProcessSummary;
  readonly number: number;
  readonly threadIndex: number;
  readonly atNs: number;
  readonly tracePath: string | null;
  readonly allocationSerial: number;
  readonly #nsPerTick: number;
  readonly #sources: ViewSources;
  #isClosed = false;

  constructor({ number, tick, threadIndex }: Asked, sources: ViewSources) {
    this.#sources = sources;
    this.#nsPerTick = sources.nsPerTick();
    this.process = sources.process();
    this.number = number;
    this.threadIndex = threadIndex;
    this.atNs = tick * this.#nsPerTick;
    this.tracePath = sources.tracePath();
    this.allocationSerial = sources.recording.ledger.nextSerial;
  }

  close(): void {
    this.#isClosed = true;
  }

  hasThreadEnded(threadIndex: number): boolean {
    const { threads } = this.#recording;
    return threads[threadIndex] !== undefined && threads[threadIndex].endTick !== null;
  }

  totals(): Totals {
    return this.#recording.ledger.totals(this.#nsPerTick);
  }

  stackSums(threadIndex?: number): StackSums {
    return this.#recording.leakableSums(threadIndex ?? null);
  }

  liveSince(allocationSerial: number, threadIndex?: number): StackSums {
    return this.#recording.ledger.liveSumsOf(allocationSerial, threadIndex ?? null);
  }

  stackTotals(): StackTotals {
    return this.#recording.ledger.stackTotals(this.#sources.stackCount());
  }

  stackParts(): StackParts {
    this.#assertOpen();
    return this.#sources.stackParts();
  }

  resources(): ResourceBalance[] {
    return this.#recording.resourceBalances();
  }

  mappings(): Mapping[] {
    return this.#recording.mappings.list(this.#nsPerTick);
  }

  model(): TraceModel {
    this.#assertOpen();
    return this.#sources.model();
  }

  namingModel(): TraceModel {
    this.#assertOpen();
    return this.#sources.namingModel();
  }

  prepareCheckpoints(): void {
    this.#sources.prepareCheckpoints();
  }

  checkpoint(number: number): Promise<Checkpoint> {
    return this.#sources.checkpoint(number);
  }

  watchPeak(): PeakWatch {
    return this.#recording.ledger.peaks.begin();
  }

  peakBytes(watch: PeakWatch): number {
    const bytes = this.#recording.ledger.peaks.bytes(watch);
    if (bytes === null)
      throw new MemprofError(
        'ERR_MEMPROF_NO_WATCH',
        'this watch of the peak has ended, or belongs to another process. Begin one with watchPeak()',
      );
    return bytes;
  }

  endPeak(watch: PeakWatch): void {
    this.#sources.recording.ledger.peaks.end(watch);
  }

  get #recording(): Recording {
    this.#assertOpen();
    return this.#sources.recording;
  }

  #assertOpen(): void {
    if (this.#isClosed)
      throw new MemprofError(
        'ERR_MEMPROF_VIEW_CLOSED',
        'the recording has gone on since the question: look at the view before the first await',
      );
  }
}
