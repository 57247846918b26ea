// Takes a few hundred made-up events through the whole reader while the program is still starting.
//
// Why: V8 compiles the reader's loops while they run for the first time, before it has seen all their
// branches; each new branch throws the compiled code away, and compiling it again takes 50 ms or more.
// With `node -e 0` (0.9 million events in 0.3 s) that cost more than the events themselves.
import { EventBatch, EventType, Recording, StackTableBuilder } from '../ledger/index.js';
import { FrameKind } from '../model/index.js';
import { TraceWriter, unknownProcess } from '../trace/index.js';
import { nativeEncoder } from './codec.js';
import { Merge } from './merge.js';
import { nativeLedger } from './native-ledger.js';
import { RingReader } from './ring-reader.js';
import { WrittenRing } from './written-ring.js';

const rounds = 3;
const eventsPerRound = 240;
/** The low half above 2^31 and the high half not 0, as in real programs. */
const heap = 0x7f00_9000_0000;

export function rehearse(): void {
  const written = [new WrittenRing(1 << 16), new WrittenRing(1 << 16)];
  const readers = written.map(({ buffer }, index) => new RingReader(buffer, index));
  const merge = new Merge(readers, () => undefined);
  // So small that it grows at once.
  const recording = new Recording(nativeLedger, 16);
  const stacks = new StackTableBuilder();
  stacks.pushReadyMade();
  const writer = new TraceWriter(
    {
      sink: () => undefined,
      codec: { compress: (data) => data, decompress: (data) => data, crc32: () => 0 },
      encoder: nativeEncoder(),
      events: 'full',
    },
    {
      process: unknownProcess,
      modules: () => [],
      codes: [],
      texts: [],
      stacks,
      nsPerTick: () => 0.4,
    },
  );
  const batch = new EventBatch(100);
  for (const [index, ring] of written.entries())
    ring.put(EventType.threadBegin, 1 + index, [1, index, 0, 0]);
  for (let round = 0; round < rounds; round++) {
    // Ticks above 2^31, and over a border of their high word.
    act(written, round, (round + 1) * 2 ** 32 - 20_000);
    stacks.push(0, FrameKind.native, 1, round);
    for (const ring of written) ring.publish();
    for (const reader of readers) reader.drain(0);
    for (let isFull = true; isFull; ) {
      isFull = merge.fill(batch, Infinity, 4096);
      recording.consume(batch);
      writer.addEvents(batch);
      batch.clear();
    }
    writer.flushEvents();
    const { beforeTeardown, atEnd } = recording.parts(0.4, stacks.count);
    for (const moment of [beforeTeardown, atEnd])
      if (moment !== null) writer.teardown(moment.atNs, moment.live);
  }
}

/** Something of everything that programs do. */
function act(rings: WrittenRing[], round: number, startTick: number): void {
  let tick = startTick;
  const live: number[] = [];
  for (let i = 0; i < eventsPerRound; i++) {
    const ring = rings[i % 16 === 0 ? 1 : 0]!;
    const address = heap + 64 * ((i * 7) % 199) + (i % 31 === 0 ? 2 ** 33 + 8 : 0);
    const size = i % 61 === 0 ? 2 ** 33 : i % 37 === 0 ? 70_000 : 8 + ((i * 13) % 900);
    const stackId = 6 + ((i * 11) % 3000);
    tick += 150;
    if (i % 4 === 0) {
      // Freed by the next event.
      ring.putAllocation(EventType.malloc, tick, address, size, stackId);
      tick += 150;
      ring.putRelease(EventType.free, tick, address);
    } else if (i % 29 === 1) {
      // The same, but not a pair.
      ring.putAllocation(EventType.malloc, tick, address + 2 ** 34, size, stackId);
      ring.putRelease(EventType.freeSized, tick + 1, address + 2 ** 34);
    } else if (i % 4 === 3 || i % 50 === 49) {
      const known = live.shift();
      const unknown = address + 2 ** 40;
      ring.putRelease(EventType.free, tick, i % 50 === 49 ? unknown : (known ?? unknown));
    } else {
      ring.putAllocation(EventType.malloc + (i % 9), tick, address, size, stackId);
      live.push(address);
    }
    if (i % 80 === 79) ring.put(EventType.map, tick + 1, [i << 12, 1, 4096, 0, 6, 3]);
  }
  if (round === 1) rings[0]!.put(EventType.mark, tick + 200, [1, 0, 0, 0]);
}
