import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { findSymbols, resolveData } from '../../src/native/index.js';
import { addressOf, compile, run, temporaryFolder } from './programs.js';

const source = `#include <cstdlib>
namespace shop {
struct Item { virtual ~Item(); long price; };
struct Priced { virtual long cost(); long factor; };
struct Image : Item, Priced { ~Image() override; long cost() override; };
Item::~Item() {}
long Priced::cost() { return factor; }
Image::~Image() {}
long Image::cost() { return 2; }
Image* images[16];
static long hidden[4] = {1, 2, 3, 4};
long sum() { long all = 0; for (long one : hidden) all += one; return all + hidden[0]++; }
}
extern "C" void* mi_malloc(size_t size) { return malloc(size); }
extern "C" const char* words() { return "mimalloc: out of memory"; }
int main() { shop::images[0] = new shop::Image; return shop::sum() == 0 && mi_malloc(1) && words(); }
`;

const flagSets = [[], ['-no-pie'], ['-shared', '-fPIC'], ['-O2', '-g']];
for (const flags of flagSets) {
  test(`globals and vtables are named, all bytes of them and no others: ${flags.join(' ')}`, async (t) => {
    const path = compile(temporaryFolder(t), 'shop', flags, source);
    for (const [mangled, clear] of [
      ['_ZTVN4shop5ImageE', 'vtable for shop::Image'],
      ['_ZN4shop6imagesE', 'shop::images'],
      ['_ZN4shopL6hiddenE', 'shop::hidden'],
    ] as const) {
      const { start, size } = addressOf(path, mangled);
      const bytes = Float64Array.from({ length: size + 1 }, (_one, at) => start + at);
      const { symbol, offset } = await resolveData(path, '', bytes);
      t.true(
        symbol.slice(0, size).every((name) => name === clear),
        clear,
      );
      t.deepEqual(
        [...offset.slice(0, size)],
        [...bytes.slice(0, size)].map((at) => at - start),
      );
      t.not(symbol[size], clear);
    }
    const { start } = addressOf(path, '_ZN4shop3sumEv');
    t.deepEqual((await resolveData(path, '', Float64Array.of(start, 0, 2 ** 52))).symbol, [
      null,
      null,
      null,
    ]);
  });
}

test('a stripped library keeps what it exports, and its debug link gives the rest', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop.so', ['-shared', '-fPIC', '-g'], source);
  const hidden = addressOf(path, '_ZN4shopL6hiddenE').start;
  const images = addressOf(path, '_ZN4shop6imagesE').start;
  const debug = join(folder, 'shop.so.debug');
  run('objcopy', '--only-keep-debug', path, debug);
  run('strip', path);
  const asked = Float64Array.of(images + 8, hidden);
  t.deepEqual((await resolveData(path, '', asked)).symbol, ['shop::images', null]);
  run('objcopy', `--add-gnu-debuglink=${debug}`, path);
  t.deepEqual((await resolveData(path, '', asked)).symbol, ['shop::images', 'shop::hidden']);
});

test('another file than the recorded one, no file and no ELF name nothing', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-Wl,--build-id=0x1234'], source);
  const { start } = addressOf(path, '_ZN4shop6imagesE');
  const named = async (file: string, buildId: string) =>
    (await resolveData(file, buildId, Float64Array.of(start))).symbol[0];
  t.is(await named(path, '1234'), 'shop::images');
  t.is(await named(path, 'abcd'), null);
  t.is(await named(join(folder, 'gone'), ''), null);
  t.is(await named(join(folder, 'shop.cc'), ''), null);
});

test('symbols and constants of a file are found by name', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop.so', ['-shared', '-fPIC'], source);
  const wanted = ['mi_malloc', 'mi_free', 'malloc', '"mimalloc: "', '"jemalloc"', '""'];
  // malloc is used, not defined.
  t.deepEqual(await findSymbols(path, wanted), [true, false, false, true, false, false]);
  run('strip', path);
  t.deepEqual(await findSymbols(path, ['mi_malloc']), [true]);
  t.deepEqual(await findSymbols(join(folder, 'gone'), wanted), Array(6).fill(false));
});

test('damaged files name nothing wrong and never crash', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop.so', ['-shared', '-fPIC'], source);
  const bytes = readFileSync(path);
  const { start } = addressOf(path, '_ZN4shop6imagesE');
  const damagedPath = join(folder, 'damaged.so');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), {
        minLength: 1,
        maxLength: 40,
      }),
      fc.nat({ max: bytes.length }),
      async (changes, length) => {
        const damaged = Uint8Array.from(
          bytes.subarray(0, length % 3 === 0 ? length : bytes.length),
        );
        // Half of it in the headers, where it does most.
        for (const [at, value] of changes)
          for (const place of [at, at % 4096]) if (place < damaged.length) damaged[place] = value;
        writeFileSync(damagedPath, damaged);
        const { symbol } = await resolveData(damagedPath, '', Float64Array.of(start, 1, 2 ** 53));
        t.is(symbol.length, 3);
        t.is((await findSymbols(damagedPath, ['mi_malloc', '"mimalloc"'])).length, 2);
      },
    ),
    { numRuns: 60 },
  );
});
