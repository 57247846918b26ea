import test from 'ava';
import fc from 'fast-check';
import { heapSnapshotPieces, openTrace, sourceOf } from '../../src/trace/index.js';
import { plainHost } from '../ledger/support.js';
import { plainCodec, writeTrace } from './support.js';

const pieces = [Uint8Array.of(0x7b, 0x22), Uint8Array.of(), Uint8Array.of(0x7d, 0x0a, 0xff)];
const numbers = (list: Iterable<Uint8Array>) => Array.from(list, (piece) => [...piece]);

async function withSnapshot(): Promise<Uint8Array> {
  return (await writeTrace([], { heapSnapshot: { checkpointNumber: 3, pieces } })).bytes;
}

test('the pieces of a heap snapshot come back in order, for the checkpoint that they are of', async (t) => {
  const source = sourceOf(await withSnapshot());
  t.deepEqual(numbers(heapSnapshotPieces(source, plainCodec, 3)), numbers(pieces));
  t.deepEqual([...heapSnapshotPieces(source, plainCodec, 2)], []);
  t.true(openTrace(source, plainCodec, plainHost).complete);
});

test('a damaged snapshot ends at its last whole piece, and the trace still opens', async (t) => {
  const bytes = await withSnapshot();
  fc.assert(
    fc.property(fc.integer({ min: 16, max: bytes.length - 1 }), fc.nat(255), (at, value) => {
      const changed = bytes.slice();
      changed[at] = value;
      const source = sourceOf(changed);
      const read = numbers(heapSnapshotPieces(source, plainCodec, 3));
      t.deepEqual(read, numbers(pieces).slice(0, read.length));
      openTrace(source, plainCodec, plainHost);
    }),
  );
});
