import test from 'ava';
import fc from 'fast-check';
import { GrowingCells } from '../../src/html/growing-cells.js';
import {
  bucketRadix,
  sizeRadix,
  type TimeCells,
  threadRadix,
  timeCells,
} from '../../src/html/time-cells.js';
import { EventBatch, EventType, MarkKind, Recording } from '../../src/ledger/index.js';
import { plainHost } from '../ledger/support.js';
import { ModelBuilder } from '../model-builder.js';

/** Memory is allocated, or an older block released, or V8 collects, or the program says that this is a moment of note. */
interface Step {
  kind: 'allocate' | 'release' | 'mark' | 'collect';
  stack: number;
  thread: number;
  bytes: number;
  which: number;
  waitNs: number;
}

const stackCount = 5;
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(
      'allocate' as const,
      'allocate' as const,
      'allocate' as const,
      'release' as const,
      'release' as const,
      'mark' as const,
      'collect' as const,
    ),
    stack: fc.integer({ min: 1, max: stackCount - 1 }),
    thread: fc.integer({ min: 0, max: 2 }),
    bytes: fc.integer({ min: 0, max: 100_000 }),
    which: fc.nat(),
    // From bursts within a bucket to silence over many.
    waitNs: fc.oneof(fc.nat(1000), fc.nat(20e6), fc.nat(20e9)),
  }),
  { maxLength: 200 },
);

interface Played {
  batch: EventBatch;
  recording: Recording;
  /** At each mark: bytes live by stack. */
  liveAtMarks: number[][];
}

function played(list: readonly Step[]): Played {
  const batch = new EventBatch(list.length + 1);
  const live: { address: number; stack: number; bytes: number }[] = [];
  const liveAtMarks: number[][] = [];
  let tick = 0;
  for (const [at, { kind, stack, thread, bytes, which, waitNs }] of list.entries()) {
    tick += waitNs;
    if (kind === 'allocate') {
      const address = 0x10_0000 * (at + 1);
      batch.pushAllocation(EventType.malloc, thread, tick, address, bytes, stack);
      live.push({ address, stack, bytes });
    } else if (kind === 'release' && live.length > 0) {
      const [block] = live.splice(which % live.length, 1);
      batch.pushRelease(EventType.free, thread, tick, block!.address);
    } else if (kind === 'collect') {
      batch.pushRare(EventType.mark, 0, tick, [MarkKind.gc, 0, bytes, 4 << 24]);
    } else if (kind === 'mark') {
      batch.pushRare(EventType.mark, 0, tick, [MarkKind.user, 0, 0, 0]);
      const sums = new Array<number>(stackCount).fill(0);
      for (const one of live) sums[one.stack]! += one.bytes;
      liveAtMarks.push(sums);
    }
  }
  const recording = new Recording(plainHost);
  recording.consume(batch);
  return { batch, recording, liveAtMarks };
}

const siteOf = Uint32Array.from({ length: stackCount }, (_one, id) => id);

interface Row {
  site: number;
  thread: number;
  birth: number;
  death: number;
  size: number;
  count: number;
  bytes: number;
}

function rowsOf({ cells }: TimeCells): Row[] {
  return Array.from({ length: cells.count }, (_one, row) => ({
    site: Math.floor(cells.high[row]! / threadRadix),
    thread: cells.high[row]! % threadRadix,
    birth: Math.floor(cells.low[row]! / (sizeRadix * bucketRadix)),
    death: Math.floor(cells.low[row]! / sizeRadix) % bucketRadix,
    size: cells.low[row]! % sizeRadix,
    count: cells.blockCount[row]!,
    bytes: cells.sizeBytes[row]!,
  }));
}

const bytesOf = (rows: readonly Row[]) => rows.reduce((sum, { bytes }) => sum + bytes, 0);
const liveAt = (rows: readonly Row[], edge: number, site: number) =>
  bytesOf(rows.filter((one) => one.site === site && one.birth < edge && one.death >= edge));

