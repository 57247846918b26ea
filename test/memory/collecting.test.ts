// What goes when V8 is made to collect, and what V8 says of its heap, on programs whose answer is known.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { V8Summary } from '../../src/memory/index.js';
import { packageRoot } from '../../src/paths.js';
import { buildAddon, fixturesFolder } from '../e2e/support/build.js';
import { nodeOfMajor } from '../e2e/support/nodes.js';
import { memprofBin, memprofJson, run, runTraced, scratchFolder } from '../e2e/support/run.js';
import { readTrace } from '../e2e/support/trace.js';

interface Fragmented {
  findings: {
    verdict: string;
    bytes: number;
    figures: Record<string, number>;
    sites?: { text: string; blockCount: number; sizeBytes: number }[];
  }[];
}

interface Rss {
  residentBytes: number;
  checkpoint: { liveBytes: number };
  parts: { kind: string; residentBytes: number }[];
  v8: V8Summary;
}

const blocks = 200 * 256 * 1024;
const addon = await buildAddon('heavy-wraps.cc');
const app = join(fixturesFolder, 'apps', 'uncollected.cjs');
const library = JSON.stringify(join(packageRoot, 'dist', 'src', 'library', 'index.js'));
const majors = [20, 22, 24, 26];
const nodes = await Promise.all(majors.map(nodeOfMajor));

async function traced(t: ExecutionContext, kind: string, node = process.execPath): Promise<string> {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const { code, stderr } = await runTraced([node, app, addon, kind], {
    memprofOptions: ['--quiet', '-o', trace],
  });
  t.is(code, 0, stderr);
  return trace;
}

async function verdicts(t: ExecutionContext, trace: string): Promise<string[]> {
  const { findings } = await memprofJson<Fragmented>(t, 'fragmentation', trace);
  return findings.map((finding) => finding.verdict);
}

for (const [at, { path, reason }] of nodes.entries()) {
  const name = `native memory of garbage that V8 was not told of is V8 not collecting, Node ${majors[at]}`;
  if (path === null) {
    test.skip(`${name}: ${reason}`, () => {});
    continue;
  }
  test(name, async (t) => {
    const trace = await traced(t, 'unannounced', path);
    const { findings } = await memprofJson<Fragmented>(t, 'fragmentation', trace);
    const [first] = findings;
    if (first === undefined) return t.fail('nothing was found');
    t.is(first.verdict, 'not-collecting');
    // All of the blocks, and next to nothing else that went with them.
    const goneBytes = first.figures['goneBytes']! + first.figures['pendingBytes']!;
    t.true(goneBytes >= blocks && goneBytes < blocks * 1.02, String(goneBytes));
    t.true(first.figures['toldGoneBytes']! < blocks * 0.02);
    const [site] = first.sites ?? [];
    t.regex(site?.text ?? '', /hold_one.* heavy-wraps\.cc:\d+/);
    t.is(site?.blockCount, 200);
    t.is(site?.sizeBytes, blocks);

    const rss = await memprofJson<Rss>(t, 'rss', trace);
    const { collected, resident, total, spaces, isolates } = rss.v8;
    if (collected === null) return t.fail('V8 was not made to collect');
    t.is(
      collected.beforeBytes - collected.goneBytes + collected.cameBytes,
      rss.checkpoint.liveBytes,
    );
    t.true(collected.residentBeforeBytes - collected.residentAfterBytes > blocks * 0.8);
    t.is(resident.usedBytes + resident.unusedBytes + resident.besideBytes, resident.bytes);
    const v8Parts = rss.parts.filter(({ kind }) => kind === 'v8-heap' || kind === 'v8-code');
    t.is(
      v8Parts.reduce((sum, part) => sum + part.residentBytes, 0),
      resident.bytes,
    );
    // V8's spaces add up to what it says of the whole.
    const [isolate] = isolates;
    t.is(total.committedBytes, isolate!.after.totalBytes);
    t.true(Math.abs(total.usedBytes - isolate!.after.usedBytes) <= 64 << 10);
    t.true(
      spaces.some(({ name: space, usedBytes }) => space === 'old_space' && usedBytes > 1 << 20),
    );
  });
}

test('where V8 was told of that memory, it is not V8 that does not collect', async (t) => {
  const trace = await traced(t, 'announced');
  t.false((await verdicts(t, trace)).includes('not-collecting'));
  const { v8 } = await memprofJson<Rss>(t, 'rss', trace);
  t.true((v8.collected?.goneBytes ?? 0) + (v8.collected?.pendingBytes ?? 0) >= blocks);
  t.true((v8.collected?.toldGoneBytes ?? 0) >= blocks);
  t.true((v8.collected?.untoldBytes ?? blocks) < blocks * 0.02);
});

