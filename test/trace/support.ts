// Traces of random processes, made through the real ledger and writer.
import { isDeepStrictEqual } from 'node:util';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import {
  EventBatch,
  EventType,
  MarkKind,
  Recording,
  recordWords,
  StackTableBuilder,
} from '../../src/ledger/index.js';
import { FrameKind, type TraceModel } from '../../src/model/index.js';
import { nativeEncoder } from '../../src/record/index.js';
import { type Codec, formatVersion, noLosses, TraceWriter } from '../../src/trace/index.js';
import { plainHost } from '../ledger/support.js';

/** A stand-in for zstd where the native part is not what is tested. */
export const plainCodec: Codec = {
  compress: (data) => deflateRawSync(data, { level: 1 }),
  decompress: (data, maxBytes) => inflateRawSync(data, { maxOutputLength: Math.max(maxBytes, 1) }),
  crc32: (data, seed) => crc32(data, seed),
};

export interface Step {
  kind: 'allocate' | 'pair' | 'release' | 'release-unknown' | 'rare' | 'announce';
  type: number;
  thread: number;
  pick: number;
  size: number;
  stack: number;
  ticks: number;
}

const rareTypes = [
  EventType.map,
  EventType.unmap,
  EventType.remap,
  EventType.heapBreak,
  EventType.threadName,
  EventType.mark,
  EventType.fork,
  EventType.exit,
  EventType.lost,
];

export const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant('allocate' as const) },
    { weight: 4, arbitrary: fc.constant('pair' as const) },
    { weight: 9, arbitrary: fc.constant('release' as const) },
    { weight: 1, arbitrary: fc.constant('release-unknown' as const) },
    { weight: 1, arbitrary: fc.constant('rare' as const) },
    { weight: 2, arbitrary: fc.constant('announce' as const) },
  ),
  type: fc.nat({ max: 8 }),
  thread: fc.nat({ max: 3 }),
  pick: fc.nat({ max: 1000 }),
  size: fc.oneof(
    fc.nat({ max: 200 }),
    fc.nat({ max: 100_000 }),
    fc.constantFrom(0, 2 ** 32, 2 ** 48 - 1),
  ),
  stack: fc.nat({ max: 40 }),
  ticks: fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 10 ** 6 })),
});

/** What an event says, apart from its exact time. */
export interface PlainEvent {
  type: number;
  thread: number;
  address: number;
  size: number;
  stack: number;
  age: number;
  rare: number[];
}

export function plainEvents(batch: EventBatch): PlainEvent[] {
  const events: PlainEvent[] = [];
  for (let row = 0; row < batch.count; row++) {
    const type = batch.type[row]!;
    const isBlock = type <= EventType.freeLast;
    const isRelease = isBlock && type > EventType.allocLast;
    const from = batch.stackId[row]!;
    if (type >= EventType.pair) {
      const block = {
        thread: batch.threadIndex[row]!,
        address: batch.address(row),
        size: batch.sizeBytes(row),
        stack: from,
        age: 0,
        rare: [],
      };
      events.push({ ...block, type: type - EventType.pair }, { ...block, type: EventType.free });
      continue;
    }
    events.push({
      type,
      thread: batch.threadIndex[row]!,
      address: isBlock ? batch.address(row) : 0,
      size: isBlock ? batch.sizeBytes(row) : 0,
      stack: isBlock ? from : 0,
      age: isRelease ? batch.age[row]! : 0,
      rare: isBlock
        ? []
        : Array.from(batch.rareWords.subarray(from, from + 2 * recordWords(type) - 2)),
    });
  }
  return events;
}

export interface WrittenTrace {
  bytes: Uint8Array;
  model: TraceModel;
  events: PlainEvent[];
  ticks: number[];
}

export interface WriteOptions {
  events?: 'full' | 'none';
  batchSize?: number;
  /** A chunk ends after every batch, as when the flush timer fires. */
  flushEachBatch?: boolean;
  nsPerTick?: number;
  /** Added to the model that the writer ends with. */
  more?: Pick<TraceModel, 'checkpoints' | 'resources'>;
  heapSnapshot?: { checkpointNumber: number; pieces: Uint8Array[] };
}

