import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { inspectExecutable } from '../../src/native/index.js';
import { compile, run, temporaryFolder } from './programs.js';

test('a dynamic program has an interpreter and a build id', (t) => {
  const path = compile(temporaryFolder(t), 'shop', ['-Wl,--build-id']);
  const found = inspectExecutable(path);
  const [, buildId] = /Build ID: ([0-9a-f]+)/.exec(run('readelf', '-n', path)) ?? [];
  t.deepEqual(found, {
    kind: 'elf',
    elfClass: 64,
    machine: 'x86-64',
    interpreter: '/lib64/ld-linux-x86-64.so.2',
    isSetuid: false,
    shebang: null,
    buildId,
  });
});

test('a static program has no interpreter, whether it can be moved or not', (t) => {
  const folder = temporaryFolder(t);
  const source = 'int main() { return 0; }\n';
  t.is(inspectExecutable(compile(folder, 'static', ['-static'], source)).interpreter, null);
  t.is(inspectExecutable(compile(folder, 'static-pie', ['-static-pie'], source)).interpreter, null);
});

test('setuid and setgid programs are told apart from others', (t) => {
  const path = compile(temporaryFolder(t), 'shop', []);
  for (const [mode, expected] of [
    [0o4755, true],
    [0o2755, true],
    [0o755, false],
    [0o2745, false],
  ] as const) {
    chmodSync(path, mode);
    t.is(inspectExecutable(path).isSetuid, expected, mode.toString(8));
  }
});

test('a script is split as the kernel does it', (t) => {
  const path = join(temporaryFolder(t), 'script');
  writeFileSync(path, '#! /usr/bin/env -S node --x\nbody\n');
  const found = inspectExecutable(path);
  t.is(found.kind, 'script');
  t.deepEqual(found.shebang, ['/usr/bin/env', '-S node --x']);
  t.is(found.elfClass, null);
});

test('other files and folders are other', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'text');
  writeFileSync(path, 'hello');
  t.is(inspectExecutable(path).kind, 'other');
  t.is(inspectExecutable(folder).kind, 'other');
});

test('a file that is not there is an error with its code', (t) => {
  t.throws(() => inspectExecutable('/nonexistent/file'), { code: 'ENOENT' });
});

test('a cut ELF header is ELF of which nothing is known', (t) => {
  const path = join(temporaryFolder(t), 'cut');
  writeFileSync(path, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]));
  const found = inspectExecutable(path);
  t.deepEqual([found.kind, found.elfClass, found.machine], ['elf', 64, null]);
});
