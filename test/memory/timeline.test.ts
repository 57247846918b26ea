// A program that grows, shrinks and idles, seen from outside and by itself.
import { join } from 'node:path';
import test from 'ava';
import type { TimelinePart } from '../../src/model/index.js';
import { timelineParts } from '../../src/model/index.js';
import { memprofBinPath as memprofBin } from '../../src/paths.js';
import { fixturesFolder } from '../e2e/support/build.js';
import { memprofJson, run, runTraced, scratchFolder } from '../e2e/support/run.js';

interface Sample {
  atNs: number;
  residentBytes: number;
  liveBytes: number;
  lagNs: number;
}

interface Timeline {
  process: { startRealtimeMs: number };
  peak: { residentBytes: number; source: string };
  samples: Sample[];
  parts: (Sample & Record<TimelinePart, number>)[];
}

interface Phase {
  name: string;
  fromMs: number;
  toMs: number;
  before: number;
  after: number;
}

test('resident memory over time is what the program itself sees while it grows, shrinks and idles', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const program = join(fixturesFolder, 'programs', 'grow-shrink-idle.mjs');
  const { stdout, stderr, code } = await runTraced([process.execPath, '--expose-gc', program], {
    memprofOptions: ['--quiet', '-o', trace],
  });
  t.is(code, 0, stderr);
  const phases = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Phase);
  const timeline = await memprofJson<Timeline>(t, 'rss', '--timeline', trace);
  const startMs = timeline.process.startRealtimeMs;
  const within = <One extends Sample>(samples: readonly One[], { fromMs, toMs }: Phase) =>
    samples.filter(({ atNs }) => {
      const atMs = startMs + atNs / 1e6;
      return atMs > fromMs && atMs < toMs;
    });
  for (const phase of phases) {
    const inside = within(timeline.samples, phase);
    t.true(inside.length > 0, phase.name);
    const low = Math.min(phase.before, phase.after) * 0.96;
    const high = Math.max(phase.before, phase.after) * 1.04;
    for (const { residentBytes } of inside)
      t.true(residentBytes > low && residentBytes < high, `${phase.name}: ${residentBytes}`);
  }
  const [grown, shrunk] = phases as [Phase, Phase];
  t.true(shrunk.after < grown.after / 1.5, 'the program itself shrank');
  t.true(timeline.peak.residentBytes >= grown.after * 0.96);
  const mostLive = Math.max(...timeline.samples.map(({ liveBytes }) => liveBytes));
  t.true(mostLive >= 96 << 20);
  for (const row of timeline.parts) {
    const sum = timelineParts.reduce((total, part) => total + row[part], 0);
    t.is(sum, row.residentBytes);
  }
  t.true(timeline.parts.length > 0);
  // On a busy machine the last look may have been before the process said that it is Node.
  for (const last of phases.flatMap((phase) => within(timeline.parts, phase)).slice(-1))
    t.true(last.v8Bytes > 1 << 20 && last.heapBytes > 0 && last.fileBytes > 0);

  const text = await run([process.execPath, memprofBin, 'rss', '--timeline', trace], {
    env: { COLUMNS: '80' },
  });
  t.is(text.code, 0, text.stderr);
  t.regex(text.stdout, /^Peak: [\d.]+ MiB resident/m);
  t.true(text.stdout.split('\n').every((line) => line.length <= 80));
});
