// What a checkpoint costs: of 100,000 wrapped objects without retainer paths, time and memory; of 512 MiB
// of native memory, how fast it is scanned. Prints JSON; the best of some runs, since others only slow it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemprofError } from '../src/errors.js';
import type { Checkpoint } from '../src/model/index.js';
import { readTraceFile } from '../src/record/index.js';
import { buildAddon, fixturesFolder } from '../test/e2e/support/build.js';
import { type Bench, compileInto } from './support/run.js';
import { runVariant, tracePath } from './variants.js';

const runCount = 3;
const app = join(fixturesFolder, 'apps', 'crowd.cjs');

export interface CheckpointFigures {
  objectCount: number;
  /** In the program: garbage collection, owners, and the stop of its threads. */
  programNs: number;
  collectNs: number;
  ownersNs: number;
  pauseNs: number;
  /** Beside the program. */
  scanNs: number;
  /** Peak of the program above native's, and of the reader. */
  agentBytes: number;
  readerBytes: number;
  scan: { scannedBytes: number; scanNs: number; bytesPerSecond: number };
}

async function checkpointOf(bench: Bench): Promise<Checkpoint> {
  const model = await readTraceFile(tracePath(bench));
  const checkpoint = model.checkpoints?.at(-1);
  if (checkpoint === undefined || checkpoint.scanFailure !== null) {
    const reason = checkpoint?.scanFailure ?? 'none was taken';
    throw new MemprofError('ERR_MEMPROF_BENCH_CHECKPOINT', `no scanned checkpoint: ${reason}`);
  }
  return checkpoint;
}

async function least<T>(take: () => Promise<T>, by: (value: T) => number): Promise<T> {
  let best = await take();
  for (let run = 1; run < runCount; run++) {
    const next = await take();
    if (by(next) < by(best)) best = next;
  }
  return best;
}

async function measureCheckpoint(bench: Bench): Promise<CheckpointFigures> {
  const addon = await buildAddon('crowd.cc');
  const objectCount = 100_000;
  const objects = [process.execPath, app, addon, 'objects', String(objectCount)];
  const native = await least(
    () => runVariant(bench, 'native', objects),
    (run) => run.peakProgramBytes ?? Number.POSITIVE_INFINITY,
  );
  const programNs = (each: Checkpoint): number => each.collectNs + each.ownersNs + each.pauseNs;
  const { run, checkpoint } = await least(
    async () => ({
      run: await runVariant(bench, 'checkpointed', objects),
      checkpoint: await checkpointOf(bench),
    }),
    (each) => programNs(each.checkpoint) + each.checkpoint.scanNs,
  );
  const scan = await least(
    async () => {
      await runVariant(bench, 'checkpointed', [process.execPath, app, addon, 'fill', '512']);
      return checkpointOf(bench);
    },
    (each) => each.scanNs / each.scannedBytes,
  );
  const { collectNs, ownersNs, pauseNs, scanNs } = checkpoint;
  return {
    objectCount,
    programNs: programNs(checkpoint),
    ...{ collectNs, ownersNs, pauseNs, scanNs },
    agentBytes: Math.max(0, (run.peakProgramBytes ?? 0) - (native.peakProgramBytes ?? 0)),
    readerBytes: run.peakOtherBytes,
    scan: {
      scannedBytes: scan.scannedBytes,
      scanNs: scan.scanNs,
      bytesPerSecond: (scan.scannedBytes / scan.scanNs) * 1e9,
    },
  };
}

const folder = await mkdtemp(join(tmpdir(), 'memprof-checkpoint-'));
try {
  const figures = await measureCheckpoint(await compileInto(folder));
  process.stdout.write(`${JSON.stringify(figures, null, 1)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
