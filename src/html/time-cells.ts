// One pass over a trace's events: what was allocated by each stack, in which bucket of time it was born and died,
// and how large it was. Memory grows with sites, buckets used and live blocks, not with events. Pure.
import { type EventBatch, EventType, MarkKind } from '../ledger/index.js';
import type { TraceModel } from '../model/index.js';
import { SerialTable } from '../trace/index.js';
import { type Collections, RunningCollections } from './collections.js';
import type { Edge } from './report-data.js';
import { SumTable } from './sum-table.js';

export interface TimeCells {
  /** One more than there are buckets. */
  edges: Edge[];
  /** Keys: see siteKey() and cellKey(). */
  cells: SumTable;
  temporary: SumTable;
  lives: SumTable;
  /** Of live memory, a bucket each. */
  maxBytes: number[];
  /** What V8 collected, a bucket each. */
  collections: Collections;
  /** How often neighbouring buckets were put together to keep the file small: 1, 2, 4, ... */
  coarseness: number;
}

export interface TimeCellsOptions {
  /** By stack id. */
  siteOf: Uint32Array;
  /** By thread index, below threadRadix. */
  threadOf: (threadIndex: number) => number;
  bucketCount: number;
  mostCells: number;
}

export const threadRadix = 64;
/** Above the highest bucket: 192 of equal length, and an edge for each special moment. */
export const bucketRadix = 512;
export const sizeRadix = 64;
export const mostSpecialEdges = 120;

export const siteKey = (site: number, thread: number): number => site * threadRadix + thread;
export const cellKey = (birth: number, death: number, size: number): number =>
  (birth * bucketRadix + death) * sizeRadix + size;

/** Blocks of up to 2^n bytes. */
export function sizeClass(sizeBytes: number): number {
  if (sizeBytes <= 1) return 0;
  return sizeBytes <= 0x80000000
    ? 32 - Math.clz32(sizeBytes - 1)
    : Math.min(63, Math.ceil(Math.log2(sizeBytes)));
}

/** Lived less than 10^(n/2) ns. */
export function lifeClass(lifeNs: number): number {
  if (!(lifeNs >= 1)) return 0;
  return Math.min(40, Math.floor(2 * Math.log10(lifeNs)) + 1);
}

/** While the pass runs: in the table a death that has not come. */
export const never = bucketRadix - 1;

export function timeCells(
  model: TraceModel,
  batches: Iterable<{ batch: EventBatch; nsPerTick: number }>,
  options: TimeCellsOptions,
): TimeCells {
  const pass = new Pass(model, options);
  for (const { batch, nsPerTick } of batches) pass.consume(batch, nsPerTick);
  return pass.finish();
}

class Pass {
  readonly #options: TimeCellsOptions;
  readonly #checkpointTexts: Map<number, string>;
  readonly #userMarks: string[];
  readonly #peakBytes: number;
  readonly #stepNs: number;
  readonly #born = new SerialTable();
  readonly #lastSerial: number[] = [];
  readonly #edges: Edge[] = [{ atNs: 0, kind: 'start', text: '' }];
  readonly #maxBytes: number[] = [];
  readonly #cells = new SumTable(1 << 16);
  readonly #temporary = new SumTable();
  readonly #lives = new SumTable();
  readonly #collections = new RunningCollections();
  #specialCount = 0;
  #nextEdgeNs: number;
  #isBucketEmpty = true;
  #bucket = 0;
  #bucketMax = 0;
  #serial = 0;
  #liveBytes = 0;
  #isPeakMet = false;
  #lastNs = 0;

