// Pools that the program announced: sums by group and site, and what they held at both moments.
import type {
  Address,
  CheckpointPools,
  LivePool,
  PoolGroup,
  PoolLedger,
  PoolMisuse,
  PoolMoment,
  PoolSite,
  StackId,
} from '../model/index.js';
import { decodeAnnounced, encodeAnnounced } from './announced.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { TraceDamage } from './damage.js';
import type { TraceEncoder } from './encoder.js';
import { decodeNames, decodeNaturals, encodeNaturals } from './names.js';
import { decodeLiveSet } from './tables.js';

const groupFields = [
  'stackId',
  'createdCount',
  'destroyedCount',
  'allocationCount',
  'allocatedBytes',
  'releaseCount',
  'releasedBytes',
  'endedCount',
  'endedBytes',
  'peakBytes',
] as const satisfies readonly (keyof PoolGroup)[];
const siteFields = [
  'group',
  'stackId',
  'allocationCount',
  'allocatedBytes',
  'liveCount',
  'liveBytes',
] as const satisfies readonly (keyof PoolSite)[];
const misuseFields = [
  'unknownPoolCount',
  'unknownReleaseCount',
  'doubleAllocationCount',
  'doubleCreateCount',
  'outsideCount',
  'unknownBlockCount',
  'unmatchedIgnoreEndCount',
] as const satisfies readonly (keyof PoolMisuse)[];

export function encodePools(ledger: PoolLedger, encoder: TraceEncoder, out: ByteWriter): void {
  const { groups, sites, misuse, beforeTeardown, atEnd } = ledger;
  out.json(groups.map((group) => group.name));
  for (const group of groups) encodeFields(group, groupFields, out);
  out.varint(sites.length);
  for (const site of sites) encodeFields(site, siteFields, out);
  encodeFields(misuse, misuseFields, out);
  out.uint8(beforeTeardown === null ? 0 : 1);
  if (beforeTeardown !== null) encodeMoment(beforeTeardown, encoder, out);
  encodeMoment(atEnd, encoder, out);
}

export function decodePools(reader: ByteReader): PoolLedger {
  const groups = decodeNames(reader).map((name) => ({
    name,
    ...decodeFields<PoolGroup, (typeof groupFields)[number]>(reader, groupFields),
  }));
  const sites = Array.from({ length: reader.count(siteFields.length) }, () =>
    decodeFields<PoolSite, (typeof siteFields)[number]>(reader, siteFields),
  );
  for (const site of sites) checkIndex(site.group, groups.length);
  const misuse = decodeFields<PoolMisuse, (typeof misuseFields)[number]>(reader, misuseFields);
  const beforeTeardown = reader.uint8() === 0 ? null : decodeMoment(reader, groups.length);
  return { groups, sites, misuse, beforeTeardown, atEnd: decodeMoment(reader, groups.length) };
}

/** At the end of kind 8, where a checkpoint has pools. */
export function encodeCheckpointPools(found: CheckpointPools, out: ByteWriter): void {
  out.varint(found.firstRow);
  encodeList(found.pools, out);
  encodeNaturals(found.poolIndex, found.poolIndex.length, out);
}

export function decodeCheckpointPools(reader: ByteReader, blockCount: number): CheckpointPools {
  const firstRow = reader.varint();
  if (firstRow > blockCount)
    throw new TraceDamage(`has blocks of pools from ${firstRow} of ${blockCount}`);
  const pools = decodeList(reader, Number.POSITIVE_INFINITY);
  return { firstRow, pools, poolIndex: decodeIndex(reader, blockCount - firstRow, pools) };
}

function encodeMoment(
  { pools, live, poolIndex }: PoolMoment,
  encoder: TraceEncoder,
  out: ByteWriter,
): void {
  encodeList(pools, out);
  out.raw(encoder.liveSet(live));
  encodeNaturals(poolIndex, live.count, out);
  encodeAnnounced(live.announced, out);
}

function decodeMoment(reader: ByteReader, groupCount: number): PoolMoment {
  const pools = decodeList(reader, groupCount);
  const live = decodeLiveSet(reader);
  const poolIndex = decodeIndex(reader, live.count, pools);
  return { pools, live: decodeAnnounced(reader)(live), poolIndex };
}

function decodeIndex(reader: ByteReader, count: number, pools: readonly LivePool[]): Uint32Array {
  const index = decodeNaturals(reader, new Uint32Array(count));
  for (const one of index) checkIndex(one, pools.length);
  return index;
}

function encodeList(pools: readonly LivePool[], out: ByteWriter): void {
  out.json(pools.map((pool) => pool.name));
  for (const { group, key, createdNs, liveCount, liveBytes, memory } of pools) {
    encodeNaturals([group, key, liveCount, liveBytes], 4, out);
    out.float64(createdNs);
    out.varint(memory.length);
    for (const { address, sizeBytes } of memory) encodeNaturals([address, sizeBytes], 2, out);
  }
}

function decodeList(reader: ByteReader, groupCount: number): LivePool[] {
  return decodeNames(reader).map((name) => {
    const group = reader.varint();
    checkIndex(group, groupCount);
    return {
      name,
      group,
      key: reader.varint() as Address,
      liveCount: reader.varint(),
      liveBytes: reader.varint(),
      createdNs: reader.float64(),
      memory: Array.from({ length: reader.count(2) }, () => ({
        address: reader.varint() as Address,
        sizeBytes: reader.varint(),
      })),
    };
  });
}

function checkIndex(index: number, count: number): void {
  if (index >= count) throw new TraceDamage(`names pool ${index} of ${count}`);
}

function encodeFields<Field extends string>(
  from: Readonly<Record<Field, number>>,
  fields: readonly Field[],
  out: ByteWriter,
): void {
  encodeNaturals(
    fields.map((field) => from[field]),
    fields.length,
    out,
  );
}

function decodeFields<From, Field extends keyof From>(
  reader: ByteReader,
  fields: readonly Field[],
): Pick<From, Field> {
  const numbers = fields.map((field) => [field, reader.varint() as number | StackId] as const);
  return Object.fromEntries(numbers) as unknown as Pick<From, Field>;
}