test('whenever it is looked at, it says what was live at every mark and is live now, by stack', (t) => {
  fc.assert(
    fc.property(steps, fc.constantFrom(1e9, 12), (list, mostHeld) => {
      const { batch, recording, liveAtMarks } = played(list);
      const growing = new GrowingCells(mostHeld);
      growing.consume(batch, 1);
      const options = { siteOf, markTexts: liveAtMarks.map((_, at) => `m${at}`), mostCells: 1e9 };
      const made = growing.snapshot(options);
      const rows = rowsOf(made);
      const parts = recording.parts(1, stackCount);
      for (let stack = 1; stack < stackCount; stack++) {
        const own = rows.filter(({ site }) => site === stack);
        t.is(liveAt(rows, made.edges.length - 1, stack), parts.stackTotals.liveBytes[stack]);
        t.is(bytesOf(own), parts.stackTotals.allocatedBytes[stack]);
      }
      const marks = made.edges.flatMap((edge, at) => (edge.kind === 'mark' ? [{ edge, at }] : []));
      t.deepEqual(
        marks.map(({ edge }) => edge.text),
        options.markTexts,
      );
      for (const [at, sums] of liveAtMarks.entries())
        for (let stack = 1; stack < stackCount; stack++)
          t.is(liveAt(rows, marks[at]!.at, stack), sums[stack]);
      const { totals } = growing;
      t.is(totals.liveBytes, parts.totals.liveBytes);
      t.is(totals.liveCount, parts.totals.liveCount);
      t.is(totals.peakBytes, parts.totals.peakBytes);
      t.is(totals.releaseCount, parts.totals.releaseCount);
      const temporary = parts.stackTotals.temporaryCount.reduce((sum, one) => sum + one, 0);
      t.is(totals.temporaryCount, temporary);
      t.is(made.maxBytes.length, made.edges.length - 1);
      const collected = list.filter(({ kind }) => kind === 'collect');
      const { count, pauseNs } = made.collections;
      t.deepEqual([count.length, pauseNs.length], [made.maxBytes.length, made.maxBytes.length]);
      t.is(
        count.reduce((sum, one) => sum + one, 0),
        collected.length,
      );
      t.is(
        pauseNs.reduce((sum, one) => sum + one, 0),
        collected.reduce((sum, { bytes }) => sum + bytes, 0),
      );
      if (parts.totals.peakBytes > 0) t.is(Math.max(...made.maxBytes), parts.totals.peakBytes);
      const times = made.edges.map(({ atNs }) => atNs);
      t.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
    }),
  );
});

test('looking at it in between changes nothing, and the sums are those of the finished trace', (t) => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 30 }), (list, batchSize) => {
      const { batch, recording } = played(list);
      const model = { ...new ModelBuilder().build(), ...recording.parts(1, stackCount) };
      const growing = new GrowingCells();
      const options = { siteOf, markTexts: [], mostCells: 1e9 };
      for (const piece of piecesOf(batch, batchSize)) {
        growing.consume(piece, 1);
        growing.snapshot(options);
      }
      const threadOf = (thread: number) => thread;
      const finished = timeCells(model, [{ batch, nsPerTick: 1 }], {
        ...options,
        threadOf,
        bucketCount: 16,
      });
      const made = growing.snapshot(options);
      t.deepEqual(withoutTime(made), withoutTime(finished));
      t.deepEqual(
        sorted(made.lives, (low) => low),
        sorted(finished.lives, (low) => low),
      );
      t.deepEqual(
        sorted(made.temporary, () => 0),
        sorted(finished.temporary, () => 0),
      );
    }),
  );
});

test('years of silence make no more buckets than the page has places for', (t) => {
  const batch = new EventBatch(3);
  batch.pushAllocation(EventType.malloc, 0, 5, 4096, 10, 1);
  batch.pushAllocation(EventType.malloc, 0, 3e16, 8192, 20, 2);
  const growing = new GrowingCells();
  growing.consume(batch, 1);
  const made = growing.snapshot({ siteOf, markTexts: [], mostCells: 100 });
  t.true(made.edges.length < 400, `${made.edges.length}`);
  t.is(liveAt(rowsOf(made), 1, 1), 10);
  t.is(liveAt(rowsOf(made), made.edges.length - 1, 2), 20);
});

function piecesOf(batch: EventBatch, size: number): EventBatch[] {
  const pieces: EventBatch[] = [];
  for (let from = 0; from < batch.count; from += size) {
    const piece = new EventBatch(size);
    for (let row = from; row < Math.min(batch.count, from + size); row++) {
      const type = batch.type[row]!;
      const thread = batch.threadIndex[row]!;
      if (type === EventType.mark)
        piece.pushRare(type, thread, batch.tick(row), [MarkKind.user, 0, 0, 0]);
      else if (type <= EventType.allocLast)
        piece.pushAllocation(
          type,
          thread,
          batch.tick(row),
          batch.address(row),
          batch.sizeBytes(row),
          batch.stackId[row]!,
        );
      else {
        piece.pushRelease(type, thread, batch.tick(row), batch.address(row));
        const at = piece.count - 1;
        piece.sizeLow[at] = batch.sizeLow[row]!;
        piece.stackId[at] = batch.stackId[row]!;
        piece.age[at] = batch.age[row]!;
      }
    }
    pieces.push(piece);
  }
  return pieces;
}

/** Sums of blocks by site, thread and size, those that are live apart. */
function withoutTime(made: TimeCells): Record<string, [number, number]> {
  const sums: Record<string, [number, number]> = {};
  for (const { site, thread, size, death, count, bytes } of rowsOf(made)) {
    const key = `${site} ${thread} ${size} ${death === made.edges.length - 1}`;
    const sum = (sums[key] ??= [0, 0]);
    sum[0] += count;
    sum[1] += bytes;
  }
  return sums;
}

function sorted(
  { count, high, low, blockCount, sizeBytes }: TimeCells['lives'],
  keyOf: (low: number) => number,
): Record<string, [number, number]> {
  const sums: Record<string, [number, number]> = {};
  for (let row = 0; row < count; row++) {
    const sum = (sums[`${high[row]} ${keyOf(low[row]!)}`] ??= [0, 0]);
    sum[0] += blockCount[row]!;
    sum[1] += sizeBytes[row]!;
  }
  return sums;
}
