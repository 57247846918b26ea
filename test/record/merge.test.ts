import test from 'ava';
import fc from 'fast-check';
import { EventBatch, EventType, Recording } from '../../src/ledger/index.js';
import { Merge } from '../../src/record/merge.js';
import { MetaParser } from '../../src/record/meta.js';
import { plainHost } from '../ledger/support.js';
import { allocationWords, TestRing } from './rings.js';

function mergeOf(rings: TestRing[]): { merge: Merge; damages: string[] } {
  const damages: string[] = [];
  const merge = new Merge(
    rings.map(({ reader }) => reader),
    (ring) => damages.push(ring.damage ?? ''),
  );
  return { merge, damages };
}

function takeAll(
  merge: Merge,
  now: number,
  capacity = 7,
): { type: number; tick: number; thread: number; address: number; size: number; stack: number }[] {
  const taken = [];
  const batch = new EventBatch(capacity);
  for (let isFull = true; isFull; ) {
    isFull = merge.fill(batch, now, 1000);
    for (let row = 0; row < batch.count; row++) {
      const type = batch.type[row]!;
      const isPair = type >= EventType.pair;
      const event = {
        type: isPair ? type - EventType.pair : type,
        tick: batch.tick(row),
        thread: batch.threadIndex[row]!,
        address: batch.address(row),
        size: batch.sizeBytes(row),
        stack: batch.stackId[row]!,
      };
      taken.push(event);
      if (isPair) taken.push({ ...event, type: EventType.free, tick: batch.endTick(row) });
    }
    batch.clear();
  }
  return taken;
}

const record = fc.record({
  ring: fc.nat({ max: 3 }),
  isAllocation: fc.boolean(),
  // Few: so that blocks are freed by the next event.
  address: fc.oneof(fc.nat({ max: 1 }), fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }).map(Number)),
  size: fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }).map(Number),
  stack: fc.nat({ max: 999 }),
  ticks: fc.integer({ min: 1, max: 2 ** 31 }),
  drains: fc.boolean(),
});

test('records of several rings come out in the order of their ticks, whenever rings were drained and wherever they wrap', (t) => {
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 200 }),
      fc.nat({ max: 2 ** 32 - 1 }),
      (records, startWord) => {
        // 64 words: records wrap in their middle, and word counts wrap at 2^32.
        const rings = [0, 1, 2, 3].map((index) => new TestRing(index, 512, (startWord - 20) >>> 0));
        const { merge, damages } = mergeOf(rings);
        const taken: ReturnType<typeof takeAll> = [];
        let tick = 0;
        for (const [index, ring] of rings.entries())
          ring.put(EventType.threadBegin, tick++, BigInt(index) << 32n, 0n);
        const drain = (now: number) => {
          for (const { reader } of rings) reader.drain(0);
          taken.push(...takeAll(merge, now));
        };
        const expected = [];
        for (const r of records) {
          tick += r.ticks;
          const ring = rings[r.ring]!;
          if (ring.freeWords < 3) drain(tick);
          const { address } = r;
          if (r.isAllocation) {
            ring.put(EventType.malloc, tick, ...allocationWords(address, r.size, r.stack));
            expected.push({
              type: EventType.malloc,
              tick,
              thread: r.ring,
              address,
              size: r.size,
              stack: r.stack,
            });
          } else {
            ring.put(EventType.free, tick, BigInt(address));
            expected.push({ type: EventType.free, tick, thread: r.ring, address });
          }
          if (r.drains) drain(tick + 1);
        }
        drain(Infinity);
        t.deepEqual(damages, []);
        const blocks = taken.filter(({ type }) => type !== EventType.threadBegin);
        t.is(blocks.length, expected.length);
        for (const [i, event] of expected.entries()) t.like(blocks[i], event);
        t.is(merge.fallenTickCount, 0);
      },
    ),
  );
});

test('a busy ring holds back later records of the others, an idle one does not', (t) => {
  const busy = new TestRing(0, 4096);
  const other = new TestRing(1, 4096);
  const { merge } = mergeOf([busy, other]);
  busy.put(EventType.threadBegin, 1, 0n, 0n);
  busy.put(EventType.free, 10, 0x10n);
  other.put(EventType.threadBegin, 2, 1n << 32n, 0n);
  other.put(EventType.free, 5, 0x20n);
  other.put(EventType.free, 20, 0x30n);
  busy.busy = true;
  const drain = () => {
    busy.reader.drain(0);
    other.reader.drain(0);
  };
  drain();
  // It is writing something, at a tick not below 10.
  t.deepEqual(
    takeAll(merge, 100).map(({ tick }) => tick),
    [1, 2, 5, 10],
  );
  busy.put(EventType.free, 15, 0x40n);
  busy.busy = false;
  drain();
  t.deepEqual(
    takeAll(merge, 100).map(({ tick }) => tick),
    [15, 20],
  );
  other.put(EventType.free, 150, 0x50n);
  drain();
  t.deepEqual(takeAll(merge, 100), []); // after the fence: another thread may still come before it
  t.is(takeAll(merge, Infinity).length, 1);
});

