// One process while it is recorded, or while its trace is replayed: everything that its events say.
// Times are ticks in here; model() turns them into nanoseconds.
import type {
  CheckpointPools,
  CollectedBlocks,
  LiveSet,
  Mapping,
  Mark,
  Moment,
  PoolLedger,
  ResourceBalance,
  ResourceLedger,
  ResourceTable,
  StackSums,
  StackTotals,
  ThreadInfo,
  Totals,
} from '../model/index.js';
import { Announcements } from './announcements.js';
import { CollectionWatch } from './collected.js';
import type { EndedData } from './ended-data.js';
import { type EventBatch, EventType, ExitKind, MarkKind, Teardown } from './events.js';
import type { LedgerHost } from './host.js';
import { Ledger } from './ledger.js';
import { Mappings } from './mappings.js';
import { type NewResource, ResourceBook } from './resources.js';

export interface ThreadFacts {
  index: number;
  tid: number;
  name: string;
  beginTick: number;
  endTick: number | null;
}

/** What the process itself said about its end; the parent may know better (a signal). */
export interface ExitFacts {
  /** MP_EXIT_*; null: it said nothing. */
  kind: number | null;
  status: number;
  /** MP_TEARDOWN_*; null: Node's exit event did not come. */
  teardown: number | null;
  teardownCode: number;
}

interface MarkFacts {
  kind: Mark['kind'];
  tick: number;
  textId: number;
  value: number;
}

const markKinds: ReadonlyMap<number, Mark['kind']> = new Map([
  [MarkKind.beforeTeardown, 'before-teardown'],
  [MarkKind.mallocTrim, 'malloc_trim'],
  [MarkKind.user, 'user'],
  [MarkKind.checkpoint, 'checkpoint'],
]);

/** The parts of a TraceModel that come from events. */
export interface RecordedParts {
  threads: ThreadInfo[];
  stackTotals: StackTotals;
  totals: Totals;
  beforeTeardown: Moment | null;
  atEnd: Moment;
  mappings: Mapping[];
  marks: Mark[];
  resources?: ResourceLedger;
  pools?: PoolLedger;
}

export class Recording {
  readonly ledger: Ledger;
  readonly mappings = new Mappings();
  readonly resources = new ResourceBook();
  /** What the program says by memprof.h. */
  readonly announcements: Announcements;
  readonly threads: ThreadFacts[] = [];
  readonly exit: ExitFacts = { kind: null, status: 0, teardown: null, teardownCode: 0 };
  readonly forkedPids: number[] = [];
  /** Events that the shim could not record, as LOST records tell it in their place. */
  lostCount = 0;
  lastTick = 0;
  /** Born "times" in ticks. */
  beforeTeardown: { tick: number; live: LiveSet } | null = null;
  /** Called at the very place of the mark, with the live set in ticks. */
  onBeforeTeardown: ((tick: number, live: LiveSet) => void) | null = null;
  /** Called at the very place of a checkpoint's mark. */
  onCheckpoint: ((tick: number, number: number) => void) | null = null;
  /** Called at the very place of each mark that becomes one of the model's, with its index there. */
  onMark: ((tick: number, index: number) => void) | null = null;
  /** Called at the very place of a question's mark. */
  onQuestion: ((tick: number, number: number, threadIndex: number) => void) | null = null;

  private readonly threadByIndex = new Map<number, ThreadFacts>();
  private readonly threadByTid = new Map<number, ThreadFacts>();
  private readonly nameByTid = new Map<number, string>();
  private readonly marks: MarkFacts[] = [];
  private readonly texts = new Map<number, string>();
  private readonly collection = new CollectionWatch();

  /** `capacity`: places in the ledger's table at first. */
  constructor(host: LedgerHost, capacity?: number) {
    this.ledger = new Ledger(host, capacity);
    this.announcements = new Announcements(this.ledger);
  }

  consume(batch: EventBatch): void {
    let row = 0;
    const { notes } = this.announcements;
    while (true) {
      const from = row;
      const serial = this.ledger.nextSerial;
      row = this.ledger.consume(batch, row);
      if (this.collection.isActive) this.collection.follow(batch, from, row, serial);
      if (notes.isActive) notes.follow(batch, from, row);
      if (row >= batch.count) break;
      this.consumeRare(batch, row);
      row++;
    }
    if (batch.count > 0) this.lastTick = Math.max(this.lastTick, batch.endTick(batch.count - 1));
  }

  addText(id: number, text: string): void {
    this.texts.set(id, text);
  }

