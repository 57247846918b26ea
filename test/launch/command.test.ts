import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { inspectExecutable } from '../../src/native/index.js';
import {
  assertPreloadable,
  resolveCommand,
  tracedEnvironment,
  withOption,
} from '../../src/record/launch.js';
import { usersDescriptors } from '../../src/record/launch-descriptors.js';

function scratch(t: ExecutionContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'memprof launch-')));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function script(folder: string, name: string, text: string, mode = 0o755): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test('a name without a slash is searched in PATH, first executable wins', (t) => {
  const folder = scratch(t);
  for (const one of ['a', 'b', 'c']) mkdirSync(join(folder, one));
  script(join(folder, 'a'), 'tool', '#!/bin/sh\n', 0o644);
  mkdirSync(join(folder, 'b', 'tool'));
  const found = script(join(folder, 'c'), 'tool', '#!/bin/sh\n');
  const path = ['a', 'b', 'c'].map((one) => join(folder, one)).join(':');
  t.deepEqual(resolveCommand(['tool', '-x'], path, '/'), {
    file: found,
    name: 'tool',
    args: ['-x'],
  });
  t.is(
    resolveCommand(['tool'], '', join(folder, 'c')).file,
    found,
    'an empty entry is the current folder',
  );
  t.is(resolveCommand(['./tool'], undefined, join(folder, 'c')).file, found);
});

test('what cannot be run is told apart: 127 not found, 126 not executable or a folder', (t) => {
  const folder = scratch(t);
  script(folder, 'plain.js', '', 0o644);
  mkdirSync(join(folder, 'sub'));
  const fails = (words: string[], exitCode: number, pattern: RegExp) => {
    const error = t.throws(() => resolveCommand(words, folder, folder), {
      message: pattern,
    }) as Error & { exitCode: number };
    t.is(error.exitCode, exitCode);
  };
  fails(['absent'], 127, /absent: command not found/);
  fails(['sub'], 127, /sub/);
  fails(['./absent'], 127, /no such file/);
  fails([''], 127, /empty/);
  fails(['plain.js'], 126, /not executable/);
  fails(['./plain.js'], 126, /memprof-run node/);
  fails(['./sub'], 126, /folder/);
});

test('the chain of interpreters is followed, and a missing one is named', (t) => {
  const folder = scratch(t);
  const check = (path: string) => assertPreloadable(path, 'x', inspectExecutable);
  t.notThrows(() => check(process.execPath));
  t.notThrows(() => check(script(folder, 'ok', '#!/usr/bin/env node\n')));
  // A path with a space cannot stand in a #! line.
  const plain = mkdtempSync(join(tmpdir(), 'memprof-launch-'));
  t.teardown(() => rmSync(plain, { recursive: true }));
  const first = script(plain, 'first', '#!/bin/sh -e\n');
  t.notThrows(() => check(script(folder, 'second', `#!${first}\n`)));
  const loop = script(plain, 'loop', `#!${join(plain, 'loop')}\n`);
  t.throws(() => check(loop), { message: /too many scripts/ });
  t.notThrows(() => check(script(folder, 'none', 'echo no shebang\n')));
  t.throws(() => check(script(folder, 'gone', '#!/nonexistent/interpreter\n')), {
    message: /\/nonexistent\/interpreter is not there/,
  });
  t.throws(() => check(script(folder, 'binary', '\x7fNOPE\0\0')), {
    message: /neither an ELF program nor a script/,
  });
});

test('the environment of the user is kept and extended', (t) => {
  const parts = {
    shimPath: '/m/libmemprof.so',
    agentPath: '/m y/agent.cjs',
    sessionFolder: '/dev/shm/s',
    session: { MEMPROF_SESSION: '/dev/shm/s' },
  };
  const made = tracedEnvironment(
    { LD_PRELOAD: '/a.so /b.so', NODE_OPTIONS: '--max-old-space-size=99', HOME: '/h' },
    parts,
  );
  t.deepEqual(made, {
    HOME: '/h',
    MEMPROF_SESSION: '/dev/shm/s',
    LD_PRELOAD: '/m/libmemprof.so:/a.so /b.so',
    NODE_OPTIONS: '--require "/m y/agent.cjs" --max-old-space-size=99',
  });
  t.is(tracedEnvironment({}, parts)['LD_PRELOAD'], '/m/libmemprof.so');
});

test('a shim path with a space or a colon is preloaded through a link', (t) => {
  const folder = scratch(t);
  const shimPath = script(folder, 'lib mem:prof.so', 'x');
  const session = mkdtempSync(join(tmpdir(), 'memprof-session-'));
  t.teardown(() => rmSync(session, { recursive: true }));
  const made = tracedEnvironment(
    {},
    { shimPath, agentPath: '/a', sessionFolder: session, session: {} },
  );
  t.notRegex(made['LD_PRELOAD'] as string, /[ :]/);
  t.is(realpathSync(made['LD_PRELOAD'] as string), shimPath);
});

test('Node reads back the path that was quoted into NODE_OPTIONS', (t) => {
  const folder = join(scratch(t), 'q"uo\\te d');
  mkdirSync(folder);
  const required = script(folder, 'agent.cjs', "globalThis.seen = 'yes';\n");
  const { NODE_OPTIONS: _none, ...environment } = process.env;
  const env = { ...environment, NODE_OPTIONS: withOption('--title=kept', '--require', required) };
  t.is(
    execFileSync(process.execPath, ['-p', 'globalThis.seen + process.title'], {
      env,
      encoding: 'utf8',
    }),
    'yeskept\n',
  );
});

test('descriptors of the user are told from those of Node', (t) => {
  const targets = new Map([
    [3, '/tmp/log'],
    [4, 'pipe:[10]'],
    [5, 'pipe:[10]'],
    [6, 'anon_inode:[eventpoll]'],
    [7, 'pipe:[11]'],
    [8, 'socket:[12]'],
  ]);
  t.deepEqual([...usersDescriptors(targets, undefined)], [3, 7, 8]);
  t.deepEqual([...usersDescriptors(targets, '-j2 --jobserver-auth=4,5')], [3, 4, 5, 7, 8]);
});
