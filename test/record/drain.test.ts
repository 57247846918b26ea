import test from 'ava';
import { EventType } from '../../src/ledger/index.js';
import { RingDrain } from '../../src/record/ring-drain.js';
import { TestRing } from './rings.js';

const ringBytes = 4096;

function drainOf(rings: TestRing[], limits: { stagedBytes: number; stagedBytesWhenStuck: number }) {
  const warnings = new Set<string>();
  const memory = { pid: 7, hasSteadyClock: true, fence: () => 1e9, addNewRings() {}, warnings };
  const drain = new RingDrain(memory, limits);
  drain.rings.push(...rings.map(({ reader }) => reader));
  return { drain, warnings };
}

function fill(ring: TestRing): void {
  while (ring.freeWords >= 2) ring.put(EventType.free, 1, 0x10n);
}

test('above the limit nothing more is staged while the ring that holds up the order still moves', (t) => {
  const [busy, other] = [new TestRing(0, ringBytes), new TestRing(1, ringBytes)];
  const { drain, warnings } = drainOf([busy, other], {
    stagedBytes: 2 * ringBytes,
    stagedBytesWhenStuck: 8 * ringBytes,
  });
  busy.busy = true;
  let words = 0;
  for (let step = 0; step < 20; step++) {
    fill(other);
    // It publishes now and then, and the merge takes it: nothing of it is staged.
    if (step % 4 === 0) busy.put(EventType.free, 1, 0x10n);
    words += drain.drain(false, step * 200).words;
    busy.reader.from = busy.reader.to;
    busy.reader.advance();
  }
  t.is(other.reader.stagedHalves * 4, 3 * ringBytes);
  t.true(other.reader.wasBusy, 'what it publishes next is held to be earlier than everything else');
  t.is(words, 3 * (ringBytes / 8) + 5 * 2);
  t.is(warnings.size, 0);
});

test('a thread that stands within one event for a second lets the others be staged far beyond the limit', (t) => {
  const [stuck, other] = [new TestRing(0, ringBytes), new TestRing(1, ringBytes)];
  const { drain, warnings } = drainOf([stuck, other], {
    stagedBytes: 2 * ringBytes,
    stagedBytesWhenStuck: 8 * ringBytes,
  });
  stuck.busy = true;
  const stagedAt = (nowMs: number) => {
    fill(other);
    drain.drain(false, nowMs);
    return (other.reader.stagedHalves * 4) / ringBytes;
  };
  t.deepEqual([0, 300, 600, 900].map(stagedAt), [1, 2, 3, 3]);
  t.deepEqual([1100, 1200, 1300].map(stagedAt), [4, 5, 6]);
  t.is(warnings.size, 0);
  t.deepEqual([1400, 1500, 1600, 1700, 1800].map(stagedAt), [7, 8, 9, 9, 9]);
  t.regex([...warnings].join('\n'), /process 7: the thread of ring 0 stood within one allocation/);
  stuck.busy = false;
  drain.drain(false, 1900);
  stuck.busy = true;
  t.is(stagedAt(2000), 9, 'it has moved: the limit holds again');
});

test('everything that was staged in segments comes out in order, however much it was', (t) => {
  const ring = new TestRing(0, ringBytes);
  let put = 0;
  let taken = 0;
  const takeSome = (halves: number) => {
    const { reader } = ring;
    for (let i = 0; i < halves && reader.to > reader.from; i += 4) {
      t.is(reader.staging[reader.from], taken++);
      reader.from += 4;
      if (reader.from === reader.to) reader.advance();
    }
  };
  for (let round = 0; round < 200; round++) {
    const some = (round * 37) % 250;
    for (let i = 0; i < some && ring.freeWords >= 2; i++) ring.put(EventType.free, put++, 0x10n);
    ring.reader.drain(0);
    takeSome(4 * ((round * 53) % 240));
    t.is(ring.reader.stagedHalves, 4 * (put - taken));
  }
  takeSome(Infinity);
  t.is(taken, put);
});
