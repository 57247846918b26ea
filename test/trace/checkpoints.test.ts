import test from 'ava';
import fc from 'fast-check';
import { MemprofError } from '../../src/errors.js';
import type {
  Address,
  Checkpoint,
  CheckpointDetail,
  ResourceLedger,
  StackId,
  TraceModel,
  Verdict,
} from '../../src/model/index.js';
import { decodeBlockVerdicts } from '../../src/trace/block-verdicts.js';
import { ByteReader, ByteWriter } from '../../src/trace/bytes.js';
import { decodeCheckpointVerdicts } from '../../src/trace/checkpoint-verdicts.js';
import { encodeChunkHeader } from '../../src/trace/format.js';
import { openTrace, sourceOf, TraceDamage } from '../../src/trace/index.js';
import { decodeResources } from '../../src/trace/resources.js';
import { plainHost } from '../ledger/support.js';
import { plainCodec, same, step, writeTrace } from './support.js';

const natural = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 47 }));
const uint32 = fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 2 ** 32 - 1 }));
/** Stacks that every trace has: the ready-made ones. */
const stackId = fc.nat({ max: 5 }).map((id) => id as StackId);
const address = natural.map((value) => value as Address);
const name = fc.oneof(fc.constantFrom('Image', 'Buffer', ''), fc.string({ unit: 'grapheme' }));
const verdict = fc.constantFrom<Verdict>(
  'lost',
  'lost-indirect',
  'orphaned',
  'pending',
  'held-by-js',
  'held-by-native',
  'runtime',
  'unknown',
);

const many = <T>(count: number, one: fc.Arbitrary<T>) =>
  fc.array(one, { minLength: count, maxLength: count });
const doubles = (count: number, one: fc.Arbitrary<number> = natural) =>
  many(count, one).map((values) => Float64Array.from(values));
const words = (count: number, one: fc.Arbitrary<number> = uint32) =>
  many(count, one).map((values) => Uint32Array.from(values));
const bytes = (count: number, max = 255) =>
  many(count, fc.nat({ max })).map((values) => Uint8Array.from(values));
const rows = (count: number, limit: number) =>
  many(count, fc.integer({ min: -1, max: limit - 1 })).map((values) => Int32Array.from(values));

const detail: fc.Arbitrary<CheckpointDetail> = fc
  .tuple(fc.nat({ max: 12 }), fc.nat({ max: 5 }), fc.array(name, { minLength: 1, maxLength: 4 }))
  .chain(([count, ownerCount, classNames]) =>
    fc.record({
      live: fc.record({
        count: fc.constant(count),
        address: doubles(count),
        sizeBytes: doubles(count),
        stackId: words(count, stackId),
        threadIndex: words(count),
        bornNs: doubles(count, fc.double({ noNaN: true })),
        entry: bytes(count),
      }),
      verdict: many(count, verdict),
      owners: fc.record({
        count: fc.constant(ownerCount),
        address: doubles(ownerCount),
        sizeBytes: doubles(ownerCount),
        snapshotId: doubles(ownerCount),
        object: words(ownerCount),
        hold: bytes(ownerCount),
        isolate: words(ownerCount),
        classIndex: words(ownerCount, fc.nat({ max: classNames.length - 1 })),
        classNames: fc.constant(classNames),
      }),
      reachability: fc.option(
        fc.record({
          reach: bytes(count, 9),
          referrer: doubles(count),
          referrerBlock: rows(count, count),
          insideBytes: words(count),
          root: words(count),
          firstWord: doubles(count),
          regions: fc.array(
            fc.record({ low: address, high: address, reach: natural, id: natural }),
          ),
          frames: fc.array(
            fc.record({
              low: address,
              tid: natural,
              kind: natural,
              index: natural,
              offset: natural,
            }),
          ),
        }),
      ),
      ownerRow: rows(count, ownerCount),
      orphans:
        count === 0
          ? fc.constant([])
          : fc.array(
              fc.record({ block: fc.nat({ max: count - 1 }), className: name, lastSeen: natural }),
            ),
    }),
  );

const checkpoint: fc.Arbitrary<Omit<Checkpoint, 'number' | 'detail'>> = fc.record({
  reason: fc.constantFrom('exit', 'program', 'demand', 'interval', 'signal'),
  atNs: fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
  collectNs: natural,
  ownersNs: natural,
  pauseNs: natural,
  forkNs: natural,
  scanNs: natural,
  scannedBytes: natural,
  skippedBytes: natural,
  threadCount: natural,
  stoppedCount: natural,
  owners: fc.constantFrom('none', 'complete', 'partial', 'failed'),
  scanFailure: fc.option(name),
  heap: fc.option(fc.record({ usedBytes: natural, totalBytes: natural, externalBytes: natural })),
  pendingFinalizerCount: natural,
  liveCount: natural,
  liveBytes: natural,
  tallies: fc.array(fc.record({ stackId, verdict, blockCount: natural, sizeBytes: natural })),
  classes: fc.array(
    fc.record({ className: name, objectCount: natural, blockCount: natural, sizeBytes: natural }),
  ),
});

