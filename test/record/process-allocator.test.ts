import test from 'ava';
import type { ModuleInfo } from '../../src/model/index.js';
import { processAllocator } from '../../src/record/process-allocator.js';

const image = (id: number, path: string, more: Partial<ModuleInfo> = {}) =>
  ({
    id,
    path,
    low: id * 0x1000,
    high: (id + 1) * 0x1000,
    unloadedNs: null,
    isShim: false,
    ...more,
  }) as ModuleInfo;

const modules = [
  image(1, '/app'),
  image(2, '/libmemprof.so', { isShim: true }),
  image(3, '/libjemalloc.so.2'),
  image(4, '/libc.so.6'),
  image(5, '/gone.so', { unloadedNs: 1 }),
];
const at = (id: number) => id * 0x1000 + 0x10;

test('whose malloc it is, is told by the images that the addresses lie in', (t) => {
  const known = (realMalloc: number, boundMalloc: number, boundNew: number) =>
    processAllocator({ realMalloc, boundMalloc, boundNew }, modules);
  t.deepEqual(known(at(4), at(2), 0), { module: '/libc.so.6', passedBy: null, hasOwnNew: false });
  t.deepEqual(known(at(4), 0, at(1)), { module: '/libc.so.6', passedBy: null, hasOwnNew: false });
  t.deepEqual(known(at(3), at(2), at(3)), {
    module: '/libjemalloc.so.2',
    passedBy: null,
    hasOwnNew: true,
  });
  t.deepEqual(known(at(4), at(1), 0), {
    module: '/libc.so.6',
    passedBy: '/app',
    hasOwnNew: false,
  });
  t.is(known(at(9), at(2), 0), null);
  t.is(known(at(5), at(2), 0), null);
  t.is(known(0, 0, 0), null);
});
