// What questions of a program ask the ledger: peaks of parts of the run, and what is live of some blocks.
import test from 'ava';
import fc from 'fast-check';
import {
  EventBatch,
  EventType,
  Ledger,
  MarkKind,
  type PeakWatch,
  Recording,
} from '../../src/ledger/index.js';
import { plainHost } from './support.js';

const address = fc.nat({ max: 40 }).map((low) => 0x7f00_0000_0000 + 16 * low);
const step = fc.oneof(
  fc.record({
    what: fc.constantFrom('allocate', 'pair'),
    address,
    size: fc.nat({ max: 5000 }),
    stack: fc.nat({ max: 20 }),
    thread: fc.nat({ max: 3 }),
  }),
  fc.record({ what: fc.constant('free'), address }),
  fc.record({ what: fc.constantFrom('begin', 'look', 'end'), which: fc.nat({ max: 5 }) }),
) as fc.Arbitrary<{
  what: 'allocate' | 'pair' | 'free' | 'begin' | 'look' | 'end';
  address: number;
  size: number;
  stack: number;
  thread: number;
  which: number;
}>;

interface Block {
  size: number;
  stack: number;
  thread: number;
  serial: number;
}

/** The obvious one: looks at every watch at every event. */
class Naive {
  readonly live = new Map<number, Block>();
  readonly watches: { watch: PeakWatch; peak: number }[] = [];
  liveBytes = 0;
  wholePeak = 0;
  serial = 0;

  allocate(at: number, size: number, stack: number, thread: number): void {
    this.liveBytes += size - (this.live.get(at)?.size ?? 0);
    this.live.set(at, { size, stack, thread, serial: this.serial++ });
    this.wholePeak = Math.max(this.wholePeak, this.liveBytes);
    for (const each of this.watches) each.peak = Math.max(each.peak, this.liveBytes);
  }

  free(at: number): void {
    this.liveBytes -= this.live.get(at)?.size ?? 0;
    this.live.delete(at);
  }

  sums(isMine: (block: Block) => boolean): Map<number, [number, number]> {
    const sums = new Map<number, [number, number]>();
    for (const block of this.live.values()) {
      if (!isMine(block)) continue;
      const [count, bytes] = sums.get(block.stack) ?? [0, 0];
      sums.set(block.stack, [count + 1, bytes + block.size]);
    }
    return sums;
  }
}

test('peaks of any parts of the run are those over every event, whatever batches they come in', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.nat({ max: 9 }), (steps, batchSize) => {
      const ledger = new Ledger(plainHost, 16);
      const naive = new Naive();
      let batch = new EventBatch(batchSize + 1);
      const flush = () => {
        t.is(ledger.consume(batch, 0), batch.count);
        batch = new EventBatch(batchSize + 1);
      };
      for (const [at, one] of steps.entries()) {
        if (batch.count === batch.capacity) flush();
        const { what, size, stack, thread } = one;
        if (what === 'allocate') {
          batch.pushAllocation(EventType.malloc, thread, at, one.address, size, stack);
          naive.allocate(one.address, size, stack, thread);
        } else if (what === 'pair') {
          batch.pushPair(EventType.malloc, thread, at, one.address, size, stack, 1);
          naive.allocate(one.address, size, stack, thread);
          naive.free(one.address);
        } else if (what === 'free') {
          batch.pushRelease(EventType.free, 0, at, one.address);
          naive.free(one.address);
        } else {
          flush();
          if (what === 'begin') {
            const watch = ledger.peaks.begin();
            t.is(watch.startBytes, naive.liveBytes);
            naive.watches.push({ watch, peak: naive.liveBytes });
          }
          const known = naive.watches[one.which];
          if (known === undefined) continue;
          t.is(ledger.peaks.bytes(known.watch), known.peak);
          if (what !== 'end') continue;
          ledger.peaks.end(known.watch);
          t.is(ledger.peaks.bytes(known.watch), null);
          naive.watches.splice(one.which, 1);
        }
      }
      flush();
      t.is(ledger.totals(1).peakBytes, naive.wholePeak);
      for (const { watch, peak } of naive.watches) t.is(ledger.peaks.bytes(watch), peak);
    }),
  );
});

test('what is live by stack, since a serial and of a thread, is what the blocks add up to', (t) => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.nat({ max: 100 }),
      fc.option(fc.nat({ max: 3 })),
      (steps, from, thread) => {
        const ledger = new Ledger(plainHost, 16);
        const naive = new Naive();
        const batch = new EventBatch(steps.length + 1);
        for (const [at, one] of steps.entries()) {
          if (one.what === 'allocate') {
            const { size, stack } = one;
            batch.pushAllocation(EventType.malloc, one.thread, at, one.address, size, stack);
            naive.allocate(one.address, size, stack, one.thread);
          } else if (one.what === 'free') {
            batch.pushRelease(EventType.free, 0, at, one.address);
            naive.free(one.address);
          }
        }
        ledger.consume(batch, 0);
        const asMap = ({ liveCount, liveBytes }: ReturnType<Ledger['liveSums']>) => {
          const sums = new Map<number, [number, number]>();
          for (const [stack, count] of liveCount.entries())
            if (count > 0) sums.set(stack, [count, liveBytes[stack]!]);
          return sums;
        };
        const sorted = (sums: Map<number, [number, number]>) => [...sums].sort(([a], [b]) => a - b);
        t.deepEqual(sorted(asMap(ledger.liveSums())), sorted(naive.sums(() => true)));
        t.deepEqual(
          sorted(asMap(ledger.liveSumsOf(from, thread))),
          sorted(
            naive.sums(
              (block) => block.serial >= from && (thread === null || block.thread === thread),
            ),
          ),
        );
        for (let low = 0; low <= 40; low++) {
          const place = 0x7f00_0000_0000 + 16 * low;
          t.is(ledger.isLive(place), naive.live.has(place));
        }
      },
    ),
  );
});

test('a question is put between the events before and after its mark, in the middle of a batch', (t) => {
  const recording = new Recording(plainHost);
  const seen: [number, number, number, number][] = [];
  recording.onQuestion = (tick, number, thread) =>
    seen.push([tick, number, thread, recording.ledger.blockCount]);
  const batch = new EventBatch(8);
  batch.pushAllocation(EventType.malloc, 0, 1, 0x1000, 8, 6);
  batch.pushRare(EventType.mark, 2, 2, [MarkKind.question, 0, 7, 0]);
  batch.pushAllocation(EventType.malloc, 0, 3, 0x2000, 8, 6);
  batch.pushRare(EventType.mark, 0, 4, [MarkKind.ignoreBegin, 0, 0, 0]);
  batch.pushRare(EventType.mark, 0, 5, [MarkKind.question, 0, 8, 0]);
  recording.consume(batch);
  t.deepEqual(seen, [
    [2, 7, 2, 1],
    [5, 8, 0, 2],
  ]);
  t.deepEqual(recording.parts(1, 8).marks, []);
});
