// What the program says by memprof.h, as its events come: pools go to their book, notes to the blocks.
import type {
  Announced,
  CheckpointPools,
  LiveSet,
  PoolLedger,
  PoolMoment,
} from '../model/index.js';
import { BlockNotes } from './block-notes.js';
import { type EventBatch, EventType, MarkKind } from './events.js';
import type { Ledger } from './ledger.js';
import { PoolBook, type PoolSnapshot } from './pools.js';

type TextOf = (id: number) => string;

export class Announcements {
  readonly notes = new BlockNotes();
  readonly pools = new PoolBook();
  private readonly blocks: Pick<Ledger, 'blockAt'>;
  private unknownBlockCount = 0;
  /** As of the last mark of teardown, in ticks. */
  private before: PoolSnapshot | null = null;

  constructor(blocks: Pick<Ledger, 'blockAt'>) {
    this.blocks = blocks;
  }

  take(batch: EventBatch, row: number, tick: number): void {
    const key = batch.rareWord(row, 0);
    const { pools } = this;
    switch (batch.type[row]!) {
      case EventType.poolCreate: {
        const memory = { address: batch.rareWord(row, 1), sizeBytes: batch.rareWord(row, 2) };
        pools.create(key, batch.rareHigh(row, 3), batch.rareLow(row, 3), tick, memory);
        break;
      }
      case EventType.poolMemory:
        pools.addMemory(key, {
          address: batch.rareWord(row, 1),
          sizeBytes: batch.rareWord(row, 2),
        });
        break;
      case EventType.poolDestroy:
        pools.destroy(key);
        break;
      case EventType.poolClear:
        pools.clear(key);
        break;
      case EventType.poolAlloc: {
        const threadIndex = batch.threadIndex[row]!;
        pools.allocate(key, {
          address: batch.rareWord(row, 1),
          sizeBytes: batch.rareWord(row, 2),
          stackId: batch.rareLow(row, 3),
          threadIndex,
          tick,
          isIgnored: this.notes.isIgnoring(threadIndex),
        });
        break;
      }
      case EventType.poolFree:
        pools.release(key, batch.rareWord(row, 1));
        break;
      case EventType.blockType:
        this.setType(key, batch.rareLow(row, 1));
        break;
      case EventType.blockIgnore:
        this.ignore(key);
        break;
    }
  }

  takeMark(kind: number, threadIndex: number): void {
    if (kind === MarkKind.ignoreBegin) this.notes.beginIgnoring(threadIndex);
    else if (kind === MarkKind.ignoreEnd) this.notes.endIgnoring(threadIndex);
  }

  markTeardown(): void {
    this.before = this.pools.isEmpty ? null : this.pools.snapshot();
  }

  /** With the program's words on its rows, if there are any. */
  described(live: LiveSet, textOf: TextOf): LiveSet {
    if (!this.notes.hasNotes) return live;
    const typeIds = new Uint32Array(live.count);
    const isIgnored = new Uint8Array(live.count);
    this.notes.describe(live, typeIds, isIgnored);
    return withWords(live, typeIds, isIgnored, textOf);
  }

  liveWithPools(live: LiveSet, textOf: TextOf): { live: LiveSet; pools: CheckpointPools | null } {
    if (this.pools.isEmpty) return { live, pools: null };
    const found = momentOf(this.pools.snapshot(), 1, textOf);
    return {
      live: concatenate(live, found.live),
      pools: { firstRow: live.count, poolIndex: found.poolIndex, pools: found.pools },
    };
  }

  ledger(nsPerTick: number, textOf: TextOf): PoolLedger | undefined {
    const moments = {
      beforeTeardown: this.before === null ? null : momentOf(this.before, nsPerTick, textOf),
      atEnd: momentOf(this.pools.snapshot(), nsPerTick, textOf),
    };
    return this.pools.ledger(textOf, moments, {
      unknownBlockCount: this.unknownBlockCount,
      unmatchedIgnoreEndCount: this.notes.unmatchedEndCount,
    });
  }

