import test from 'ava';
import fc from 'fast-check';
import { MemprofError } from '../../src/errors.js';
import {
  EventBatch,
  EventType,
  type Ledger,
  Recording,
  recordWords,
} from '../../src/ledger/index.js';
import {
  ByteReader,
  ByteWriter,
  CallDecoder,
  type CallSink,
  callsOf,
  eventsOf,
  openTrace,
  rowsPerChunk,
  sourceOf,
  TraceDamage,
} from '../../src/trace/index.js';
import { plainHost } from '../ledger/support.js';
import { plainCodec, plainEvents, type Step, same, step, writeTrace } from './support.js';

const steps = fc.array(step, { maxLength: 300 });

function opened(bytes: Uint8Array) {
  return openTrace(sourceOf(bytes), plainCodec, plainHost);
}

test('a model that was written is read back equal', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.constantFrom('full' as const, 'none' as const),
      async (all, events) => {
        const { bytes, model } = await writeTrace(all, { events });
        same(t, opened(bytes), model);
      },
    ),
  );
});

test('events come back in order with addresses, sizes, stacks and ages; only times are rounded', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.integer({ min: 1, max: 80 }),
      fc.boolean(),
      async (all, batchSize, flushEachBatch) => {
        const { bytes, events, ticks } = await writeTrace(all, { batchSize, flushEachBatch });
        const read = [];
        const readTicks: number[] = [];
        for (const { batch } of eventsOf(sourceOf(bytes), plainCodec)) {
          read.push(...plainEvents(batch));
          for (let row = 0; row < batch.count; row++) readTicks.push(batch.tick(row));
        }
        same(t, read, events);
        // 0.5 ns a tick: times count in 2048 ticks.
        same(
          t,
          readTicks,
          ticks.map((tick) => Math.floor(tick / 2048) * 2048),
        );
      },
    ),
  );
});

test('calls without addresses are those of the events, their blocks named by order', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 80 }), async (all, batchSize) => {
      const { bytes } = await writeTrace(all, { batchSize });
      const calls: unknown[] = [];
      const told: number[] = [];
      const sink: CallSink = {
        allocated: (...call) => calls.push(['allocated', ...call]),
        released: (...call) => calls.push(['released', ...call]),
        passed: (_thread, timeNs) => {
          told.push(timeNs);
        },
        other: (type, thread, halves) => calls.push(['other', type, thread, [...halves]]),
      };
      for (const _ of callsOf(sourceOf(bytes), plainCodec, sink));
      const expected: unknown[] = [];
      let count = 0;
      for (const { batch } of eventsOf(sourceOf(bytes), plainCodec)) {
        for (let row = 0; row < batch.count; row++) {
          const [type, thread] = [batch.type[row]!, batch.threadIndex[row]!];
          const start = batch.stackId[row]!;
          if (type <= EventType.allocLast) {
            count++;
            expected.push(['allocated', type, thread, batch.sizeBytes(row), start]);
          } else if (type <= EventType.freeLast) {
            const age = batch.age[row]!;
            expected.push(['released', type, thread, age < 0 ? -1 : count - 1 - age]);
          } else {
            const length = 2 * recordWords(type) - 2;
            const halves = batch.rareWords.subarray(start, start + length);
            expected.push(['other', type, thread, [...halves]]);
          }
        }
      }
      same(t, calls, expected);
      t.true(told.every((timeNs, at) => timeNs >= (told[at - 1] ?? 0) + 1e6));
    }),
  );
});

test('bytes that are no chunk of events are damage, whoever decodes calls from them', (t) => {
  const ignore: CallSink = {
    allocated: () => 0,
    released: () => 0,
    passed: () => 0,
    other: () => 0,
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (content) => {
      try {
        new CallDecoder().decode(content, ignore);
      } catch (error) {
        if (!(error instanceof TraceDamage)) throw error;
      }
    }),
  );
  t.pass();
});

test('more events than a chunk holds keep their places over the border', async (t) => {
  const count = 2.5 * rowsPerChunk;
  const all: Step[] = [];
  for (let i = 0; i < count; i++) {
    all.push({
      kind: i % 3 === 2 ? 'release' : 'allocate',
      type: 0,
      thread: i % 2,
      pick: (i * 7919) % 1000,
      size: 8 + (i % 64),
      stack: i % 9,
      ticks: 3,
    });
  }
  const { bytes, events, model } = await writeTrace(all, { batchSize: 1000 });
  let at = 0;
  let chunks = 0;
  for (const { batch } of eventsOf(sourceOf(bytes), plainCodec)) {
    same(t, plainEvents(batch), events.slice(at, at + batch.count));
    at += batch.count;
    chunks++;
  }
  t.is(at, count);
  t.is(chunks, 3);
  same(t, opened(bytes), model);
});

