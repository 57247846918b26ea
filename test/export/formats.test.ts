// Every format, written from drawn recordings and read back: names and numbers are those of the trace.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import {
  allocatedSums,
  blocksTable,
  collapsedStacks,
  collectProfile,
  csvFile,
  dhatFile,
  eventsTable,
  firefoxProfile,
  heapProfile,
  heaptrackFile,
  liveSums,
  parquetFile,
  peakSums,
  pprofProfile,
  type StackProfile,
  speedscopeFile,
  stacksTable,
  temporarySums,
} from '../../src/exporters/index.js';
import type { NamedStack, StackFrame } from '../../src/symbols/index.js';
import { installed } from '../e2e/support/npm.js';
import { type Drawn, drawnTrace } from './drawn.js';
import {
  csvRows,
  heaptrackTotals,
  nameOf,
  readCollapsed,
  spelled,
  stacksOfDhat,
  stacksOfFirefox,
  stacksOfHeapProfile,
  stacksOfPprof,
  stacksOfSpeedscope,
} from './read-back.js';

const runs = { numRuns: 120 };
const readers = await installed('export-readers', ['pprof-format@2.3.2', 'speedscope@1.25.0']);
const withReaders = readers.folder === null ? test.skip : test;
const because = readers.reason === null ? '' : ` (skipped: ${readers.reason})`;

const names = {
  entryName: (type: number) => `entry ${type}`,
  threadName: (at: number) => `;t"${at}\n`,
};

function profileOf({ model, symbols }: Drawn): StackProfile {
  const sums = [liveSums(model, model.atEnd.live), allocatedSums(model)];
  return collectProfile(model, symbols, sums, model.atEnd.atNs);
}

/** Text of each stack, root first, with what the first measure says of it. */
function expected(
  profile: StackProfile,
  textOf: (frame: StackFrame) => string,
  column = profile.series[0]!.sizeBytes!,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [row, stack] of profile.stacks.entries())
    if (column[row] !== 0) add(sums, textsOf(stack, textOf), column[row]!);
  return sums;
}

/** In no order. */
function sameSums(
  t: ExecutionContext,
  actual: ReadonlyMap<string, number>,
  wanted: ReadonlyMap<string, number>,
): void {
  const sorted = (sums: ReadonlyMap<string, number>) =>
    [...sums].sort(([a], [b]) => (a < b ? -1 : 1));
  t.deepEqual(sorted(actual), sorted(wanted));
}

const textsOf = (stack: NamedStack, textOf: (frame: StackFrame) => string): string =>
  JSON.stringify(stack.frames.map(textOf).reverse());

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

const parsed = (pieces: Iterable<string>): unknown => JSON.parse([...pieces].join(''));
const sum = (values: Iterable<number>): number => [...values].reduce((all, one) => all + one, 0);

test('sums by stack add up to the trace’s totals', (t) => {
  fc.assert(
    fc.property(drawnTrace, (drawn) => {
      const { totals } = drawn.model;
      const [live, allocated] = profileOf(drawn).series;
      t.is(sum(live!.blockCount), totals.liveCount);
      t.is(sum(live!.sizeBytes!), totals.liveBytes);
      t.is(sum(allocated!.blockCount), totals.allocationCount);
      t.is(sum(allocated!.sizeBytes!), totals.allocatedBytes);
    }),
    runs,
  );
});

test('the peak is exactly what lived when most bytes did, whatever was lost', (t) => {
  fc.assert(
    fc.property(drawnTrace, ({ model, batches, peak }) => {
      const sums = peakSums(model, batches);
      t.not(sums, null);
      t.is(sum(sums!.sizeBytes!), model.totals.peakBytes);
      if (model.totals.peakBytes > 0) t.is(sum(sums!.blockCount), model.totals.peakBlockCount);
      for (const [id, { blockCount, sizeBytes }] of peak) {
        t.is(sums!.sizeBytes![id], sizeBytes);
        t.is(sums!.blockCount[id], blockCount);
      }
    }),
    runs,
  );
});

test('without the events up to the peak there is none', (t) => {
  const [drawn] = fc.sample(
    drawnTrace.filter(({ model }) => model.totals.peakBytes > 0),
    { numRuns: 1, seed: 7 },
  );
  t.is(peakSums(drawn!.model, []), null);
});

