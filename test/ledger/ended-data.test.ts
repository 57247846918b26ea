import test from 'ava';
import { EndedDataBook } from '../../src/ledger/ended-data.js';
import { ResourceKind } from '../../src/model/index.js';

const live =
  (...blocks: [address: number, sizeBytes: number][]) =>
  (address: number): boolean =>
    blocks.some(([start, sizeBytes]) => address >= start && address < start + sizeBytes);
const text = (id: number) => `text ${id}`;

test('data that lies in a live block is told with its class, what was freed is forgotten', (t) => {
  const book = new EndedDataBook();
  book.add(ResourceKind.wrap, 0x2008, 5, 1);
  book.add(ResourceKind.external, 0x1000, 6, 0);
  book.add(ResourceKind.external, 0x9000, 7, 1);
  const found = book.table(live([0x2000, 16], [0x1000, 1]), text);
  t.deepEqual([...found.data], [0x2008, 0x1000]);
  t.deepEqual([...found.createdNs], [5, 6]);
  t.deepEqual(
    [...found.classIndex].map((at) => found.classNames[at]),
    ['text 1', ''],
  );
  t.is(book.table(live([0x9000, 8]), text).count, 0);
});

test('only objects hold data; data taken over by a new resource is not given up', (t) => {
  const book = new EndedDataBook();
  book.add(ResourceKind.asyncWork, 0x1000, 1, 0);
  book.add(ResourceKind.wrap, 0, 1, 0);
  book.add(ResourceKind.wrap, 0x2000, 1, 0);
  book.reclaim(0x2000);
  t.is(book.table(live([0x1000, 8], [0x2000, 8]), text).count, 0);
});

test('of more than it may keep the oldest go first', (t) => {
  const book = new EndedDataBook(3);
  for (const data of [1, 2, 3, 1, 4]) book.add(ResourceKind.wrap, data * 0x1000, data, 0);
  const blocks = [1, 2, 3, 4].map((at): [number, number] => [at * 0x1000, 8]);
  t.deepEqual([...book.table(live(...blocks), text).data], [0x3000, 0x1000, 0x4000]);
});
