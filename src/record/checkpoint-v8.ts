// What V8 said of its heap for a checkpoint (IsolateRow and SpaceRow in interpose/wire.h). Bytes in, the model's
// isolates out.
import { MemprofError } from '../errors.js';
import { type V8Figures, type V8Isolate, type V8Space, v8FigureNames } from '../model/index.js';
import {
  CheckpointHeader,
  HeapFigures,
  IsolateFlag,
  IsolateRow,
  isolateRowBytes,
  SpaceRow,
  spaceRowBytes,
} from './checkpoint-wire.js';
import { pageBytes } from './wire.js';

const unknownBytes = 2n ** 64n - 1n;
const nameBytes = SpaceRow.committedBytes - SpaceRow.name;

/** Copied out. Throws ERR_MEMPROF_WIRE when the file does not hold what it says. */
export function readIsolates(bytes: Uint8Array): V8Isolate[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = (at: number) => Number(view.getBigUint64(at, true));
  const table = (offsetField: number, countField: number, rowBytes: number) => {
    const start = wide(offsetField);
    const count = view.getUint32(countField, true);
    if (count > 0 && (start < pageBytes || start + count * rowBytes > bytes.length))
      throw new MemprofError('ERR_MEMPROF_WIRE', `${count} rows do not fit the checkpoint's file`);
    return Array.from({ length: count }, (_, row) => start + row * rowBytes);
  };
  const spaces = table(
    CheckpointHeader.spacesOffset,
    CheckpointHeader.spaceCount,
    spaceRowBytes,
  ).map((at): V8Space => {
    const name = bytes.subarray(at + SpaceRow.name, at + SpaceRow.name + nameBytes);
    const end = name.indexOf(0);
    return {
      // A copy: TextDecoder does not take shared memory.
      name: new TextDecoder().decode(name.slice(0, end < 0 ? nameBytes : end)),
      committedBytes: wide(at + SpaceRow.committedBytes),
      usedBytes: wide(at + SpaceRow.usedBytes),
      availableBytes: wide(at + SpaceRow.availableBytes),
      physicalBytes: wide(at + SpaceRow.physicalBytes),
    };
  });
  const figures = (at: number): V8Figures => {
    const read = Object.fromEntries(
      v8FigureNames.map((name) => [name, wide(at + HeapFigures[name])]),
    ) as Record<(typeof v8FigureNames)[number], number>;
    const isTold = view.getBigUint64(at + HeapFigures.toldBytes, true) !== unknownBytes;
    return { ...read, toldBytes: isTold ? read.toldBytes : null };
  };
  let taken = 0;
  return table(CheckpointHeader.isolatesOffset, CheckpointHeader.isolateCount, isolateRowBytes).map(
    (at): V8Isolate => {
      const flags = view.getUint32(at + IsolateRow.flags, true);
      const count = view.getUint32(at + IsolateRow.spaceCount, true);
      if (taken + count > spaces.length)
        throw new MemprofError('ERR_MEMPROF_WIRE', 'an isolate has more spaces than there are');
      taken += count;
      return {
        isolate: view.getUint32(at + IsolateRow.isolate, true),
        isMain: (flags & IsolateFlag.main) !== 0,
        isCollected: (flags & IsolateFlag.collected) !== 0,
        before: figures(at + IsolateRow.before),
        after: figures(at + IsolateRow.after),
        spaces: spaces.slice(taken - count, taken),
      };
    },
  );
}
