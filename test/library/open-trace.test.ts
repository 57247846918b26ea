import { readFileSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { EventKind, MemprofError, openTrace, type TreeNode } from '../../src/library/index.js';
import { packageRoot } from '../../src/paths.js';
import { memprofJson, run, scratchFolder } from '../e2e/support/run.js';
import { keeperTrace } from './support.js';

const real = await keeperTrace();
test.after.always(() => real.remove());

const sum = (values: Iterable<number>): number => [...values].reduce((all, one) => all + one, 0);

test('sites, blocks and the tree of a moment add up to the moment', async (t) => {
  const trace = await openTrace(real.path);
  t.deepEqual(
    trace.moments.map((moment) => moment.name),
    ['before-teardown', 'at-end'],
  );
  t.is(trace.moments.at(-1)?.sizeBytes, trace.totals.liveBytes);
  for (const { name, blockCount, sizeBytes } of trace.moments) {
    const sites = await trace.sites({ moment: name });
    t.is(sum(sites.map((site) => site.blockCount)), blockCount);
    t.is(sum(sites.map((site) => site.sizeBytes)), sizeBytes);
    const tree = await trace.tree({ moment: name });
    t.is(tree.sizeBytes, sizeBytes);
    t.is(selfBytes(tree), sizeBytes);
    let [count, bytes] = [0, 0];
    for await (const block of trace.blocks({ moment: name, names: false })) {
      count++;
      bytes += block.sizeBytes;
    }
    t.deepEqual([count, bytes], [blockCount, sizeBytes]);
  }
  const packages = await trace.packages();
  t.is(sum(packages.map((one) => one.atEnd.sizeBytes)), trace.totals.liveBytes);
});

function selfBytes(root: TreeNode): number {
  const open = [root];
  let bytes = 0;
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    bytes += node.selfBytes;
    open.push(...node.children);
  }
  return bytes;
}

test('all sites together have every allocation of the run', async (t) => {
  const trace = await openTrace(real.path);
  const sites = await trace.sites({ all: true });
  t.is(sum(sites.map((site) => site.allocationCount)), trace.totals.allocationCount);
  t.is(sum(sites.map((site) => site.allocatedBytes)), trace.totals.allocatedBytes);
  await t.throwsAsync(trace.sites({ all: true, size: { min: 1, max: 2 } }), {
    code: 'ERR_MEMPROF_USAGE',
  });
});

test('the library says what the commands say', async (t) => {
  const trace = await openTrace(real.path);
  const { sites } = await memprofJson<{ sites: unknown[] }>(
    t,
    'sites',
    real.path,
    '--limit',
    'all',
  );
  t.deepEqual(JSON.parse(JSON.stringify(await trace.sites())), sites);
  const leaks = await memprofJson<{ sites: unknown[]; totals: unknown }>(t, 'leaks', real.path);
  const told = await trace.leaks();
  t.deepEqual(JSON.parse(JSON.stringify(told.sites)), leaks.sites);
  t.deepEqual(told.totals as unknown, leaks.totals);
  const owners = await memprofJson<{ classes: unknown[] }>(t, 'owners', real.path);
  t.deepEqual(trace.owners(), owners.classes as ReturnType<typeof trace.owners>);
  const napi = await memprofJson<{ addons: { holdsBytes: number }[] }>(t, 'napi', real.path);
  t.deepEqual(
    (await trace.napi()).map((addon) => addon.holdsBytes),
    napi.addons.map((addon) => addon.holdsBytes),
  );
});

test('a block has the stack of the line that made it, in C++ and JavaScript', async (t) => {
  const trace = await openTrace(real.path);
  const found = [];
  for await (const block of trace.blocks({ size: { min: 100_008, max: 100_008 } }))
    found.push(block);
  t.is(found.length, 1);
  const { stack, thread, entry } = found[0]!;
  t.is(thread, 'main');
  t.is(entry, 'malloc');
  const js = stack?.frames.find((frame) => frame.kind === 'js');
  t.is(js?.function, 'keepFromFunction');
  t.is(js?.line, 8);
  t.true(stack?.frames.some((frame) => frame.module?.endsWith('keeper.node') === true));
});

test('at the last checkpoint every block has a verdict, and they add up', async (t) => {
  const trace = await openTrace(real.path);
  const last = trace.checkpoints.at(-1);
  const byVerdict = new Map<string, number>();
  for await (const { verdict, sizeBytes } of trace.blocks({
    moment: 'last-checkpoint',
    names: false,
  }))
    byVerdict.set(verdict ?? 'none', (byVerdict.get(verdict ?? 'none') ?? 0) + sizeBytes);
  t.is(sum(byVerdict.values()), last?.liveBytes ?? -1);
  const { totals, runtimeTotals } = await trace.leaks();
  const lost = (totals.lost?.sizeBytes ?? 0) + (runtimeTotals.lost?.sizeBytes ?? 0);
  t.is(byVerdict.get('lost') ?? 0, lost);
});

