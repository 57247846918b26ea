import test from 'ava';
import fc from 'fast-check';
import { EventBatch, EventType, Ledger } from '../../src/ledger/index.js';
import { plainHost } from './support.js';

const GiB = 2 ** 30;

/** The obvious ledger: what the fast one must equal. */
class NaiveLedger {
  live = new Map<
    number,
    { size: number; stack: number; thread: number; tick: number; entry: number; serial: number }
  >();
  serial = 0;
  allocatedBytes = 0;
  releaseCount = 0;
  releasedBytes = 0;
  unknown = 0;
  doubles = 0;
  peakBytes = 0;
  peakCount = 0;
  peakTick = 0;
  liveBytes = 0;
  stacks = new Map<number, { count: number; bytes: number; temporary: number }>();
  last = new Map<number, number | null>();

  stack(id: number) {
    let sums = this.stacks.get(id);
    if (sums === undefined) this.stacks.set(id, (sums = { count: 0, bytes: 0, temporary: 0 }));
    return sums;
  }

  allocate(
    entry: number,
    thread: number,
    tick: number,
    address: number,
    size: number,
    stack: number,
  ): void {
    const old = this.live.get(address);
    if (old !== undefined) {
      this.doubles++;
      this.liveBytes -= old.size;
      this.live.delete(address);
    }
    this.live.set(address, { size, stack, thread, tick, entry, serial: this.serial++ });
    this.allocatedBytes += size;
    this.liveBytes += size;
    if (this.liveBytes > this.peakBytes) {
      this.peakBytes = this.liveBytes;
      this.peakCount = this.live.size;
      this.peakTick = tick;
    }
    const sums = this.stack(stack);
    sums.count++;
    sums.bytes += size;
    this.last.set(thread, address);
  }

  /** Returns the age, -1 when unknown, and the size. */
  release(thread: number, address: number): { age: number; size: number } {
    const block = this.live.get(address);
    const wasLast = this.last.get(thread) === address;
    this.last.set(thread, null);
    if (block === undefined) {
      this.unknown++;
      return { age: -1, size: 0 };
    }
    this.live.delete(address);
    this.releaseCount++;
    this.releasedBytes += block.size;
    this.liveBytes -= block.size;
    if (wasLast) this.stack(block.stack).temporary++;
    return { age: this.serial - 1 - block.serial, size: block.size };
  }
}

function run(batch: EventBatch, ledger: Ledger): void {
  let row = 0;
  while ((row = ledger.consume(batch, row)) < batch.count) row++;
}

const event = fc.record({
  kind: fc.constantFrom('allocation', 'release', 'pair'),
  type: fc.nat({ max: 3 }),
  thread: fc.nat({ max: 40 }),
  // Few addresses, so that they are reused, doubled and released twice; some differ only in high bits.
  address: fc
    .tuple(fc.nat({ max: 60 }), fc.constantFrom(0, 2 ** 32, 0x7f00 * 2 ** 32))
    .map(([low, high]) => 16 * low + high),
  size: fc.oneof(
    fc.nat({ max: 4096 }),
    fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1, 5 * GiB, 2 ** 48 - 1),
  ),
  stack: fc.nat({ max: 3000 }),
});

