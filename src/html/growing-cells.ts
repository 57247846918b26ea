// The sums of time-cells.ts for a program that goes on: nobody knows yet how long it runs, so the buckets of time are put
// together in pairs whenever they have become too many; and stacks have no sites yet, so sums are by stack until they are
// looked at. Pure.
import { type EventBatch, EventType, MarkKind } from '../ledger/index.js';
import { SerialTable } from '../trace/index.js';
import { RunningCollections } from './collections.js';
import type { Edge, ReportHead } from './report-data.js';
import { SumTable } from './sum-table.js';
import {
  cellKey,
  coarser,
  lifeClass,
  mostSpecialEdges,
  never,
  siteKey,
  sizeClass,
  type TimeCells,
  threadRadix,
  withoutEmpty,
} from './time-cells.js';

/** At most twice as many lie between now and the start. */
const leastTimeEdges = 96;
const firstStepNs = 10e6;
/** About 30 bytes each. */
const usualMostHeld = 400_000;
const fewestTimeEdges = 8;

interface RunningEdge extends Edge {
  /** Of the first block that was allocated after it. */
  serial: number;
}

export type RunningTotals = Omit<ReportHead['totals'], 'momentText'>;

export interface SnapshotOptions {
  /** By stack id; beyond it and at 0: not known. */
  siteOf: Uint32Array;
  /** Names of the program's marks, in order. */
  markTexts: readonly string[];
  mostCells: number;
}

export class GrowingCells {
  readonly totals: RunningTotals = {
    allocationCount: 0,
    allocatedBytes: 0,
    releaseCount: 0,
    temporaryCount: 0,
    peakBytes: 0,
    peakBlockCount: 0,
    peakNs: 0,
    liveBytes: 0,
    liveCount: 0,
    endBytes: 0,
    endCount: 0,
  };
  readonly #mostHeld: number;
  /** By allocation serial: thread, nothing, tick low and high. */
  readonly #born = new SerialTable();
  readonly #lastSerial: number[] = [];
  readonly #stackIds: number[] = [];
  readonly #isSeen: boolean[] = [];
  #edges: RunningEdge[] = [{ atNs: 0, kind: 'start', text: '', serial: 0 }];
  #maxBytes: number[] = [];
  #cells = new SumTable(1 << 12);
  #temporary = new SumTable();
  #lives = new SumTable();
  #stepNs = firstStepNs;
  #nextEdgeNs = firstStepNs;
  #timeEdgeCount = 0;
  #specialCount = 0;
  #coarseness = 1;
  #bucketMax = 0;
  readonly #collections = new RunningCollections();
  #serial = 0;
  #lastNs = 0;

  /** How many different sums are kept before the buckets become longer. */
  constructor(mostHeld = usualMostHeld) {
    this.#mostHeld = mostHeld;
  }

  /** Of stacks that allocated, in order of their first block. */
  get stackIds(): readonly number[] {
    return this.#stackIds;
  }

  /** Of the last event. */
  get atNs(): number {
    return this.#lastNs;
  }

