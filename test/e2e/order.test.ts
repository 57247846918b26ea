import test from 'ava';
import { buildProgram } from './support/build.js';
import { onlyTrace, runTraced, scratchFolder } from './support/run.js';
import { readTrace } from './support/trace.js';

const ways = [
  { way: 'exchange', rounds: 500_000, sentence: 'handing blocks over through an exchange' },
  { way: 'seldom', rounds: 500_000, sentence: 'of which one is alone most of the time' },
  { way: 'arena', rounds: 1_000_000, sentence: 'taking turns on the same chunk of one arena' },
  { way: 'fastbin', rounds: 100_000, sentence: 'taking chunks from the same fastbins' },
  { way: 'mmap', rounds: 20_000, sentence: 'mapping and unmapping the same addresses' },
  { way: 'realloc', rounds: 300_000, sentence: 'moving blocks with realloc' },
];

for (const { way, rounds, sentence } of ways) {
  test.serial(`two threads ${sentence} never confuse the ledger`, async (t) => {
    const program = await buildProgram('swap.c');
    const folder = await scratchFolder(t);
    const outcome = await runTraced([program, way, String(rounds)], { cwd: folder });
    t.is(outcome.code, 0, outcome.stderr);
    const { totals, losses } = await readTrace(await onlyTrace(t, folder));
    t.is(losses.unknownReleaseCount, 0);
    t.is(losses.doubleAllocationCount, 0);
    t.is(losses.lostEventCount, 0);
    t.true(totals.allocationCount >= 2 * rounds, `${totals.allocationCount} allocations`);
    // What is left belongs to pthread_create: its two threads' DTVs.
    t.true(totals.liveCount <= 2, `${totals.liveCount} blocks are left`);
  });
}
