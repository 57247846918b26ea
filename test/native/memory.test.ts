import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  clockPair,
  fence,
  isLocked,
  lockFile,
  mapMemory,
  mapShared,
  membarrier,
  processStartTime,
  reserveFile,
  unlockFile,
  unmap,
} from '../../src/native/index.js';
import { packageRoot } from '../../src/paths.js';
import { temporaryFolder } from './programs.js';

const mapCount = (path: string): number =>
  readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.endsWith(path)).length;

test('a reserved file is private and of the size asked, and exists only once', (t) => {
  const path = join(temporaryFolder(t), 'ring');
  reserveFile(path, 12_288);
  t.is(statSync(path).size, 12_288);
  t.is(statSync(path).blocks * 512 >= 12_288, true);
  t.is(statSync(path).mode & 0o777, 0o600);
  t.throws(() => reserveFile(path, 4096), { code: 'EEXIST' });
  t.throws(() => reserveFile(`${path}2`, 2 ** 52), {
    message: /cannot reserve 4503599627370496 bytes/,
  });
  t.throws(() => reserveFile(`${path}2`, 1.5), { code: 'EINVAL' });
});

test('two mappings of a file are one memory', (t) => {
  const path = join(temporaryFolder(t), 'ring');
  reserveFile(path, 8192);
  const one = mapShared(path);
  const two = mapShared(path);
  new Uint32Array(one)[2047] = 0xfeed;
  t.is(new Uint32Array(two)[2047], 0xfeed);
  t.is(readFileSync(path).readUInt32LE(8188), 0xfeed);
  unmap(one);
  unmap(two);
});

test('what is unmapped is detached, leaves the address space and may be unmapped again', (t) => {
  const path = join(temporaryFolder(t), 'ring');
  reserveFile(path, 8192);
  const buffer = mapShared(path);
  const words = new Uint32Array(buffer);
  t.is(mapCount(path), 1);
  unmap(buffer);
  t.is(mapCount(path), 0);
  t.is(buffer.byteLength, 0);
  t.is(words.length, 0);
  t.is(words[0], undefined as never);
  unmap(buffer);
});

test('only what was mapped here is unmapped', (t) => {
  t.throws(() => unmap(new ArrayBuffer(8)), { code: 'EINVAL' });
  t.throws(() => unmap({} as ArrayBuffer), { code: 'EINVAL' });
});

test('memory of our own is zeroed, rounded up to huge pages, and gone when it is unmapped', (t) => {
  const huge = 2 << 20;
  const buffer = mapMemory(huge + 1);
  t.is(buffer.byteLength, 2 * huge);
  const words = new Float64Array(buffer);
  t.true(words.every((word) => word === 0));
  words[words.length - 1] = 1.5;
  t.is(new Float64Array(buffer).at(-1), 1.5);
  unmap(buffer);
  t.is(buffer.byteLength, 0);
  t.is(words.length, 0);
  unmap(buffer);
});

test('memory of impossible sizes is an error', (t) => {
  for (const size of [0, -1, 1.5, NaN, 2 ** 52]) {
    t.throws(() => mapMemory(size), { message: /not a size|cannot map/ });
  }
});

test('an empty and a missing file are not mapped', (t) => {
  const path = join(temporaryFolder(t), 'empty');
  writeFileSync(path, '');
  t.throws(() => mapShared(path), { code: 'EINVAL', message: /empty/ });
  t.throws(() => mapShared(`${path}2`), { code: 'ENOENT' });
});

test('a thousand mappings come and go, by unmapping and by collection, and the process ends well', (t) => {
  const path = join(temporaryFolder(t), 'ring');
  reserveFile(path, 4096);
  const script = `
    import { mapShared, unmap } from ${JSON.stringify(join(packageRoot, 'dist/src/native/index.js'))};
    import { readFileSync } from 'node:fs';
    const path = ${JSON.stringify(path)};
    const kept = [mapShared(path), mapShared(path)];
    for (let round = 0; round < 500; round++) {
      const buffer = mapShared(path);
      new Uint8Array(buffer)[round] = 1;
      if (round % 2 === 0) unmap(buffer);
      mapShared(path);
      if (round % 50 === 0) { gc(); await new Promise(setImmediate); }
    }
    unmap(kept[0]);
    for (let turn = 0; turn < 5; turn++) { gc(); await new Promise(setImmediate); }
    const left = readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.endsWith(path)).length;
    if (new Uint8Array(kept[1])[499] !== 1) throw new Error('the kept mapping lost its bytes');
    console.log(left);
  `;
  const result = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  t.is(result.stderr, '');
  t.is(result.status, 0);
  // The kept one; the collector may hold on to a few of the last round.
  t.true(Number(result.stdout) >= 1 && Number(result.stdout) <= 60, result.stdout);
});

test('fences give ticks that never fall and grow with the clock', (t) => {
  const { tsc } = clockPair();
  const one = fence(tsc);
  membarrier();
  const two = fence(tsc);
  t.true(one >= 0);
  t.true(two >= one);
  t.true(Number.isInteger(two));
});

test('the three clocks of a pair belong to one moment', (t) => {
  const before = process.hrtime.bigint();
  const pair = clockPair();
  const after = process.hrtime.bigint();
  t.true(before <= pair.monotonicNs && pair.monotonicNs <= after);
  t.true(pair.realtimeNs > 1_600_000_000_000_000_000n);
  t.true(clockPair().tsc > pair.tsc);
});

test('a lock is held until it is given back', (t) => {
  const path = join(temporaryFolder(t), 'session');
  writeFileSync(path, 'x');
  t.false(isLocked(path));
  const descriptor = lockFile(path);
  t.true(isLocked(path));
  t.throws(() => lockFile(path), { code: 'EWOULDBLOCK' });
  unlockFile(descriptor);
  t.false(isLocked(path));
  t.false(isLocked(`${path}2`));
  t.throws(() => lockFile(`${path}2`), { code: 'ENOENT' });
});

test('a lock ends with its holder and is not inherited by a child', (t) => {
  const path = join(temporaryFolder(t), 'session');
  writeFileSync(path, 'x');
  const script = `
    import { lockFile } from ${JSON.stringify(join(packageRoot, 'dist/src/native/index.js'))};
    import { spawn } from 'node:child_process';
    lockFile(${JSON.stringify(path)});
    spawn('sleep', ['5'], { detached: true, stdio: 'ignore' }).on('spawn', () => process.kill(process.pid, 'SIGKILL'));
  `;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  t.is(result.signal, 'SIGKILL');
  t.false(isLocked(path));
});

test('a process has a start time until it is gone', (t) => {
  const own = processStartTime(process.pid);
  t.is(typeof own, 'number');
  t.is(processStartTime(process.pid), own);
  const gone = spawnSync('true').pid;
  t.is(processStartTime(gone), null);
});
