import test from 'ava';
import fc from 'fast-check';
import { v8Summary } from '../../src/memory/index.js';
import {
  type Checkpoint,
  type StackId,
  type V8Isolate,
  type V8Picture,
  v8FigureNames,
} from '../../src/model/index.js';
import { readIsolates } from '../../src/record/checkpoint-v8.js';
import {
  CheckpointHeader,
  HeapFigures,
  IsolateFlag,
  IsolateRow,
  isolateRowBytes,
  SpaceRow,
  spaceRowBytes,
} from '../../src/record/checkpoint-wire.js';
import { pageBytes } from '../../src/record/wire.js';
import { ByteReader, ByteWriter, TraceDamage } from '../../src/trace/index.js';
import { decodeV8, encodeV8 } from '../../src/trace/v8.js';

const bytes = fc.nat(2 ** 31 - 1);
const figures = fc
  .tuple(fc.tuple(...v8FigureNames.map(() => bytes)), fc.boolean())
  .map(([values, isTold]): V8Isolate['before'] => {
    const named = Object.fromEntries(v8FigureNames.map((name, at) => [name, values[at]!]));
    return { ...named, ...(isTold ? {} : { toldBytes: null }) } as unknown as V8Isolate['before'];
  });
const space = fc.record({
  name: fc.constantFrom('old_space', 'new_space', 'shared_trusted_large_object_space', ''),
  committedBytes: bytes,
  usedBytes: bytes,
  availableBytes: bytes,
  physicalBytes: bytes,
});
const isolate: fc.Arbitrary<V8Isolate> = fc.record({
  isolate: fc.nat(100),
  isMain: fc.boolean(),
  isCollected: fc.boolean(),
  before: figures,
  after: figures,
  spaces: fc.array(space, { maxLength: 4 }),
});
const isolates = fc.array(isolate, { maxLength: 4 });

/** As the shim leaves it. */
function fileOf(list: readonly V8Isolate[]): Uint8Array {
  const spaces = list.flatMap((one) => one.spaces);
  const start = pageBytes;
  const spacesStart = start + list.length * isolateRowBytes;
  const file = new Uint8Array(spacesStart + spaces.length * spaceRowBytes);
  const view = new DataView(file.buffer);
  const wide = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  view.setUint32(CheckpointHeader.isolateCount, list.length, true);
  view.setUint32(CheckpointHeader.spaceCount, spaces.length, true);
  wide(CheckpointHeader.isolatesOffset, start);
  wide(CheckpointHeader.spacesOffset, spacesStart);
  const putFigures = (at: number, said: V8Isolate['before']) => {
    for (const name of v8FigureNames)
      view.setBigUint64(at + HeapFigures[name], BigInt.asUintN(64, BigInt(said[name] ?? -1)), true);
  };
  list.forEach((one, row) => {
    const at = start + row * isolateRowBytes;
    putFigures(at + IsolateRow.before, one.before);
    putFigures(at + IsolateRow.after, one.after);
    view.setUint32(at + IsolateRow.isolate, one.isolate, true);
    const flags =
      (one.isMain ? IsolateFlag.main : 0) | (one.isCollected ? IsolateFlag.collected : 0);
    view.setUint32(at + IsolateRow.flags, flags, true);
    view.setUint32(at + IsolateRow.spaceCount, one.spaces.length, true);
  });
  spaces.forEach((one, row) => {
    const at = spacesStart + row * spaceRowBytes;
    file.set(new TextEncoder().encode(one.name), at + SpaceRow.name);
    for (const name of ['committedBytes', 'usedBytes', 'availableBytes', 'physicalBytes'] as const)
      wide(at + SpaceRow[name], one[name]);
  });
  return file;
}

test('what V8 said of its heap is read as the agent wrote it', (t) => {
  fc.assert(fc.property(isolates, (list) => t.deepEqual(readIsolates(fileOf(list)), list)));
});

test('a file that says more of V8 than it holds is refused or read, and nothing else', (t) => {
  fc.assert(
    fc.property(
      isolates,
      fc.array(fc.tuple(fc.nat(pageBytes + 2000), fc.nat(255)), { maxLength: 6 }),
      fc.nat(2000),
      (list, changes, cut) => {
        const whole = fileOf(list);
        const file = whole.slice(0, Math.max(pageBytes, whole.length - cut));
        for (const [at, value] of changes) if (at < file.length) file[at] = value;
        // Where the counts stand, most often.
        for (const [at, value] of changes) file[CheckpointHeader.isolateCount + (at % 24)] = value;
        try {
          readIsolates(file);
        } catch (error) {
          return error instanceof Error && 'code' in error && error.code === 'ERR_MEMPROF_WIRE';
        }
        return true;
      },
    ),
  );
  t.pass();
});

const collected: fc.Arbitrary<V8Picture['collected']> = fc.option(
  fc.record({
    residentBeforeBytes: bytes,
    beforeCount: bytes,
    beforeBytes: bytes,
    goneCount: bytes,
    goneBytes: bytes,
    stacks: fc.array(
      fc.record({
        stackId: fc.nat(1000).map((id) => id as StackId),
        blockCount: bytes,
        sizeBytes: bytes,
      }),
    ),
  }),
);

test("V8's heap comes out of a trace as it went in, and what is none is damage", (t) => {
  fc.assert(
    fc.property(isolates, collected, (list, gone) => {
      const v8: V8Picture = { isolates: list, collected: gone };
      const out = new ByteWriter();
      encodeV8(7, v8, out);
      t.deepEqual(decodeV8(new ByteReader(out.written().slice())), { checkpointNumber: 7, v8 });
    }),
  );
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.constant('{"isolates":[{}],"collected":null}')), (text) => {
      const out = new ByteWriter();
      out.varint(1);
      out.json(JSON.parse(text));
      try {
        decodeV8(new ByteReader(out.written().slice()));
      } catch (error) {
        return error instanceof TraceDamage;
      }
      return true;
    }),
  );
});

test('sums over isolates add up, whatever V8 said', (t) => {
  fc.assert(
    fc.property(isolates, collected, bytes, (list, gone, residentBytes) => {
      const checkpoint = {
        liveBytes: 1000,
        tallies: [],
        v8: { isolates: list, collected: gone },
      } as unknown as Checkpoint;
      const found = v8Summary(checkpoint, {
        residentBytes: 0,
        swappedBytes: 0,
        note: null,
        parts: [{ kind: 'v8-heap', residentBytes, sizeBytes: null, count: 1, rows: [] }],
      });
      if (found === null) return t.fail('V8 was asked');
      const { resident, total, spaces } = found;
      t.is(resident.usedBytes + resident.unusedBytes + resident.besideBytes, residentBytes);
      t.is(
        spaces.reduce((sum, one) => sum + one.usedBytes, 0),
        total.usedBytes,
      );
      t.is(new Set(spaces.map(({ name }) => name)).size, spaces.length);
      if (gone === null) return t.is(found.collected, null);
      const { beforeBytes, goneBytes, cameBytes } = found.collected!;
      t.is(beforeBytes - goneBytes + cameBytes, 1000);
    }),
  );
});