  parts(nsPerTick: number, stackCount: number): RecordedParts {
    const before = this.beforeTeardown;
    const textOf = (id: number) => this.textOf(id);
    const atEnd = this.live(nsPerTick);
    const resources = this.resources.ledger(nsPerTick, atEnd, textOf);
    const pools = this.announcements.ledger(nsPerTick, textOf);
    return {
      threads: this.threads.map(({ index, tid, name, beginTick, endTick }) => ({
        index,
        tid,
        name,
        beginNs: beginTick * nsPerTick,
        endNs: endTick === null ? null : endTick * nsPerTick,
      })),
      stackTotals: this.ledger.stackTotals(stackCount),
      totals: this.ledger.totals(nsPerTick),
      beforeTeardown:
        before === null
          ? null
          : {
              name: 'before-teardown',
              atNs: before.tick * nsPerTick,
              live: scaleTimes(before.live, nsPerTick),
            },
      atEnd: {
        name: 'at-end',
        atNs: this.lastTick * nsPerTick,
        live: atEnd,
      },
      mappings: this.mappings.list(nsPerTick),
      marks: this.marks.map(({ kind, tick, textId, value }) => ({
        kind,
        atNs: tick * nsPerTick,
        text: this.texts.get(textId) ?? '',
        value,
      })),
      ...(resources === undefined ? {} : { resources }),
      ...(pools === undefined ? {} : { pools }),
    };
  }

  /** The live blocks, with what the program said of them. */
  live(nsPerTick: number): LiveSet {
    return this.announcements.described(this.ledger.snapshot(nsPerTick), (id) => this.textOf(id));
  }

  /**
   * Live blocks by stack, those of pools too (their stacks are no other blocks'), but those that the program wants
   * ignored; of one thread: a pass over the blocks.
   */
  leakableSums(threadIndex: number | null): StackSums {
    const { notes, pools } = this.announcements;
    let sums: StackSums;
    if (threadIndex === null) {
      sums = this.ledger.liveSums();
      for (const [stackId, { blockCount, sizeBytes }] of notes.ignoredByStack) {
        sums.liveCount[stackId]! -= blockCount;
        sums.liveBytes[stackId]! -= sizeBytes;
      }
    } else {
      sums = this.ledger.liveSumsOf(0, threadIndex, (address) => notes.isIgnored(address));
    }
    return pools.isEmpty ? sums : pools.addTo(sums, threadIndex);
  }

  /** As of now, in ticks, for a checkpoint: live blocks, and behind them those of pools. */
  liveWithPools(): { live: LiveSet; pools: CheckpointPools | null } {
    return this.announcements.liveWithPools(this.live(1), (id) => this.textOf(id));
  }

  /** At a checkpoint's place: what went since V8 was made to collect for it. null: it was not. */
  collectedNow(): CollectedBlocks | null {
    return this.collection.result();
  }

  private textOf(id: number): string {
    return this.texts.get(id) ?? '';
  }

  /** As of now, in ticks: for a checkpoint. */
  resourcesNow(
    live: LiveSet,
    isInBlock: (address: number) => boolean,
  ): { outstanding?: ResourceTable; ended?: EndedData } {
    if (this.resources.isEmpty) return {};
    const textOf = (id: number) => this.textOf(id);
    const { outstanding } = this.resources.ledger(1, live, textOf) as ResourceLedger;
    return { outstanding, ended: this.resources.ended.table(isInBlock, textOf) };
  }

  /** As of now. */
  resourceBalances(): ResourceBalance[] {
    return this.resources.balances(
      (address) => this.ledger.isLive(address),
      (id) => this.texts.get(id) ?? '',
    );
  }

  private consumeRare(batch: EventBatch, row: number): void {
    const type = batch.type[row]!;
    const tick = batch.tick(row);
    this.ledger.countEvent(type);
    switch (type) {
      case EventType.map: {
        const high = batch.rareHigh(row, 2);
        this.mappings.map(batch.rareWord(row, 0), batch.rareWord(row, 1), {
          stackId: batch.rareLow(row, 2),
          bornTick: tick,
          prot: high & 0xff,
          flags: high >>> 8,
        });
        break;
      }
      case EventType.unmap:
        this.mappings.unmap(batch.rareWord(row, 0), batch.rareWord(row, 1));
        break;
      case EventType.remap:
        this.mappings.remap(
          batch.rareWord(row, 0),
          batch.rareWord(row, 1),
          batch.rareWord(row, 2),
          batch.rareWord(row, 3),
          batch.rareLow(row, 4),
          tick,
        );
        break;
      case EventType.heapBreak:
        this.moveBreak(batch.rareWord(row, 0), batch.rareWord(row, 1), batch.rareLow(row, 2), tick);
        break;
      case EventType.resourceNew:
        this.resources.add(newResource(batch, row, tick));
        break;
      case EventType.resourceEnd:
        this.resources.end(batch.rareWord(row, 1), (batch.rareLow(row, 0) >>> 8) & 0xff);
        break;
      case EventType.resourceChange:
        this.resources.change(batch.rareWord(row, 1), signedWord(batch, row, 2));
        break;
      case EventType.threadBegin:
        this.beginThread(batch.rareHigh(row, 0), batch.rareLow(row, 0), tick);
        break;
      case EventType.threadEnd:
        this.endThread(batch.threadIndex[row]!, tick);
        break;
      case EventType.threadName:
        this.nameThread(batch.rareLow(row, 0), nameOf(batch, row));
        break;
      case EventType.mark:
        this.addMark(batch, row, tick);
        break;
      case EventType.fork:
        this.forkedPids.push(batch.rareLow(row, 0));
        break;
      case EventType.exit: {
        const kind = batch.rareLow(row, 0);
        // A failed exec takes the announcement back.
        this.exit.kind = kind === ExitKind.execFailed ? null : kind;
        this.exit.status = batch.rareHigh(row, 0);
        break;
      }
      case EventType.lost:
        this.lostCount += batch.rareWord(row, 0);
        break;
      default:
        this.announcements.take(batch, row, tick);
    }
  }

