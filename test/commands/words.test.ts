import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseAgeRange, parseSizeRange } from '../../src/commands/parse-options.js';
import { beforeExtension, scriptName, traceNames } from '../../src/commands/trace-names.js';

const named = (...argv: string[]) => scriptName(argv, '/usr/bin/node', '/srv/app');

test('a trace is named after the script of node, or the command', (t) => {
  t.is(named('node', 'app.js'), 'app');
  t.is(named('/usr/bin/node', '--expose-gc', '-r', './x.js', 'src/server.mts', '--port'), 'server');
  t.is(named('node', '-e', '1'), 'eval');
  t.is(named('node', '.'), 'app');
  t.is(named('node'), 'node');
  t.is(named('node', '/usr/bin/npm', 'test'), 'npm');
  t.is(scriptName(['deno', 'run', '-A', 'main.ts'], '/usr/bin/deno', '/'), 'main');
  t.is(scriptName(['python3', 'x.py'], '/usr/bin/python3', '/'), 'python3');
  t.is(scriptName(['-bash'], '/bin/bash', '/'), 'bash');
  t.is(scriptName(['node', 'we ird/na\nme;$.js'], '/usr/bin/node', '/'), 'na_me__');
  t.is(scriptName([], '/bin/true', '/'), 'true');
});

test('FILE is for the root, the others get their pid before the extension', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-names-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const at = (pid: number, generation: number, isRoot: boolean) => ({
    pid,
    generation,
    isRoot,
    argv: ['node', 'a.js'],
    executable: '/usr/bin/node',
  });
  const names = traceNames('run.mprof', false, folder);
  t.is(names.pathFor(at(7, 0, true)), 'run.mprof');
  t.is(names.pathFor(at(8, 0, false)), 'run.8.mprof');
  t.is(names.pathFor(at(8, 1, false)), 'run.8.1.mprof');
  const byPid = traceNames('t-%p.mprof', false, folder);
  t.is(byPid.pathFor(at(7, 0, true)), 't-7.mprof');
  t.is(byPid.pathFor(at(7, 1, true)), 't-7.1.mprof');
  writeFileSync(join(folder, 'memprof-a.7.mprof'), 'old');
  const madeUp = traceNames(undefined, false, folder);
  t.is(
    madeUp.pathFor(at(7, 0, true)),
    'memprof-a.7-2.mprof',
    'a made-up name gives way to a file that is there',
  );
  t.is(madeUp.pathFor(at(7, 1, true)), 'memprof-a.7-3.mprof', 'and to one it gave before');
  t.is(traceNames('/dev/null', false, folder).pathFor(at(7, 0, true)), null);
  t.is(beforeExtension('/a.b/run', '.1'), '/a.b/run.1');
});

test('what cannot be written is said before anything runs', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-names-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'old.mprof'), 'x');
  t.throws(() => traceNames('old.mprof', false, folder), {
    message: /old\.mprof exists already.*-f/,
  });
  t.notThrows(() => traceNames('old.mprof', true, folder));
  t.throws(() => traceNames('.', true, folder), { message: /is a folder/ });
  t.throws(() => traceNames('no/such/x.mprof', false, folder), {
    message: /no\/such is not there/,
  });
  t.throws(() => traceNames('old.mprof/x.mprof', false, folder), { message: /is not a folder/ });
  t.throws(() => traceNames('/proc/x.mprof', false, folder), { message: /\/proc\/x\.mprof/ });
});

test('sizes and ages are ranges with units', (t) => {
  t.deepEqual(parseSizeRange('4KiB..1MiB'), { min: 4096, max: 1048576 });
  t.deepEqual(parseSizeRange('100'), { min: 100, max: Number.POSITIVE_INFINITY });
  t.deepEqual(parseSizeRange('..64'), { min: 0, max: 64 });
  t.deepEqual(parseAgeRange('1.5s..1min'), { min: 1.5e9, max: 60e9 });
  for (const bad of ['', '..', 'x', '5..1', '1..2..3', '1parsec', '-4'])
    t.throws(() => parseSizeRange(bad), undefined, bad);
});
