import test, { type ExecutionContext } from 'ava';
import { ResourceKind, type ResourceTable, type Verdict } from '../../src/model/index.js';
import { growthOf, type JudgeInput, leadersOf, OwnerMemory } from '../../src/verdicts/index.js';
import { addressOf, Heap, lines } from './heap.js';

function judged(t: ExecutionContext, heap: Heap, expected: string, more: Partial<JudgeInput> = {}) {
  const { detail } = heap.judge(new OwnerMemory(), 1, more);
  t.is(heap.verdicts(detail), lines(expected));
}

function resources(
  rows: {
    kind: number;
    data?: number;
    handle?: number;
    className?: string;
    stackId?: number;
    createdNs?: number;
  }[],
): ResourceTable {
  const classNames = [...new Set(rows.map((row) => row.className ?? ''))];
  return {
    count: rows.length,
    id: Float64Array.from(rows, (_row, at) => at + 1),
    kind: Uint8Array.from(rows, (row) => row.kind),
    stackId: Uint32Array.from(rows, (row) => row.stackId ?? 99),
    threadIndex: new Uint32Array(rows.length),
    environment: new Uint32Array(rows.length),
    createdNs: Float64Array.from(rows, (row) => row.createdNs ?? 1000),
    data: Float64Array.from(rows, (row) => row.data ?? 0),
    handle: Float64Array.from(rows, (row) => row.handle ?? 0),
    value: new Float64Array(rows.length),
    classIndex: Uint32Array.from(rows, (row) => classNames.indexOf(row.className ?? '')),
    classNames,
  };
}

test('what nothing points to is lost, and what only lost blocks point to is lost with it', (t) => {
  const heap = new Heap(`
    block a 64
    block b 16
    block c 16
    block kept 8
    a -> b
    b+8 -> c
    a+8 -> kept
    global 1 -> kept
  `);
  judged(
    t,
    heap,
    `
    a lost
    b lost-indirect
    c lost-indirect
    kept held-by-native
  `,
  );
});

test('a cycle of blocks that nothing points to is lost: one leads, the others follow', (t) => {
  const heap = new Heap(`
    block a 16
    block b 16
    block self 16
    a -> b
    b -> a
    self+8 -> self
  `);
  judged(t, heap, 'a lost\nb lost-indirect\nself lost');
  const { detail } = heap.judge();
  t.deepEqual([...leadersOf(detail)], [0, 0, 2]);
});

test('every root holds: owner, global, TLS, stack, register, mapping, V8; start or inside', (t) => {
  const heap = new Heap(`
    block o 16
    block g 16
    block t 16
    block s 16
    block r 16
    block m 16
    block v 16
    block behind 16
    owner Image wrap -> o
    o+8 -> behind+8
    global 2 -> g+8
    tls 7 -> t
    stack 7 -> s
    register 7 -> r
    mapping -> m
    v8 -> v
  `);
  judged(
    t,
    heap,
    `
    o held-by-js
    g held-by-native
    t held-by-native
    s held-by-native
    r held-by-native
    m held-by-native
    v held-by-js
    behind held-by-js
  `,
  );
});

test("what Node allocated for itself is the runtime's while it is reached, and lost when it is not", (t) => {
  const heap = new Heap(`
    block env 100 runtime
    block map 50 runtime
    block gone 20 runtime
    block store 4096 runtime
    block agent 10 ours
    v8 -> env
    env -> map
    owner ArrayBuffer arraybuffer -> store
  `);
  judged(
    t,
    heap,
    `
    env runtime
    map runtime
    gone lost
    store held-by-js
    agent runtime
  `,
  );
});

test('a block whose object was there and is gone is orphaned, with its class and when it was seen', (t) => {
  const memory = new OwnerMemory();
  const blocks = 'block image 64\nblock pixels 4096\nimage+8 -> pixels\n';
  const before = new Heap(`${blocks}owner Image wrap -> image`);
  const after = new Heap(blocks);
  t.is(before.verdicts(before.judge(memory, 1).detail), 'image held-by-js\npixels held-by-js');
  before.judge(memory, 2);
  for (const number of [3, 4])
    t.is(
      after.verdicts(after.judge(memory, number).detail),
      'image orphaned Image 2\npixels lost-indirect',
    );
});