  /** The heap's top moved: what brk added is a mapping with flags 0. */
  private moveBreak(oldBreak: number, newBreak: number, stackId: number, tick: number): void {
    if (newBreak > oldBreak)
      this.mappings.map(oldBreak, newBreak - oldBreak, {
        stackId,
        bornTick: tick,
        prot: 3,
        flags: 0,
      });
    else this.mappings.unmap(newBreak, oldBreak - newBreak);
  }

  private beginThread(index: number, tid: number, tick: number): void {
    const known = this.threadByIndex.get(index);
    if (known !== undefined) {
      // It ended, then its last destructors allocated again.
      known.endTick = null;
      return;
    }
    const thread = {
      index,
      tid,
      name: this.nameByTid.get(tid) ?? '',
      beginTick: tick,
      endTick: null,
    };
    this.nameByTid.delete(tid);
    this.threads.push(thread);
    this.threadByIndex.set(index, thread);
    this.threadByTid.set(tid, thread);
  }

  private endThread(index: number, tick: number): void {
    const thread = this.threadByIndex.get(index);
    if (thread === undefined) return;
    thread.endTick = tick;
    if (!this.resources.isEmpty) this.resources.endThread(index);
    this.announcements.notes.endThread(index);
    if (this.threadByTid.get(thread.tid) === thread) this.threadByTid.delete(thread.tid);
  }

  /** A thread is often named by its creator, before its own first event. */
  private nameThread(tid: number, name: string): void {
    const thread = this.threadByTid.get(tid);
    if (thread === undefined) this.nameByTid.set(tid, name);
    else thread.name = name;
  }

  private addMark(batch: EventBatch, row: number, tick: number): void {
    const number = batch.rareLow(row, 0);
    // Who is called at a mark finds the time of the mark.
    this.lastTick = Math.max(this.lastTick, tick);
    if (number === MarkKind.question)
      this.onQuestion?.(tick, batch.rareWord(row, 1), batch.threadIndex[row]!);
    if (number === MarkKind.collect)
      this.collection.begin({
        residentBeforeBytes: batch.rareWord(row, 1),
        beforeCount: this.ledger.blockCount,
        beforeBytes: this.ledger.blockBytes,
        serial: this.ledger.nextSerial,
      });
    const kind = markKinds.get(number);
    if (kind === undefined) {
      this.announcements.takeMark(number, batch.threadIndex[row]!);
      return;
    }
    const value = kind === 'before-teardown' ? batch.rareLow(row, 1) : batch.rareWord(row, 1);
    this.marks.push({ kind, tick, textId: batch.rareHigh(row, 0), value });
    this.onMark?.(tick, this.marks.length - 1);
    if (kind === 'checkpoint') {
      this.onCheckpoint?.(tick, value);
      this.collection.end();
    }
    if (kind !== 'before-teardown') return;
    this.exit.teardown = Math.min(batch.rareHigh(row, 1), Teardown.uncaught);
    this.exit.teardownCode = batch.rareLow(row, 1);
    this.beforeTeardown = { tick, live: this.live(1) };
    this.announcements.markTeardown();
    this.resources.markTeardown(this.beforeTeardown.live);
    this.onBeforeTeardown?.(tick, this.beforeTeardown.live);
  }
}

/** Words of MP_RESOURCE_NEW, as interpose/wire.h has them. */
function newResource(batch: EventBatch, row: number, tick: number): NewResource {
  const first = batch.rareLow(row, 0);
  return {
    id: batch.rareWord(row, 1),
    kind: first & 0xff,
    isUnwatched: ((first >>> 8) & 1) !== 0,
    environment: first >>> 16,
    stackId: batch.rareHigh(row, 0),
    threadIndex: batch.threadIndex[row]!,
    tick,
    data: batch.rareWord(row, 2),
    handle: batch.rareWord(row, 3),
    value: signedWord(batch, row, 4),
    textId: batch.rareLow(row, 5),
  };
}

function signedWord(batch: EventBatch, row: number, index: number): number {
  return (batch.rareHigh(row, index) | 0) * 2 ** 32 + batch.rareLow(row, index);
}

function nameOf(batch: EventBatch, row: number): string {
  const bytes: number[] = [];
  for (let word = 1; word <= 2; word++) {
    for (const half of [batch.rareLow(row, word), batch.rareHigh(row, word)]) {
      for (let shift = 0; shift < 32; shift += 8) bytes.push((half >>> shift) & 0xff);
    }
  }
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(Uint8Array.from(end < 0 ? bytes : bytes.slice(0, end)));
}

export function scaleTimes(live: LiveSet, nsPerTick: number): LiveSet {
  return { ...live, bornNs: live.bornNs.map((ticks) => ticks * nsPerTick) };
}