test('collapsed stacks: names come back from their escapes, a line stays a line', (t) => {
  fc.assert(
    fc.property(drawnTrace, (drawn) => {
      const profile = profileOf(drawn);
      const text = [...collapsedStacks(profile)].join('');
      sameSums(t, readCollapsed(text), expected(profile, nameOf.collapsed));
    }),
    runs,
  );
});

test('speedscope: stacks, places and weights come back', (t) => {
  fc.assert(
    fc.property(drawnTrace, (drawn) => {
      const profile = profileOf(drawn);
      const file = parsed(speedscopeFile(profile));
      sameSums(t, stacksOfSpeedscope(file, 'live: bytes'), expected(profile, nameOf.speedscope));
      const { blockCount } = profile.series[1]!;
      sameSums(
        t,
        stacksOfSpeedscope(file, 'allocated: blocks'),
        expected(profile, nameOf.speedscope, blockCount),
      );
    }),
    runs,
  );
});

test('heapprofile: the tree has every stack’s bytes at its leaf', (t) => {
  fc.assert(
    fc.property(drawnTrace, (drawn) => {
      const profile = profileOf(drawn);
      const file = parsed(heapProfile(profile));
      sameSums(t, stacksOfHeapProfile(file), expected(profile, nameOf.heapProfile));
    }),
    runs,
  );
});

test('firefox: the tables name the stacks of all allocations', (t) => {
  fc.assert(
    fc.property(drawnTrace, (drawn) => {
      const profile = profileOf(drawn);
      const file = parsed(firefoxProfile(profile));
      sameSums(t, stacksOfFirefox(file), expected(profile, nameOf.firefox));
    }),
    runs,
  );
});

test('dhat: totals, maxima and ends add up, with events and without', (t) => {
  fc.assert(
    fc.property(drawnTrace, ({ model, symbols, batches }) => {
      const { totals } = model;
      const plain = stacksOfDhat(parsed(dhatFile(model, symbols, null)));
      t.is(sum(plain.points.map((one) => one.tb)), totals.allocatedBytes);
      t.is(sum(plain.points.map((one) => one.tbk)), totals.allocationCount);
      const full = stacksOfDhat(parsed(dhatFile(model, symbols, batches)));
      t.is(sum(full.points.map((one) => one.tb)), totals.allocatedBytes);
      t.is(sum(full.points.map((one) => one.eb)), totals.liveBytes);
      t.is(sum(full.points.map((one) => one.ebk)), totals.liveCount);
      t.is(sum(full.points.map((one) => one.gb)), totals.peakBytes);
      for (const one of full.points)
        t.true(one.mb >= one.gb && one.mb >= one.eb && one.tb >= one.mb);
      const stacks = new Map<string, number>();
      const { allocatedBytes, allocationCount } = model.stackTotals;
      for (let id = 0; id < allocationCount.length; id++)
        if (allocationCount[id]! > 0)
          add(stacks, textsOf(symbols.stack(id as never), nameOf.dhat), allocatedBytes[id]!);
      if (stacks.size > 0) sameSums(t, full.stacks, stacks);
    }),
    runs,
  );
});

test('heaptrack: every line is a record, and they replay to the trace’s totals', (t) => {
  fc.assert(
    fc.property(drawnTrace, ({ model, symbols, batches }) => {
      const text = [...heaptrackFile(model, symbols, batches)].join('');
      const { allocationCount, liveBytes, peakBytes } = model.totals;
      const read = heaptrackTotals(text);
      t.deepEqual(read.totals, { allocationCount, liveBytes, peakBytes });
      const stacks = new Map<string, number>();
      const sums = allocatedSums(model);
      for (let id = 0; id < sums.blockCount.length; id++) {
        if (sums.blockCount[id] === 0) continue;
        const stack = symbols.stack(id as never);
        const frames =
          stack.frames.length === 0 ? ['[no stack]'] : stack.frames.map(nameOf.heaptrack);
        add(stacks, JSON.stringify([...frames].reverse()), sums.sizeBytes![id]!);
      }
      sameSums(t, read.allocated, stacks);
    }),
    runs,
  );
});