test('a trace cut at any byte opens up to its last whole chunk', async (t) => {
  const all = fc.sample(step, { numRuns: 90, seed: 7 });
  for (const mode of ['full', 'none'] as const) {
    const { bytes, events, model } = await writeTrace(all, {
      batchSize: 20,
      flushEachBatch: true,
      events: mode,
    });
    let most = 0;
    for (let length = 16; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      const found = opened(cut);
      t.false(found.complete);
      let count = 0;
      for (const { batch } of eventsOf(sourceOf(cut), plainCodec)) {
        for (const [i, event] of plainEvents(batch).entries()) same(t, event, events[count + i]);
        count += batch.count;
      }
      t.true(count >= most);
      most = count;
      if (mode === 'none') continue;
      same(t, found.totals.eventCounts, replayed(events.slice(0, count)).totals(1).eventCounts);
      const live = replayed(events.slice(0, count)).snapshot(1);
      same(t, found.atEnd.live.address, live.address);
      same(t, found.atEnd.live.sizeBytes, live.sizeBytes);
      t.true(found.atEnd.live.stackId.every((id) => id < found.stacks.count));
      t.is(found.stackTotals.allocationCount.length, found.stacks.count);
    }
    if (mode === 'full') t.is(most, events.length);
    same(t, opened(bytes), model);
  }
});

/** Block events only matter here: what a ledger makes of them. */
function replayed(events: ReturnType<typeof plainEvents>): Ledger {
  const recording = new Recording(plainHost);
  const batch = new EventBatch(Math.max(events.length, 1));
  for (const e of events) {
    if (e.type <= EventType.allocLast)
      batch.pushAllocation(e.type, e.thread, 0, e.address, e.size, e.stack);
    else if (e.type <= EventType.freeLast) batch.pushRelease(e.type, e.thread, 0, e.address);
    else batch.pushRare(e.type, e.thread, 0, e.rare);
  }
  recording.consume(batch);
  return recording.ledger;
}

test('a flipped bit never crashes and never changes what is read in silence', async (t) => {
  const all = fc.sample(step, { numRuns: 40, seed: 3 });
  const { bytes, events, model } = await writeTrace(all, { batchSize: 20, flushEachBatch: true });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    try {
      const found = opened(flipped);
      // A complete model is the right one: what was flipped lay in events, which it does not need.
      if (found.complete) same(t, found, model);
      let count = 0;
      for (const { batch } of eventsOf(sourceOf(flipped), plainCodec)) {
        for (const [i, event] of plainEvents(batch).entries()) same(t, event, events[count + i]);
        count += batch.count;
      }
    } catch (error) {
      t.true(error instanceof MemprofError, String(error));
    }
  }
});

test('chunks that somebody made up, with right checksums, are refused without a crash', (t) => {
  const kinds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 80 })), {
        maxLength: 6,
      }),
      (chunks) => {
        const out = new ByteWriter();
        out.raw(
          Uint8Array.of(0x89, 0x6d, 0x70, 0x72, 0x6f, 0x66, 0x0d, 0x0a, 2, 0, 0, 0, 1, 0, 0, 0),
        );
        for (const [sequence, [kind, raw]] of chunks.entries()) {
          const stored = plainCodec.compress(raw);
          const header = new ByteWriter();
          for (const word of [
            kind,
            sequence,
            0,
            raw.length,
            stored.length,
            plainCodec.crc32(stored),
          ])
            header.uint32(word);
          header.uint32(plainCodec.crc32(header.written()));
          out.raw(header.written());
          out.raw(stored);
        }
        const bytes = out.written().slice();
        t.notThrows(() => opened(bytes));
        try {
          for (const { batch } of eventsOf(sourceOf(bytes), plainCodec)) t.true(batch.count >= 0);
        } catch (error) {
          t.is((error as MemprofError).code, 'ERR_MEMPROF_TRACE_DAMAGED');
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('what is not a trace, and what is newer, is refused by name', async (t) => {
  const { bytes } = await writeTrace([]);
  const notATrace = { code: 'ERR_MEMPROF_NOT_A_TRACE' };
  const cut = { code: 'ERR_MEMPROF_TRACE_TRUNCATED' };
  t.like(
    t.throws(() => opened(new Uint8Array(0))),
    { code: 'ERR_MEMPROF_TRACE_EMPTY' },
  );
  t.like(
    t.throws(() => opened(Buffer.from('PK\x03\x04 something else altogether'))),
    notATrace,
  );
  t.like(
    t.throws(() => opened(bytes.subarray(0, 15))),
    cut,
  );
  const newer = bytes.slice();
  newer[8] = 4;
  const error = t.throws(() => openTrace(sourceOf(newer, 'new.mprof'), plainCodec, plainHost));
  t.is((error as MemprofError).code, 'ERR_MEMPROF_TRACE_NEWER');
  t.regex(error.message, /new\.mprof has trace format 4; this memprof reads formats up to 3/);
});

test('numbers up to 2^53 - 1 survive as varints, and a cut one is noticed', (t) => {
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
      (natural, signed) => {
        const out = new ByteWriter(1);
        out.varint(natural);
        out.zigzag(signed);
        const reader = new ByteReader(out.written());
        t.is(reader.varint(), natural);
        t.is(reader.zigzag(), signed);
        t.throws(() => reader.varint(), { instanceOf: TraceDamage });
      },
    ),
  );
});
