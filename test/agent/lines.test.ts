// The line of each call in a traced program: the programs say beside each call what they expect.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildAddon, fixturesFolder } from '../e2e/support/build.js';
import { type FoundNode, nodeOfMajor } from '../e2e/support/nodes.js';
import { type Frame, siteOfSize, type Unfreed, unfreed } from '../e2e/support/report.js';
import { onlyTrace, runTraced, scratchFolder } from '../e2e/support/run.js';

interface LineFrame extends Frame {
  column: number | null;
  lineIs?: 'call' | 'function';
}

/** "// keeps 8: 13 < 17" beside a call: blocks of 8 above the least size, and the lines leaf first. */
function expectations(file: string): { size: number; lines: string; at: number }[] {
  const found: { size: number; lines: string; at: number }[] = [];
  for (const [index, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    for (const [, size, lines] of text.matchAll(/keeps (\d+): ([\d <]*\d)/g))
      found.push({ size: Number(size), lines: lines as string, at: index + 1 });
  }
  return found;
}

async function trace(
  t: ExecutionContext,
  node: string,
  words: readonly string[],
  memprofOptions: readonly string[] = [],
): Promise<Unfreed> {
  const folder = await scratchFolder(t);
  const outcome = await runTraced([node, ...words], { cwd: folder, memprofOptions });
  t.is(outcome.code, 0, outcome.stderr);
  return unfreed(t, await onlyTrace(t, folder));
}

const framesOf = (t: ExecutionContext, report: Unfreed, sizeBytes: number): LineFrame[] =>
  siteOfSize(t, report, sizeBytes).frames as LineFrame[];

const inFile = (frames: readonly LineFrame[], file: string): LineFrame[] =>
  frames.filter((frame) => frame.kind === 'js' && frame.file === file);

/** "13 < 17"; the function's own line, where only that is known, as "(12)". */
const drawLines = (frames: readonly LineFrame[]): string =>
  frames.map(({ line, lineIs }) => (lineIs === 'call' ? line : `(${line})`)).join(' < ');

function assertLines(
  t: ExecutionContext,
  report: Unfreed,
  file: string,
  base: number,
  isExact: boolean,
): void {
  const expected = expectations(file);
  t.true(expected.length > 1);
  for (const { size, lines, at } of expected) {
    const frames = inFile(framesOf(t, report, base + size), file);
    const drawn = drawLines(frames);
    const message = `${basename(file)}:${at} keeps ${size}`;
    if (isExact) {
      t.is(drawn, lines, message);
      continue;
    }
    // What was compiled by then depends on the machine's speed; what is called a call's line is one.
    const wanted = lines.split(' < ');
    t.is(frames.length, wanted.length, `${message}: ${drawn}`);
    for (const [index, frame] of frames.entries())
      if (frame.lineIs === 'call') t.is(String(frame.line), wanted[index], `${message}: ${drawn}`);
  }
}

// All before the first test: ava takes no declarations after it has begun.
const majors = [20, 22, 24, 26];
const nodes = await Promise.all(majors.map(nodeOfMajor));

for (const [at, major] of majors.entries()) {
  const node = nodes[at] as FoundNode;
  const check = node.path === null ? test.skip : test;
  const path = node.path ?? '';
  const titled = (sentence: string) =>
    `Node ${major}: ${sentence}${node.path === null ? ` (skipped: ${node.reason})` : ''}`;
  const app = join(fixturesFolder, 'apps', 'lines.cjs');
  // Where one Node of those between the oldest and the newest is enough.
  const [checkBut22, checkBut24] = [22, 24].map((left) => (major === left ? () => {} : check));

  check(titled('with --exact-lines every call has its own line, in Workers too'), async (t) => {
    const addon = await buildAddon('keeper.cc');
    const report = await trace(t, path, [app, addon, '400000'], ['--exact-lines']);
    assertLines(t, report, app, 400000, true);
    assertLines(t, report, app, 410000, true);
    // V8's own work at a function's entry (a stack guard, an interrupt) stands at the function's head.
    const unplaced = report.sites
      .filter(({ frames }) => frames.some((frame) => frame.function?.includes('keep_block')))
      .flatMap((site) => site.frames as LineFrame[])
      .filter((frame) => frame.file === app && frame.lineIs !== 'call');
    t.deepEqual(unplaced, []);

    const leaf = (size: number) =>
      framesOf(t, report, size).find(({ kind }) => kind === 'js') as LineFrame;
    t.is(leaf(401000).line, 3, 'eval, in its own text');
    // V8 puts a line for the parameters, and one for their end, before the text.
    t.is(leaf(401008).line, 5, 'new Function');
    t.is(`${leaf(401016).file}:${leaf(401016).line}`, '/made/up.js:42', 'vm with a line offset');
    t.is(leaf(400120).column, 9);
    t.is(leaf(400128).column, 40, 'two calls on one line differ by column');
  });

  check(
    titled("whatever compiled a function, its line is right or said to be the function's"),
    async (t) => {
      const addon = await buildAddon('keeper.cc');
      const report = await trace(t, path, [app, addon, '400000']);
      assertLines(t, report, app, 400000, false);
      assertLines(t, report, app, 410000, false);
    },
  );

  checkBut24(titled('modules have call lines, those without a file too'), async (t) => {
    const addon = await buildAddon('keeper.cc');
    const file = join(fixturesFolder, 'apps', 'lines.mjs');
    const report = await trace(t, path, [file, addon, '400000'], ['--exact-lines']);
    assertLines(t, report, file, 400000, true);
    const [inner] = framesOf(t, report, 401000).filter(({ kind }) => kind === 'js');
    t.is(`${inner?.function} ${inner?.line}:${inner?.column}`, 'inner 4:9');
    t.regex(inner?.file ?? '', /^data:text\/javascript/);
  });

  checkBut22(
    titled('addresses that V8 uses again never name the wrong function or line'),
    async (t) => {
      const addon = await buildAddon('keeper.cc');
      const reuse = join(fixturesFolder, 'apps', 'reuse.cjs');
      const stress = [
        '--expose-gc',
        '--stress-compaction',
        '--stress-flush-code',
        '--flush-bytecode',
      ];
      const report = await trace(t, path, [...stress, reuse, addon], ['--exact-lines']);
      for (const first of [20003, 40003]) {
        for (let i = 0; i < 240; i++) {
          // V8 has several ways to call native code: a function may have several stacks.
          const sites = report.sites.filter(
            ({ moment, sizeBytes, blockCount }) =>
              moment === 'at-end' && sizeBytes === blockCount * (first + 8 * i),
          );
          t.is(
            sites.reduce((sum, { blockCount }) => sum + blockCount, 0),
            4,
          );
          for (const { frames } of sites) {
            const leaf = frames.find(({ kind }) => kind === 'js') as LineFrame;
            const found = `${leaf.function} ${leaf.file}:${leaf.line}:${leaf.column} ${leaf.lineIs}`;
            t.is(found, `reused${i} /reused.js:${10 * i + 5}:9 call`);
          }
        }
      }
    },
  );

  checkBut22(titled('node -e has call lines'), async (t) => {
    const addon = await buildAddon('keeper.cc');
    const program = `const addon = require(${JSON.stringify(addon)});\nfunction f() {\n\n  addon.keep(400008);\n}\n\nf();`;
    const report = await trace(t, path, ['-e', program]);
    t.is(drawLines(inFile(framesOf(t, report, 400008), '[eval]')), '4 < 7');
  });

  checkBut24(
    titled("TurboFan code has call lines; inlined calls show the function's"),
    async (t) => {
      const addon = await buildAddon('keeper.cc');
      const folder = await scratchFolder(t);
      const file = join(folder, 'optimized.cjs');
      writeFileSync(
        file,
        `const addon = require(process.argv[2]);
function inlined(size) {
  addon.keep(size);
}
function optimized(size) {
  addon.borrow(8);
  addon.keep(
    size); addon.keep(size + 8);
  inlined(size + 16);
}
addon.keep = wrap(addon.keep);
function wrap(keep) { return keep; }
%PrepareFunctionForOptimization(inlined);
%PrepareFunctionForOptimization(optimized);
for (let i = 0; i < 50; i++) optimized(1);
%OptimizeFunctionOnNextCall(optimized);
optimized(1);
optimized(400000);
`,
      );
      // On a busy machine the script itself may reach a tier without line tables: then its calls in two
      // lines are one stack.
      const tiers = ['--no-sparkplug', '--no-maglev'];
      const report = await trace(t, path, ['--allow-natives-syntax', ...tiers, file, addon]);
      const lines = (size: number) => drawLines(inFile(framesOf(t, report, size), file));
      t.is(lines(400000), '7 < 18');
      t.is(lines(400008), '8 < 18');
      t.is(lines(400016), '(5) < 18', 'the inlined function is not known, the outer one is');
    },
  );
}
