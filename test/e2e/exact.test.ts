import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildProgram } from './support/build.js';
import { memprofJson, onlyTrace, runTraced, scratchFolder } from './support/run.js';
import { readTrace } from './support/trace.js';

/** What the fixture says about itself (test/fixtures/programs/exact.h). */
interface Told {
  counts: Record<string, number>;
  allocatedBytes: number;
  releasedBytes: number;
  live: Array<[address: string, sizeBytes: number]>;
}

async function tell(t: ExecutionContext, source: string, options: readonly string[] = []) {
  const program = await buildProgram(source);
  const folder = await scratchFolder(t);
  const toldPath = join(folder, 'told.json');
  const outcome = await runTraced([program, toldPath], { cwd: folder, memprofOptions: options });
  t.is(outcome.code, 0, outcome.stderr);
  const trace = await onlyTrace(t, folder);
  return { told: JSON.parse(await readFile(toldPath, 'utf8')) as Told, trace };
}

const blockText = (address: string | number, sizeBytes: number): string =>
  `${typeof address === 'number' ? `0x${address.toString(16)}` : address} ${sizeBytes}`;

/** Numbers of the record types in interpose/wire.h. */
const recordTypes: Record<string, number> = {
  malloc: 1,
  calloc: 2,
  realloc: 3,
  reallocarray: 4,
  posix_memalign: 5,
  aligned_alloc: 6,
  memalign: 7,
  valloc: 8,
  pvalloc: 9,
  free: 0x20,
  free_realloc: 0x21,
  free_sized: 0x22,
  free_aligned_sized: 0x23,
};

for (const options of [[], ['--events=none']]) {
  const how = options.length === 0 ? 'with all events' : 'with --events=none';

  test(`${how}, every entry point in every size class is counted exactly`, async (t) => {
    const { told, trace } = await tell(t, 'exact.c', options);
    const { totals, losses } = await readTrace(trace);
    const seen = Object.fromEntries(
      Object.entries(recordTypes).map(([name, type]) => [name, totals.eventCounts[type] ?? 0]),
    );
    t.deepEqual(seen, told.counts);
    t.is(totals.allocatedBytes, told.allocatedBytes);
    t.is(totals.releasedBytes, told.releasedBytes);
    t.is(totals.liveCount, told.live.length);
    t.is(totals.liveBytes, told.allocatedBytes - told.releasedBytes);
    t.is(losses.lostEventCount, 0);
    t.is(losses.unknownReleaseCount, 0);
    t.is(losses.doubleAllocationCount, 0);
  });

  test(`${how}, the live set is exactly the program's own list of blocks`, async (t) => {
    const { told, trace } = await tell(t, 'exact.c', options);
    const { blocks } = await memprofJson<{ blocks: Array<{ address: string; sizeBytes: number }> }>(
      t,
      'blocks',
      trace,
    );
    t.deepEqual(
      blocks.map((block) => blockText(block.address, block.sizeBytes)).sort(),
      told.live.map(([address, sizeBytes]) => blockText(address, sizeBytes)).sort(),
    );
  });
}

test('four threads passing blocks to each other leave exactly the blocks that lie in the slots', async (t) => {
  const { told, trace } = await tell(t, 'pass.c');
  const { totals, losses, atEnd, threads } = await readTrace(trace);
  t.is(losses.lostEventCount, 0);
  t.is(losses.unknownReleaseCount, 0);
  t.is(losses.doubleAllocationCount, 0);
  t.is(threads.length, 5);

  const { live } = atEnd;
  const seen = Array.from({ length: live.count }, (_, row) =>
    blockText(live.address[row] as number, live.sizeBytes[row] as number),
  );
  const expected = told.live.map(([address, sizeBytes]) => blockText(address, sizeBytes));
  const extra = seen.filter((block) => !expected.includes(block));
  t.deepEqual(
    expected.filter((block) => !seen.includes(block)),
    [],
    'blocks that were missed',
  );
  // pthread_create allocates its thread's DTV with calloc and may keep it with the cached stack.
  t.true(extra.length <= 4, extra.join(', '));
  const callocs = totals.eventCounts[recordTypes.calloc as number] as number;
  const own = told.counts.calloc as number;
  t.true(callocs >= own && callocs <= own + 4, `${callocs} callocs, ${own} of them the program's`);
  for (const name of Object.keys(recordTypes)) {
    if (name === 'calloc' || name === 'free') continue;
    t.is(totals.eventCounts[recordTypes[name] as number], told.counts[name], name);
  }
});
