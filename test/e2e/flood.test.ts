import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { buildProgram } from './support/build.js';
import { onlyTrace, runTraced, scratchFolder } from './support/run.js';
import { readTrace } from './support/trace.js';

const eventCount = 10_000_000;
const heldCount = 1000;

test.serial(
  'no event of ten million is lost while the reader stands still for two seconds',
  async (t) => {
    const program = await buildProgram('flood.c');
    const folder = await scratchFolder(t);
    let pause: Promise<void> | undefined;
    const outcome = await runTraced([program, String(eventCount)], {
      cwd: folder,
      onOutput: (text, reader) => {
        if (!text.includes('middle')) return;
        reader.kill('SIGSTOP');
        pause = delay(2000).then(() => {
          reader.kill('SIGCONT');
        });
      },
    });
    t.is(outcome.code, 0, outcome.stderr);
    t.not(pause, undefined, 'the reader was never paused');

    const { totals, losses, stackTotals } = await readTrace(await onlyTrace(t, folder));
    t.is(losses.lostEventCount, 0);
    t.is(losses.unknownReleaseCount, 0);
    t.is(losses.doubleAllocationCount, 0);
    t.is(totals.allocationCount + totals.releaseCount, eventCount);
    t.is(totals.liveCount, heldCount);
    t.is(totals.liveBytes, heldCount * 48);
    t.is(totals.peakBlockCount, heldCount);
    t.is(
      stackTotals.allocationCount.reduce((sum: number, count: number) => sum + count, 0),
      totals.allocationCount,
    );
  },
);
