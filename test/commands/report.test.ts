// memprof report and memprof-run --report as commands: which file is written, and what is not overwritten.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { memprofBin, run, runBin, scratchFolder } from '../e2e/support/run.js';

const node = process.execPath;

test('memprof-run --report writes the report beside the trace, memprof report makes the same of the trace', async (t) => {
  const cwd = await scratchFolder(t);
  const traced = await run(
    [node, runBin, '-q', '-o', 'a.mprof', '--report', node, '-e', 'process.exitCode = 3'],
    { cwd },
  );
  t.is(traced.code, 3, traced.stderr);
  const html = readFileSync(join(cwd, 'a.html'), 'utf8');
  t.true(html.startsWith('<!doctype html>'));
  t.true(html.length < 3 * 2 ** 20);
  const made = await run([node, memprofBin, 'report', 'a.mprof'], { cwd });
  t.is(made.code, 0, made.stderr);
  t.regex(made.stdout, /a\.html: .*needs no network/);
  t.is(readFileSync(join(cwd, 'a.html'), 'utf8'), html, 'a report is replaced by a newer one');
});

test('what is no report is not overwritten, before the program starts', async (t) => {
  const cwd = await scratchFolder(t);
  writeFileSync(join(cwd, 'notes.html'), 'my notes');
  const script = "require('fs').writeFileSync('ran', '')";
  const traced = await run(
    [node, runBin, '-q', '-o', '/dev/null', '--report=notes.html', node, '-e', script],
    { cwd },
  );
  t.is(traced.code, 125);
  t.regex(traced.stderr, /notes\.html exists already and is no report of memprof/);
  t.false(existsSync(join(cwd, 'ran')));
  t.is(readFileSync(join(cwd, 'notes.html'), 'utf8'), 'my notes');
  const forced = await run(
    [node, runBin, '-q', '-f', '-o', '/dev/null', '--report=notes.html', node, '-e', script],
    { cwd },
  );
  t.is(forced.code, 0, forced.stderr);
  t.true(readFileSync(join(cwd, 'notes.html'), 'utf8').startsWith('<!doctype html>'));
});

test('a report that cannot be written does not change how the run ends', async (t) => {
  const cwd = await scratchFolder(t);
  const traced = await run(
    [node, runBin, '-o', '/dev/null', '--report=no/such/folder.html', node, '-e', '0'],
    { cwd },
  );
  t.is(traced.code, 0, traced.stderr);
  t.regex(traced.stderr, /no report is written: .*no\/such\/folder\.html/s);
});

test('what is no trace is refused', async (t) => {
  const cwd = await scratchFolder(t);
  writeFileSync(join(cwd, 'x.mprof'), 'not a trace at all, but long enough to have a header');
  const made = await run([node, memprofBin, 'report', 'x.mprof'], { cwd });
  t.is(made.code, 125);
  t.false(existsSync(join(cwd, 'x.html')));
});
