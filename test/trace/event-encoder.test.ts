import test from 'ava';
import fc from 'fast-check';
import { EventBatch, EventType, Recording, recordWords } from '../../src/ledger/index.js';
import { nativeEncoder } from '../../src/record/index.js';
import { EventDecoder, rowsPerChunk } from '../../src/trace/index.js';
import { plainHost } from '../ledger/support.js';
import { plainEvents, same } from './support.js';

const types = Array.from({ length: EventType.pair }, (_, type) => type).filter(recordWords);
const nsPerTick = 0.5;
/** What times are rounded to at half a nanosecond a tick. */
const quantumTicks = 2048;

interface Act {
  type: number;
  isPair: boolean;
  thread: number;
  ticks: number;
  lifeTicks: number;
  address: number;
  /** Of the live blocks, from the youngest; beyond them: a block that nobody knows. */
  released: number;
  size: number;
  stack: number;
  half: number;
  endsChunk: boolean;
}

const jump = fc.oneof(
  { weight: 9, arbitrary: fc.nat({ max: 5000 }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 43 + 1) },
);
const act: fc.Arbitrary<Act> = fc.record({
  // Half of all are malloc and free, as in programs.
  type: fc.oneof(fc.constantFrom(EventType.malloc, EventType.free), fc.constantFrom(...types)),
  isPair: fc.boolean(),
  thread: fc.oneof(fc.nat({ max: 1 }), fc.nat({ max: 300 }), fc.constant(2 ** 24 - 1)),
  ticks: jump,
  lifeTicks: jump,
  address: fc.oneof(
    fc.nat({ max: 60 }).map((place) => 0x7f12_0000_0000 + 32 * place),
    fc.nat({ max: 40 }).map((place) => 0x7f12_fff0_0000 + 8 * place),
    fc.constantFrom(0, 8, 2 ** 32, 2 ** 48 - 16),
  ),
  released: fc.nat({ max: 40 }),
  size: fc.oneof(
    fc.constantFrom(8, 24, 25, 1032, 1033),
    fc.nat({ max: 3000 }),
    fc.nat(),
    fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1),
  ),
  stack: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 20_000 })),
  half: fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(2 ** 31, 2 ** 32 - 1)),
  endsChunk: fc.integer({ min: 0, max: 30 }).map((one) => one === 0),
});

function put(batch: EventBatch, one: Act, tick: number, live: number[]): number {
  const { type, thread, address, size, stack } = one;
  if (type > EventType.freeLast) {
    const halves = Array.from(
      { length: 2 * recordWords(type) - 2 },
      (_, i) => (one.half + i) >>> 0,
    );
    batch.pushRare(type, thread, tick, halves);
    return tick;
  }
  if (type > EventType.allocLast) {
    const known = live.splice(-1 - one.released, 1)[0];
    batch.pushRelease(type, thread, tick, known ?? address);
    return tick;
  }
  if (one.isPair) {
    batch.pushPair(type, thread, tick, address, size, stack, one.lifeTicks);
    return tick + one.lifeTicks;
  }
  batch.pushAllocation(type, thread, tick, address, size, stack);
  live.push(address);
  return tick;
}

test('what the native encoder writes of any events, the decoder reads back', (t) => {
  fc.assert(
    fc.property(
      fc.array(act, { maxLength: 400 }),
      fc.integer({ min: 1, max: 200 }),
      (acts, batchSize) => {
        const encoder = nativeEncoder().events;
        const decoder = new EventDecoder();
        const recording = new Recording(plainHost);
        const live: number[] = [];
        let written: unknown[] = [];
        let ticks: number[] = [];
        let lastTick = 0;
        const check = () => {
          if (encoder.eventCount === 0) return;
          t.is(encoder.eventCount, written.length);
          const read = decoder.decode(encoder.finish());
          same(t, plainEvents(read), written);
          same(
            t,
            Array.from({ length: read.count }, (_, row) => read.tick(row)),
            ticks.map((tick) => tick - (tick % quantumTicks)),
          );
          written = [];
          ticks = [];
        };
        for (let start = 0; start < acts.length; start += batchSize) {
          const batch = new EventBatch(batchSize);
          const piece = acts.slice(start, start + batchSize);
          for (const one of piece) {
            lastTick += one.ticks;
            ticks.push(lastTick);
            const end = put(batch, one, lastTick, live);
            if (batch.type[batch.count - 1]! >= EventType.pair) ticks.push(end);
            lastTick = end;
          }
          recording.consume(batch);
          for (let row = 0; row < batch.count; ) row = encoder.add(batch, row, nsPerTick);
          written.push(...plainEvents(batch));
          if (piece.some(({ endsChunk }) => endsChunk)) check();
        }
        check();
      },
    ),
    { numRuns: 150 },
  );
});

test('encoder and decoder agree to which class a size belongs, on both sides of each border', (t) => {
  const sizes = Array.from({ length: 1100 }, (_, size) => size);
  for (let power = 1024; power < 2 ** 48; power *= 2)
    for (let part = 4; part < 8; part++) sizes.push((power / 4) * part - 1, (power / 4) * part);
  for (const size of sizes) {
    const batch = new EventBatch(5);
    const [first, second] = [0x7f00_1000, 0x7f00_8000];
    batch.pushAllocation(EventType.malloc, 0, 1, first, size, 6);
    batch.pushRelease(EventType.free, 0, 2, first);
    batch.pushAllocation(EventType.malloc, 0, 3, second, size + 1, 6);
    batch.pushRelease(EventType.free, 0, 4, second);
    // Told as the last or the one before, by whether the two sizes share a class.
    batch.pushAllocation(EventType.malloc, 0, 5, first, size, 6);
    new Recording(plainHost).consume(batch);
    const encoder = nativeEncoder().events;
    encoder.add(batch, 0, nsPerTick);
    same(t, plainEvents(new EventDecoder().decode(encoder.finish())), plainEvents(batch));
  }
});

test('a chunk ends at its last row, within a batch as well', (t) => {
  const encoder = nativeEncoder().events;
  const batch = new EventBatch(rowsPerChunk - 1);
  for (let row = 0; row < batch.capacity; row++)
    batch.pushPair(EventType.malloc, 0, row, 4096, 16, 6, 0);
  t.is(encoder.add(batch, 0, 1), rowsPerChunk - 1);
  t.false(encoder.isFull);
  t.is(encoder.add(batch, 0, 1), 1);
  t.true(encoder.isFull);
  t.is(encoder.eventCount, 2 * rowsPerChunk);
  t.is(encoder.add(batch, 1, 1), 1);
  t.is(new EventDecoder().decode(encoder.finish()).count, 2 * rowsPerChunk);
  t.false(encoder.isFull);
  t.is(encoder.eventCount, 0);
});

test('a batch that lacks the words of a record is refused', (t) => {
  const batch = new EventBatch(1);
  batch.pushRare(EventType.exit, 0, 1, [0, 0]);
  batch.stackId[0] = batch.rareWords.length - 1;
  t.throws(() => nativeEncoder().events.add(batch, 0, 1), { code: 'EINVAL' });
});
