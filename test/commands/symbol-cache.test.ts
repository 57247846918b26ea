import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { inspectExecutable, Symbolizer } from '../../src/native/index.js';
import { SymbolCache, symbolCacheFolder } from '../../src/query/symbol-cache.js';
import {
  type CacheContent,
  cacheVersion,
  decodeCache,
  encodeCache,
  type KnownAddress,
} from '../../src/query/symbol-cache-format.js';
import type { ModuleResolver } from '../../src/query/symbol-sources.js';
import { addressesOf, compile, ours, temporaryFolder } from '../native/programs.js';

/** Counts the addresses that reach the real symbolizer. */
class Counting implements ModuleResolver {
  addressCount = 0;
  readonly #symbolizer = new Symbolizer({ debugFolders: [] });

  resolve(path: string, buildId: string, addresses: Float64Array) {
    this.addressCount += addresses.length;
    return this.#symbolizer.resolve(path, buildId, addresses);
  }
}

interface Scene {
  path: string;
  buildId: string;
  addresses: Float64Array;
  folder: string;
}

function scene(t: ExecutionContext, flags = ['-g', '-O2']): Scene {
  const path = compile(temporaryFolder(t), 'shop', [...flags, '-Wl,--build-id']);
  const buildId = `${inspectExecutable(path).buildId}`;
  return {
    path,
    buildId,
    addresses: addressesOf(path, ours),
    folder: join(temporaryFolder(t), 'symbols'),
  };
}

/** One run of memprof: its answers, and how many addresses were not known from before. */
async function report({ path, buildId, addresses, folder }: Scene, keepBeyondMs = 0) {
  const counting = new Counting();
  const cache = new SymbolCache(counting, folder, keepBeyondMs);
  const answers = await cache.resolve(path, buildId, addresses);
  await cache.save();
  return { answers, asked: counting.addressCount };
}

test('a second report gives the same names without reading debug info', async (t) => {
  const one = scene(t);
  const first = await report(one);
  const second = await report(one);
  t.deepEqual([first.asked, second.asked], [one.addresses.length, 0]);
  t.deepEqual(second.answers, first.answers);
});

test('who asks ahead hears whether names of the module are known', async (t) => {
  const one = scene(t);
  const isKnown = (buildId = one.buildId) =>
    new SymbolCache(new Counting(), one.folder).warm(one.path, buildId);
  t.false(await isKnown());
  await report(one);
  t.true(await isKnown());
  t.false(await isKnown(''));
});

test('addresses that are new are added to those that are known', async (t) => {
  const one = scene(t);
  const half = { ...one, addresses: one.addresses.filter((_, at) => at % 2 === 0) };
  await report(half);
  const whole = await report(one);
  t.is(whole.asked, one.addresses.length - half.addresses.length);
  t.is((await report(one)).asked, 0);
  t.deepEqual(whole.answers, (await report({ ...one, folder: `${one.folder}2` })).answers);
});

test('a module whose names came fast is not kept', async (t) => {
  const one = scene(t);
  await report(one, 1e9);
  t.false(existsSync(one.folder));
});

test('a module without debug info is not kept: a debug file that turns up would tell more', async (t) => {
  const one = scene(t, ['-O2']);
  await report(one);
  t.false(existsSync(one.folder));
});

test('a file that was written since is read anew', async (t) => {
  const one = scene(t);
  await report(one);
  utimesSync(one.path, 1, 1);
  t.is((await report(one)).asked, one.addresses.length);
  t.is((await report(one)).asked, 0);
});

test('another program in its place is not named from the cache', async (t) => {
  const one = scene(t);
  await report(one);
  copyFileSync(scene(t, ['-g', '-O0']).path, one.path);
  const { answers } = await report(one);
  t.is(answers.reason, 'changed');
  t.true(answers.quality.every((quality) => quality === 0));
});

test('without a build id nothing is kept', async (t) => {
  const one = scene(t);
  await report({ ...one, buildId: '' });
  t.false(existsSync(one.folder));
});

test('a damaged cache file is ignored and written anew', async (t) => {
  const one = scene(t);
  const { answers } = await report(one);
  const [name] = readdirSync(one.folder);
  writeFileSync(join(one.folder, name), 'no cache');
  const again = await report(one);
  t.is(again.asked, one.addresses.length);
  t.deepEqual(again.answers, answers);
  t.is((await report(one)).asked, 0);
  t.deepEqual(readdirSync(one.folder), [name]);
});

