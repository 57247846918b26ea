import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildAddon, fixturesFolder } from './support/build.js';
import { type FoundNode, nodeOfMajor } from './support/nodes.js';
import {
  assertCalls,
  drawStack,
  type Frame,
  siteOfSize,
  type Unfreed,
  unfreed,
} from './support/report.js';
import { onlyTrace, runTraced, scratchFolder } from './support/run.js';

const app = join(fixturesFolder, 'apps', 'keep.cjs');
const moduleApp = join(fixturesFolder, 'apps', 'keep.mjs');

/** The JavaScript frame of a function: its file, and a line inside the function or at its head. */
function assertJsFrame(
  t: ExecutionContext,
  frames: readonly Frame[],
  name: string,
  file: string,
  [firstLine, lastLine]: readonly [number, number],
): void {
  const frame = frames.find((each) => each.kind === 'js' && each.function === name);
  if (frame === undefined) {
    t.fail(`no JavaScript frame ${name} in\n${drawStack(frames)}`);
    return;
  }
  t.is((frame.file ?? '').replace(/^file:\/\//, ''), file);
  const line = frame.line ?? 0;
  t.true(line >= firstLine && line <= lastLine, `${name} at line ${line}\n${drawStack(frames)}`);
}

const majors = [20, 22, 24, 26];
const nodes = await Promise.all(majors.map(nodeOfMajor));

for (const [at, major] of majors.entries()) {
  const node = nodes[at] as FoundNode;
  const check = node.path === null ? test.skip : test;
  const name = (sentence: string) =>
    `Node ${major}: ${sentence}${node.path === null ? ` (skipped: ${node.reason})` : ''}`;

  // One run, of which several tests read.
  let report: Promise<Unfreed> | undefined;
  const recorded = (t: ExecutionContext) => (report ??= keepReport(t, node.path as string));

  check(name('C++ and JavaScript frames stand in one stack, with file and line'), async (t) => {
    const report = await recorded(t);
    t.regex(report.process.nodeVersion ?? '', new RegExp(`^v${major}\\.`));

    const stack = (sizeBytes: number) => siteOfSize(t, report, sizeBytes).frames;
    const js = (sizeBytes: number, functionName: string, lines: readonly [number, number]) =>
      assertJsFrame(t, stack(sizeBytes), functionName, app, lines);

    assertCalls(t, stack(100008), ['keep_block', 'keep', 'keepFromFunction']);
    js(100008, 'keepFromFunction', [7, 9]);
    assertCalls(t, stack(100016), ['reserve', 'keep_text', 'keep_text', 'order']);
    js(100016, 'order', [12, 14]);
    js(100024, 'keepFromArrow', [17, 19]);
    js(100032, 'keepFromCallback', [21, 23]);
    js(100040, 'keepAfterAwait', [25, 28]);
    assertCalls(t, stack(100048), [
      'keep_block',
      'keep',
      'innermost',
      'calledFromCpp',
      'call_back',
    ]);
    js(100048, 'innermost', [30, 32]);
    js(100048, 'keepThroughCpp', [38, 40]);
    js(100056, 'keepFromHotFunction', [47, 50]);
    js(100064, 'hotKeeper', [51, 54]);
    js(100064, 'warmUp', [55, 58]);
    js(100104, 'keepInWorker', [75, 77]);

    for (const sizeBytes of [100008, 100016, 100048]) {
      const site = siteOfSize(t, report, sizeBytes);
      // Node's main leaves by a tail call, so the root that is there for certain is node::Start.
      assertCalls(t, site.frames, ['Start', '_start']);
      t.deepEqual(site.markers, [], drawStack(site.frames));
    }
  });

  check(
    name('blocks of threads and of the pool are found where they were allocated'),
    async (t) => {
      const report = await recorded(t);
      assertCalls(t, siteOfSize(t, report, 100072).frames, ['keep_block']);
      assertCalls(t, siteOfSize(t, report, 100080).frames, ['keep_block', 'execute_work']);
    },
  );

  check(name('what teardown frees is live before it and gone at the end'), async (t) => {
    const report = await recorded(t);
    const site = siteOfSize(t, report, 100088, 'before-teardown');
    assertCalls(t, site.frames, ['keep_until_teardown']);
    t.false(report.sites.some((each) => each.moment === 'at-end' && each.sizeBytes === 100088));
    t.false(
      report.sites.some((each) => each.sizeBytes === 100096),
      'a borrowed block is not unfreed',
    );
    const { beforeTeardown, atEnd } = report.totals;
    t.true((beforeTeardown?.sizeBytes ?? 0) > atEnd.sizeBytes);
  });

  check(name('functions of an ES module are named with their file'), async (t) => {
    const addon = await buildAddon('keeper.cc');
    const folder = await scratchFolder(t);
    const outcome = await runTraced([node.path as string, moduleApp, addon], { cwd: folder });
    t.is(outcome.code, 0, outcome.stderr);
    const report = await unfreed(t, await onlyTrace(t, folder));
    assertJsFrame(t, siteOfSize(t, report, 100112).frames, 'keepFromModule', moduleApp, [6, 8]);
  });
}

async function keepReport(t: ExecutionContext, node: string): Promise<Unfreed> {
  const addon = await buildAddon('keeper.cc');
  const folder = await scratchFolder(t);
  const outcome = await runTraced([node, app, addon], { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  t.is(outcome.stdout, '');
  return unfreed(t, await onlyTrace(t, folder));
}
