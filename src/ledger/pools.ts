// Pools that the program announced, and their blocks. These lie inside other live blocks or mappings, so they
// have a table of their own and no part in the totals of malloc.
import type {
  Address,
  LivePool,
  LiveSet,
  PoolGroup,
  PoolLedger,
  PoolMoment,
  PoolSite,
  StackId,
  StackSums,
} from '../model/index.js';
import { AddressRows } from './address-rows.js';
import { grown } from './columns.js';
import { EventType } from './events.js';
import { type Memory, PoolRanges } from './pool-ranges.js';
import { PoolRows } from './pool-rows.js';

interface Group {
  facts: Omit<PoolGroup, 'name'>;
  textId: number;
  liveBytes: number;
}

interface Pool {
  key: number;
  group: number;
  createdTick: number;
  memory: PoolRanges;
  liveCount: number;
  liveBytes: number;
  /** Of the list of its blocks; -1: it has none. */
  firstRow: number;
}

export interface PoolBlock {
  address: number;
  sizeBytes: number;
  stackId: number;
  threadIndex: number;
  tick: number;
  isIgnored: boolean;
}

/** Blocks and pools at a moment; types as text ids. */
export interface PoolSnapshot {
  pools: (Omit<LivePool, 'name'> & { textId: number })[];
  live: LiveSet;
  poolIndex: Uint32Array;
  typeIds: Uint32Array;
  isIgnored: Uint8Array;
}

export class PoolBook {
  unknownPoolCount = 0;
  unknownReleaseCount = 0;
  doubleAllocationCount = 0;
  doubleCreateCount = 0;
  outsideCount = 0;

  private readonly pools = new Map<number, Pool>();
  private readonly groups: Group[] = [];
  private readonly groupByKey = new Map<number, number>();
  private readonly sites: PoolSite[] = [];
  private readonly siteByKey = new Map<number, number>();
  private readonly rows = new PoolRows();
  private readonly byAddress = new AddressRows((row) => this.rows.address[row]!);
  private readonly poolOfRow: Pool[] = [];
  private serial = 0;

  get isEmpty(): boolean {
    return this.groups.length === 0 && this.unknownReleaseCount === 0;
  }

  create(key: number, textId: number, stackId: number, tick: number, memory: Memory): void {
    if (this.pools.has(key)) {
      this.doubleCreateCount++;
      this.destroy(key);
    }
    this.open(key, textId, stackId, tick).memory.add(memory);
  }

  addMemory(key: number, memory: Memory): void {
    const pool = this.pools.get(key);
    if (pool === undefined) this.unknownPoolCount++;
    else pool.memory.add(memory);
  }

  destroy(key: number): void {
    const pool = this.pools.get(key);
    if (pool === undefined) {
      this.unknownPoolCount++;
      return;
    }
    this.endBlocks(pool);
    this.groups[pool.group]!.facts.destroyedCount++;
    this.pools.delete(key);
  }

  clear(key: number): void {
    const pool = this.pools.get(key);
    if (pool === undefined) this.unknownPoolCount++;
    else this.endBlocks(pool);
  }

  allocate(key: number, block: PoolBlock): void {
    let pool = this.pools.get(key);
    if (pool === undefined) {
      this.unknownPoolCount++;
      pool = this.open(key, 0, 0, block.tick);
    }
    const { address, sizeBytes, stackId } = block;
    const there = this.find(pool, address);
    if (there >= 0) {
      this.doubleAllocationCount++;
      this.end(there);
    }
    if (!pool.memory.holds(address, sizeBytes)) this.outsideCount++;
    const site = this.siteOf(pool.group, stackId);
    const row = this.rows.take({ ...block, site, serial: this.serial++ });
    this.poolOfRow[row] = pool;
    this.rows.link(row, pool.firstRow);
    pool.firstRow = row;
    this.byAddress.add(row);
    pool.liveCount++;
    pool.liveBytes += sizeBytes;
    const sums = this.sites[site]!;
    sums.allocationCount++;
    sums.allocatedBytes += sizeBytes;
    sums.liveCount++;
    sums.liveBytes += sizeBytes;
    const group = this.groups[pool.group]!;
    group.facts.allocationCount++;
    group.facts.allocatedBytes += sizeBytes;
    group.liveBytes += sizeBytes;
    group.facts.peakBytes = Math.max(group.facts.peakBytes, group.liveBytes);
  }

  release(key: number, address: number): void {
    const pool = this.pools.get(key);
    const row = pool === undefined ? -1 : this.find(pool, address);
    if (pool === undefined || row < 0) {
      this.unknownReleaseCount++;
      return;
    }
    const { facts } = this.groups[pool.group]!;
    facts.releaseCount++;
    facts.releasedBytes += this.rows.sizeBytes[row]!;
    this.end(row);
  }

  /** The youngest block of any pool that begins there; -1: none. */
  rowAt(address: number): number {
    let youngest = -1;
    this.byAddress.find(address, (row) => {
      if (youngest < 0 || this.rows.serial[row]! > this.rows.serial[youngest]!) youngest = row;
      return false;
    });
    return youngest;
  }

  setType(row: number, typeId: number): void {
    this.rows.typeId[row] = typeId;
  }

  ignore(row: number): void {
    this.rows.isIgnored[row] = 1;
  }