test('many runs that write at once leave one whole file', async (t) => {
  const one = scene(t);
  await Promise.all(Array.from({ length: 8 }, () => report(one)));
  t.is(readdirSync(one.folder).length, 1);
  t.is((await report(one)).asked, 0);
});

test('a folder that cannot be written changes nothing', async (t) => {
  const one = scene(t);
  const { answers } = await report(one);
  const broken = { ...one, folder: join(one.path, 'below-a-file') };
  t.deepEqual((await report(broken)).answers, answers);
});

const frame = fc.record({
  functionName: fc.option(fc.string()),
  file: fc.option(fc.string()),
  line: fc.nat(),
  column: fc.nat(),
  inlined: fc.boolean(),
});
const known: fc.Arbitrary<KnownAddress> = fc.record({
  quality: fc.integer({ min: 0, max: 3 }),
  symbolOffset: fc.maxSafeNat(),
  frames: fc.array(frame, { minLength: 1, maxLength: 4 }),
});
const content: fc.Arbitrary<CacheContent> = fc.record({
  sources: fc.array(
    fc.record({ path: fc.string(), sizeBytes: fc.nat(), timeMs: fc.nat(), inode: fc.nat() }),
    { maxLength: 3 },
  ),
  hasSymbols: fc.boolean(),
  known: fc.array(fc.tuple(fc.maxSafeNat(), known)).map((entries) => new Map(entries)),
});

test('what is written is read back', (t) => {
  fc.assert(
    fc.property(content, (one) => {
      const read = decodeCache(encodeCache(one)) as CacheContent;
      const byAddress = new Map([...one.known].sort(([a], [b]) => a - b));
      t.deepEqual(
        { ...read, known: new Map(read.known) },
        structuredClone({ ...one, known: byAddress }),
      );
      for (const [address, wanted] of one.known)
        t.deepEqual(read.known.get(address), { ...wanted });
    }),
    { numRuns: 200 },
  );
  t.pass();
});

test('what is added to a file stands beside what it has, and all of it can be dropped', (t) => {
  const one: KnownAddress = { quality: 1, symbolOffset: 0, frames: [] };
  const other: KnownAddress = { ...one, quality: 2 };
  const bytes = encodeCache({ sources: [], hasSymbols: true, known: new Map([[16, one]]) });
  const { known } = decodeCache(bytes) as CacheContent;
  known.set(8, other);
  known.set(16, other);
  t.deepEqual(
    [...known],
    [
      [16, one],
      [8, other],
    ],
  );
  t.deepEqual([known.size, known.has(8), known.has(16), known.has(12)], [2, true, true, false]);
  known.clear();
  t.deepEqual([known.size, known.has(8), known.get(16), [...known]], [0, false, undefined, []]);
});

test('a file with any other byte, cut anywhere or of another version is nothing', (t) => {
  fc.assert(
    fc.property(content, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, place, change) => {
      const bytes = encodeCache(one);
      const at = place % bytes.length;
      t.is(decodeCache(bytes.subarray(0, at)), null);
      bytes[at] ^= change;
      t.is(decodeCache(bytes), null);
    }),
    { numRuns: 200 },
  );
  const newer = encodeCache({ sources: [], hasSymbols: true, known: new Map() });
  newer.writeUInt32LE(cacheVersion + 1, 8);
  t.is(decodeCache(newer), null);
  t.is(decodeCache(readFileSync(process.execPath).subarray(0, 4096)), null);
});

test('the environment says where the cache is, and whether there is one', (t) => {
  t.is(symbolCacheFolder({ HOME: '/home/me' }), '/home/me/.cache/memprof/symbols');
  t.is(symbolCacheFolder({ HOME: '/home/me', XDG_CACHE_HOME: '/x' }), '/x/memprof/symbols');
  t.is(symbolCacheFolder({ HOME: '/home/me', MEMPROF_NO_CACHE: '1' }), null);
  t.is(symbolCacheFolder({ HOME: '/h', MEMPROF_NO_CACHE: '0' }), '/h/.cache/memprof/symbols');
});
