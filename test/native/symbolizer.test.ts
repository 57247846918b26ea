import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { inspectExecutable, Symbolizer } from '../../src/native/index.js';
import {
  addressesOf,
  addressOf,
  binutilsFrames,
  compile,
  framesOf,
  ours,
  run,
  sameFrames,
  temporaryFolder,
} from './programs.js';

for (const flags of [
  ['-g', '-O0'],
  ['-g', '-O2'],
  ['-g', '-O2', '-gdwarf-4'],
  ['-g', '-O2', '-gz=zlib'],
  ['-g', '-O2', '-no-pie'],
  ['-g', '-O2', '-shared', '-fPIC'],
  ['-g', '-O2', '-static'],
]) {
  test(`every byte of our functions is named as addr2line names it: ${flags.join(' ')}`, async (t) => {
    const path = compile(temporaryFolder(t), 'shop', flags);
    const addresses = addressesOf(path, ours);
    t.true(addresses.length > 60);
    const module = await new Symbolizer().resolve(path, '', addresses);
    t.is(module.reason, 'ok');
    t.true(module.hasDebugInfo);
    t.true(module.quality.every((quality) => quality === 3));
    sameFrames(t, module, addresses, binutilsFrames(path, addresses));
  });
}

for (const packing of ['zlib', 'zlib-gnu', 'zstd']) {
  test(`debug sections packed with ${packing} are read`, async (t) => {
    const folder = temporaryFolder(t);
    const path = compile(folder, 'shop', ['-g', '-O2']);
    const addresses = addressesOf(path, ours);
    const expected = binutilsFrames(path, addresses);
    const packed = join(folder, 'packed');
    run('objcopy', `--compress-debug-sections=${packing}`, path, packed);
    t.regex(
      run('readelf', '-SW', packed),
      packing === 'zlib-gnu' ? /\.zdebug_info/ : /\.debug_info .* C /,
    );
    sameFrames(t, await new Symbolizer().resolve(packed, '', addresses), addresses, expected);
  });
}

test('inlined frames come leaf first and the last one is the real function', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-g', '-O2']);
  const { start, size } = addressOf(path, '_ZN4shop4Till3sumERKNS_4ItemEi');
  const addresses = Float64Array.from({ length: size }, (_, offset) => start + offset);
  const module = await new Symbolizer().resolve(path, '', addresses);
  const deepest = addresses.findIndex(
    (_, index) => module.start[index + 1] - module.start[index] === 3,
  );
  const source = join(folder, 'shop.cc');
  t.deepEqual(framesOf(module, deepest), [
    `shop::doubled(int) ${source}:4`,
    `shop::taxed(int) ${source}:8`,
    `shop::Till::sum(shop::Item const&, int) ${source}:15`,
  ]);
  const first = module.start[deepest];
  t.deepEqual(module.inlined.slice(first, first + 3), [true, true, false]);
  t.true(module.column[first] > 0);
});

test('a function that exists only inlined and without a linkage name is told with its namespaces', async (t) => {
  const source = `namespace shop { namespace {
    struct Scale { static inline __attribute__((always_inline)) int weigh(int x) { asm volatile("nop"); return x; } };
    inline __attribute__((always_inline)) int round(int x) { return Scale::weigh(x) + 1; }
  } }
  extern "C" int entry(int x) { return shop::round(x); }
  `;
  const path = compile(temporaryFolder(t), 'scopes.so', ['-g', '-O2', '-shared', '-fPIC'], source);
  const { start, size } = addressOf(path, 'entry');
  const addresses = Float64Array.from({ length: size }, (_, offset) => start + offset);
  const module = await new Symbolizer().resolve(path, '', addresses);
  const deepest = addresses.findIndex(
    (_, index) => module.start[index + 1] - module.start[index] === 3,
  );
  t.deepEqual(module.functionName.slice(module.start[deepest], module.start[deepest + 1]), [
    'shop::(anonymous namespace)::Scale::weigh',
    'shop::(anonymous namespace)::round',
    'entry',
  ]);
});

test('without debug info the symbol table names the function, and no line is invented', async (t) => {
  const path = compile(temporaryFolder(t), 'shop', ['-g0', '-O2']);
  const { start, size } = addressOf(path, '_ZL13hidden_helperi');
  const module = await new Symbolizer().resolve(path, '', Float64Array.of(start, start + size - 1));
  t.false(module.hasDebugInfo);
  t.deepEqual(module.functionName, ['hidden_helper(int)', 'hidden_helper(int)']);
  t.deepEqual([...module.quality], [2, 2]);
  t.deepEqual([...module.symbolOffset], [0, size - 1]);
  t.deepEqual(module.file, [null, null]);
  t.deepEqual([...module.line], [0, 0]);
});