test('garbage whose finalizers wait, because JavaScript asked for the checkpoint, is told like that which went', async (t) => {
  const taken = async (announced: boolean) => {
    const trace = join(await scratchFolder(t), 'run.mprof');
    const script = `import { checkpoint } from ${library};
      import { createRequire } from 'node:module';
      const { hold } = createRequire(${JSON.stringify(app)})(${JSON.stringify(addon)});
      for (let i = 0; i < 200; i++) hold(1, 256 * 1024, ${announced});
      await checkpoint();`;
    const { code, stderr } = await runTraced(
      [process.execPath, '--input-type=module', '-e', script],
      { memprofOptions: ['--quiet', '-o', trace] },
    );
    t.is(code, 0, stderr);
    return memprofJson<Fragmented>(t, 'fragmentation', trace, '--at', '1');
  };
  const [unannounced, announced] = await Promise.all([taken(false), taken(true)]);
  const found = unannounced.findings.find(({ verdict }) => verdict === 'not-collecting');
  t.true((found?.figures['pendingBytes'] ?? 0) >= blocks);
  t.deepEqual(
    found?.sites?.map(({ sizeBytes }) => sizeBytes),
    [blocks],
  );
  t.false(announced.findings.some(({ verdict }) => verdict === 'not-collecting'));
});

test('a leak stays a leak, and released memory stays retention', async (t) => {
  const [leak, churn] = await Promise.all([
    verdicts(t, await traced(t, 'leak')),
    verdicts(t, await traced(t, 'churn')),
  ]);
  t.is(leak[0], 'leak');
  t.is(churn[0], 'fragmentation');
  t.false([...leak, ...churn].includes('not-collecting'));
});

test("garbage in V8's own heap is V8 not collecting, with what its heap used before and after", async (t) => {
  const trace = await traced(t, 'heap');
  const { findings } = await memprofJson<Fragmented>(t, 'fragmentation', trace);
  const found = findings.find(({ verdict }) => verdict === 'not-collecting');
  const { garbageBytes, usedBeforeBytes, usedAfterBytes } = found?.figures ?? {};
  t.true(garbageBytes! >= 6_000_000 * 8, JSON.stringify(findings));
  t.is(garbageBytes, usedBeforeBytes! - usedAfterBytes!);
});

test('a large heap that was left alone is not called clean: how much of it is garbage is unknown', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const script =
    'globalThis.kept = Array.from({ length: 3 }, () => new Array(6_000_000).fill(1.5))';
  await runTraced([process.execPath, '-e', script], { memprofOptions: ['--quiet', '-o', trace] });
  const { v8 } = await memprofJson<Rss>(t, 'rss', trace);
  t.is(v8.collected, null);
  t.deepEqual(
    v8.isolates.map((isolate) => isolate.isCollected),
    [false],
  );
  for (const command of ['rss', 'fragmentation']) {
    const { stdout } = await run([process.execPath, memprofBin, command, trace]);
    t.regex(stdout, /V8's heap uses\s+is\s+garbage is\s+unknown/);
  }
  const { notes } = await memprofJson<{ notes: string[] }>(t, 'fragmentation', trace);
  t.is(notes.length, 1);
});

test('every isolate of a program with Workers is told apart', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const worker = `require('node:worker_threads').parentPort.on('message', () => 0).postMessage(1)`;
  // A Worker that does not answer in time is left out of a checkpoint: one of several has it.
  const script = `import { checkpoint } from ${library};
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(${JSON.stringify(worker)}, { eval: true, execArgv: [] });
    await once(worker, 'message');
    for (let i = 0; i < 5; i++) await checkpoint();
    await worker.terminate();`;
  const { code, stderr } = await runTraced(
    [process.execPath, '--input-type=module', '-e', script],
    { memprofOptions: ['--quiet', '-o', trace] },
  );
  t.is(code, 0, stderr);
  const seen = (readTrace(trace).checkpoints ?? []).map(({ v8 }) => v8?.isolates ?? []);
  const both = seen.find((isolates) => isolates.length === 2);
  t.deepEqual(
    both?.map(({ isMain }) => isMain),
    [true, false],
    JSON.stringify(seen.map((isolates) => isolates.length)),
  );
  t.true(both?.every(({ spaces }) => spaces.some((space) => space.usedBytes > 0)));
  t.not(both?.[0]?.isolate, both?.[1]?.isolate);
});
