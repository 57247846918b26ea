// Verdict, owner and referrer of every block at one checkpoint: the last one's alone are kept.
import type {
  Address,
  CheckpointDetail,
  LiveSet,
  OwnerTable,
  Reachability,
} from '../model/index.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { decodeVerdict, encodeVerdict } from './checkpoint-verdicts.js';
import { TraceDamage } from './damage.js';
import type { TraceEncoder } from './encoder.js';
import {
  decodeBytes,
  decodeIndices,
  decodeNames,
  decodeNaturals,
  encodeBytes,
  encodeNaturals,
} from './names.js';
import { decodeCheckpointPools, encodeCheckpointPools } from './pools.js';
import { decodeLiveSet } from './tables.js';

export function encodeBlockVerdicts(
  checkpointNumber: number,
  detail: CheckpointDetail,
  encoder: TraceEncoder,
  out: ByteWriter,
): void {
  const { live, reachability, orphans } = detail;
  out.varint(checkpointNumber);
  out.raw(encoder.liveSet(live));
  for (let row = 0; row < live.count; row++) encodeVerdict(detail.verdict[row], out);
  encodeOwners(detail.owners, out);
  encodeNaturals(
    detail.ownerRow.map((row) => row + 1),
    live.count,
    out,
  );
  out.json(orphans.map((one) => one.className));
  for (const { block, lastSeen } of orphans) {
    out.varint(block);
    out.varint(lastSeen);
  }
  out.uint8(reachability === null ? 0 : 1);
  if (reachability !== null) encodeReachability(reachability, live, out);
  if (detail.pools !== undefined) encodeCheckpointPools(detail.pools, out);
}

export function decodeBlockVerdicts(reader: ByteReader): {
  checkpointNumber: number;
  detail: CheckpointDetail;
} {
  const checkpointNumber = reader.varint();
  const live = decodeLiveSet(reader);
  const verdict = Array.from({ length: live.count }, () => decodeVerdict(reader));
  const owners = decodeOwners(reader);
  const ownerRow = decodeRows(reader, live.count, owners.count);
  const orphans = decodeNames(reader).map((className) => {
    const block = reader.varint();
    if (block >= live.count)
      throw new TraceDamage(`has an orphan ${block} of ${live.count} blocks`);
    return { block, className, lastSeen: reader.varint() };
  });
  const reachability = reader.uint8() === 0 ? null : decodeReachability(reader, live);
  // Since version 3, and only where there are any.
  const pools = reader.remaining === 0 ? {} : { pools: decodeCheckpointPools(reader, live.count) };
  return {
    checkpointNumber,
    detail: { live, verdict, owners, reachability, ownerRow, orphans, ...pools },
  };
}

/** Rows of another table; -1: none. */
function decodeRows(reader: ByteReader, count: number, limit: number): Int32Array {
  const rows = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const row = reader.varint() - 1;
    if (row >= limit) throw new TraceDamage(`names row ${row} of ${limit}`);
    rows[i] = row;
  }
  return rows;
}

function encodeOwners(owners: OwnerTable, out: ByteWriter): void {
  const { count } = owners;
  out.json(owners.classNames);
  out.varint(count);
  encodeNaturals(owners.address, count, out);
  encodeNaturals(owners.sizeBytes, count, out);
  encodeNaturals(owners.snapshotId, count, out);
  encodeNaturals(owners.object, count, out);
  encodeBytes(owners.hold, count, out);
  encodeNaturals(owners.isolate, count, out);
  encodeNaturals(owners.classIndex, count, out);
}

function decodeOwners(reader: ByteReader): OwnerTable {
  const classNames = decodeNames(reader);
  const count = reader.count(7);
  return {
    count,
    classNames,
    address: decodeNaturals(reader, new Float64Array(count)),
    sizeBytes: decodeNaturals(reader, new Float64Array(count)),
    snapshotId: decodeNaturals(reader, new Float64Array(count)),
    object: decodeNaturals(reader, new Uint32Array(count)),
    hold: decodeBytes(reader, count),
    isolate: decodeNaturals(reader, new Uint32Array(count)),
    classIndex: decodeIndices(reader, count, classNames),
  };
}

function encodeReachability(found: Reachability, live: LiveSet, out: ByteWriter): void {
  const { count } = live;
  encodeBytes(found.reach, count, out);
  encodeNaturals(
    found.referrerBlock.map((_, row) => holderOf(found, row, count) + 1),
    count,
    out,
  );
  // Within a block the pointer's place is a small number, and alike for blocks of one kind.
  for (let row = 0; row < count; row++) {
    const holder = holderOf(found, row, count);
    out.zigzag(found.referrer[row] - (holder < 0 ? 0 : live.address[holder]));
  }
  encodeNaturals(found.insideBytes, count, out);
  encodeNaturals(found.root, count, out);
  encodeNaturals(found.firstWord, count, out);
  out.varint(found.regions.length);
  for (const { low, high, reach, id } of found.regions)
    encodeNaturals([low, high, reach, id], 4, out);
  out.varint(found.frames.length);
  for (const { low, tid, kind, index, offset } of found.frames)
    encodeNaturals([low, tid, kind, index, offset], 5, out);
}

function holderOf(found: Reachability, row: number, count: number): number {
  const holder = found.referrerBlock[row];
  return holder >= 0 && holder < count ? holder : -1;
}

function decodeReachability(reader: ByteReader, live: LiveSet): Reachability {
  const { count } = live;
  const reach = decodeBytes(reader, count);
  const referrerBlock = decodeRows(reader, count, count);
  const referrer = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    const holder = referrerBlock[row];
    referrer[row] = reader.zigzag() + (holder < 0 ? 0 : live.address[holder]);
  }
  const insideBytes = decodeNaturals(reader, new Uint32Array(count));
  const root = decodeNaturals(reader, new Uint32Array(count));
  const firstWord = decodeNaturals(reader, new Float64Array(count));
  const regions = Array.from({ length: reader.count(4) }, () => ({
    low: reader.varint() as Address,
    high: reader.varint() as Address,
    reach: reader.varint(),
    id: reader.varint(),
  }));
  const frames = Array.from({ length: reader.count(5) }, () => ({
    low: reader.varint() as Address,
    tid: reader.varint(),
    kind: reader.varint(),
    index: reader.varint(),
    offset: reader.varint(),
  }));
  return { reach, referrer, referrerBlock, insideBytes, root, firstWord, regions, frames };
}