test('the ledger equals a plain Map over any sequence of events', (t) => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 400 }),
      fc.integer({ min: 1, max: 50 }),
      // Tables that are too small at once, so that they grow, and are cleared of released blocks.
      fc.integer({ min: 2, max: 8 }),
      (events, batchSize, capacityLog) => {
        const ledger = new Ledger(plainHost, 2 ** capacityLog);
        const naive = new NaiveLedger();
        for (let start = 0; start < events.length; start += batchSize) {
          const batch = new EventBatch(batchSize);
          const expected: ({ age: number; size: number } | null)[] = [];
          events.slice(start, start + batchSize).forEach((e, i) => {
            const tick = 2 ** 40 + 3 * (start + i);
            const entry = EventType.malloc + e.type;
            if (e.kind === 'pair') {
              batch.pushPair(entry, e.thread, tick, e.address, e.size, e.stack, 2);
              naive.allocate(entry, e.thread, tick, e.address, e.size, e.stack);
              naive.release(e.thread, e.address);
              expected.push(null);
            } else if (e.kind === 'allocation') {
              batch.pushAllocation(entry, e.thread, tick, e.address, e.size, e.stack);
              naive.allocate(entry, e.thread, tick, e.address, e.size, e.stack);
              expected.push(null);
            } else {
              batch.pushRelease(EventType.free + e.type, e.thread, tick, e.address);
              expected.push(naive.release(e.thread, e.address));
            }
          });
          run(batch, ledger);
          expected.forEach((release, row) => {
            if (release === null) return;
            t.is(batch.age[row], release.age);
            t.is(batch.sizeBytes(row), release.size);
          });
        }
        const live = ledger.snapshot(2);
        const expectedLive = [...naive.live].sort(([, a], [, b]) => a.serial - b.serial);
        t.is(live.count, expectedLive.length);
        expectedLive.forEach(([address, block], i) => {
          t.is(live.address[i], address);
          t.is(live.sizeBytes[i], block.size);
          t.is(live.stackId[i], block.stack);
          t.is(live.threadIndex[i], block.thread);
          t.is(live.entry[i], block.entry);
          t.is(live.bornNs[i], 2 * block.tick);
        });
        const totals = ledger.totals(2);
        t.is(totals.allocationCount, naive.serial);
        t.is(totals.allocatedBytes, naive.allocatedBytes);
        t.is(totals.releaseCount, naive.releaseCount);
        t.is(totals.releasedBytes, naive.releasedBytes);
        t.is(totals.liveCount, naive.live.size);
        t.is(totals.liveBytes, naive.liveBytes);
        t.is(totals.peakBytes, naive.peakBytes);
        t.is(totals.peakBlockCount, naive.peakCount);
        t.is(totals.peakNs, 2 * naive.peakTick);
        t.is(ledger.unknownReleaseCount, naive.unknown);
        t.is(ledger.doubleAllocationCount, naive.doubles);
        t.is(
          totals.eventCounts.reduce((sum, count) => sum + count, 0),
          events.length + events.filter(({ kind }) => kind === 'pair').length,
        );
        const stacks = ledger.stackTotals(0);
        for (const [id, sums] of naive.stacks) {
          const liveHere = expectedLive.filter(([, block]) => block.stack === id);
          t.is(stacks.allocationCount[id], sums.count);
          t.is(stacks.allocatedBytes[id], sums.bytes);
          t.is(stacks.temporaryCount[id], sums.temporary);
          t.is(stacks.liveCount[id], liveHere.length);
          t.is(
            stacks.liveBytes[id],
            liveHere.reduce((sum, [, block]) => sum + block.size, 0),
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('the table stays right while it grows to 200,000 blocks and shrinks to none', (t) => {
  const ledger = new Ledger(plainHost);
  const count = 200_000;
  // Spread over the whole 48-bit space, so that neighbours in the table are strangers.
  const addressOf = (i: number) => 16 * ((i * 2654435761) % 2 ** 43);
  const batch = new EventBatch(1000);
  for (let i = 0; i < count; i++) {
    batch.pushAllocation(EventType.malloc, 0, i, addressOf(i), i, 7);
    if (batch.count === batch.capacity) {
      run(batch, ledger);
      batch.clear();
    }
  }
  t.is(ledger.blockCount, count);
  for (let i = 0; i < count; i++) {
    batch.pushRelease(EventType.free, 0, count + i, addressOf((i * 7919) % count));
    if (batch.count === batch.capacity) {
      run(batch, ledger);
      batch.clear();
    }
  }
  t.is(ledger.blockCount, 0);
  t.is(ledger.unknownReleaseCount, 0);
  t.is(ledger.totals(1).liveBytes, 0);
  t.is(ledger.totals(1).peakBlockCount, count);
});

test('addresses that never come back do not make the table grow, and outgrown tables are given back', (t) => {
  const held = new Set<ArrayBuffer>();
  const memory = {
    allocate(sizeBytes: number) {
      const buffer = new ArrayBuffer(sizeBytes);
      held.add(buffer);
      return buffer;
    },
    release(buffer: ArrayBuffer) {
      t.true(held.delete(buffer));
    },
  };
  const capacity = 256;
  const ledger = new Ledger({ ...plainHost, ...memory }, capacity);
  const atFirst = [...held];
  const batch = new EventBatch(1000);
  const addressOf = (i: number) => 16 * ((i * 2654435761) % 2 ** 43);
  const put = (count: number, liveCount: number, from: number) => {
    for (let i = from; i < from + count; i++) {
      if (i >= liveCount) batch.pushRelease(EventType.free, 0, 3 * i, addressOf(i - liveCount));
      batch.pushAllocation(EventType.malloc, 0, 3 * i + 1, addressOf(i), 10, 7);
      if (batch.count < batch.capacity - 1) continue;
      run(batch, ledger);
      batch.clear();
    }
    run(batch, ledger);
    batch.clear();
  };
  put(50_000, capacity / 2, 0);
  t.is(ledger.blockCount, capacity / 2);
  t.is(ledger.unknownReleaseCount, 0);
  t.deepEqual([...held], atFirst);
  put(5000, 2 ** 40, 50_000);
  t.is(ledger.blockCount, capacity / 2 + 5000);
  t.is(held.size, 3);
  t.deepEqual(
    [...ledger.snapshot(1).bornNs],
    Array.from({ length: capacity / 2 + 5000 }, (_, i) => 3 * (50_000 - capacity / 2 + i) + 1),
  );
  ledger.dispose();
  t.is(held.size, 0);
});

test('a realloc that moves, grows and frees leaves one block, then none', (t) => {
  const ledger = new Ledger(plainHost);
  const batch = new EventBatch(16);
  batch.pushAllocation(EventType.malloc, 0, 1, 0x1000, 100, 1);
  batch.pushRelease(EventType.freeRealloc, 0, 2, 0x1000);
  batch.pushAllocation(EventType.realloc, 0, 3, 0x2000, 6 * GiB, 2);
  run(batch, ledger);
  let live = ledger.snapshot(1);
  t.deepEqual([...live.address], [0x2000]);
  t.deepEqual([...live.sizeBytes], [6 * GiB]);
  t.deepEqual([...live.entry], [EventType.realloc]);
  t.deepEqual([...ledger.stackTotals(0).temporaryCount], [0, 1, 0]);
  batch.clear();
  batch.pushRelease(EventType.freeRealloc, 0, 4, 0x2000);
  run(batch, ledger);
  live = ledger.snapshot(1);
  t.is(live.count, 0);
  t.is(ledger.totals(1).peakBytes, 6 * GiB);
});

test('a block is temporary only when the same thread releases it as its very next event', (t) => {
  const ledger = new Ledger(plainHost);
  const batch = new EventBatch(16);
  batch.pushAllocation(EventType.malloc, 0, 1, 0x1000, 8, 1);
  batch.pushAllocation(EventType.malloc, 1, 2, 0x2000, 8, 2);
  batch.pushRelease(EventType.free, 0, 3, 0x1000); // thread 1's event lies between, but it is another thread's
  batch.pushRelease(EventType.free, 0, 4, 0x2000); // released by another thread
  batch.pushAllocation(EventType.malloc, 0, 5, 0x3000, 8, 3);
  batch.pushAllocation(EventType.malloc, 0, 6, 0x4000, 8, 4);
  batch.pushRelease(EventType.free, 0, 7, 0x3000); // not the next event
  run(batch, ledger);
  t.deepEqual([...ledger.stackTotals(0).temporaryCount], [0, 1, 0, 0, 0]);
});
