// The example that scripts/quickstart shows: both of its leaks must be named by where they are.
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { assertCalls, drawStack, unfreed } from './support/report.js';
import { onlyTrace, run, runTraced, scratchFolder } from './support/run.js';

const example = join(packageRoot, 'examples', 'leaky-addon');

test('the example addon’s leaks are found: who, how much, and the line in C++ and in JavaScript', async (t) => {
  const built = await run([join(example, 'build.sh')]);
  t.is(built.code, 0, built.stderr);
  const folder = await scratchFolder(t);
  const outcome = await runTraced([process.execPath, join(example, 'index.js')], { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  t.is(outcome.stdout, '64 tiles in the cache, 2048000 bytes of previews made\n');
  t.regex(outcome.stderr, /tile-cache 1\.4\.0/);
  // Of the lines only the command to type next is not cut: it must work when it is copied.
  const wide = outcome.stderr
    .split('\n')
    .filter((line) => line.length > 80 && !/^next /.test(line));
  t.deepEqual(wide, []);

  const report = await unfreed(t, await onlyTrace(t, folder));
  t.is(report.process.ended.how, 'exit');
  t.is(report.process.ended.code, 0);
  const own = report.sites.filter((site) => site.package?.name === 'tile-cache');

  // V8's own frames change when it compiles a function anew, so one line of source can be several sites.
  const pixels = own.filter(
    (site) => site.moment === 'at-end' && site.sizeBytes === site.blockCount * 1024,
  );
  t.is(
    pixels.reduce((sum, site) => sum + site.blockCount, 0),
    2000,
  );
  for (const { frames } of pixels) {
    assertCalls(t, frames, ['make_thumbnail', 'thumbnail']);
    const script = frames.find((frame) => frame.kind === 'js');
    t.true(script?.file?.endsWith('/examples/leaky-addon/index.js'), drawStack(frames));
  }
  const first = pixels[0]?.frames ?? [];
  const caller = first.find((frame) => frame.function === 'previewTile');
  t.is(caller?.line, 17, drawStack(first));

  // The registry is a static map: freed by its destructor at exit, so only the first moment shows it.
  const history = own.filter(
    (site) =>
      site.moment === 'before-teardown' &&
      site.frames.some((frame) => /::remember/.test(frame.function ?? '')),
  );
  t.true(
    history.reduce((sum, site) => sum + site.blockCount, 0) >= 6000,
    history.map((site) => drawStack(site.frames)).join('\n\n'),
  );
  t.false(
    report.sites.some(
      (site) =>
        site.moment === 'at-end' &&
        site.frames.some((frame) => /::remember/.test(frame.function ?? '')),
    ),
  );
  // What is right must not be blamed at the end.
  t.false(
    report.sites.some(
      (site) =>
        site.moment === 'at-end' &&
        site.frames.some((frame) => /TileStore::put/.test(frame.function ?? '')),
    ),
  );
});
