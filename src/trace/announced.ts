// What the program said of the blocks of a live set: few rows, so each says which it is.
import type { Announced, LiveSet } from '../model/index.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { TraceDamage } from './damage.js';
import { decodeNames } from './names.js';

export function encodeAnnounced(announced: Announced | undefined, out: ByteWriter): void {
  const { typeIndex, typeNames, isIgnored } = announced ?? none;
  out.json(typeNames);
  const rows: number[] = [];
  for (let row = 0; row < typeIndex.length; row++)
    if (typeIndex[row] !== 0 || isIgnored[row] !== 0) rows.push(row);
  out.varint(rows.length);
  let last = 0;
  for (const row of rows) {
    out.varint(row - last);
    last = row;
    out.varint(typeIndex[row]);
    out.uint8(isIgnored[row]);
  }
}

const none: Announced = {
  typeIndex: new Uint32Array(0),
  typeNames: [],
  isIgnored: new Uint8Array(0),
};

/** Returns what puts it on its live set. */
export function decodeAnnounced(reader: ByteReader): (live: LiveSet) => LiveSet {
  const typeNames = decodeNames(reader);
  const count = reader.count(3);
  const rows: { row: number; type: number; isIgnored: number }[] = [];
  let row = 0;
  for (let i = 0; i < count; i++) {
    row += reader.varint();
    const type = reader.varint();
    if (type > typeNames.length) throw new TraceDamage(`names type ${type} of ${typeNames.length}`);
    rows.push({ row, type, isIgnored: reader.uint8() === 0 ? 0 : 1 });
  }
  return (live) => {
    if (count === 0) return live;
    if (row >= live.count) throw new TraceDamage(`says something of block ${row} of ${live.count}`);
    const announced: Announced = {
      typeIndex: new Uint32Array(live.count),
      typeNames,
      isIgnored: new Uint8Array(live.count),
    };
    for (const one of rows) {
      announced.typeIndex[one.row] = one.type;
      announced.isIgnored[one.row] = one.isIgnored;
    }
    return { ...live, announced };
  };
}
