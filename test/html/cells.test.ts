import test from 'ava';
import fc from 'fast-check';
import { Packer, unpack } from '../../src/html/pack.js';
import {
  bucketRadix,
  lifeClass,
  sizeClass,
  sizeRadix,
  threadRadix,
  timeCells,
} from '../../src/html/time-cells.js';
import { EventBatch, EventType, MarkKind, Recording } from '../../src/ledger/index.js';
import type { TraceModel } from '../../src/model/index.js';
import { plainHost } from '../ledger/support.js';
import { ModelBuilder } from '../model-builder.js';

type Step =
  | { do: 'allocate'; stack: number; thread: number; bytes: number; wait: number }
  | { do: 'release'; which: number; thread: number; wait: number }
  | { do: 'teardown'; wait: number }
  | { do: 'collect'; pauseNs: number; wait: number };

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('allocate' as const),
        stack: fc.integer({ min: 1, max: 4 }),
        thread: fc.integer({ min: 0, max: 2 }),
        bytes: fc.integer({ min: 0, max: 5000 }),
        wait: fc.integer({ min: 0, max: 50 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('release' as const),
        which: fc.nat(),
        thread: fc.integer({ min: 0, max: 2 }),
        wait: fc.integer({ min: 0, max: 50 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('teardown' as const),
        wait: fc.integer({ min: 0, max: 50 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('collect' as const),
        pauseNs: fc.nat({ max: 2 ** 50 }),
        wait: fc.integer({ min: 0, max: 50 }),
      }),
    },
  ),
  { maxLength: 120 },
);

/** The model that the ledger makes of the steps, and the events with what the ledger filled in. */
function played(list: readonly Step[]): { model: TraceModel; batch: EventBatch } {
  const batch = new EventBatch(list.length + 1);
  let tick = 0;
  let isTornDown = false;
  const live: number[] = [];
  let next = 0x1000;
  for (const step of list) {
    tick += step.wait;
    if (step.do === 'allocate') {
      batch.pushAllocation(EventType.malloc, step.thread, tick, next, step.bytes, step.stack);
      live.push(next);
      next += 0x2000;
    } else if (step.do === 'release' && live.length > 0) {
      const [address] = live.splice(step.which % live.length, 1);
      batch.pushRelease(EventType.free, step.thread, tick, address);
    } else if (step.do === 'collect') {
      const high = (4 << 24) | Math.floor(step.pauseNs / 2 ** 32);
      batch.pushRare(EventType.mark, 0, tick, [MarkKind.gc, 0, step.pauseNs >>> 0, high]);
    } else if (step.do === 'teardown' && !isTornDown) {
      isTornDown = true;
      batch.pushRare(EventType.mark, 0, tick, [MarkKind.beforeTeardown, 0, 0, 0]);
    }
  }
  const recording = new Recording(plainHost);
  recording.consume(batch);
  const base = new ModelBuilder().build();
  return { model: { ...base, ...recording.parts(1, 5) }, batch };
}

const options = { bucketCount: 16, mostCells: 1e6, threadOf: (thread: number) => thread };

interface Cell {
  site: number;
  thread: number;
  birth: number;
  death: number;
  size: number;
  count: number;
  bytes: number;
}

function cellsOf(model: TraceModel, batch: EventBatch, mostCells = 1e6) {
  const made = timeCells(model, [{ batch, nsPerTick: 1 }], {
    ...options,
    mostCells,
    siteOf: Uint32Array.from([0, 1, 2, 3, 4]),
  });
  const cells: Cell[] = [];
  for (let row = 0; row < made.cells.count; row++) {
    const low = made.cells.low[row];
    cells.push({
      site: Math.floor(made.cells.high[row] / threadRadix),
      thread: made.cells.high[row] % threadRadix,
      birth: Math.floor(low / (sizeRadix * bucketRadix)),
      death: Math.floor(low / sizeRadix) % bucketRadix,
      size: low % sizeRadix,
      count: made.cells.blockCount[row],
      bytes: made.cells.sizeBytes[row],
    });
  }
  return { made, cells, bucketCount: made.edges.length - 1 };
}

const sum = (
  cells: readonly Cell[],
  pick: (cell: Cell) => number,
  passes = (_cell: Cell) => true,
) => cells.filter(passes).reduce((total, cell) => total + pick(cell), 0);

test('cells add up to the totals of every stack, and to what was live at the end', (t) => {
  fc.assert(
    fc.property(steps, (list) => {
      const { model, batch } = played(list);
      const { cells, made, bucketCount } = cellsOf(model, batch);
      for (let site = 1; site <= 4; site++) {
        const own = cells.filter((cell) => cell.site === site);
        t.is(
          sum(own, (cell) => cell.count),
          model.stackTotals.allocationCount[site],
        );
        t.is(
          sum(own, (cell) => cell.bytes),
          model.stackTotals.allocatedBytes[site],
        );
        const isLive = (cell: Cell) => cell.death === bucketCount;
        t.is(
          sum(own, (cell) => cell.count, isLive),
          model.stackTotals.liveCount[site],
        );
        t.is(
          sum(own, (cell) => cell.bytes, isLive),
          model.stackTotals.liveBytes[site],
        );
        let temporary = 0;
        for (let row = 0; row < made.temporary.count; row++)
          if (Math.floor(made.temporary.high[row] / threadRadix) === site)
            temporary += made.temporary.blockCount[row];
        t.is(temporary, model.stackTotals.temporaryCount[site]);
      }
    }),
    { numRuns: 100 },
  );
});

test('what was live at teardown and at the peak is exact, however coarse the buckets are', (t) => {
  fc.assert(
    fc.property(steps, fc.constantFrom(1e6, 3), (list, mostCells) => {
      const { model, batch } = played(list);
      const { cells, made } = cellsOf(model, batch, mostCells);
      const liveAt = (edge: number) => (cell: Cell) => cell.birth < edge && cell.death >= edge;
      const teardown = made.edges.findIndex((edge) => edge.kind === 'teardown');
      if (model.beforeTeardown !== null) {
        const { live } = model.beforeTeardown;
        const bytes = live.sizeBytes.reduce((total, one) => total + one, 0);
        t.is(
          sum(cells, (cell) => cell.count, liveAt(teardown)),
          live.count,
        );
        t.is(
          sum(cells, (cell) => cell.bytes, liveAt(teardown)),
          bytes,
        );
      } else t.is(teardown, -1);
      const peak = made.edges.findIndex((edge) => edge.kind === 'peak');
      if (model.totals.peakBytes > 0) {
        t.is(
          sum(cells, (cell) => cell.bytes, liveAt(peak)),
          model.totals.peakBytes,
        );
        t.is(
          sum(cells, (cell) => cell.count, liveAt(peak)),
          model.totals.peakBlockCount,
        );
      }
      const { count, pauseNs } = made.collections;
      const collected = list.flatMap((step) => (step.do === 'collect' ? [step.pauseNs] : []));
      const all = (values: readonly number[]) => values.reduce((total, one) => total + one, 0);
      t.deepEqual([all(count), all(pauseNs)], [collected.length, all(collected)]);
      t.deepEqual([count.length, pauseNs.length], [made.edges.length - 1, made.edges.length - 1]);
      t.true(made.maxBytes.every((bytes) => bytes <= model.totals.peakBytes));
      t.is(made.maxBytes.length, made.edges.length - 1);
      for (const [at, edge] of made.edges.entries())
        if (at > 0) t.true(edge.atNs >= made.edges[at - 1].atNs);
      t.true(cells.every((cell) => cell.death >= cell.birth && cell.count > 0));
    }),
    { numRuns: 100 },
  );
});

test('a block keeps the thread that allocated it, whoever frees it', (t) => {
  const { model, batch } = played([
    { do: 'allocate', stack: 1, thread: 2, bytes: 100, wait: 1 },
    { do: 'allocate', stack: 1, thread: 1, bytes: 50, wait: 1 },
    { do: 'release', which: 0, thread: 0, wait: 1 },
  ]);
  const { cells } = cellsOf(model, batch);
  t.deepEqual(cells.map(({ thread, bytes }) => [thread, bytes]).sort(), [
    [1, 50],
    [2, 100],
  ]);
});

test('classes of size are powers of two, those of lifetime half powers of ten', (t) => {
  t.deepEqual(
    [0, 1, 2, 3, 4, 5, 4096, 4097, 2 ** 40].map(sizeClass),
    [0, 0, 1, 2, 2, 3, 12, 13, 40],
  );
  t.deepEqual([0, 0.5, 1, 3, 4, 10, 1e9].map(lifeClass), [0, 0, 1, 1, 2, 3, 19]);
});

test('columns come back as they were packed', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
      fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 })),
      fc.boolean(),
      (wide, narrow, isDelta) => {
        const packer = new Packer();
        packer.add('wide', 'f64', wide);
        packer.add('narrow', 'u32', narrow, { isDelta });
        const { head, column } = unpack<{ name: string }>(packer.finish({ name: '</script>' }));
        t.is(head.name, '</script>');
        t.deepEqual([...column('wide')], wide);
        t.deepEqual([...column('narrow')], narrow);
      },
    ),
    { numRuns: 100 },
  );
});

test('damaged data end in an error, never in a loop or in endless memory', (t) => {
  const packer = new Packer();
  packer.add('numbers', 'f64', [1, 2, 300, 2 ** 50], { isDelta: true });
  const good = packer.finish({ a: 1 });
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, cut) => {
      const bad = good.slice(0, cut);
      if (at < bad.length) bad[at] = byte;
      try {
        unpack(bad).column('numbers');
      } catch (error) {
        t.true(error instanceof Error);
      }
    }),
    { numRuns: 500 },
  );
  t.throws(() => unpack(good).column('others'), { message: /lack/ });
});
