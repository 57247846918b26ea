import test from 'ava';
import fc from 'fast-check';
import { EventBatch, EventType, MarkKind, Recording, ResourceEnd } from '../../src/ledger/index.js';
import { ResourceKind, type ResourceLedger, type StackId } from '../../src/model/index.js';
import { plainHost } from './support.js';

/** Writes records as the shim does, in words of two halves. */
class Book {
  readonly recording = new Recording(plainHost);
  private tick = 1;

  event(type: number, threadIndex: number, words: readonly number[]): void {
    const batch = new EventBatch(1);
    const halves = words.flatMap((word) => [word >>> 0, Math.floor(word / 2 ** 32) >>> 0]);
    batch.pushRare(type, threadIndex, this.tick++, halves);
    this.recording.consume(batch);
  }

  make(
    id: number,
    kind: number,
    more: {
      stack?: number;
      data?: number;
      value?: number;
      text?: number;
      thread?: number;
      flags?: number;
    } = {},
  ): void {
    const { stack = 9, data = 0, value = 0, text = 0, thread = 0, flags = 0 } = more;
    const first = kind + flags * 2 ** 8 + stack * 2 ** 32;
    this.event(EventType.resourceNew, thread, [first, id, data, 0, value, text]);
  }

  end(id: number, how: number): void {
    this.event(EventType.resourceEnd, 0, [how * 2 ** 8, id]);
  }

  change(id: number, value: number): void {
    this.event(EventType.resourceChange, 0, [0, id, value]);
  }

  allocate(address: number): void {
    const batch = new EventBatch(1);
    batch.pushAllocation(EventType.malloc, 0, this.tick++, address, 64, 9);
    this.recording.consume(batch);
  }

  teardown(): void {
    this.event(EventType.mark, 0, [MarkKind.beforeTeardown, 0]);
  }

  ledger(): ResourceLedger {
    return this.recording.parts(1, 16).resources as ResourceLedger;
  }
}

const { wrap, reference, external, externalMemory, asyncWork } = ResourceKind;

test('a trace without resources has no ledger of them', (t) => {
  t.is(new Recording(plainHost).parts(1, 16).resources, undefined);
});

test('what ends after the last mark of teardown was outstanding, and ended by it', (t) => {
  const book = new Book();
  for (const id of [1, 2, 3]) book.make(id, wrap);
  book.end(1, ResourceEnd.explicit);
  book.teardown();
  book.end(2, ResourceEnd.explicit);
  // An exit listener ran once more: the first mark was not the last.
  book.teardown();
  book.end(3, ResourceEnd.finalized);
  const [totals] = book.ledger().totals;
  t.is(totals?.releasedCount, 2);
  t.is(totals?.finalizedCount, 0);
  t.is(totals?.tornDownCount, 1);
  t.deepEqual([...book.ledger().outstanding.id], [3]);
});

test('values change, negative ones too, and are summed over what is outstanding', (t) => {
  const book = new Book();
  book.make(1, externalMemory, { value: 1000 });
  book.make(2, externalMemory, { value: 5, stack: 10 });
  book.change(1, -(2 ** 40));
  const { totals } = book.ledger();
  t.deepEqual(
    totals.map((one) => [one.stackId, one.outstandingValue]),
    [
      [9 as StackId, -(2 ** 40)],
      [10 as StackId, 5],
    ],
  );
});

test('a second NEW of the same id adds what has become known, and creates nothing', (t) => {
  const book = new Book();
  book.make(1, ResourceKind.persistent, { value: 1 });
  book.make(1, ResourceKind.persistent, { value: 0, data: 0x7f0000001000, stack: 0 });
  const { totals, outstanding } = book.ledger();
  t.is(totals.length, 1);
  t.is(totals[0]?.createdCount, 1);
  t.is(outstanding.data[0], 0x7f0000001000);
  t.is(outstanding.value[0], 0);
});