test('csv: blocks, events and stacks come back cell by cell', (t) => {
  fc.assert(
    fc.property(drawnTrace, ({ model, symbols, batches }) => {
      const { totals } = model;
      const blocks = csvRows(
        [...csvFile(blocksTable(model, model.atEnd, symbols, names))].join(''),
      );
      t.is(blocks.length, totals.liveCount);
      t.is(sum(blocks.map((row) => Number(row['size_bytes']))), totals.liveBytes);
      for (const row of blocks) {
        const stack = symbols.stack(Number(row['stack_id']) as never);
        t.is(row['package'], spelled(`${stack.owner.package?.name}`, row['package']!));
        t.is(row['thread'], names.threadName(0).replace('0', row['thread']!.slice(3, -1)));
      }
      const events = csvRows([...csvFile(eventsTable(batches, names))].join(''));
      t.is(events.filter((row) => row['event'] === 'allocation').length, totals.allocationCount);
      t.is(
        sum(events.map((row) => (row['event'] === 'release' ? Number(row['size_bytes']) : 0))),
        totals.releasedBytes,
      );
      const stacks = csvRows([...csvFile(stacksTable(model, symbols))].join(''));
      t.is(sum(stacks.map((row) => Number(row['allocated_bytes']))), totals.allocatedBytes);
    }),
    runs,
  );
});

test('parquet says what csv says', async (t) => {
  await fc.assert(
    fc.asyncProperty(drawnTrace, async ({ model, symbols, batches }) => {
      for (const tableOf of [
        () => blocksTable(model, model.atEnd, symbols, names),
        () => eventsTable(batches, names),
        () => stacksTable(model, symbols),
      ]) {
        const bytes = Buffer.concat([...parquetFile(tableOf())]);
        const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
        const rows = await parquetReadObjects({ file: file as ArrayBuffer });
        const told = rows.map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([key, value]) => [key, value == null ? '' : String(value)]),
          ),
        );
        t.deepEqual(told, csvRows([...csvFile(tableOf())].join('')));
      }
    }),
    { numRuns: 60 },
  );
});

withReaders(`pprof: pprof-format reads every stack with its numbers${because}`, (t) => {
  const require = createRequire(join(readers.folder as string, 'x.js'));
  const { Profile } = require('pprof-format') as { Profile: { decode(bytes: Uint8Array): never } };
  fc.assert(
    fc.property(drawnTrace, (drawn) => {
      const profile = profileOf(drawn);
      const read = stacksOfPprof(Profile.decode(Buffer.concat([...pprofProfile(profile)])));
      t.deepEqual(read.types, ['inuse_objects', 'inuse_space', 'alloc_objects', 'alloc_space']);
      t.is(read.defaultType, 'inuse_space');
      const [live, allocated] = profile.series;
      sameSums(t, read.stacks(0), expected(profile, nameOf.pprof, live!.blockCount));
      sameSums(t, read.stacks(1), expected(profile, nameOf.pprof, live!.sizeBytes!));
      sameSums(t, read.stacks(2), expected(profile, nameOf.pprof, allocated!.blockCount));
      sameSums(t, read.stacks(3), expected(profile, nameOf.pprof, allocated!.sizeBytes!));
    }),
    runs,
  );
});

withReaders(`speedscope’s own schema accepts its files${because}`, (t) => {
  const require = createRequire(join(readers.folder as string, 'x.js'));
  const schema =
    require('./node_modules/speedscope/dist/release/file-format-schema.json') as object;
  const validate = new Ajv({ strict: false }).compile(schema);
  fc.assert(
    fc.property(drawnTrace, (drawn) => {
      validate(parsed(speedscopeFile(profileOf(drawn))));
      t.deepEqual(validate.errors ?? [], []);
    }),
    { numRuns: 30 },
  );
});

test('temporary blocks are counted, and formats of bytes have them as blocks', (t) => {
  fc.assert(
    fc.property(drawnTrace, (drawn) => {
      const { model, symbols } = drawn;
      const sums = temporarySums(model);
      const profile = collectProfile(model, symbols, [sums], 0);
      const total = sum(sums.blockCount);
      t.is(sum(readCollapsed([...collapsedStacks(profile)].join('')).values()), total);
      const file = parsed(speedscopeFile(profile)) as { profiles: { name: string }[] };
      t.deepEqual(
        file.profiles.map((one) => one.name),
        ['temporary: blocks'],
      );
    }),
    { numRuns: 30 },
  );
});