test('a stale word on a stack, in a global or in V8 does not hide an orphan, nor what hangs from it', (t) => {
  for (const root of ['stack 7', 'global 1', 'v8', 'register 7']) {
    const memory = new OwnerMemory();
    const blocks = 'block image 64\nblock pixels 4096\nimage+8 -> pixels\n';
    new Heap(`${blocks}owner Image wrap -> image`).judge(memory, 1);
    const after = new Heap(`${blocks}${root} -> image`);
    t.is(
      after.verdicts(after.judge(memory, 2).detail),
      'image orphaned Image 1\npixels lost-indirect',
      root,
    );
  }
});

test('a block that another object took over is held, not orphaned', (t) => {
  const memory = new OwnerMemory();
  new Heap('block data 64\nowner Image wrap -> data').judge(memory, 1);
  const after = new Heap('block data 64\nowner View wrap -> data');
  t.is(after.verdicts(after.judge(memory, 2).detail), 'data held-by-js');
});

test('another block at the address of one that was freed has no past', (t) => {
  const memory = new OwnerMemory();
  const before = new Heap('block data 64\nowner Image wrap -> data');
  before.judge(memory, 1, { live: before.live([], [100]) });
  const after = new Heap('block data 64');
  const again = (born: number, nsPerTick: number) =>
    after.verdicts(after.judge(memory, 2, { live: after.live([], [born]), nsPerTick }).detail);
  t.is(again(170, 1), 'data lost');
  t.is(memory.size, 0);
  before.judge(memory, 1, { live: before.live([], [100]) });
  t.is(
    again(250, 2.5),
    'data orphaned Image 1',
    'the clock was measured anew, the tick is the same',
  );
});

test('where not all objects could be asked, absence is no proof', (t) => {
  const memory = new OwnerMemory();
  new Heap('block data 64\nowner Image wrap -> data').judge(memory, 1);
  const after = new Heap('block data 64\nglobal 1 -> data');
  const { detail } = after.judge(memory, 2, { ownersComplete: false });
  t.is(after.verdicts(detail), 'data held-by-native');
});

test('a resource whose finalizer ran and whose data lives on is orphaned, with the class it was made with', (t) => {
  const heap = new Heap('block data 64\nblock young 64\nv8 -> data\nglobal 1 -> young');
  const ended = resources([
    { kind: ResourceKind.wrap, data: addressOf(0) + 16, className: 'Image', createdNs: 500 },
    { kind: ResourceKind.external, data: addressOf(1), className: 'Old', createdNs: 1 },
    { kind: ResourceKind.asyncWork, data: addressOf(1), className: 'Work', createdNs: 500 },
  ]);
  judged(t, heap, 'data orphaned Image 0\nyoung held-by-native', {
    ended,
    ownersComplete: false,
    live: heap.live([], [10, 20]),
  });
});

test('data of an object that is gone is pending while its finalizer waits, and orphaned if none does', (t) => {
  const heap = new Heap('block data 64\nblock other 64\nblock behind 8\ndata -> behind');
  const wrap = (row: number) => ({
    kind: ResourceKind.wrap,
    data: addressOf(row),
    className: 'Image',
  });
  const outstanding = resources([wrap(0)]);
  judged(t, heap, 'data pending\nother lost\nbehind pending', {
    outstanding,
    pendingFinalizerCount: 1,
  });
  // It is told when a finalizer ran: this one has not, whatever the counts say.
  judged(t, heap, 'data pending\nother orphaned Image 0\nbehind pending', {
    outstanding: {
      ...resources([wrap(0), wrap(1)]),
      isWatched: Uint8Array.of(1, 0),
    },
  });
  judged(t, heap, 'data orphaned Image 0\nother lost\nbehind lost-indirect', { outstanding });
  judged(t, heap, 'data orphaned Image 0\nother orphaned Image 0\nbehind lost-indirect', {
    outstanding: resources([wrap(0), wrap(1)]),
    pendingFinalizerCount: 1,
  });
});

