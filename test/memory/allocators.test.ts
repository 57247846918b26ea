// Programs whose malloc is not glibc's: preloaded, linked, or their own. They run as they would without memprof, and
// are reported as what they are.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildProgram } from '../e2e/support/build.js';
import { memprofBin, memprofJson, run, runTraced, scratchFolder } from '../e2e/support/run.js';
import { readTrace } from '../e2e/support/trace.js';

interface Rss {
  residentBytes: number;
  allocator: { module: string; passedBy: string | null; hasOwnNew: boolean } | null;
  parts: { kind: string; residentBytes: number; rows: { name: string }[] }[];
  v8: { resident: { bytes: number; besideBytes: number } } | null;
}

const libraries = '/usr/lib/x86_64-linux-gnu';
const allocators = [
  { name: 'jemalloc', file: 'libjemalloc.so.2', debianPackage: 'libjemalloc2' },
  { name: 'mimalloc', file: 'libmimalloc.so.2', debianPackage: 'libmimalloc2.0' },
].map((one) => ({ ...one, isThere: existsSync(join(libraries, one.file)) }));

const kept = 2000 * 5000;
const program = await buildProgram('allocator.c');
const ownMalloc = await buildProgram('allocator.c', ['-DOWN_MALLOC', '-rdynamic']);
const linked = new Map<string, string>();
for (const { file, isThere } of allocators)
  if (isThere)
    linked.set(file, await buildProgram('allocator.c', ['-Wl,--no-as-needed', `-l:${file}`]));

async function traced(
  t: ExecutionContext,
  command: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const plain = await run(command, { env });
  const { code, stdout, stderr } = await runTraced(command, {
    env,
    memprofOptions: ['--quiet', '-o', trace],
  });
  t.deepEqual([code, stdout], [plain.code, plain.stdout], stderr);
  return trace;
}

const textOf = async (command: string, trace: string): Promise<string> =>
  (await run([process.execPath, memprofBin, command, trace])).stdout.replaceAll(/\s+/g, ' ');

/** All of a C program's calls are recorded, and every byte that is resident has its line. */
async function isExplained(t: ExecutionContext, trace: string, file: string): Promise<void> {
  const { checkpoints, totals } = readTrace(trace);
  t.true(totals.allocationCount >= 4000);
  const sizes = checkpoints?.at(-1)?.detail?.live.sizeBytes ?? [];
  t.is(sizes.filter((sizeBytes) => sizeBytes === 5000).length, 2000);
  const rss = await memprofJson<Rss>(t, 'rss', trace);
  t.true(rss.allocator?.module.includes(file));
  t.is(rss.allocator?.passedBy, null);
  const part = (kind: string) => rss.parts.find((one) => one.kind === kind);
  t.is(
    rss.parts.reduce((sum, one) => sum + one.residentBytes, 0),
    rss.residentBytes,
  );
  t.true((part('native-live')?.residentBytes ?? 0) >= kept);
  t.true((part('other-allocator')?.residentBytes ?? 0) > 0);
  t.true(part('other-allocator')?.rows[0]?.name.startsWith(file.replace(/\.so.*/, '')));
  const unexplained = Math.abs(part('unexplained')?.residentBytes ?? 0);
  t.true(unexplained <= rss.residentBytes * 0.03, `${unexplained} of ${rss.residentBytes}`);
}

for (const { name, file, debianPackage, isThere } of allocators) {
  if (!isThere) {
    test.skip(`${name}: the Debian package ${debianPackage} is not installed`, () => {});
    continue;
  }

  test(`a program under a preloaded ${name} is recorded whole, and its memory is ${name}'s`, async (t) => {
    const trace = await traced(t, [program], { LD_PRELOAD: file });
    await isExplained(t, trace, file);
    const expected = new RegExp(
      `allocator is ${name} \\(${file.replaceAll('.', '\\.')}.*, not glibc's`,
    );
    for (const command of ['rss', 'fragmentation', 'summary'])
      t.regex(await textOf(command, trace), expected);
    const { findings, arenas } = await memprofJson<{ findings: { verdict: string }[]; arenas: [] }>(
      t,
      'fragmentation',
      trace,
    );
    t.deepEqual(arenas, []);
    t.deepEqual(
      findings.map(({ verdict }) => verdict),
      ['cache'],
    );
    // Nothing of glibc's to compare with.
    const replayed = await memprofJson<{ recorded: unknown }>(
      t,
      'replay',
      trace,
      '--with',
      'glibc',
    );
    t.is(replayed.recorded, null);
  });

  test(`a program that is linked with ${name} is told as well`, async (t) => {
    const trace = await traced(t, [linked.get(file) as string]);
    await isExplained(t, trace, file);
  });

  test(`Node under a preloaded ${name}: V8's heap is V8's alone, and what new allocates is said to be missing`, async (t) => {
    const script = `globalThis.kept = Array.from({ length: 500 }, () => Buffer.alloc(20_000, 1));
      Array.from({ length: 500 }, () => Buffer.alloc(20_000, 1)); console.log('done')`;
    const trace = await traced(t, [process.execPath, '-e', script], { LD_PRELOAD: file });
    const rss = await memprofJson<Rss>(t, 'rss', trace);
    const part = (kind: string) => rss.parts.find((one) => one.kind === kind)?.residentBytes ?? 0;
    t.true(Math.abs(part('unexplained')) <= rss.residentBytes * 0.03);
    t.true(part('arraybuffers') >= 500 * 20_000);
    t.true(part('other-allocator') > 1 << 20);
    t.true(Math.abs(rss.v8?.resident.besideBytes ?? Infinity) < 4 << 20);
    if (rss.allocator?.hasOwnNew !== true) return;
    for (const command of ['rss', 'fragmentation', 'summary'])
      t.regex(await textOf(command, trace), /allocates with new is not recorded/);
    // Objects that nobody recorded point to blocks that were: these are not lost.
    const leaks = await memprofJson<{ findings: { verdict: string }[] }>(t, 'fragmentation', trace);
    t.false(leaks.findings.some(({ verdict }) => verdict === 'leak'));
  });
}

test('a program with a malloc of its own runs unharmed, and is told that its calls are not recorded', async (t) => {
  const trace = await traced(t, [ownMalloc]);
  const rss = await memprofJson<Rss>(t, 'rss', trace);
  t.is(rss.allocator?.passedBy, ownMalloc);
  t.is(readTrace(trace).checkpoints?.at(-1)?.liveBytes, 0);
  for (const command of ['rss', 'fragmentation', 'summary'])
    t.regex(await textOf(command, trace), /allocator has a malloc of its own, .* are not recorded/);
});

test("glibc's malloc is not remarked upon", async (t) => {
  const trace = await traced(t, [program]);
  for (const command of ['rss', 'fragmentation', 'summary'])
    t.notRegex(await textOf(command, trace), /allocator is|malloc of its own/);
  t.regex((await memprofJson<Rss>(t, 'rss', trace)).allocator?.module ?? '', /libc\.so\.6$/);
});
