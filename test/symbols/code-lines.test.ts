import test from 'ava';
import fc from 'fast-check';
import type { CodeInfo, CodeLines } from '../../src/model/index.js';
import { CallPlaces } from '../../src/symbols/code-lines.js';

// As interpose/ring/wire_dump.cc writes it: offsets 3 and 8 at the positions 70 and 65; position 65 is 4:10.
const bytes = Uint8Array.of(3, 0x8c, 1, 5, 9, 0x41, 8, 10);
const table = (codeId: number, more: Partial<CodeLines> = {}): CodeLines => ({
  codeId,
  scriptId: 77,
  entryCount: 2,
  runCount: 1,
  bytes,
  ...more,
});
const code = (id: number, rawName: string, kind: CodeInfo['kind'] = 'bytecode'): CodeInfo => ({
  id,
  kind,
  isolate: 0,
  rawName,
});
const bytecode = code(1, 'JS:~f /a.js:3:9');

test('an entry holds from its offset up to the next', (t) => {
  const places = new CallPlaces({ codes: [bytecode], codeLines: [table(1)] });
  t.is(places.find(1, 2), null);
  t.deepEqual(places.find(1, 3), { line: 4, column: 15 });
  t.deepEqual(places.find(1, 7), { line: 4, column: 15 });
  t.deepEqual(places.find(1, 8), { line: 4, column: 10 });
  t.deepEqual(places.find(1, 999), { line: 4, column: 10 });
  t.is(places.find(2, 3), null, 'code without a table');
});

test('records of one code continue each other', (t) => {
  const parts = [
    table(1, { entryCount: 1, runCount: 0, bytes: Uint8Array.of(3, 0x8c, 1) }),
    table(1, { entryCount: 1, runCount: 0, bytes: Uint8Array.of(8, 0x82, 1) }),
    table(1, { entryCount: 0, runCount: 1, bytes: Uint8Array.of(0x41, 8, 10) }),
  ];
  const places = new CallPlaces({ codes: [bytecode], codeLines: parts });
  t.deepEqual(places.find(1, 3), { line: 4, column: 15 });
  t.deepEqual(places.find(1, 8), { line: 4, column: 10 });
});

test("machine code's return address is behind the call, and its positions are the bytecode's", (t) => {
  const find = (optimized: CodeInfo, lines: CodeLines, offset: number) =>
    new CallPlaces({ codes: [bytecode, optimized], codeLines: [table(1), lines] }).find(2, offset);
  const optimized = code(2, "JS:*'f /a.js:3:9", 'jit');
  const lines = table(2, { runCount: 0 });
  t.deepEqual(find(optimized, lines, 8), { line: 4, column: 15 });
  t.deepEqual(find(optimized, lines, 9), { line: 4, column: 10 });
  t.deepEqual(find(code(2, 'JS:o*f /a.js:3:9', 'jit'), lines, 9), { line: 4, column: 10 });
  t.is(find(code(2, 'JS:*g /a.js:3:9', 'jit'), lines, 9), null, 'another function');
  t.is(find({ ...optimized, isolate: 1 }, lines, 9), null, 'another isolate');
  t.is(find(optimized, { ...lines, scriptId: 78 }, 9), null, 'another script of that name');
  const inlined = table(2, { runCount: 0, bytes: Uint8Array.of(3, 0x8e, 1, 5, 9) });
  t.is(find(optimized, inlined, 4), null, "a position that the function's bytecode does not have");
});

test('bytes of any kind give a place or none, never an error', (t) => {
  const lines = fc.record({
    codeId: fc.constantFrom(1, 2),
    scriptId: fc.constantFrom(1, 2),
    entryCount: fc.nat(),
    runCount: fc.nat(),
    bytes: fc.uint8Array({ maxLength: 60 }),
  });
  fc.assert(
    fc.property(fc.array(lines, { maxLength: 4 }), fc.nat(), (codeLines, offset) => {
      const codes = [bytecode, code(2, 'JS:*f /a.js:3:9', 'jit')];
      const places = new CallPlaces({ codes, codeLines });
      return [1, 2].every((id) => {
        const place = places.find(id, offset);
        return place === null || (place.line > 0 && place.column > 0);
      });
    }),
    { numRuns: 1000 },
  );
  t.pass();
});
