// Stack tables, totals by stack and live sets from their bytes: the inverse of src/native/src/encode/tables.rs.

import type { StackTableBuilder } from '../ledger/index.js';
import type { LiveSet, StackTotals } from '../model/index.js';
import type { ByteReader } from './bytes.js';
import { TraceDamage } from './damage.js';

export function decodeStacks(reader: ByteReader, into: StackTableBuilder): void {
  const from = reader.varint();
  const count = reader.count(4);
  if (from !== into.count) throw new TraceDamage(`has stack nodes from ${from}, not ${into.count}`);
  for (let id = from; id < from + count; id++) {
    const distance = reader.varint();
    if (distance < 1 || distance > id)
      throw new TraceDamage(`has a stack node ${id} without a parent`);
    into.push(id - distance, reader.uint8(), reader.varint(), reader.varint());
  }
}

export function decodeLiveSet(reader: ByteReader): LiveSet {
  const count = reader.count(13);
  const live: LiveSet = {
    count,
    address: new Float64Array(count),
    sizeBytes: new Float64Array(count),
    stackId: new Uint32Array(count),
    threadIndex: new Uint32Array(count),
    bornNs: new Float64Array(count),
    entry: new Uint8Array(count),
  };
  let address = 0;
  for (let i = 0; i < count; i++) {
    address += reader.zigzag();
    live.address[i] = address;
  }
  for (let i = 0; i < count; i++) live.sizeBytes[i] = reader.varint();
  for (let i = 0; i < count; i++) live.stackId[i] = reader.varint();
  for (let i = 0; i < count; i++) live.threadIndex[i] = reader.varint();
  for (let i = 0; i < count; i++) live.bornNs[i] = reader.float64();
  for (let i = 0; i < count; i++) live.entry[i] = reader.uint8();
  return live;
}

const totalsColumns = [
  'allocationCount',
  'allocatedBytes',
  'liveCount',
  'liveBytes',
  'temporaryCount',
] as const;

/** `stackCount`: how many nodes are known; a chunk that claims many more is damaged. */
export function decodeStackTotals(reader: ByteReader, stackCount: number): StackTotals {
  const length = reader.varint();
  if (length > Math.max(stackCount, 6) + 2 ** 24)
    throw new TraceDamage(`has totals of ${length} stacks`);
  const totals: StackTotals = {
    allocationCount: new Float64Array(length),
    allocatedBytes: new Float64Array(length),
    liveCount: new Float64Array(length),
    liveBytes: new Float64Array(length),
    temporaryCount: new Float64Array(length),
  };
  const used = reader.count(1 + totalsColumns.length);
  let id = 0;
  for (let i = 0; i < used; i++) {
    id += reader.varint();
    if (id >= length) throw new TraceDamage(`has totals of stack ${id} of ${length}`);
    for (const column of totalsColumns) totals[column][id] = reader.varint();
  }
  return totals;
}
