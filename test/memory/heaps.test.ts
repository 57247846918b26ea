// Programs that leave the heaps in a known shape, and the allocator's own word for it.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { MemoryFinding } from '../../src/memory/index.js';
import { HeapPart, type HeapPicture } from '../../src/model/index.js';
import { buildProgram } from '../e2e/support/build.js';
import { memprofJson, runTraced, scratchFolder } from '../e2e/support/run.js';
import { readTrace } from '../e2e/support/trace.js';

/** What mallinfo2 said, and what malloc_trim gave back to a copy of the process. */
interface Truth {
  heapBytes: number;
  mappedBytes: number;
  usedBytes: number;
  freeBytes: number;
  fastBytes: number;
  trimmedBytes: number;
}

interface Fragmented {
  findings: MemoryFinding[];
  pages: { pageCount: number; liveBytes: number }[];
  pinning: { text: string; blockCount: number; pageCount: number; keptBytes: number }[];
  arenas: { isMain: boolean; residentBytes: number }[];
}

async function traced(t: ExecutionContext, ...command: string[]) {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const { stdout, stderr, code } = await runTraced(command, {
    memprofOptions: ['--quiet', '-o', trace],
  });
  t.is(code, 0, stderr);
  return { trace, stdout };
}

const program = await buildProgram('heaps.c', ['-lpthread']);

const kinds: [name: string, verdict: MemoryFinding['verdict'] | null][] = [
  ['every-second', 'fragmentation'],
  ['one-a-page', 'fragmentation'],
  ['many-arenas', 'retention'],
  ['realloc', null],
  ['threshold-creep', 'retention'],
  ['leak', 'leak'],
  ['cache', 'cache'],
];

for (const [kind, verdict] of kinds) {
  test(`${kind}: heaps are what the allocator says, and the verdict is ${verdict ?? 'none'}`, async (t) => {
    const { stdout, trace } = await traced(t, program, kind);
    const truth = JSON.parse(stdout) as Truth;
    const checkpoint = readTrace(trace).checkpoints?.at(-1);
    const memory = checkpoint?.memory;
    if (memory === undefined) return t.fail('the checkpoint has no memory');
    const sum = (of: (heap: HeapPicture) => number) =>
      memory.heaps.reduce((total, heap) => total + of(heap), 0);
    const parts = (...which: number[]) =>
      sum(({ bytes }) => which.reduce((total, part) => total + bytes[part]!, 0));
    const { info, live, tcache, fast, other, free, top } = HeapPart;
    t.true(memory.heaps.every(({ isWhole }) => isWhole));
    t.is(
      sum(({ low, high }) => high - low),
      truth.heapBytes,
    );
    t.is(parts(info, live, tcache, other) + parts(fast, free, top), truth.heapBytes);
    t.is(parts(fast, free, top), truth.freeBytes);
    t.is(parts(fast), truth.fastBytes);
    t.is(memory.mapped.bytes, truth.mappedBytes);
    // The copy of the process that really trims has a page or two of its own.
    t.true(Math.abs(sum((heap) => heap.trimmableBytes) - truth.trimmedBytes) <= 32 << 10);

    const found = await memprofJson<Fragmented>(t, 'fragmentation', trace);
    const [first] = found.findings;
    if (verdict === null) t.deepEqual(found.findings, []);
    else t.is(first?.verdict, verdict);
    const resident = sum(({ residentBytes }) => residentBytes.reduce((a, b) => a + b, 0));
    t.is(
      found.arenas.reduce((total, arena) => total + arena.residentBytes, 0),
      resident,
    );
  });
}

test('the site whose survivors keep pages is named, with what they keep', async (t) => {
  const { trace } = await traced(t, program, 'one-a-page');
  const found = await memprofJson<Fragmented>(t, 'fragmentation', trace);
  const [first] = found.pinning;
  t.regex(first!.text, /^survivor heaps\.c:\d+$/);
  t.is(first!.blockCount, 5000);
  t.is(first!.pageCount, 5000);
  // All of these pages but what lives on them.
  t.true(Math.abs(first!.keptBytes - 5000 * (4096 - 64)) <= 2 * 4096);
});

test('resident memory is a sum: nothing is counted twice, and little is not explained', async (t) => {
  interface Rss {
    residentBytes: number;
    parts: { kind: string; residentBytes: number; rows: { residentBytes: number }[] }[];
  }
  const script = `globalThis.kept = Array.from({ length: 200 }, () => Buffer.alloc(100_000, 1));
    require('node:crypto').pbkdf2('a', 'b', 1000, 64, 'sha512', () => kept.length);`;
  const { trace } = await traced(t, process.execPath, '-e', script);
  const rss = await memprofJson<Rss>(t, 'rss', trace);
  const total = rss.parts.reduce((sum, part) => sum + part.residentBytes, 0);
  t.is(total, rss.residentBytes);
  const part = (kind: string) => rss.parts.find((one) => one.kind === kind)?.residentBytes ?? 0;
  t.true(Math.abs(part('unexplained')) <= rss.residentBytes * 0.03);
  t.true(part('arraybuffers') >= 20_000_000 && part('arraybuffers') < 21_000_000);
  t.true(part('v8-heap') > 1 << 20);
  for (const { residentBytes, rows } of rss.parts) {
    const sum = rows.reduce((all, row) => all + row.residentBytes, 0);
    if (rows.length > 0) t.true(sum <= residentBytes);
  }
});
