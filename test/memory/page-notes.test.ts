import test from 'ava';
import fc from 'fast-check';
import { type HeapMap, notResident, pageNotes } from '../../src/memory/index.js';
import type { LiveSet } from '../../src/model/index.js';

const page = 4096;

type Block = [address: number, sizeBytes: number, stackId: number, bornNs: number];

function liveOf(blocks: readonly Block[]): LiveSet {
  return {
    count: blocks.length,
    address: Float64Array.from(blocks, ([address]) => address),
    sizeBytes: Float64Array.from(blocks, ([, size]) => size),
    stackId: Uint32Array.from(blocks, ([, , stack]) => stack),
    bornNs: Float64Array.from(blocks, ([, , , born]) => born),
  } as unknown as LiveSet;
}

const heap = (low: number, pageCount: number): HeapMap => ({
  low,
  high: low + pageCount * page,
  arena: low,
  occupancy: new Uint8Array(pageCount).fill(notResident),
});

const oldest = (notes: ReturnType<typeof pageNotes>) => notes.map((one) => one.oldestBornNs);
const keys = (notes: ReturnType<typeof pageNotes>) => notes.map((one) => one.key);

test('a page is of whoever has most bytes there, and as old as its oldest block', (t) => {
  const [a, b] = [heap(0x10000, 3), heap(0x40000, 2)];
  const live = liveOf([
    [0x40000, 64, 7, 5],
    [0x10000, 100, 7, 30],
    [0x10080, 60, 8, 10],
    [0x10100, 60, 8, 20],
    // Over the end of its page, and not in any heap.
    [0x11ff0, 32, 9, 40],
    [0x30000, 500, 9, 1],
  ]);
  const notes = pageNotes(live, [a, b], 1, (stackId) => stackId);
  t.deepEqual(keys(notes), [8, 9, 9, 7, -1]);
  t.deepEqual(oldest(notes), [10, 40, 40, 5, Number.POSITIVE_INFINITY]);
  // Three pages are two cells of two pages.
  const pairs = pageNotes(live, [a, b], 2, (stackId) => stackId);
  t.deepEqual(keys(pairs), [8, 9, 7]);
});

test('whatever the order of the blocks, each page has the notes of the blocks that touch it', (t) => {
  const block = fc.record({ gap: fc.nat(3000), size: fc.integer({ min: 1, max: 9000 }) });
  fc.assert(
    fc.property(
      fc.array(block, { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      (drawn, merged) => {
        const map = heap(0x10000, 40);
        const blocks: Block[] = [];
        let address = map.low;
        for (const [at, { gap, size }] of drawn.entries()) {
          address += gap;
          blocks.push([address, size, at % 3, 100 - at]);
          address += size;
        }
        const notes = pageNotes(liveOf([...blocks].reverse()), [map], merged, (id) => id);
        return notes.every((note, cell) => {
          const low = map.low + cell * merged * page;
          const high = Math.min(map.high, low + merged * page);
          const sums = [0, 0, 0];
          let born = Number.POSITIVE_INFINITY;
          for (const [from, size, id, bornNs] of blocks) {
            const bytes = Math.min(high, from + size) - Math.max(low, from);
            if (bytes <= 0) continue;
            sums[id]! += bytes;
            born = Math.min(born, bornNs);
          }
          const most = Math.max(...sums);
          return (
            note.oldestBornNs === born && (most === 0 ? note.key < 0 : sums[note.key] === most)
          );
        });
      },
    ),
  );
  t.pass();
});