test('at the same tick a release comes before an allocation', (t) => {
  const rings = [new TestRing(0, 4096), new TestRing(1, 4096)];
  const { merge } = mergeOf(rings);
  rings[0]!.put(EventType.threadBegin, 1, 0n, 0n);
  rings[1]!.put(EventType.threadBegin, 1, 1n << 32n, 0n);
  rings[0]!.put(EventType.malloc, 9, ...allocationWords(0x1000, 8, 1));
  rings[1]!.put(EventType.free, 9, 0x1000n);
  for (const { reader } of rings) reader.drain(0);
  t.deepEqual(
    takeAll(merge, Infinity)
      .slice(2)
      .map(({ type }) => type),
    [EventType.free, EventType.malloc],
  );
});

test('a block freed by the very next event of all rings becomes one row with both times', (t) => {
  const rings = [new TestRing(0, 4096), new TestRing(1, 4096)];
  const { merge } = mergeOf(rings);
  rings[0]!.put(EventType.threadBegin, 1, 0n, 0n);
  rings[1]!.put(EventType.threadBegin, 2, 1n << 32n, 0n);
  const address = 0x7f00_1234_5670;
  for (const tick of [10, 20, 40]) {
    rings[0]!.put(EventType.calloc, tick, ...allocationWords(address, 2 ** 33, 6));
    rings[0]!.put(EventType.free, tick + 3, BigInt(address));
  }
  // Between the second pair's halves, of another thread.
  rings[1]!.put(EventType.free, 21, 0x50n);
  // Not the same address; not a plain free.
  rings[0]!.put(EventType.malloc, 50, ...allocationWords(address, 8, 6));
  rings[0]!.put(EventType.free, 51, BigInt(address) + 2n ** 32n);
  rings[0]!.put(EventType.malloc, 60, ...allocationWords(address, 8, 6));
  rings[0]!.put(EventType.freeRealloc, 61, BigInt(address));
  for (const { reader } of rings) reader.drain(0);
  const batch = new EventBatch(64);
  merge.fill(batch, Infinity, 100);
  const pair = EventType.pair + EventType.calloc;
  t.deepEqual(
    Array.from({ length: batch.count }, (_, row) => [
      batch.type[row],
      batch.tick(row),
      batch.endTick(row),
    ]).slice(2),
    [
      [pair, 10, 13],
      [EventType.calloc, 20, 20],
      [EventType.free, 21, 21],
      [EventType.free, 23, 23],
      [pair, 40, 43],
      [EventType.malloc, 50, 50],
      [EventType.free, 51, 51],
      [EventType.malloc, 60, 60],
      [EventType.freeRealloc, 61, 61],
    ],
  );
  t.is(batch.sizeBytes(2), 2 ** 33);
  t.is(batch.address(2), address);
});

test('a ring that changes hands gives its events to the new thread', (t) => {
  const ring = new TestRing(0, 4096);
  const { merge } = mergeOf([ring]);
  ring.put(EventType.threadBegin, 1, 3n << 32n, 0n);
  ring.put(EventType.free, 2, 0x10n);
  ring.put(EventType.threadEnd, 3);
  ring.put(EventType.threadBegin, 4, 8n << 32n, 0n);
  ring.put(EventType.free, 5, 0x20n);
  ring.reader.drain(0);
  t.deepEqual(
    takeAll(merge, Infinity).map(({ thread }) => thread),
    [3, 3, 3, 8, 8],
  );
});

test('random words in a ring, or a random head, never throw; the ring is stopped, the others go on', (t) => {
  const types = [...Object.values(EventType), 0, 0xff].map(BigInt);
  const word = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    // Nearly right ones reach deeper.
    fc
      .tuple(fc.constantFrom(...types), fc.bigInt({ min: 0n, max: 2n ** 56n - 1n }))
      .map(([type, rest]) => (type << 56n) | rest),
    fc
      .tuple(fc.constantFrom(...types), fc.bigInt({ min: 0n, max: 5000n }))
      .map(([type, rest]) => (type << 56n) | rest),
  );
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 60 }),
      fc.option(fc.nat({ max: 2 ** 32 - 1 })),
      (words, head) => {
        const bad = new TestRing(0, 512);
        const good = new TestRing(1, 512);
        const { merge } = mergeOf([bad, good]);
        good.put(EventType.threadBegin, 1, 1n << 32n, 0n);
        good.put(EventType.malloc, 7, ...allocationWords(0x7000, 24, 1));
        bad.putWords(words);
        if (head !== null) bad.setHead(head);
        const recording = new Recording(plainHost);
        for (let round = 0; round < 3; round++) {
          bad.reader.drain(0);
          good.reader.drain(0);
          const batch = new EventBatch(16);
          for (let isFull = true; isFull; ) {
            isFull = merge.fill(batch, Infinity, 1000);
            recording.consume(batch);
            batch.clear();
          }
        }
        recording.parts(1, 0);
        t.true(recording.ledger.totals(1).eventCounts[EventType.malloc]! >= 1);
        t.true(recording.ledger.nextSerial >= 1);
      },
    ),
    { numRuns: 2000 },
  );
});

test('random bytes in the meta ring never throw', (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.nat({ max: 8 }),
          fc.integer({ min: 0, max: 9 }),
          fc.uint8Array({ maxLength: 64 }),
        ),
      ),
      (records) => {
        const parser = new MetaParser();
        for (const [type, words, bytes] of records) {
          const padded = new Uint8Array(8 + 8 * words);
          const view = new DataView(padded.buffer);
          view.setUint32(0, type, true);
          view.setUint32(4, padded.length, true);
          padded.set(bytes.subarray(0, 8 * words), 8);
          t.notThrows(() => parser.push(padded));
        }
      },
    ),
    { numRuns: 1000 },
  );
});
