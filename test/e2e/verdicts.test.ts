// leaks, why and owners on traces of real programs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildAddon } from './support/build.js';
import { installed } from './support/npm.js';
import {
  memprofBin,
  memprofJson,
  onlyTrace,
  run,
  runTraced,
  scratchFolder,
} from './support/run.js';

interface Site {
  verdict: string;
  blockCount: number;
  sizeBytes: number;
  behind: { blockCount: number; sizeBytes: number };
  type: string | null;
  owner: { className: string } | null;
  heldBy: { kind: string; text: string } | null;
  growth: { checkpointCount: number; blocksPerCheckpoint: number } | null;
  frames: { function: string | null; line: number | null }[];
}
interface Leaks {
  privateAllocators: { allocator: string; package: { name: string } | null; sizeBytes: number }[];
  checkpoint: { number: number; liveCount: number; liveBytes: number };
  sites: Site[];
}
interface Why {
  groups: {
    verdict: string;
    blockCount: number;
    text: string;
    type: string | null;
    path: { type: string | null }[];
  }[];
}

// The same packages in one folder as the other tests install.
const addons = await installed('addons', ['sharp@0.35.5', 'bcrypt@6.0.0', '@node-rs/argon2@2.2.1']);

const plainSource = `#include <cstdlib>
#include <map>
#include <string>
#include <vector>
struct Shape { virtual ~Shape() {} long area[8]; };
struct Circle : Shape { std::vector<int> points; std::map<int, std::string> names; };
Shape* kept;
__attribute__((noinline)) void lose() {
  auto* circle = new Circle;
  circle->points.resize(100);
  for (int i = 0; i < 5; i++) circle->names[i] = std::string(50, 'x');
  __asm__ volatile("" :: "r"(circle) : "memory");
}
__attribute__((noinline)) void scrub() {
  volatile char stack[8192];
  for (unsigned i = 0; i < sizeof stack; i++) stack[i] = 0;
}
int main() {
  for (int i = 0; i < 3; i++) lose();
  kept = new Circle;
  void* local = malloc(333);
  scrub();
  __asm__ volatile("" :: "r"(&local) : "memory");
  exit(local == nullptr);
}
`;

