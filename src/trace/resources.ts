// The ledger of Node-API and V8 resources: sums by kind and stack, and those that are outstanding.
import type { ResourceLedger, ResourceTable, ResourceTotals, StackId } from '../model/index.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import {
  decodeBytes,
  decodeIndices,
  decodeNames,
  decodeNaturals,
  encodeBytes,
  encodeNaturals,
} from './names.js';

export function encodeResources({ totals, outstanding }: ResourceLedger, out: ByteWriter): void {
  out.json(totals.map((one) => one.className));
  for (const one of totals) {
    out.uint8(one.kind);
    const { stackId, createdCount, unwatchedCount } = one;
    encodeNaturals([stackId, createdCount, unwatchedCount], 3, out);
    encodeNaturals([one.releasedCount, one.finalizedCount, one.tornDownCount], 3, out);
    out.zigzag(one.outstandingValue);
  }
  const { count } = outstanding;
  out.json(outstanding.classNames);
  out.varint(count);
  encodeNaturals(outstanding.id, count, out);
  encodeBytes(outstanding.kind, count, out);
  encodeNaturals(outstanding.stackId, count, out);
  encodeNaturals(outstanding.threadIndex, count, out);
  encodeNaturals(outstanding.environment, count, out);
  for (let row = 0; row < count; row++) out.float64(outstanding.createdNs[row]);
  encodeNaturals(outstanding.data, count, out);
  encodeNaturals(outstanding.handle, count, out);
  for (let row = 0; row < count; row++) out.zigzag(outstanding.value[row]);
  encodeNaturals(outstanding.classIndex, count, out);
}

export function decodeResources(reader: ByteReader): ResourceLedger {
  const totals = decodeNames(reader).map(
    (className): ResourceTotals => ({
      className,
      kind: reader.uint8(),
      stackId: reader.varint() as StackId,
      createdCount: reader.varint(),
      unwatchedCount: reader.varint(),
      releasedCount: reader.varint(),
      finalizedCount: reader.varint(),
      tornDownCount: reader.varint(),
      outstandingValue: reader.zigzag(),
    }),
  );
  const classNames = decodeNames(reader);
  const count = reader.count(17);
  const outstanding: ResourceTable = {
    count,
    classNames,
    id: decodeNaturals(reader, new Float64Array(count)),
    kind: decodeBytes(reader, count),
    stackId: decodeNaturals(reader, new Uint32Array(count)),
    threadIndex: decodeNaturals(reader, new Uint32Array(count)),
    environment: decodeNaturals(reader, new Uint32Array(count)),
    createdNs: Float64Array.from({ length: count }, () => reader.float64()),
    data: decodeNaturals(reader, new Float64Array(count)),
    handle: decodeNaturals(reader, new Float64Array(count)),
    value: Float64Array.from({ length: count }, () => reader.zigzag()),
    classIndex: decodeIndices(reader, count, classNames),
  };
  return { totals, outstanding };
}