  constructor(model: TraceModel, options: TimeCellsOptions) {
    this.#options = options;
    this.#checkpointTexts = new Map(
      (model.checkpoints ?? []).map((one) => [one.number, `checkpoint ${one.number}`]),
    );
    this.#userMarks = model.marks.filter((one) => one.kind === 'user').map((one) => one.text);
    this.#peakBytes = model.totals.peakBytes;
    this.#stepNs = Math.max(1, model.atEnd.atNs / options.bucketCount);
    this.#nextEdgeNs = this.#stepNs;
  }

  consume(batch: EventBatch, nsPerTick: number): void {
    const { type, threadIndex } = batch;
    for (let row = 0; row < batch.count; row++) {
      const atNs = batch.tick(row) * nsPerTick;
      while (atNs >= this.#nextEdgeNs && this.#bucket < bucketRadix - 4)
        this.#edge(this.#nextEdgeNs, 'time', '');
      this.#lastNs = atNs;
      const kind = type[row]!;
      if (kind <= EventType.allocLast) this.#allocation(batch, row, nsPerTick, threadIndex[row]!);
      else if (kind <= EventType.freeLast) this.#release(batch, row, nsPerTick, threadIndex[row]!);
      else if (kind === EventType.mark)
        this.#mark(batch.rareLow(row, 0), batch.rareLow(row, 1), batch.rareHigh(row, 1), atNs);
    }
  }

  #allocation(batch: EventBatch, row: number, _nsPerTick: number, threadIndex: number): void {
    const sizeBytes = batch.sizeBytes(row);
    const thread = this.#options.threadOf(threadIndex);
    this.#isBucketEmpty = false;
    this.#liveBytes += sizeBytes;
    if (this.#liveBytes > this.#bucketMax) this.#bucketMax = this.#liveBytes;
    this.#cells.add(
      siteKey(this.#options.siteOf[batch.stackId[row]!] ?? 0, thread),
      cellKey(this.#bucket, never, sizeClass(sizeBytes)),
      1,
      sizeBytes,
    );
    this.#born.add(
      this.#serial,
      thread,
      this.#bucket,
      batch.tickLow[row]!,
      batch.tickHigh[row]!,
      0,
    );
    this.#lastSerial[threadIndex] = this.#serial++;
    if (!this.#isPeakMet && this.#liveBytes >= this.#peakBytes) {
      this.#isPeakMet = true;
      this.#edge(this.#lastNs, 'peak', '');
    }
  }

  #release(batch: EventBatch, row: number, nsPerTick: number, threadIndex: number): void {
    const age = batch.age[row]!;
    const last = this.#lastSerial[threadIndex];
    this.#lastSerial[threadIndex] = -1;
    if (age < 0) return;
    const serial = this.#serial - 1 - age;
    const at = this.#born.find(serial);
    if (at < 0) return;
    const thread = this.#born.word(at, 0);
    const birth = this.#born.word(at, 1);
    const bornTick = this.#born.word(at, 3) * 2 ** 32 + this.#born.word(at, 2);
    this.#born.remove(at);
    this.#isBucketEmpty = false;
    const sizeBytes = batch.sizeBytes(row);
    this.#liveBytes -= sizeBytes;
    const key = siteKey(this.#options.siteOf[batch.stackId[row]!] ?? 0, thread);
    const size = sizeClass(sizeBytes);
    this.#cells.add(key, cellKey(birth, never, size), -1, -sizeBytes);
    this.#cells.add(key, cellKey(birth, this.#bucket, size), 1, sizeBytes);
    this.#lives.add(key, lifeClass((batch.tick(row) - bornTick) * nsPerTick), 1, sizeBytes);
    if (last === serial) this.#temporary.add(key, birth, 1, sizeBytes);
  }

  #mark(kindWord: number, value: number, highWord: number, atNs: number): void {
    if (kindWord === MarkKind.gc) {
      this.#isBucketEmpty = false;
      this.#collections.add(value, highWord);
      return;
    }
    if (this.#specialCount >= mostSpecialEdges) return;
    switch (kindWord & 0xff) {
      case MarkKind.beforeTeardown:
        this.#special(atNs, 'teardown', '');
        break;
      case MarkKind.checkpoint:
        this.#special(atNs, 'checkpoint', this.#checkpointTexts.get(value) ?? 'checkpoint');
        break;
      case MarkKind.user:
        this.#special(atNs, 'mark', this.#userMarks.shift() ?? '');
        break;
      default:
    }
  }

  #special(atNs: number, kind: Edge['kind'], text: string): void {
    this.#specialCount++;
    this.#edge(atNs, kind, text);
  }

  /** Ends the bucket here: what comes after is in the next. */
  #edge(atNs: number, kind: Edge['kind'], text: string): void {
    if (kind === 'time') this.#nextEdgeNs += this.#stepNs;
    if (this.#bucket >= bucketRadix - 3 && kind !== 'end') return;
    const last = this.#edges.at(-1) as Edge;
    // Nothing happened since the last edge: a moment without a name needs no edge of its own.
    if (kind !== 'time' && this.#isBucketEmpty && last.kind === 'time') {
      this.#edges[this.#edges.length - 1] = { atNs: last.atNs, kind, text };
      return;
    }
    this.#edges.push({ atNs: Math.max(atNs, last.atNs), kind, text });
    this.#maxBytes.push(Math.max(this.#bucketMax, this.#liveBytes));
    this.#bucketMax = this.#liveBytes;
    this.#collections.endBucket();
    this.#bucket++;
    this.#isBucketEmpty = true;
  }

  finish(): TimeCells {
    this.#edge(this.#lastNs, 'end', '');
    const bucketCount = this.#bucket;
    let made: TimeCells = {
      edges: this.#edges,
      cells: withoutEmpty(this.#cells, bucketCount),
      temporary: this.#temporary,
      lives: this.#lives,
      maxBytes: this.#maxBytes,
      collections: this.#collections.sums(false),
      coarseness: 1,
    };
    while (made.cells.count > this.#options.mostCells && made.coarseness < 64) made = coarser(made);
    return made;
  }
}

/** Sums that came to nothing go; a death that never came is the number of buckets. */
export function withoutEmpty(cells: SumTable, bucketCount: number): SumTable {
  const kept = new SumTable(1 << 16);
  for (let row = 0; row < cells.count; row++) {
    if (cells.blockCount[row] === 0) continue;
    const low = cells.low[row]!;
    const death = Math.floor(low / sizeRadix) % bucketRadix;
    const birth = Math.floor(low / (sizeRadix * bucketRadix));
    kept.add(
      cells.high[row]!,
      cellKey(birth, death === never ? bucketCount : death, low % sizeRadix),
      cells.blockCount[row]!,
      cells.sizeBytes[row]!,
    );
  }
  return kept;
}

/** Every second edge that is only one of time goes. */
export function coarser(fine: TimeCells): TimeCells {
  let timeEdges = 0;
  const keep = fine.edges.map((edge) => edge.kind !== 'time' || timeEdges++ % 2 === 1);
  const newBucket: number[] = [];
  let kept = 0;
  for (const isKept of keep) {
    if (isKept) kept++;
    newBucket.push(kept - 1);
  }
  const bucketCount = kept - 1;
  // The last edge ends the last bucket; "never" is the number of buckets.
  newBucket[fine.edges.length - 1] = bucketCount;
  newBucket[never] = never;
  const cells = new SumTable(1 << 16);
  for (let row = 0; row < fine.cells.count; row++) {
    const low = fine.cells.low[row]!;
    const birth = newBucket[Math.floor(low / (sizeRadix * bucketRadix))]!;
    const death = newBucket[Math.floor(low / sizeRadix) % bucketRadix]!;
    cells.add(
      fine.cells.high[row]!,
      cellKey(birth, death, low % sizeRadix),
      fine.cells.blockCount[row]!,
      fine.cells.sizeBytes[row]!,
    );
  }
  const temporary = new SumTable();
  for (let row = 0; row < fine.temporary.count; row++)
    temporary.add(
      fine.temporary.high[row]!,
      newBucket[fine.temporary.low[row]!]!,
      fine.temporary.blockCount[row]!,
      fine.temporary.sizeBytes[row]!,
    );
  const maxBytes = new Array<number>(bucketCount).fill(0);
  for (const [bucket, bytes] of fine.maxBytes.entries()) {
    const into = newBucket[bucket]!;
    maxBytes[into] = Math.max(maxBytes[into]!, bytes);
  }
  const { count, pauseNs } = fine.collections;
  const intoBuckets = (values: readonly number[]): number[] => {
    const sums = new Array<number>(bucketCount).fill(0);
    for (const [bucket, value] of values.entries()) sums[newBucket[bucket]!]! += value;
    return sums;
  };
  return {
    edges: fine.edges.filter((_edge, at) => keep[at]),
    cells,
    temporary,
    lives: fine.lives,
    maxBytes,
    collections: { count: intoBuckets(count), pauseNs: intoBuckets(pauseNs) },
    coarseness: fine.coarseness * 2,
  };
}

/**
 * Of a trace without events: what is live at the moment, by time of birth, and nothing else. Buckets of equal
 * length up to that moment.
 */
export function cellsOfMoment(model: TraceModel, options: TimeCellsOptions): TimeCells {
  const { live, atNs } = model.beforeTeardown ?? model.atEnd;
  const { bucketCount } = options;
  const stepNs = Math.max(1, atNs / bucketCount);
  const edges: Edge[] = [];
  for (let at = 0; at <= bucketCount; at++)
    edges.push({
      atNs: at === bucketCount ? atNs : at * stepNs,
      kind: at === 0 ? 'start' : at === bucketCount ? 'end' : 'time',
      text: '',
    });
  const cells = new SumTable();
  for (let row = 0; row < live.count; row++) {
    const birth = Math.min(bucketCount - 1, Math.floor(live.bornNs[row]! / stepNs));
    const sizeBytes = live.sizeBytes[row]!;
    cells.add(
      siteKey(options.siteOf[live.stackId[row]!] ?? 0, options.threadOf(live.threadIndex[row]!)),
      cellKey(birth, bucketCount, sizeClass(sizeBytes)),
      1,
      sizeBytes,
    );
  }
  return {
    edges,
    cells,
    temporary: new SumTable(),
    lives: new SumTable(),
    maxBytes: [],
    collections: { count: [], pauseNs: [] },
    coarseness: 1,
  };
}