test('an object that only has a finalizer is no owner that is listed, so its absence proves nothing', (t) => {
  const heap = new Heap('block data 24\nglobal 1 -> data');
  judged(t, heap, 'data held-by-native', {
    outstanding: resources([{ kind: ResourceKind.finalizer, data: addressOf(0) }]),
  });
});

test('where nobody noted the class, the call that made the object names it', (t) => {
  const heap = new Heap('block a 24\nblock b 24\nblock c 24\nblock d 24');
  const kinds = ['external', 'externalBuffer', 'externalArraybuffer', 'wrap'] as const;
  judged(
    t,
    heap,
    'a orphaned External 0\nb orphaned Buffer 0\nc orphaned ArrayBuffer 0\nd orphaned ? 0',
    {
      ended: resources(
        kinds.map((kind, at) => ({ kind: ResourceKind[kind], data: addressOf(at) })),
      ),
    },
  );
});

test('an outstanding resource that V8 alone still holds is held: the object may be one that is not listed', (t) => {
  const heap = new Heap('block data 64\nv8 -> data');
  judged(t, heap, 'data held-by-js', {
    outstanding: resources([{ kind: ResourceKind.external, data: addressOf(0) }]),
  });
});

test("a handle that Node-API made belongs to the addon, under the call's stack", (t) => {
  const heap = new Heap('block env 64 runtime\nblock ref 48 runtime\nv8 -> env\nenv -> ref');
  const { detail, tallies } = heap.judge(new OwnerMemory(), 1, {
    outstanding: resources([{ kind: ResourceKind.reference, handle: addressOf(1), stackId: 77 }]),
  });
  t.is(heap.verdicts(detail), 'env runtime\nref held-by-js');
  t.deepEqual([...detail.live.stackId], [10, 77]);
  t.deepEqual(
    tallies.map((one) => [one.stackId as number, one.verdict]),
    [
      [10, 'runtime'],
      [77, 'held-by-js'],
    ],
  );
});

test('without a scan only what an object itself holds is known', (t) => {
  const memory = new OwnerMemory();
  new Heap('block a 64\nblock b 8\nowner Image wrap -> a\nowner Image wrap -> b').judge(memory, 1);
  const after = new Heap('block a 64\nblock b 8\nowner Image wrap -> b');
  const { detail } = after.judge(memory, 2, { reachability: null });
  t.is(after.verdicts(detail), 'a unknown\nb held-by-js');
});

test('classes count objects, and blocks behind blocks; an object counts once however often it holds', (t) => {
  const heap = new Heap(`
    block image 64
    block pixels 4096
    block meta 32
    block other 100
    image -> pixels
    owner Image wrap #0 -> image
    owner Image hint #0 -> meta
    owner Image wrap #1 -> other+8
    owner Empty wrap #2 -> other
  `);
  const { classes, detail } = heap.judge();
  t.deepEqual(classes, [
    { className: 'Image', objectCount: 2, blockCount: 4, sizeBytes: 64 + 4096 + 32 + 100 },
    { className: 'Empty', objectCount: 1, blockCount: 0, sizeBytes: 0 },
  ]);
  t.deepEqual([...detail.ownerRow], [0, 0, 1, 2]);
});

test('growth is told where every checkpoint has at least as much as the one before', (t) => {
  const at = (...counts: number[]) => ({
    tallies: counts.map((blockCount, stack) => ({
      stackId: stack as never,
      verdict: 'held-by-native' as Verdict,
      blockCount,
      sizeBytes: blockCount * 100,
    })),
  });
  const all = [at(10, 5, 7, 0), at(20, 9, 7, 0), at(30, 8, 7, 4)];
  const found = growthOf(all, (one) => (one.stackId === 3 ? null : String(one.stackId)));
  t.deepEqual([...found.keys()], ['0']);
  t.deepEqual(found.get('0'), {
    checkpointCount: 3,
    riseCount: 2,
    firstBlockCount: 10,
    lastBlockCount: 30,
    firstBytes: 1000,
    lastBytes: 3000,
    blocksPerCheckpoint: 10,
    bytesPerCheckpoint: 1000,
  });
  t.is(growthOf([all[0]], () => 'x').size, 0);
});
