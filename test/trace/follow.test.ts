import test from 'ava';
import fc from 'fast-check';
import { eventsOf, sourceOf, TraceFollower, type TraceSource } from '../../src/trace/index.js';
import { plainHost } from '../ledger/support.js';
import { type PlainEvent, plainCodec, plainEvents, same, step, writeTrace } from './support.js';

const steps = fc.array(step, { maxLength: 200 });

/** A file of which so much is there. */
class Growing implements TraceSource {
  readonly name = 'the trace';
  sizeBytes = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.subarray(offset, Math.min(offset + length, this.sizeBytes));
  }
}

test('a trace that grows by any number of bytes at a time is followed, event by event, to its end', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 50 }),
      async (all, growth) => {
        const { bytes, events, model } = await writeTrace(all, {
          batchSize: 16,
          flushEachBatch: true,
        });
        const source = new Growing(bytes);
        const follower = new TraceFollower(source, plainCodec, plainHost);
        const read: PlainEvent[] = [];
        for (let at = 0; source.sizeBytes < bytes.length; at++) {
          source.sizeBytes = Math.min(
            bytes.length,
            source.sizeBytes + growth[at % growth.length]! + at,
          );
          for (let taken = follower.next(); taken !== null; taken = follower.next())
            if (taken !== 'facts') read.push(...plainEvents(taken));
          // Looking at what is known so far changes nothing.
          t.true(follower.model().stacks.count <= model.stacks.count);
          t.is(follower.isWhole(), source.sizeBytes === bytes.length);
        }
        same(t, read, events);
        t.true(follower.isEnded);
        const followed = follower.model();
        same(t, followed.stacks, model.stacks);
        same(t, followed.codes, model.codes);
        same(
          t,
          followed.marks.map(({ kind, text, value }) => ({ kind, text, value })),
          model.marks.map(({ kind, text, value }) => ({ kind, text, value })),
        );
        same(
          t,
          followed.threads.map(({ tid, name }) => ({ tid, name })),
          model.threads.map(({ tid, name }) => ({ tid, name })),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('of a trace without events the last checkpoint is known', async (t) => {
  const all = fc.sample(step, { numRuns: 120, seed: 3 });
  const { bytes, model } = await writeTrace(all, { events: 'none' });
  const follower = new TraceFollower(sourceOf(bytes), plainCodec, plainHost);
  while (follower.next() !== null);
  t.false(follower.hasEvents);
  same(t, follower.model().totals, model.totals);
  same(t, follower.model().atEnd, model.atEnd);
});

test('a chunk that is damaged is waited for, and what lies before it stays', async (t) => {
  const all = fc.sample(step, { numRuns: 200, seed: 5 });
  const { bytes, events } = await writeTrace(all, { batchSize: 10, flushEachBatch: true });
  const half = Math.floor(bytes.length / 2);
  const damaged = Uint8Array.from(bytes);
  damaged[half] = damaged[half]! ^ 0x55;
  const follower = new TraceFollower(sourceOf(damaged), plainCodec, plainHost);
  const read: PlainEvent[] = [];
  for (let taken = follower.next(); taken !== null; taken = follower.next())
    if (taken !== 'facts') read.push(...plainEvents(taken));
  same(t, read, events.slice(0, read.length));
  t.true(read.length < events.length);
  t.is(follower.next(), null);
  t.true([...eventsOf(sourceOf(bytes), plainCodec)].length > 0);
});
