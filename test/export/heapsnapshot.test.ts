// A snapshot with native memory, read back by memlab's own parser.
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { buildAddon, fixturesFolder } from '../e2e/support/build.js';
import { installed } from '../e2e/support/npm.js';
import { memprofBin, onlyTrace, run, runTraced, scratchFolder } from '../e2e/support/run.js';

const memlab = await installed('memlab', ['@memlab/core@2.0.5']);
const addon = await buildAddon('owners.cc');
const withMemlab = memlab.folder === null ? test.skip : test;
const app = join(fixturesFolder, 'apps', 'retained.cjs');

interface Found {
  nodeCount: number;
  nativeBytes: number;
  classes: Record<string, { count: number; selfBytes: number; retainedBytes: number }>;
}

withMemlab('memlab counts native memory to the objects that own it', async (t) => {
  const folder = await scratchFolder(t);
  const traced = await runTraced([process.execPath, app, addon], {
    cwd: folder,
    memprofOptions: ['--retainers'],
  });
  t.is(traced.code, 0, traced.stderr);
  const trace = await onlyTrace(t, folder);
  const file = join(folder, 'out.heapsnapshot');
  const export_ = [memprofBin, 'export', trace, '--format', 'heapsnapshot', '-o', file];
  const exported = await run([process.execPath, ...export_]);
  t.is(exported.code, 0, exported.stderr);
  const again = await run([process.execPath, ...export_]);
  t.is(again.code, 2);
  t.regex(again.stderr, /exists and is not overwritten/);

  const script = join(memlab.folder as string, 'read.cjs');
  await copyFile(join(fixturesFolder, 'apps', 'memlab.cjs'), script);
  const read = await run([process.execPath, script, file]);
  t.is(read.code, 0, read.stderr);
  const found = JSON.parse(read.stdout.trim().split('\n').at(-1) as string) as Found;
  const pictures = found.classes['Picture'];
  t.is(pictures?.count, 20);
  t.true((pictures?.retainedBytes ?? 0) - (pictures?.selfBytes ?? 0) >= 20 * 32);
  // Once, though both V8 and the trace know the megabyte.
  const sheet = found.classes['Sheet']?.retainedBytes ?? 0;
  t.true(sheet >= 1 << 20 && sheet < (1 << 20) + 4096, `${sheet}`);

  const why = await run([process.execPath, memprofBin, 'owners', trace, '--json']);
  t.is(why.code, 0, why.stderr);
});

test('without a heap snapshot in the trace the export says how to get one', async (t) => {
  const folder = await scratchFolder(t);
  await runTraced([process.execPath, '-e', '0'], { cwd: folder });
  const trace = await onlyTrace(t, folder);
  const outcome = await run([
    process.execPath,
    memprofBin,
    'export',
    trace,
    '--format',
    'heapsnapshot',
  ]);
  t.is(outcome.code, 125);
  t.regex(outcome.stderr, /--retainers/);
});