test('events replay to the totals, and to the very blocks that live at the end', async (t) => {
  const trace = await openTrace(real.path);
  const live = new Map<number, { address: number; sizeBytes: number; stackId: number }>();
  const seen = { allocationCount: 0, allocatedBytes: 0, releaseCount: 0, releasedBytes: 0 };
  let lastNs = 0;
  for (const batch of trace.events()) {
    for (let row = 0; row < batch.count; row++) {
      const [sizeBytes, serial] = [batch.sizeBytes[row]!, batch.serial[row]!];
      if (batch.timeNs[row]! < lastNs) t.fail('time goes back');
      lastNs = batch.timeNs[row]!;
      if (batch.kind[row] === EventKind.allocation) {
        t.false(live.has(serial));
        seen.allocationCount++;
        seen.allocatedBytes += sizeBytes;
        live.set(serial, { address: batch.address[row]!, sizeBytes, stackId: batch.stackId[row]! });
      } else if (serial >= 0) {
        const block = live.get(serial);
        if (block?.address !== batch.address[row] || block?.sizeBytes !== sizeBytes)
          t.fail(`serial ${serial} names another block`);
        live.delete(serial);
        seen.releaseCount++;
        seen.releasedBytes += sizeBytes;
      }
    }
  }
  const { allocationCount, allocatedBytes, releaseCount, releasedBytes } = trace.totals;
  t.deepEqual(seen, { allocationCount, allocatedBytes, releaseCount, releasedBytes });
  const atEnd = [];
  for await (const { address, sizeBytes, stackId } of trace.blocks({
    moment: 'at-end',
    names: false,
  }))
    atEnd.push({ address, sizeBytes, stackId });
  t.deepEqual([...live.values()], atEnd);
  const stacks = await trace.stacks(atEnd.slice(0, 3).map((block) => block.stackId));
  t.true(stacks.get(atEnd[0]!.stackId)!.frames.length > 0);
});

test('a closed trace answers nothing, and what it answered stays', async (t) => {
  const trace = await openTrace(real.path);
  trace.close();
  trace.close();
  await t.throwsAsync(trace.sites(), { code: 'ERR_MEMPROF_CLOSED', instanceOf: MemprofError });
  t.throws(() => trace.events(), { code: 'ERR_MEMPROF_CLOSED' });
  t.true(trace.totals.allocationCount > 0);
});

async function refused(t: ExecutionContext, path: string, code: string): Promise<void> {
  const error = await t.throwsAsync(openTrace(path));
  t.true(error instanceof MemprofError);
  t.is((error as MemprofError).code, code, error?.message);
}

test('what is no trace is refused with a code that says why', async (t) => {
  const folder = await scratchFolder(t);
  const file = join(folder, 'x.mprof');
  await refused(t, join(folder, 'none.mprof'), 'ERR_MEMPROF_TRACE_NOT_READABLE');
  await refused(t, folder, 'ERR_MEMPROF_TRACE_NOT_READABLE');
  await writeFile(file, '');
  await refused(t, file, 'ERR_MEMPROF_TRACE_EMPTY');
  await writeFile(file, 'PK\u0003\u0004 something else that is long enough');
  await refused(t, file, 'ERR_MEMPROF_NOT_A_TRACE');
  const bytes = readFileSync(real.path);
  await writeFile(file, bytes.subarray(0, 10));
  await refused(t, file, 'ERR_MEMPROF_TRACE_TRUNCATED');
  const newer = Buffer.from(bytes.subarray(0, 64));
  newer.writeUInt32LE(9999, 8);
  await writeFile(file, newer);
  await refused(t, file, 'ERR_MEMPROF_TRACE_NEWER');
  await refused(t, 7 as unknown as string, 'ERR_MEMPROF_ARGUMENT');
});

test('a trace that was cut opens up to its last whole part and says so', async (t) => {
  const file = join(await scratchFolder(t), 'cut.mprof');
  const bytes = readFileSync(real.path);
  await writeFile(file, bytes);
  await truncate(file, Math.floor(bytes.length * 0.6));
  const trace = await openTrace(file);
  t.false(trace.complete);
  t.regex(trace.warnings.join('\n'), /ends before its last part/);
  const sites = await trace.sites();
  t.is(sum(sites.map((site) => site.sizeBytes)), trace.moments[0]?.sizeBytes);
});

for (const [name, ...words] of [
  ['top-sites.mjs'],
  ['block-sizes.mjs'],
  ['older-than.mjs', 'node', '0'],
  ['lifetimes.mjs'],
] as const)
  test(`the example ${name} runs`, async (t) => {
    const script = join(packageRoot, 'examples', 'library', name);
    const outcome = await run([process.execPath, script, real.path, ...words]);
    t.is(outcome.code, 0, outcome.stderr);
    t.is(outcome.stderr, '');
    t.true(outcome.stdout.split('\n').length > 4, outcome.stdout);
    if (name === 'top-sites.mjs') t.regex(outcome.stdout, /keeper|keep/);
  });

test('importing the library loads no reader: the traced program stays light', async (t) => {
  const source = `import * as memprof from ${JSON.stringify(join(packageRoot, 'dist/src/library/index.js'))};
    import { createRequire } from 'node:module';
    const { cache } = createRequire(import.meta.url);
    console.log(typeof memprof.openTrace, Object.keys(cache).length);`;
  const outcome = await run([process.execPath, '--input-type=module', '-e', source]);
  t.is(outcome.stdout.trim(), 'function 0', outcome.stderr);
});
