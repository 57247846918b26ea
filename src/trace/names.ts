// Lists of names and columns of numbers, as the chunks of checkpoints and resources hold them.
import type { ByteReader, ByteWriter } from './bytes.js';
import { TraceDamage } from './damage.js';

type Column = ArrayLike<number>;

export function decodeNames(reader: ByteReader): string[] {
  const names = reader.json();
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
    throw new TraceDamage('has a list of names that is none');
  return names;
}

/** Natural numbers below 2^53; what is none (an address of a damaged process) is written as 0. */
export function encodeNaturals(column: Column, count: number, out: ByteWriter): void {
  out.naturals(column, count);
}

export function decodeNaturals<Into extends Float64Array | Uint32Array>(
  reader: ByteReader,
  into: Into,
): Into {
  for (let i = 0; i < into.length; i++) into[i] = reader.varint();
  return into;
}

export function encodeBytes(column: Uint8Array, count: number, out: ByteWriter): void {
  out.raw(column.subarray(0, count));
}

export function decodeBytes(reader: ByteReader, count: number): Uint8Array {
  const into = new Uint8Array(count);
  for (let i = 0; i < count; i++) into[i] = reader.uint8();
  return into;
}

/** Indices of names. */
export function decodeIndices(reader: ByteReader, count: number, names: string[]): Uint32Array {
  const indices = decodeNaturals(reader, new Uint32Array(count));
  for (const index of indices)
    if (index >= names.length) throw new TraceDamage(`names class ${index} of ${names.length}`);
  return indices;
}
