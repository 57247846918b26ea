// Memory over time, in columns: kind 15 of docs/trace-format.md.
import { type MemoryTimeline, timelineParts } from '../model/index.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { TraceDamage } from './damage.js';

const sampleColumns = ['residentBytes', 'liveBytes', 'liveCount', 'lagNs'] as const;
const partColumns = [...sampleColumns, ...timelineParts] as const;
const peakSources = ['kernel', 'samples'] as const;

export function encodeTimeline(
  { samples, parts, peak, cost }: MemoryTimeline,
  out: ByteWriter,
): void {
  encodeColumns(samples, sampleColumns, out);
  encodeColumns(parts, partColumns, out);
  out.varint(peak.residentBytes);
  out.uint8(peakSources.indexOf(peak.source));
  for (const value of [peak.askedNs, peak.sampledBytes, peak.sampledNs]) out.varint(value);
  for (const value of [cost.sampleCount, cost.sampleNs, cost.partsCount, cost.partsNs])
    out.varint(value);
}

export function decodeTimeline(reader: ByteReader): MemoryTimeline {
  const samples = decodeColumns(reader, sampleColumns);
  const parts = decodeColumns(reader, partColumns);
  const residentBytes = reader.varint();
  const source = peakSources[reader.uint8()];
  if (source === undefined) throw new TraceDamage('has a peak of memory from nowhere');
  const natural = () => reader.varint();
  return {
    samples,
    parts,
    peak: {
      residentBytes,
      source,
      askedNs: natural(),
      sampledBytes: natural(),
      sampledNs: natural(),
    },
    cost: {
      sampleCount: natural(),
      sampleNs: natural(),
      partsCount: natural(),
      partsNs: natural(),
    },
  };
}

type Columns<Name extends string> = { count: number; atNs: Float64Array } & Record<
  Name,
  Float64Array
>;

/** Values change little from row to row. */
function encodeColumns<Name extends string>(
  table: Columns<Name>,
  names: readonly Name[],
  out: ByteWriter,
): void {
  out.varint(table.count);
  for (const column of [table.atNs, ...names.map((name) => table[name])]) {
    let last = 0;
    for (const value of column) {
      out.zigzag(value - last);
      last = value;
    }
  }
}

function decodeColumns<Name extends string>(
  reader: ByteReader,
  names: readonly Name[],
): Columns<Name> {
  const count = reader.count(names.length + 1);
  const column = (): Float64Array => {
    let last = 0;
    return Float64Array.from({ length: count }, () => {
      last += reader.zigzag();
      if (!(last >= 0)) throw new TraceDamage('has less than nothing in its timeline');
      return last;
    });
  };
  const atNs = column();
  const rest = Object.fromEntries(names.map((name) => [name, column()]));
  return { count, atNs, ...(rest as Record<Name, Float64Array>) };
}