  /** Where a block of a pool and one of malloc begin at one address, the pool's is meant: it is the inner one. */
  private setType(address: number, typeId: number): void {
    const row = this.pools.rowAt(address);
    if (row >= 0) {
      this.pools.setType(row, typeId);
      return;
    }
    const block = this.blocks.blockAt(address);
    if (block === null) this.unknownBlockCount++;
    else this.notes.setType(address, block, typeId);
  }

  private ignore(address: number): void {
    const row = this.pools.rowAt(address);
    if (row >= 0) {
      this.pools.ignore(row);
      return;
    }
    const block = this.blocks.blockAt(address);
    if (block === null) this.unknownBlockCount++;
    else this.notes.ignore(address, block);
  }
}

/** Nothing is added where nothing was said of any row. */
function withWords(
  live: LiveSet,
  typeIds: Uint32Array,
  isIgnored: Uint8Array,
  textOf: TextOf,
): LiveSet {
  const typeNames: string[] = [];
  const indexById = new Map<number, number>([[0, 0]]);
  const typeIndex = typeIds.map((id) => {
    let index = indexById.get(id);
    if (index === undefined) {
      const name = textOf(id);
      index = name === '' ? 0 : typeNames.push(name);
      indexById.set(id, index);
    }
    return index;
  });
  const isSilent = typeNames.length === 0 && !isIgnored.includes(1);
  return isSilent ? live : { ...live, announced: { typeIndex, typeNames, isIgnored } };
}

function momentOf(found: PoolSnapshot, nsPerTick: number, textOf: TextOf): PoolMoment {
  const { live, poolIndex, typeIds, isIgnored } = found;
  return {
    pools: found.pools.map(({ textId, createdNs, ...pool }) => ({
      ...pool,
      name: textOf(textId),
      createdNs: createdNs * nsPerTick,
    })),
    live: withWords(
      { ...live, bornNs: live.bornNs.map((ticks) => ticks * nsPerTick) },
      typeIds,
      isIgnored,
      textOf,
    ),
    poolIndex,
  };
}

/** Rows of one live set behind those of another. */
function concatenate(first: LiveSet, second: LiveSet): LiveSet {
  const count = first.count + second.count;
  const join = <Into extends Float64Array | Uint32Array | Uint8Array>(
    into: Into,
    a: ArrayLike<number>,
    b: ArrayLike<number>,
  ): Into => {
    into.set(a);
    into.set(b, first.count);
    return into;
  };
  return {
    count,
    address: join(new Float64Array(count), first.address, second.address),
    sizeBytes: join(new Float64Array(count), first.sizeBytes, second.sizeBytes),
    stackId: join(new Uint32Array(count), first.stackId, second.stackId),
    threadIndex: join(new Uint32Array(count), first.threadIndex, second.threadIndex),
    bornNs: join(new Float64Array(count), first.bornNs, second.bornNs),
    entry: join(new Uint8Array(count), first.entry, second.entry),
    ...(first.announced === undefined && second.announced === undefined
      ? {}
      : { announced: joinAnnounced(first, second) }),
  };
}

function joinAnnounced(first: LiveSet, second: LiveSet): Announced {
  const typeIndex = new Uint32Array(first.count + second.count);
  const isIgnored = new Uint8Array(typeIndex.length);
  const typeNames = [...(first.announced?.typeNames ?? [])];
  const shift = typeNames.length;
  typeNames.push(...(second.announced?.typeNames ?? []));
  if (first.announced !== undefined) {
    typeIndex.set(first.announced.typeIndex);
    isIgnored.set(first.announced.isIgnored);
  }
  if (second.announced !== undefined) {
    typeIndex.set(
      second.announced.typeIndex.map((index) => (index === 0 ? 0 : index + shift)),
      first.count,
    );
    isIgnored.set(second.announced.isIgnored, first.count);
  }
  return { typeIndex, typeNames, isIgnored };
}