async function tracedPlain(t: ExecutionContext): Promise<string> {
  const folder = await scratchFolder(t);
  const source = join(folder, 'plain.cc');
  await writeFile(source, plainSource);
  const built = await run(['g++', '-g', '-O1', source, '-o', join(folder, 'plain')]);
  t.is(built.code, 0, built.stderr);
  const outcome = await runTraced([join(folder, 'plain')], { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  t.regex(outcome.stderr, /\nlost 36 blocks 3\.4 KiB\n {2}most in lose plain\.cc:\d+, plain\n/);
  t.regex(outcome.stderr, /next .* leaks /);
  return onlyTrace(t, folder);
}

const sum = (sites: readonly Site[], of: 'blockCount' | 'sizeBytes') =>
  sites.reduce((all, site) => all + site[of], 0);

test('a C++ program: what it lost has a verdict and a type, what it holds a holder', async (t) => {
  const trace = await tracedPlain(t);
  const { sites, checkpoint } = await memprofJson<Leaks>(t, 'leaks', trace, '--all');
  t.is(sum(sites, 'blockCount'), checkpoint.liveCount);
  t.is(sum(sites, 'sizeBytes'), checkpoint.liveBytes);
  const circles = sites.filter((site) => site.verdict === 'lost');
  t.is(sum(circles, 'blockCount'), 3);
  t.is(sum(circles, 'sizeBytes'), 3 * 144);
  for (const site of circles) {
    t.is(site.type, 'Circle');
    t.is(site.behind.blockCount, 11 * site.blockCount);
    t.true(site.frames.some((frame) => frame.function?.startsWith('lose') === true));
  }
  const behind = sites.filter((site) => site.verdict === 'lost-indirect');
  t.is(sum(behind, 'blockCount'), 33);
  t.deepEqual(
    new Set(behind.map((site) => site.type)),
    new Set(['std::vector<int> storage', 'std::map<int, std::string> node', 'std::string']),
  );
  const held = (sizeBytes: number) => sites.find((site) => site.sizeBytes === sizeBytes);
  t.is(held(144)?.type, 'Circle');
  t.deepEqual(held(144)?.heldBy, { kind: 'global', text: 'kept in plain' });
  t.regex(held(333)?.heldBy?.text ?? '', /^the stack of thread main, in main \(plain\.cc:\d+\)$/);
});

test('why leads from a lost block to the one that nothing points to', async (t) => {
  const trace = await tracedPlain(t);
  const { groups } = await memprofJson<Why>(t, 'why', trace, 'lose', '--limit', 'all');
  t.is(
    groups.reduce((all, group) => all + group.blockCount, 0),
    36,
  );
  const node = groups.find((group) => group.type === 'std::map<int, std::string> node');
  t.regex(node?.text ?? '', /^lost with 0x[0-9a-f]+ \(144 B\), to which nothing points$/);
  t.is(node?.path.at(-1)?.type, 'Circle');
  const whole = await run([process.execPath, memprofBin, 'why', trace, '1']);
  t.is(whole.code, 0, whole.stderr);
  t.regex(whole.stdout, /^0x[0-9a-f]+: 144 B, Circle, lost {2}\(one of 432 B in 3 blocks/);
  t.regex(whole.stdout, /\n {2}lost: nothing points to it\n/);
});

test('what a global keeps from checkpoint to checkpoint is told with its slope and its holder', async (t) => {
  const folder = await scratchFolder(t);
  const addon = await buildAddon('keeper.cc');
  const script = join(folder, 'grow.cjs');
  await writeFile(
    script,
    `const keeper = require(${JSON.stringify(addon)});
const until = Date.now() + 3000;
const timer = setInterval(() => {
  keeper.keep(1234);
  if (Date.now() > until) clearInterval(timer);
}, 20);`,
  );
  const outcome = await runTraced([process.execPath, script], {
    cwd: folder,
    memprofOptions: ['--checkpoint', '1s'],
  });
  t.is(outcome.code, 0, outcome.stderr);
  t.regex(outcome.stderr, /\nheld and growing \d+ blocks /);
  const trace = await onlyTrace(t, folder);
  const { sites, checkpoint } = await memprofJson<Leaks>(t, 'leaks', trace);
  t.true(checkpoint.number >= 2);
  const kept = sites.find((site) => site.sizeBytes === 1234 * site.blockCount);
  t.is(kept?.verdict, 'held-by-native');
  t.regex(kept?.heldBy?.text ?? '', /^keeper::kept in .*\.node$/);
  t.is(kept?.growth?.checkpointCount, checkpoint.number);
  t.true((kept?.growth?.blocksPerCheckpoint ?? 0) > 1);
});

(addons.reason === null ? test : test.skip)(
  `a prebuilt addon with an allocator of its own is told with what it has mapped${addons.reason === null ? '' : ` (skipped: ${addons.reason})`}`,
  async (t) => {
    const folder = await scratchFolder(t);
    const script = join(addons.folder as string, 'verdicts-argon2.cjs');
    await writeFile(script, "console.log(require('@node-rs/argon2').hashSync('x').length);\n");
    const outcome = await runTraced([process.execPath, script], { cwd: folder });
    t.is(outcome.code, 0, outcome.stderr);
    const trace = await onlyTrace(t, folder);
    const { privateAllocators } = await memprofJson<Leaks>(t, 'leaks', trace);
    t.deepEqual(
      privateAllocators.map((one) => [one.allocator, one.package?.name]),
      [['mimalloc', '@node-rs/argon2-linux-x64-gnu']],
    );
    t.true(privateAllocators[0].sizeBytes >= 1 << 20);
  },
);

test('external buffers whose finalizer Node puts off until after the end are pending, not orphaned', async (t) => {
  const addon = await buildAddon('owners.cc', ['-DNAPI_DISABLE_CPP_EXCEPTIONS']);
  const folder = await scratchFolder(t);
  const script = `const a = require(${JSON.stringify(addon)}); for (let i = 0; i < 300; i++) a.externalBuffer();`;
  for (const end of ['', 'process.exit(0)']) {
    const file = join(folder, `buffers${end.length}.cjs`);
    await writeFile(file, `${script}${end}`);
    const trace = join(folder, `buffers${end.length}.mprof`);
    const traced = await runTraced([process.execPath, file], { memprofOptions: ['-o', trace] });
    t.is(traced.code, 0, traced.stderr);
    const shown = await memprofJson<Leaks>(t, 'leaks', trace);
    t.deepEqual(shown.sites, []);
    const all = await memprofJson<Leaks>(t, 'leaks', '--all', trace);
    const pending = all.sites.filter((site) => site.verdict === 'pending');
    const blocks = pending.reduce((sum, site) => sum + site.blockCount, 0);
    t.true(blocks >= 290 && blocks <= 310, `${blocks} of 300`);
  }
});

test('at the end of a program without addons a large heap is not listed object by object, and it is said', async (t) => {
  const folder = await scratchFolder(t);
  const trace = join(folder, 'large.mprof');
  const script =
    'globalThis.all = Array.from({ length: 1.5e6 }, (_, i) => ({ i, inner: { value: i } }))';
  const traced = await runTraced([process.execPath, '-e', script], {
    memprofOptions: ['-o', trace],
  });
  t.is(traced.code, 0, traced.stderr);
  const outcome = await run([process.execPath, memprofBin, 'leaks', trace]);
  t.is(outcome.code, 0, outcome.stderr);
  t.regex(outcome.stdout.replace(/\s+/g, ' '), /objects were not listed/);
});