/** Records the steps as a process would, writes its trace and tells what was written. */
export async function writeTrace(steps: Step[], options: WriteOptions = {}): Promise<WrittenTrace> {
  const {
    events: mode = 'full',
    batchSize = 64,
    flushEachBatch = false,
    nsPerTick = 0.5,
    more = {},
  } = options;
  const stacks = new StackTableBuilder();
  stacks.pushReadyMade();
  const recording = new Recording(plainHost);
  const parts: Uint8Array[] = [];
  const texts: [number, string][] = [[1, 'a mark']];
  recording.addText(1, 'a mark');
  const codes = [{ id: 3, kind: 'jit' as const, isolate: 0, rawName: 'JS:~f /a.js:1:2' }];
  const bytes = Uint8Array.of(3, 0x8c, 1, 5, 9, 0x41, 8, 10);
  const codeLines = [{ codeId: 3, scriptId: 77, entryCount: 2, runCount: 1, bytes }];
  const model = (complete: boolean): TraceModel => ({
    formatVersion,
    process: processInfo(recording.lastTick * nsPerTick),
    modules: [],
    codes,
    codeLines,
    stacks: stacks.table(),
    ...recording.parts(nsPerTick, stacks.count),
    losses: {
      ...noLosses(),
      unknownReleaseCount: recording.ledger.unknownReleaseCount,
      doubleAllocationCount: recording.ledger.doubleAllocationCount,
    },
    hasEvents: mode === 'full',
    complete,
  });
  const writer = new TraceWriter(
    {
      sink: (bytes) => parts.push(bytes.slice()),
      codec: plainCodec,
      encoder: nativeEncoder(),
      events: mode,
    },
    {
      process: () => processInfo(0),
      modules: () => [],
      codes,
      codeLines,
      texts,
      stacks,
      nsPerTick: () => nsPerTick,
    },
  );
  const live: number[] = [];
  const written: PlainEvent[] = [];
  const ticks: number[] = [];
  let tick = 0;
  let batch = new EventBatch(batchSize);
  const flush = () => {
    recording.consume(batch);
    writer.addEvents(batch);
    if (flushEachBatch) writer.flushEvents();
    written.push(...plainEvents(batch));
    batch = new EventBatch(batchSize);
  };
  for (const s of steps) {
    tick += s.ticks;
    ticks.push(tick);
    const index = live.length === 0 ? -1 : s.pick % live.length;
    if (s.kind === 'allocate' || s.kind === 'pair') {
      const stack = 6 + s.stack;
      while (stacks.count <= stack)
        stacks.push(s.pick % stacks.count, FrameKind.native, s.pick, s.size % 2 ** 40);
      // Sometimes a live address: a release that was lost.
      const address =
        s.pick % 50 === 0 && index >= 0
          ? live[index]!
          : 0x7f00_0000_0000 + 16 * (s.pick * 7 + (s.size % 5)) + (s.pick % 13 === 0 ? 8 : 0);
      const type = EventType.malloc + s.type;
      if (s.kind === 'pair') {
        const lifeTicks = s.pick % 300;
        batch.pushPair(type, s.thread, tick, address, s.size, stack, lifeTicks);
        tick += lifeTicks;
        ticks.push(tick);
        if (live.includes(address)) live.splice(live.indexOf(address), 1);
      } else {
        batch.pushAllocation(type, s.thread, tick, address, s.size, stack);
        if (!live.includes(address)) live.push(address);
      }
    } else if (s.kind === 'release' && index >= 0) {
      batch.pushRelease(EventType.free + (s.type % 4), s.thread, tick, live[index]!);
      live.splice(index, 1);
    } else if (s.kind === 'announce') {
      announce(batch, s, tick, live[index] ?? 64);
    } else if (s.kind === 'rare') {
      const type = rareTypes[s.type % rareTypes.length]!;
      const halves = Array.from({ length: 2 * recordWords(type) - 2 }, (_, i) =>
        i % 2 === 0 ? s.pick + i : 0,
      );
      if (type === EventType.mark) halves.splice(0, 4, 1 + (s.pick % 3), 1, 5, s.pick % 3);
      batch.pushRare(type, s.thread, tick, halves);
    } else {
      batch.pushRelease(EventType.free, s.thread, tick, 0xdead_0000 + 16 * s.pick);
    }
    if (batch.count === batchSize) flush();
  }
  flush();
  const final = { ...model(true), ...more };
  for (const piece of options.heapSnapshot?.pieces ?? [])
    writer.heapSnapshotPiece(options.heapSnapshot!.checkpointNumber, piece);
  await writer.end(final);
  return { bytes: Buffer.concat(parts), model: final, events: written, ticks };
}

/** What a program says by memprof.h, of few pools and addresses so that something comes of it. */
function announce(batch: EventBatch, s: Step, tick: number, liveAddress: number): void {
  const pool = 1 + (s.pick % 3);
  const address = 4096 + 64 * (s.stack % 8);
  const text = s.pick % 2;
  const stack = 5;
  const says: [type: number, halves: number[]][] = [
    [EventType.poolCreate, [pool, 0, 4096, 0, 300, 0, stack, text]],
    [EventType.poolMemory, [pool, 0, 8192, 0, s.pick, 0]],
    [EventType.poolAlloc, [pool, 0, address, 0, s.pick, 0, stack, 0]],
    [EventType.poolAlloc, [pool, 0, address, 0, 40, 0, 1 + (s.pick % 4), 0]],
    [EventType.poolFree, [pool, 0, address, 0]],
    [EventType.poolClear, [pool, 0]],
    [EventType.poolDestroy, [pool, 0]],
    [EventType.blockType, [address, 0, text, 0]],
    [EventType.blockType, [liveAddress >>> 0, Math.floor(liveAddress / 2 ** 32), 1, 0]],
    [EventType.blockIgnore, [liveAddress >>> 0, Math.floor(liveAddress / 2 ** 32)]],
    [EventType.mark, [MarkKind.ignoreBegin, 0, 0, 0]],
    [EventType.mark, [MarkKind.ignoreEnd, 0, 0, 0]],
  ];
  const [type, halves] = says[(s.size + s.type) % says.length]!;
  batch.pushRare(type, s.thread, tick, halves);
}

function processInfo(durationNs: number): TraceModel['process'] {
  return {
    pid: 12,
    ppid: 1,
    generation: 0,
    executable: '/usr/bin/node',
    cwd: '/',
    argv: ['node', 'ä.js'],
    nodeVersion: 'v20.0.0',
    v8Version: null,
    startRealtimeMs: 1.5,
    durationNs,
    ended: { how: 'exit', code: 0, signal: null },
  };
}

/** t.deepEqual, which is slow on what is equal, only to show a difference. */
export function same(t: ExecutionContext, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) t.pass();
  else t.deepEqual(actual, expected);
}