test('without a finalizer a resource counts as long as its native memory lives', (t) => {
  const book = new Book();
  book.allocate(0x1000);
  book.make(1, external, { data: 0x1000, flags: 1 });
  book.make(2, external, { data: 0x2000, flags: 1 });
  book.make(3, external, { data: 0x1000, flags: 1 });
  const { totals, outstanding } = book.ledger();
  t.deepEqual([...outstanding.id], [3]);
  t.is(totals[0]?.createdCount, 3);
  t.is(totals[0]?.unwatchedCount, 3);
  t.is(book.recording.resourceBalances()[0]?.outstandingCount, 1);
});

test('the end of a Worker takes what its environment owned, and leaves what the addon has to delete', (t) => {
  const book = new Book();
  book.event(EventType.threadBegin, 1, [4243 + 2 ** 32, 0]);
  book.make(1, wrap, { thread: 1 });
  book.make(2, reference, { thread: 1 });
  book.make(3, asyncWork, { thread: 1 });
  book.make(4, wrap, { thread: 0 });
  book.event(EventType.threadEnd, 1, []);
  t.deepEqual([...book.ledger().outstanding.id].sort(), [2, 3, 4]);
  t.is(book.ledger().totals.find((one) => one.kind === wrap)?.tornDownCount, 1);
});

test('class names are told apart, and named once', (t) => {
  const book = new Book();
  book.recording.addText(7, 'Image');
  book.make(1, wrap, { text: 7 });
  book.make(2, wrap, { text: 7 });
  book.make(3, wrap);
  const { totals, outstanding } = book.ledger();
  t.deepEqual(
    totals.map((one) => [one.className, one.createdCount]),
    [
      ['Image', 2],
      ['', 1],
    ],
  );
  t.deepEqual(
    [...outstanding.classIndex].map((at) => outstanding.classNames[at]),
    ['Image', 'Image', ''],
  );
});

test('equals the obvious ledger, whatever comes', (t) => {
  const step = fc.record({
    what: fc.constantFrom('make', 'end', 'change'),
    id: fc.integer({ min: 1, max: 40 }),
    kind: fc.constantFrom(wrap, reference, external),
    stack: fc.integer({ min: 1, max: 3 }),
    how: fc.integer({ min: 0, max: 2 }),
    value: fc.integer({ min: -1000, max: 1000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const book = new Book();
      const alive = new Map<number, { kind: number; stack: number; value: number }>();
      const ended = [0, 0, 0];
      let next = 100;
      for (const { what, id, kind, stack, how, value } of steps) {
        const some = [...alive.keys()][id % Math.max(1, alive.size)] ?? 0;
        const known = alive.get(some);
        if (what === 'make') {
          book.make(next, kind, { stack, value });
          alive.set(next++, { kind, stack, value });
        } else if (what === 'end') {
          book.end(some, how);
          if (alive.delete(some)) ended[how]!++;
        } else {
          book.change(some, value);
          if (known !== undefined) known.value = value;
        }
      }
      if (next === 100) return;
      const { totals, outstanding } = book.ledger();
      t.deepEqual([...outstanding.id].sort(), [...alive.keys()].sort());
      const sum = (of: (one: (typeof totals)[number]) => number) =>
        totals.reduce((all, one) => all + of(one), 0);
      t.is(
        sum((one) => one.createdCount),
        next - 100,
      );
      t.deepEqual(
        [
          sum((one) => one.releasedCount),
          sum((one) => one.finalizedCount),
          sum((one) => one.tornDownCount),
        ],
        ended,
      );
      for (const one of totals) {
        const mine = [...alive.values()].filter(
          (row) => row.kind === one.kind && row.stack === one.stackId,
        );
        t.is(
          one.outstandingValue,
          mine.reduce((all, row) => all + row.value, 0),
        );
        const balance = book.recording
          .resourceBalances()
          .find((each) => each.kind === one.kind && each.stackId === one.stackId);
        t.is(balance?.createdCount, one.createdCount);
        t.is(balance?.outstandingCount, mine.length);
        t.is(balance?.outstandingValue, one.outstandingValue);
      }
    }),
  );
});