test('a stripped library names its exports, and says so where it only guesses', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop.so', ['-O2', '-shared', '-fPIC']);
  const hidden = addressOf(path, '_ZL13hidden_helperi');
  run('strip', path);
  const entry = addressOf(path, 'plain_entry', '-D');
  const module = await new Symbolizer().resolve(
    path,
    '',
    Float64Array.of(entry.start + 1, hidden.start + 2),
  );
  t.is(module.functionName[0], 'plain_entry');
  t.is(module.quality[0], 2);
  // The nearest export before it; never hidden_helper, whose name is gone.
  const exports = run('nm', '-D', '--defined-only', '-n', path).trim().split('\n');
  const before = exports
    .map((line) => line.split(' '))
    .filter(([at]) => Number.parseInt(at, 16) <= hidden.start);
  const [at, , name] = before.at(-1) ?? [];
  t.is(module.quality[1], 1);
  t.is(module.functionName[1], run('c++filt', name).trim());
  t.is(module.symbolOffset[1], hidden.start + 2 - Number.parseInt(at, 16));
});

test('a stripped program without exports names nothing', async (t) => {
  const path = compile(temporaryFolder(t), 'shop', ['-O2', '-s']);
  const module = await new Symbolizer().resolve(path, '', Float64Array.of(0x1080, 0x1180));
  t.is(module.reason, 'no-symbols');
  t.deepEqual([...module.quality], [0, 0]);
  t.deepEqual(module.functionName, [null, null]);
});

test('an address outside of code has no name, however near a symbol is', async (t) => {
  const path = compile(temporaryFolder(t), 'shop', ['-g', '-O2']);
  const outside = Float64Array.of(0, 0x10, 2 ** 40, 2 ** 53, Number.NaN, -1, Infinity);
  const module = await new Symbolizer().resolve(path, '', outside);
  t.true(module.quality.every((quality) => quality === 0));
  t.true(module.functionName.every((name) => name === null));
});

/** Splits path into a stripped program with a link, and the debug file that it returns. */
function splitDebugFile(path: string): string {
  const debugPath = `${path}.debug`;
  run('objcopy', '--only-keep-debug', path, debugPath);
  run('strip', path);
  run('objcopy', `--add-gnu-debuglink=${debugPath}`, path);
  return debugPath;
}

test('a separate debug file is found by its link, beside the program and in .debug', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-g', '-O2', '-Wl,--build-id=none']);
  const addresses = addressesOf(path, ours);
  const expected = binutilsFrames(path, addresses);
  const debugPath = splitDebugFile(path);
  sameFrames(t, await new Symbolizer().resolve(path, '', addresses), addresses, expected);
  mkdirSync(join(folder, '.debug'));
  renameSync(debugPath, join(folder, '.debug', 'shop.debug'));
  sameFrames(t, await new Symbolizer().resolve(path, '', addresses), addresses, expected);
});

test('a separate debug file is found by its link under the debug folder, also through a symbolic link', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-g', '-O2', '-Wl,--build-id=none']);
  const addresses = addressesOf(path, ours);
  const expected = binutilsFrames(path, addresses);
  const debugPath = splitDebugFile(path);
  const debugFolder = temporaryFolder(t);
  mkdirSync(join(debugFolder, folder), { recursive: true });
  renameSync(debugPath, join(debugFolder, folder, 'shop.debug'));
  const link = join(temporaryFolder(t), 'elsewhere');
  symlinkSync(path, link);
  const symbolizer = new Symbolizer({ debugFolders: [debugFolder] });
  sameFrames(t, await symbolizer.resolve(link, '', addresses), addresses, expected);
});

test('a debug file with another CRC is not believed', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-g', '-O2', '-Wl,--build-id=none']);
  const addresses = addressesOf(path, ours);
  const debugPath = splitDebugFile(path);
  writeFileSync(debugPath, '\0', { flag: 'a' });
  const module = await new Symbolizer().resolve(path, '', addresses);
  t.is(module.reason, 'no-symbols');
  t.true(module.functionName.every((name) => name === null));
});

test('a separate debug file is found by build id, and outlives its program', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-g', '-O2', '-Wl,--build-id']);
  const addresses = addressesOf(path, ours);
  const expected = binutilsFrames(path, addresses);
  const { buildId } = inspectExecutable(path);
  t.truthy(buildId);
  const place = join(folder, 'debug', '.build-id', `${buildId?.slice(0, 2)}`);
  mkdirSync(place, { recursive: true });
  const debugPath = splitDebugFile(path);
  renameSync(debugPath, join(place, `${buildId?.slice(2)}.debug`));
  const debugFolders = [join(folder, 'debug')];
  const found = await new Symbolizer({ debugFolders }).resolve(path, `${buildId}`, addresses);
  sameFrames(t, found, addresses, expected);
  renameSync(path, `${path}.gone`);
  const later = await new Symbolizer({ debugFolders }).resolve(path, `${buildId}`, addresses);
  t.false(later.found);
  sameFrames(t, later, addresses, expected);
});