const signed = fc.integer({ min: -(2 ** 50), max: 2 ** 50 });
const resources: fc.Arbitrary<ResourceLedger> = fc
  .tuple(fc.nat({ max: 8 }), fc.array(name, { minLength: 1, maxLength: 3 }))
  .chain(([count, classNames]) =>
    fc.record({
      totals: fc.array(
        fc.record({
          kind: fc.nat({ max: 255 }),
          stackId,
          createdCount: natural,
          releasedCount: natural,
          finalizedCount: natural,
          tornDownCount: natural,
          unwatchedCount: natural,
          outstandingValue: signed,
          className: name,
        }),
      ),
      outstanding: fc.record({
        count: fc.constant(count),
        id: doubles(count),
        kind: bytes(count),
        stackId: words(count, stackId),
        threadIndex: words(count),
        environment: words(count),
        createdNs: doubles(count, fc.double({ noNaN: true })),
        data: doubles(count),
        handle: doubles(count),
        value: doubles(count, signed),
        classIndex: words(count, fc.nat({ max: classNames.length - 1 })),
        classNames: fc.constant(classNames),
      }),
    }),
  );

const parts: fc.Arbitrary<Pick<TraceModel, 'checkpoints' | 'resources'>> = fc
  .tuple(
    fc.array(checkpoint, { maxLength: 4 }),
    fc.option(detail),
    fc.option(resources),
    fc.integer({ min: 1, max: 3 }),
  )
  .map(([made, lastDetail, ledger, gap]) => {
    const checkpoints = made.map((one, at) => ({
      ...one,
      number: 1 + at * gap,
      detail: at === made.length - 1 ? lastDetail : null,
    }));
    return {
      ...(checkpoints.length === 0 ? {} : { checkpoints }),
      ...(ledger === null ? {} : { resources: ledger }),
    };
  });

const opened = (trace: Uint8Array) => openTrace(sourceOf(trace), plainCodec, plainHost);

test('checkpoints and resources that were written are read back equal', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      parts,
      fc.constantFrom('full' as const, 'none' as const),
      async (more, events) => {
        const { bytes: trace, model } = await writeTrace([], { events, more });
        same(t, opened(trace), model);
      },
    ),
    { numRuns: 200 },
  );
});

const example = () => {
  const [made] = fc.sample(
    parts.filter((one) => one.checkpoints?.at(-1)?.detail != null && one.resources !== undefined),
    { numRuns: 1, seed: 11 },
  );
  return made;
};

test('of a trace that is cut the checkpoints before the cut remain', async (t) => {
  const more = example();
  const { bytes: trace } = await writeTrace(fc.sample(step, { numRuns: 20, seed: 2 }), { more });
  let most = 0;
  for (let length = 16; length < trace.length; length++) {
    const found = opened(trace.subarray(0, length)).checkpoints ?? [];
    t.true(found.length >= most);
    most = found.length;
    for (const [at, one] of found.entries()) {
      const { detail: whole, ...expected } = (more.checkpoints as Checkpoint[])[at];
      const { detail: read, ...facts } = one;
      same(t, facts, expected);
      if (read !== null) same(t, read, whole);
    }
  }
  t.is(most, (more.checkpoints as Checkpoint[]).length);
});

test('a flipped bit in a checkpoint or in resources is never read in silence', async (t) => {
  const { bytes: trace, model } = await writeTrace([], { more: example() });
  for (let bit = 0; bit < trace.length * 8; bit += 3) {
    const flipped = trace.slice();
    flipped[bit >>> 3] ^= 1 << (bit & 7);
    try {
      const found = opened(flipped);
      if (found.complete) same(t, found, model);
    } catch (error) {
      t.true(error instanceof MemprofError, String(error));
    }
  }
});

test('contents that somebody made up or damaged are refused as damage, whatever they are', (t) => {
  const decoders = [decodeBlockVerdicts, decodeResources, decodeCheckpointVerdicts] as ((
    reader: ByteReader,
  ) => unknown)[];
  const tried = (content: Uint8Array) => {
    for (const decode of decoders) {
      try {
        decode(new ByteReader(content));
      } catch (error) {
        t.true(error instanceof TraceDamage, String(error));
      }
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), tried), { numRuns: 500 });
  fc.assert(
    fc.property(fc.json(), fc.uint8Array({ maxLength: 50 }), (json, rest) => {
      const out = new ByteWriter();
      out.section(new TextEncoder().encode(json));
      out.raw(rest);
      tried(out.written().slice());
    }),
  );
});

test('a checkpoint that stands twice is damage, and a trace of version 1 opens without checkpoints', async (t) => {
  const { bytes: plain } = await writeTrace([]);
  const old = plain.slice();
  old[8] = 1;
  const model = opened(old);
  t.is(model.formatVersion, 1);
  t.true(model.complete);
  t.is(model.checkpoints, undefined);

  const { bytes: trace } = await writeTrace([], { more: example() });
  const chunks: Uint8Array[] = [];
  const view = new DataView(trace.buffer, trace.byteOffset);
  let length = 16;
  for (let sequence = 0; length < trace.length; sequence++) {
    const stored = trace.subarray(length + 28, length + 28 + view.getUint32(length + 16, true));
    const kind = view.getUint32(length, true);
    if (kind === 7) {
      chunks.push(trace.subarray(0, length + 28 + stored.length));
      const header = {
        kind,
        sequence: sequence + 1,
        eventCount: 0,
        rawBytes: view.getUint32(length + 12, true),
        storedBytes: stored.length,
        payloadCrc: plainCodec.crc32(stored),
      };
      chunks.push(encodeChunkHeader(header, plainCodec.crc32), stored);
      break;
    }
    length += 28 + stored.length;
  }
  const twice = opened(Buffer.concat(chunks));
  t.false(twice.complete);
  t.is(twice.checkpoints?.length, 1);
});
