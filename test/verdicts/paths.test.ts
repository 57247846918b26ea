import test from 'ava';
import fc from 'fast-check';
import { Reach } from '../../src/model/index.js';
import { BlockIndex, findRoots, leadersOf, pathOf } from '../../src/verdicts/index.js';
import { addressOf, Heap } from './heap.js';

test('a path goes block by block to its root, with the places of the pointers', (t) => {
  const heap = new Heap(`
    block cache 128
    block node 48
    block pixels 4096
    cache+32 -> node
    node+40 -> pixels+64
    global 3 -> cache
  `);
  const { detail } = heap.judge();
  t.deepEqual(pathOf(detail, heap.row('pixels')), {
    hops: [
      { row: 2, insideBytes: 64, holderOffset: 40 },
      { row: 1, insideBytes: 0, holderOffset: 32 },
      { row: 0, insideBytes: 0, holderOffset: null },
    ],
    root: { kind: 'global', address: 0x900000, moduleId: 3 },
  });
});

test('each kind of root is told with what is known of it', (t) => {
  const heap = new Heap(`
    block s 8
    block r 8
    block l 8
    block o 8
    block o2 8
    stack 7 -> s
    register 9 -> r
    owner Image wrap -> o
    o -> o2
  `);
  const { detail } = heap.judge();
  const rootOf = (name: string) => pathOf(detail, heap.row(name)).root;
  t.deepEqual(rootOf('s'), {
    kind: 'stack',
    address: 0x900000,
    tid: 7,
    frame: { kind: 1, index: 0, offset: 0 },
  });
  t.deepEqual(rootOf('r'), { kind: 'register', tid: 9 });
  t.deepEqual(rootOf('l'), { kind: 'nothing' });
  t.deepEqual(rootOf('o2'), { kind: 'owner', ownerRow: 0 });
  const unscanned = heap.judge(undefined, 1, { reachability: null }).detail;
  t.deepEqual(pathOf(unscanned, heap.row('o')).root, { kind: 'owner', ownerRow: 0 });
  t.deepEqual(pathOf(unscanned, heap.row('o2')).root, { kind: 'unknown' });
});

const blockCount = 12;
const drawing = fc
  .record({
    words: fc.array(fc.tuple(fc.nat(blockCount - 1), fc.nat(7), fc.nat(blockCount - 1), fc.nat(7))),
    roots: fc.array(
      fc.tuple(
        fc.constantFrom('global 1', 'tls 2', 'stack 3', 'register 4', 'mapping', 'v8'),
        fc.nat(blockCount - 1),
      ),
      { maxLength: 4 },
    ),
    owners: fc.array(fc.nat(blockCount - 1), { maxLength: 3 }),
    runtime: fc.array(fc.boolean(), { minLength: blockCount, maxLength: blockCount }),
  })
  .map(({ words, roots, owners, runtime }) =>
    [
      ...runtime.map((is, row) => `block b${row} 64${is ? ' runtime' : ''}`),
      ...words.map(([from, at, to, inside]) => `b${from}+${at * 8} -> b${to}+${inside * 8}`),
      ...roots.map(([root, to]) => `${root} -> b${to}`),
      ...owners.map((to) => `owner Image wrap -> b${to}`),
    ].join('\n'),
  );

/** By definition: what can be reached from there, one step after the other until nothing is new. */
function reachable(heap: Heap, from: Set<number>, passes: (row: number) => boolean): Set<number> {
  const found = new Set(from);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const word of heap.drawn.words)
      if (found.has(word.from) && passes(word.from)) found.add(word.to);
  }
  return found;
}