test('another file in its place is told by its build id and names nothing', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-g', '-O2', '-Wl,--build-id']);
  const { buildId } = inspectExecutable(path);
  const other = compile(folder, 'other', ['-g', '-O0', '-Wl,--build-id']);
  const addresses = addressesOf(other, ours);
  copyFileSync(other, path);
  const module = await new Symbolizer().resolve(path, `${buildId}`, addresses);
  t.is(module.reason, 'changed');
  t.true(module.quality.every((quality) => quality === 0));
  const unchecked = await new Symbolizer().resolve(path, '', addresses);
  t.is(unchecked.reason, 'ok');
});

test('what is not ELF, not there or not a build id is said so', async (t) => {
  const path = join(temporaryFolder(t), 'script');
  writeFileSync(path, '#!/bin/sh\n');
  const symbolizer = new Symbolizer();
  t.is((await symbolizer.resolve(path, '', Float64Array.of(1))).reason, 'not-elf');
  const missing = await symbolizer.resolve(`${path}2`, '', Float64Array.of(1, 2));
  t.deepEqual([missing.found, missing.reason, [...missing.start]], [false, 'missing', [0, 1, 2]]);
  t.throws(() => symbolizer.resolve(path, 'xyz', Float64Array.of(1)), { code: 'EINVAL' });
});

test('no addresses give no frames', async (t) => {
  const module = await new Symbolizer().resolve(process.execPath, '', new Float64Array());
  t.deepEqual([[...module.start], module.functionName], [[0], []]);
});

test('many modules are resolved at once, each with its own names', async (t) => {
  const folder = temporaryFolder(t);
  const symbolizer = new Symbolizer();
  const answers = await Promise.all(
    ['one', 'two', 'three'].flatMap((name) => {
      const source = `extern "C" int ${name}_function(int x) { return x * 3; }\n`;
      const path = compile(folder, `${name}.so`, ['-g', '-shared', '-fPIC'], source);
      const { start } = addressOf(path, `${name}_function`);
      return [1, 2].map(() => symbolizer.resolve(path, '', Float64Array.of(start, start + 1)));
    }),
  );
  t.deepEqual(
    answers.map((module) => module.functionName[0]),
    ['one', 'one', 'two', 'two', 'three', 'three'].map((name) => `${name}_function`),
  );
});

test('a label of assembly without type and size is named up to the next symbol', async (t) => {
  const source = `asm(R"(
    .text
    Builtins_Alike:
      nop
      nop
    Builtins_Next:
      ret
  )");
  int main() { return 0; }
  `;
  const path = compile(temporaryFolder(t), 'labels', ['-g0'], source);
  const [line] = run('nm', path)
    .split('\n')
    .filter((entry) => entry.endsWith('Builtins_Alike'));
  const start = Number.parseInt(line, 16);
  const module = await new Symbolizer().resolve(
    path,
    '',
    Float64Array.of(start, start + 1, start + 2),
  );
  t.deepEqual(module.functionName, ['Builtins_Alike', 'Builtins_Alike', 'Builtins_Next']);
  t.deepEqual([...module.quality], [2, 2, 2]);
});

test('an indirect function is named', async (t) => {
  const source = `extern "C" { static int fast(int x) { return x; }
  static int (*choose())(int) { return fast; }
  int chosen(int x) __attribute__((ifunc("choose"))); }
  int main() { return chosen(0); }
  `.replace('choose())', 'choose(void))');
  const path = compile(temporaryFolder(t), 'ifunc', ['-g0'], source);
  const line = run('nm', path)
    .split('\n')
    .find((entry) => entry.endsWith(' i chosen'));
  const start = Number.parseInt(`${line}`, 16);
  const module = await new Symbolizer().resolve(path, '', Float64Array.of(start));
  t.is(module.quality[0], 2);
  t.regex(`${module.functionName[0]}`, /^cho(sen|ose)/);
});

test("node's own functions and builtins are named from its symbol table", async (t) => {
  const wanted = new Map<string, number>();
  for (const line of run('nm', process.execPath).split('\n')) {
    const [start, , name] = line.split(' ');
    if (name === '_ZN2v87Isolate3NewERKNS0_12CreateParamsE' || name === 'Builtins_ArrayMap') {
      wanted.set(name, Number.parseInt(start, 16));
    }
  }
  t.is(wanted.size, 2);
  const addresses = Float64Array.of(
    Number(wanted.get('_ZN2v87Isolate3NewERKNS0_12CreateParamsE')) + 1,
    Number(wanted.get('Builtins_ArrayMap')) + 1,
  );
  const module = await new Symbolizer().resolve(process.execPath, '', addresses);
  t.deepEqual(module.functionName, [
    'v8::Isolate::New(v8::Isolate::CreateParams const&)',
    'Builtins_ArrayMap',
  ]);
});
