// The stack table's nodes as the native loop reads them, against single frames taken apart.
import test from 'ava';
import fc from 'fast-check';
import { StackTableBuilder } from '../../src/ledger/index.js';
import { pushFrame, StackReader } from '../../src/record/stack-reader.js';

const word = fc.integer({ min: 0, max: 0xffffffff });
// Of every kind, and of none.
const high = fc.tuple(fc.nat(15), fc.nat(0xfffffff)).map(([kind, rest]) => kind * 2 ** 28 + rest);
const node = fc.record({ low: word, high, parent: fc.oneof(fc.nat(20), word), depth: fc.nat(2) });

test('every node is read once, in order, up to the first that is not finished', (t) => {
  fc.assert(
    fc.property(
      fc.array(node, { maxLength: 30 }),
      fc.array(fc.nat(40), { maxLength: 4 }),
      fc.boolean(),
      (nodes, counts, endsFinal) => {
        const words = new Uint32Array(4 * (nodes.length + 1));
        for (const [at, { low, high, parent, depth }] of nodes.entries())
          words.set([low, high, parent, depth], 4 * (at + 1));
        const reader = new StackReader();
        reader.addChunk(words.buffer);
        const table = new StackTableBuilder();
        for (const count of counts) reader.readUpTo(count, table, false);
        reader.readUpTo(nodes.length + 1, table, endsFinal);

        const expected = new StackTableBuilder();
        let brokenCount = 0;
        for (const { low, high, parent, depth } of nodes) {
          if (!endsFinal && (depth === 0 || high < 2 ** 28)) break;
          const isBroken = parent >= expected.count;
          if (isBroken) brokenCount++;
          pushFrame(expected, isBroken ? 0 : parent, low, high);
        }
        t.deepEqual(table.table(), expected.table());
        t.is(reader.brokenNodeCount, brokenCount);
      },
    ),
  );
});

test('a table of more nodes than a chunk holds is read from both', (t) => {
  const chunkNodes = 65536;
  const chunks = [0, 1].map(() => new Uint32Array(4 * chunkNodes));
  const count = chunkNodes + 1000;
  for (let id = 1; id < count; id++) {
    const chunk = chunks[Math.floor(id / chunkNodes)];
    chunk.set([id, 6 * 2 ** 28, id - 1, 1], 4 * (id % chunkNodes));
  }
  const reader = new StackReader();
  for (const chunk of chunks) reader.addChunk(chunk.buffer);
  const table = new StackTableBuilder();
  reader.readUpTo(2 * chunkNodes, table, false);
  t.is(table.count, count);
  t.true(table.table().offset.every((offset, id) => offset === id));
  t.true(table.table().parent.every((parent, id) => parent === Math.max(id - 1, 0)));
});