  /** Live blocks that are not ignored, put to sums by stack; null: of all threads. */
  addTo(sums: StackSums, threadIndex: number | null): StackSums {
    const { rows } = this;
    const found = rows
      .inOrder()
      .filter(
        (row) =>
          rows.isIgnored[row] === 0 &&
          (threadIndex === null || rows.threadIndex[row] === threadIndex),
      );
    const stackOf = (row: number) => this.sites[rows.site[row]!]!.stackId;
    let count = sums.liveCount.length;
    for (const row of found) count = Math.max(count, stackOf(row) + 1);
    const liveCount = grown(sums.liveCount, new Float64Array(count));
    const liveBytes = grown(sums.liveBytes, new Float64Array(count));
    for (const row of found) {
      liveCount[stackOf(row)]!++;
      liveBytes[stackOf(row)]! += rows.sizeBytes[row]!;
    }
    return { liveCount, liveBytes };
  }

  snapshot(): PoolSnapshot {
    const { rows } = this;
    const pools = [...this.pools.values()];
    const indexOf = new Map(pools.map((pool, at) => [pool, at]));
    const found = rows.inOrder();
    const column = <Into extends Float64Array | Uint32Array | Uint8Array>(
      into: Into,
      of: ArrayLike<number>,
    ): Into => {
      found.forEach((row, at) => {
        into[at] = of[row]!;
      });
      return into;
    };
    const count = found.length;
    return {
      pools: pools.map(({ key, group, createdTick, memory, liveCount, liveBytes }) => ({
        textId: this.groups[group]!.textId,
        group,
        key: key as Address,
        createdNs: createdTick,
        liveCount,
        liveBytes,
        memory: memory.list(),
      })),
      live: {
        count,
        address: column(new Float64Array(count), rows.address),
        sizeBytes: column(new Float64Array(count), rows.sizeBytes),
        stackId: Uint32Array.from(found, (row) => this.sites[rows.site[row]!]!.stackId),
        threadIndex: column(new Uint32Array(count), rows.threadIndex),
        bornNs: column(new Float64Array(count), rows.tick),
        entry: new Uint8Array(count).fill(EventType.poolAlloc),
      },
      poolIndex: Uint32Array.from(found, (row) => indexOf.get(this.poolOfRow[row]!) ?? 0),
      typeIds: column(new Uint32Array(count), rows.typeId),
      isIgnored: column(new Uint8Array(count), rows.isIgnored),
    };
  }

  /** undefined: the program announced nothing. */
  ledger(
    textOf: (id: number) => string,
    moments: { beforeTeardown: PoolMoment | null; atEnd: PoolMoment },
    notes: { unknownBlockCount: number; unmatchedIgnoreEndCount: number },
  ): PoolLedger | undefined {
    const isSilent = notes.unknownBlockCount + notes.unmatchedIgnoreEndCount === 0;
    if (this.isEmpty && this.unknownPoolCount === 0 && isSilent) return undefined;
    const { unknownPoolCount, unknownReleaseCount, doubleAllocationCount } = this;
    const { doubleCreateCount, outsideCount } = this;
    return {
      groups: this.groups.map(({ facts, textId }) => ({ name: textOf(textId), ...facts })),
      sites: this.sites.map((one) => ({ ...one })),
      ...moments,
      misuse: {
        unknownPoolCount,
        unknownReleaseCount,
        doubleAllocationCount,
        doubleCreateCount,
        outsideCount,
        ...notes,
      },
    };
  }

  private find(pool: Pool, address: number): number {
    return this.byAddress.find(address, (row) => this.poolOfRow[row] === pool);
  }

  private open(key: number, textId: number, stackId: number, createdTick: number): Pool {
    const groupKey = textId * 2 ** 32 + stackId;
    let group = this.groupByKey.get(groupKey);
    if (group === undefined) {
      group = this.groups.push({ facts: emptyGroup(stackId), textId, liveBytes: 0 }) - 1;
      this.groupByKey.set(groupKey, group);
    }
    this.groups[group]!.facts.createdCount++;
    const memory = new PoolRanges();
    const pool = { key, group, createdTick, memory, liveCount: 0, liveBytes: 0, firstRow: -1 };
    this.pools.set(key, pool);
    return pool;
  }

  private endBlocks(pool: Pool): void {
    const { facts } = this.groups[pool.group]!;
    facts.endedCount += pool.liveCount;
    facts.endedBytes += pool.liveBytes;
    while (pool.firstRow >= 0) this.end(pool.firstRow);
  }

  /** Takes a block out of everything but the counts of how it ended. */
  private end(row: number): void {
    const { rows } = this;
    const pool = this.poolOfRow[row]!;
    const sizeBytes = rows.sizeBytes[row]!;
    const site = this.sites[rows.site[row]!]!;
    site.liveCount--;
    site.liveBytes -= sizeBytes;
    pool.liveCount--;
    pool.liveBytes -= sizeBytes;
    this.groups[pool.group]!.liveBytes -= sizeBytes;
    this.byAddress.remove(row);
    if (pool.firstRow === row) pool.firstRow = rows.next[row]!;
    rows.drop(row);
  }

  private siteOf(group: number, stackId: number): number {
    const key = group * 2 ** 32 + stackId;
    let at = this.siteByKey.get(key);
    if (at === undefined) {
      at = this.sites.push({ group, ...noBlocks, stackId: stackId as StackId }) - 1;
      this.siteByKey.set(key, at);
    }
    return at;
  }
}

const noBlocks = { allocationCount: 0, allocatedBytes: 0, liveCount: 0, liveBytes: 0 };

function emptyGroup(stackId: number): Omit<PoolGroup, 'name'> {
  return {
    stackId: stackId as StackId,
    createdCount: 0,
    destroyedCount: 0,
    allocationCount: 0,
    allocatedBytes: 0,
    releaseCount: 0,
    releasedBytes: 0,
    endedCount: 0,
    endedBytes: 0,
    peakBytes: 0,
  };
}
