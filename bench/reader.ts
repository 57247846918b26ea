// How many events the reader takes a second, on rings in plain memory: the ledger alone, with drain and
// merge, with encoding, and with compression. Prints JSON; medians and extremes over rounds of one full
// ring each.
import { performance } from 'node:perf_hooks';
import { EventBatch, Recording } from '../src/ledger/index.js';
import { nativeCodec, nativeEncoder, nativeLedger } from '../src/record/index.js';
import { Merge } from '../src/record/merge.js';
import { BenchRing, pairs, random, shortLived, type Workload } from './reader-ring.js';

const liveCount = 1_000_000;
const rounds = 60;
const batchEvents = 1024;
const stackLimit = 1 << 20;

interface Rate {
  medianEventsPerSecond: number;
  minEventsPerSecond: number;
  maxEventsPerSecond: number;
}

type Stage = 'ledger' | 'drain+ledger' | 'drain+ledger+encode' | 'drain+ledger+encode+zstd';

/** Milliseconds of one round for `stage`; everything is done in each, in order. */
class Reader {
  private readonly recording = new Recording(nativeLedger);
  private readonly encoder = nativeEncoder().events;
  private readonly merge: Merge;
  private readonly batch = new EventBatch(batchEvents);
  private readonly ring: BenchRing;
  encodedBytes = 0;
  storedBytes = 0;

  constructor(ring: BenchRing) {
    this.ring = ring;
    this.merge = new Merge([ring.reader], (damaged) => {
      throw new Error(`the ring is damaged: ${damaged.damage}`);
    });
  }

  round(stage: Stage): number {
    let ledgerMs = 0;
    const startMs = performance.now();
    this.ring.reader.drain(0);
    for (let isFull = true; isFull; ) {
      isFull = this.merge.fill(this.batch, Number.POSITIVE_INFINITY, stackLimit);
      const mergedMs = performance.now();
      this.recording.consume(this.batch);
      ledgerMs += performance.now() - mergedMs;
      if (stage !== 'ledger' && stage !== 'drain+ledger') this.encode(stage);
      this.batch.clear();
    }
    return stage === 'ledger' ? ledgerMs : performance.now() - startMs;
  }

  private encode(stage: Stage): void {
    for (let row = 0; row < this.batch.count; ) {
      row = this.encoder.add(this.batch, row, 0.4);
      if (!this.encoder.isFull) continue;
      const chunk = this.encoder.finish();
      this.encodedBytes += chunk.length;
      if (stage.endsWith('zstd')) this.storedBytes += nativeCodec.compress(chunk).length;
    }
  }
}

function measure(workload: Workload, stage: Stage, warmUpEvents: number) {
  const ring = new BenchRing(0);
  const reader = new Reader(ring);
  const rates: number[] = [];
  let events = 0;
  for (let warmedUp = 0; rates.length < rounds; ) {
    const count = workload(ring);
    ring.publish();
    const ms = reader.round(stage);
    warmedUp += count;
    if (warmedUp < warmUpEvents) continue;
    events += count;
    rates.push((1000 * count) / ms);
  }
  rates.sort((a, b) => a - b);
  const rate: Rate = {
    medianEventsPerSecond: Math.round(rates[rounds >> 1] ?? 0),
    minEventsPerSecond: Math.round(rates[0] ?? 0),
    maxEventsPerSecond: Math.round(rates.at(-1) ?? 0),
  };
  return { ...rate, storedBytesPerEvent: reader.storedBytes / events };
}

const workloads: [name: string, make: () => Workload, warmUpEvents: number][] = [
  ['freed by the next event', pairs, 2_000_000],
  ['short-lived', shortLived, 2_000_000],
  ['random over 1,000,000 live', () => random(liveCount), 3 * liveCount],
];
const stages: Stage[] = [
  'ledger',
  'drain+ledger',
  'drain+ledger+encode',
  'drain+ledger+encode+zstd',
];

const results = workloads.map(([name, make, warmUpEvents]) => ({
  workload: name,
  stages: Object.fromEntries(
    stages.map((stage) => {
      const { storedBytesPerEvent, ...rate } = measure(make(), stage, warmUpEvents);
      return [stage, stage.endsWith('zstd') ? { ...rate, storedBytesPerEvent } : rate];
    }),
  ),
}));
process.stdout.write(`${JSON.stringify({ benchmark: 'reader', rounds, results }, null, 2)}\n`);