test('on any heap, verdicts are what reachability by its definition gives', (t) => {
  fc.assert(
    fc.property(drawing, (text) => {
      const heap = new Heap(text);
      const { flags, roots, owners } = heap.drawn;
      const { detail, tallies, classes } = heap.judge();
      const direct = new Set(owners.map((one) => one.to));
      const owned = reachable(heap, direct, (row) => flags[row] === 0);
      const from = (isV8: boolean) =>
        new Set(roots.filter((one) => (one.reach === Reach.v8) === isV8).map((one) => one.to));
      // Owners are followed first, but what they hold is a root's way on as well.
      const native = reachable(heap, from(false), (row) => !owned.has(row));
      const v8 = reachable(heap, from(true), (row) => !owned.has(row) && !native.has(row));
      for (let row = 0; row < flags.length; row++) {
        const verdict = detail.verdict[row];
        if (owned.has(row)) t.is(verdict, flags[row] !== 0 ? 'runtime' : 'held-by-js');
        else if (native.has(row)) t.is(verdict, flags[row] !== 0 ? 'runtime' : 'held-by-native');
        else if (v8.has(row)) t.is(verdict, flags[row] !== 0 ? 'runtime' : 'held-by-js');
        else t.true(verdict === 'lost' || verdict === 'lost-indirect', verdict);
        t.is(detail.ownerRow[row] >= 0, owned.has(row));
      }
      const sum = tallies.reduce((all, one) => all + one.sizeBytes, 0);
      t.is(sum, 64 * flags.length);
      t.is(
        classes.reduce((all, one) => all + one.blockCount, 0),
        owned.size,
      );
    }),
    { numRuns: 300 },
  );
});

test('on any heap, each step of a path is a pointer that is there, and lost blocks have a leader', (t) => {
  fc.assert(
    fc.property(drawing, (text) => {
      const heap = new Heap(text);
      const { words, roots } = heap.drawn;
      const { detail } = heap.judge();
      const leaders = leadersOf(detail);
      for (let row = 0; row < detail.live.count; row++) {
        const { hops, root } = pathOf(detail, row);
        t.is(hops[0].row, row);
        t.is(new Set(hops.map((hop) => hop.row)).size, hops.length);
        for (const [at, hop] of hops.slice(0, -1).entries()) {
          const holder = hops[at + 1].row;
          t.true(
            words.some(
              (word) =>
                word.from === holder &&
                word.offset === hop.holderOffset &&
                word.to === hop.row &&
                word.insideBytes === hop.insideBytes,
            ),
          );
        }
        const top = hops[hops.length - 1].row;
        if (root.kind === 'global')
          t.true(roots.some((one) => one.reach === Reach.global && one.to === top));
        if (root.kind === 'owner') t.is(heap.drawn.owners[root.ownerRow].to, top);
        const isLost = root.kind === 'nothing';
        t.is(leaders[row] >= 0, isLost);
        if (isLost) t.is(detail.verdict[leaders[row]], 'lost');
      }
    }),
    { numRuns: 300 },
  );
});

test('any column of referrers, damaged ones too, ends: heads are ends of chains, circles have none', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -3, max: 20 }), { maxLength: 15 }), (referrers) => {
      const column = Int32Array.from(referrers);
      const { head, order } = findRoots(column);
      const isRoot = (row: number) => column[row] < 0 || column[row] >= column.length;
      for (let row = 0; row < column.length; row++) {
        let at = row;
        for (let steps = 0; steps <= column.length && !isRoot(at); steps++) at = column[at];
        t.is(head[row], isRoot(at) ? at : -1);
      }
      const place = new Map([...order].map((row, at) => [row, at]));
      t.is(place.size, [...head].filter((one) => one >= 0).length);
      for (const row of order)
        if (!isRoot(row)) t.true((place.get(column[row]) as number) < (place.get(row) as number));
    }),
  );
});

test('an address lies in the block that holds it, or in none', (t) => {
  const index = new BlockIndex({
    count: 3,
    address: Float64Array.of(addressOf(5), addressOf(1), addressOf(3)),
    sizeBytes: Float64Array.of(16, 0, 8),
  });
  t.is(index.rowAt(addressOf(5)), 0);
  t.is(index.rowAt(addressOf(5) + 15), 0);
  t.is(index.rowAt(addressOf(5) + 16), -1);
  t.is(index.rowAt(addressOf(1)), 1);
  t.is(index.rowAt(addressOf(1) + 1), -1);
  t.is(index.rowAt(addressOf(3) - 1), -1);
  t.is(index.rowAt(0), -1);
});