  consume(batch: EventBatch, nsPerTick: number): void {
    const { type, threadIndex } = batch;
    for (let row = 0; row < batch.count; row++) {
      const atNs = batch.tick(row) * nsPerTick;
      while (atNs >= this.#nextEdgeNs) this.#timeEdge();
      this.#lastNs = atNs;
      const kind = type[row]!;
      if (kind <= EventType.allocLast) this.#allocation(batch, row, threadIndex[row]!);
      else if (kind <= EventType.freeLast) this.#release(batch, row, nsPerTick, threadIndex[row]!);
      else if (kind === EventType.mark)
        this.#mark(batch.rareLow(row, 0), batch.rareLow(row, 1), batch.rareHigh(row, 1), atNs);
    }
    if (this.#cells.count > this.#mostHeld) this.#makeRoom();
  }

  /** As of the last event, by site. */
  snapshot({ siteOf, markTexts, mostCells }: SnapshotOptions): TimeCells {
    let markCount = 0;
    const edges: Edge[] = this.#edges.map(({ atNs, kind, text }) => ({
      atNs,
      kind,
      text: kind === 'mark' ? (markTexts[markCount++] ?? '') : text,
    }));
    const last = edges.at(-1) as Edge;
    edges.push({ atNs: Math.max(this.#lastNs, last.atNs), kind: 'end', text: '' });
    const bySite = (table: SumTable): SumTable => {
      const sums = new SumTable(1 << 12);
      for (let row = 0; row < table.count; row++) {
        const high = table.high[row]!;
        const site = siteOf[Math.floor(high / threadRadix)] ?? 0;
        const key = siteKey(site, high % threadRadix);
        sums.add(key, table.low[row]!, table.blockCount[row]!, table.sizeBytes[row]!);
      }
      return sums;
    };
    let made: TimeCells = {
      edges,
      cells: withoutEmpty(bySite(this.#cells), edges.length - 1),
      temporary: bySite(this.#temporary),
      lives: bySite(this.#lives),
      maxBytes: [...this.#maxBytes, Math.max(this.#bucketMax, this.totals.liveBytes)],
      collections: this.#collections.sums(true),
      coarseness: this.#coarseness,
    };
    while (made.cells.count > mostCells && made.coarseness < 64 * this.#coarseness)
      made = coarser(made);
    // How long a bucket is, is no sign of how much there is to show: it follows from how long the program runs.
    return { ...made, coarseness: made.coarseness / this.#coarseness };
  }

  #allocation(batch: EventBatch, row: number, threadIndex: number): void {
    const { totals } = this;
    const sizeBytes = batch.sizeBytes(row);
    const stackId = batch.stackId[row]!;
    const thread = Math.min(threadIndex, threadRadix - 1);
    if (this.#isSeen[stackId] !== true) {
      this.#isSeen[stackId] = true;
      this.#stackIds.push(stackId);
    }
    totals.allocationCount++;
    totals.allocatedBytes += sizeBytes;
    this.#live(1, sizeBytes);
    if (totals.liveBytes > this.#bucketMax) this.#bucketMax = totals.liveBytes;
    if (totals.liveBytes > totals.peakBytes) {
      totals.peakBytes = totals.liveBytes;
      totals.peakBlockCount = totals.liveCount;
      totals.peakNs = this.#lastNs;
    }
    const bucket = this.#edges.length - 1;
    this.#cells.add(
      siteKey(stackId, thread),
      cellKey(bucket, never, sizeClass(sizeBytes)),
      1,
      sizeBytes,
    );
    this.#born.add(this.#serial, thread, 0, batch.tickLow[row]!, batch.tickHigh[row]!, 0);
    this.#lastSerial[threadIndex] = this.#serial++;
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
    const bornTick = this.#born.word(at, 3) * 2 ** 32 + this.#born.word(at, 2);
    this.#born.remove(at);
    const sizeBytes = batch.sizeBytes(row);
    this.totals.releaseCount++;
    this.#live(-1, -sizeBytes);
    const key = siteKey(batch.stackId[row]!, thread);
    const size = sizeClass(sizeBytes);
    const birth = this.#bucketOf(serial);
    this.#cells.add(key, cellKey(birth, never, size), -1, -sizeBytes);
    this.#cells.add(key, cellKey(birth, this.#edges.length - 1, size), 1, sizeBytes);
    this.#lives.add(key, lifeClass((batch.tick(row) - bornTick) * nsPerTick), 1, sizeBytes);
    if (last !== serial) return;
    this.totals.temporaryCount++;
    this.#temporary.add(key, birth, 1, sizeBytes);
  }

  #live(blockCount: number, sizeBytes: number): void {
    const { totals } = this;
    totals.liveCount = totals.endCount += blockCount;
    totals.liveBytes = totals.endBytes += sizeBytes;
  }

  /** The last edge that was there when the block was allocated. */
  #bucketOf(serial: number): number {
    let low = 0;
    let high = this.#edges.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#edges[middle]!.serial <= serial) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #mark(kindWord: number, value: number, highWord: number, atNs: number): void {
    if (kindWord === MarkKind.gc) {
      this.#collections.add(value, highWord);
      return;
    }
    switch (kindWord & 0xff) {
      case MarkKind.beforeTeardown:
        this.#special(atNs, 'teardown', '');
        break;
      case MarkKind.checkpoint:
        this.#special(atNs, 'checkpoint', `checkpoint ${value}`);
        break;
      case MarkKind.user:
        this.#special(atNs, 'mark', '');
        break;
      default:
    }
  }

  #special(atNs: number, kind: Edge['kind'], text: string): void {
    if (this.#specialCount >= mostSpecialEdges) return;
    this.#specialCount++;
    this.#edge({ atNs, kind, text, serial: this.#serial });
  }

  #timeEdge(): void {
    this.#edge({ atNs: this.#nextEdgeNs, kind: 'time', text: '', serial: this.#serial });
    this.#timeEdgeCount++;
    this.#nextEdgeNs += this.#stepNs;
    if (this.#timeEdgeCount >= 2 * leastTimeEdges) this.#makeCoarser();
  }

  #edge(edge: RunningEdge): void {
    this.#edges.push(edge);
    this.#maxBytes.push(Math.max(this.#bucketMax, this.totals.liveBytes));
    this.#bucketMax = this.totals.liveBytes;
    this.#collections.endBucket();
  }

  /** Sums that came to nothing go first. */
  #makeRoom(): void {
    this.#cells = withoutEmpty(this.#cells, never);
    while (this.#cells.count > this.#mostHeld / 2 && this.#timeEdgeCount > fewestTimeEdges)
      this.#makeCoarser();
  }

  #makeCoarser(): void {
    // The bucket that is open ends here for the while, and begins again behind the last edge that stays.
    const open = { ...(this.#edges.at(-1) as RunningEdge), kind: 'end' as const };
    const made = coarser({
      edges: [...this.#edges, open],
      cells: withoutEmpty(this.#cells, never),
      temporary: this.#temporary,
      lives: this.#lives,
      maxBytes: [...this.#maxBytes, this.#bucketMax],
      collections: this.#collections.sums(true),
      coarseness: this.#coarseness,
    });
    this.#edges = made.edges.slice(0, -1) as RunningEdge[];
    this.#cells = made.cells;
    this.#temporary = made.temporary;
    this.#bucketMax = made.maxBytes.at(-1) as number;
    this.#maxBytes = made.maxBytes.slice(0, -1);
    this.#collections.goOnFrom(made.collections);
    this.#coarseness = made.coarseness;
    this.#timeEdgeCount = this.#edges.filter(({ kind }) => kind === 'time').length;
    this.#stepNs *= 2;
    const lastTime = this.#edges.findLast(({ kind }) => kind === 'time')?.atNs ?? 0;
    this.#nextEdgeNs = lastTime + this.#stepNs;
  }
}
