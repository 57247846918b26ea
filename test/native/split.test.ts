// Debug info that lies elsewhere in pieces: split DWARF, and MiniDebugInfo inside the program.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
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
  shopSource,
  temporaryFolder,
} from './programs.js';

interface SplitProgram {
  folder: string;
  path: string;
  addresses: Float64Array;
  /** What the same code says when its debug info is in one piece. */
  expected: string[][];
}

/** Compiles and links in its own folder, so that the .dwo file's name is relative to that. */
function splitProgram(t: ExecutionContext, version: number, ...splitFlags: string[]): SplitProgram {
  const folder = temporaryFolder(t);
  const path = join(folder, 'shop');
  const flags = ['-g', '-O2', `-gdwarf-${version}`];
  writeFileSync(join(folder, 'shop.cc'), shopSource);
  const make = (...args: string[]): void => {
    execFileSync('g++', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  make(...flags, '-c', 'shop.cc', '-o', 'shop.o');
  make('shop.o', '-o', 'shop');
  const addresses = addressesOf(path, ours);
  const expected = binutilsFrames(path, addresses);
  const inlined = expected.filter((frames) => frames.length > 1);
  if (inlined.length === 0) throw new Error('the program has no inlined function');
  make(...flags, '-gsplit-dwarf', ...splitFlags, '-c', 'shop.cc', '-o', 'shop.o');
  make('shop.o', '-o', 'shop');
  if (addressesOf(path, ours).some((address, at) => address !== addresses[at])) {
    throw new Error('splitting debug info changed the code');
  }
  return { folder, path, addresses, expected };
}

/**
 * Makes a package of the one .dwo file, which is left without its index but is the same otherwise.
 * By hand for DWARF 5: binutils' dwp ends in a segmentation fault there, and llvm-dwp 14 never ends.
 */
function packUp({ folder }: SplitProgram, version: number): void {
  if (version === 4) {
    execFileSync('dwp', ['-e', 'shop', '-o', 'shop.dwp'], { cwd: folder });
    return;
  }
  const dwo = join(folder, 'shop.dwo');
  const found = /DWO ID:\s+0x([0-9a-f]+)|dwo_id\s*:\s*0x([0-9a-f]+)/i.exec(
    run('readelf', '--debug-dump=info', dwo),
  );
  const id = BigInt(`0x${found?.[1] ?? found?.[2]}`);
  const sectionIds = { info: 1, abbrev: 3, line: 4, loclists: 5, str_offsets: 6, rnglists: 8 };
  const columns = Object.entries(sectionIds).flatMap(([name, sectionId]) => {
    const pattern = new RegExp(` \\.debug_${name}\\.dwo +PROGBITS +0+ [0-9a-f]+ ([0-9a-f]+)`);
    const size = pattern.exec(run('readelf', '-SW', dwo))?.[1];
    return size === undefined ? [] : [{ sectionId, sizeBytes: Number.parseInt(size, 16) }];
  });
  const words = [5, columns.length, 1, 2];
  const slots = id & 1n ? [0n, id] : [id, 0n];
  for (const slot of slots) words.push(Number(slot & 0xffffffffn), Number(slot >> 32n));
  words.push(...slots.map((slot) => (slot === id ? 1 : 0)));
  words.push(...columns.map(({ sectionId }) => sectionId));
  words.push(...columns.map(() => 0));
  words.push(...columns.map(({ sizeBytes }) => sizeBytes));
  const index = join(folder, 'cu_index');
  writeFileSync(index, new Uint8Array(Uint32Array.from(words).buffer));
  run('objcopy', `--add-section=.debug_cu_index=${index}`, dwo, join(folder, 'shop.dwp'));
}

for (const version of [4, 5]) {
  test(`split debug info is read from .dwo files where it was compiled: DWARF ${version}`, async (t) => {
    const { path, addresses, expected } = splitProgram(t, version);
    const module = await new Symbolizer().resolve(path, '', addresses);
    sameFrames(t, module, addresses, expected);
    // More .dwo files may turn up: nobody should keep these answers.
    t.deepEqual(module.sources, []);
  });

  test(`split debug info is read beside types that have sections of their own: DWARF ${version}`, async (t) => {
    const { path, addresses, expected } = splitProgram(t, version, '-fdebug-types-section');
    const sections = run('readelf', '-SW', path.replace(/shop$/, 'shop.dwo'));
    const pattern = version === 4 ? /\.debug_types\.dwo/g : /\.debug_info\.dwo/g;
    t.true([...sections.matchAll(pattern)].length > 1, sections);
    const module = await new Symbolizer().resolve(path, '', addresses);
    sameFrames(t, module, addresses, expected);
  });

  test(`split debug info is read from .dwo files that moved with their program: DWARF ${version}`, async (t) => {
    const { folder, path, addresses, expected } = splitProgram(t, version);
    const other = temporaryFolder(t);
    renameSync(path, join(other, 'shop'));
    renameSync(join(folder, 'shop.dwo'), join(other, 'shop.dwo'));
    const module = await new Symbolizer().resolve(join(other, 'shop'), '', addresses);
    sameFrames(t, module, addresses, expected);
  });

  test(`without its .dwo file a function keeps its symbol and line: DWARF ${version}`, async (t) => {
    const { folder, path } = splitProgram(t, version);
    const { start } = addressOf(path, 'plain_entry');
    truncateSync(join(folder, 'shop.dwo'), 100);
    const module = await new Symbolizer().resolve(path, '', Float64Array.of(start));
    t.deepEqual(framesOf(module, 0), [`plain_entry ${join(folder, 'shop.cc')}:18`]);
  });

  test(`the .dwo file of another compilation is not believed: DWARF ${version}`, async (t) => {
    const { folder, path, addresses } = splitProgram(t, version);
    const other = join(folder, 'other');
    mkdirSync(other);
    const source = shopSource.replace('price;', 'price; int more;').replaceAll('taxed', 'untax');
    writeFileSync(join(other, 'shop.cc'), source);
    const flags = ['-g', '-O2', `-gdwarf-${version}`, '-gsplit-dwarf', '-c', 'shop.cc'];
    execFileSync('g++', flags, { cwd: other });
    copyFileSync(join(other, 'shop.dwo'), join(folder, 'shop.dwo'));
    const module = await new Symbolizer().resolve(path, '', addresses);
    t.true(module.functionName.every((name) => name !== null && !name.includes('untax')));
    t.true(module.inlined.every((inlined) => !inlined));
  });

  test(`split debug info is read from a package beside the program: DWARF ${version}`, async (t) => {
    const program = splitProgram(t, version);
    const { folder, path, addresses, expected } = program;
    packUp(program, version);
    renameSync(join(folder, 'shop.dwo'), join(folder, 'gone'));
    const module = await new Symbolizer().resolve(path, '', addresses);
    sameFrames(t, module, addresses, expected);
    t.deepEqual(module.sources, [path, `${path}.dwp`]);
  });
}

/** Strips the program and puts the symbols that are not exported into .gnu_debugdata, as Fedora does. */
function withMiniDebugInfo(folder: string, path: string): void {
  const names = (...args: string[]): Set<string> =>
    new Set(
      run('nm', ...args, '--format=posix', '--defined-only', path)
        .split('\n')
        .filter((line) => / [tTwW] /.test(line))
        .map((line) => line.split(' ')[0]),
    );
  const exported = names('-D');
  const kept = [...names()].filter((name) => !exported.has(name));
  const keepPath = join(folder, 'keep');
  const mini = join(folder, 'mini');
  writeFileSync(keepPath, kept.join('\n'));
  run('objcopy', '--only-keep-debug', path, mini);
  run('objcopy', '-S', '--remove-section=.comment', `--keep-symbols=${keepPath}`, mini);
  run('strip', path);
  writeFileSync(join(folder, 'mini.xz'), execFileSync('xz', ['-9c', mini]));
  run('objcopy', `--add-section=.gnu_debugdata=${join(folder, 'mini.xz')}`, path);
}

test('a stripped program is named from its MiniDebugInfo', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop.so', ['-O2', '-shared', '-fPIC']);
  const hidden = addressOf(path, '_ZL13hidden_helperi');
  const entry = addressOf(path, 'plain_entry');
  withMiniDebugInfo(folder, path);
  t.notRegex(run('nm', '-D', path), /hidden_helper/);
  const addresses = Float64Array.of(hidden.start + 2, entry.start + 1);
  const module = await new Symbolizer().resolve(path, '', addresses);
  t.deepEqual(module.functionName, ['hidden_helper(int)', 'plain_entry']);
  t.deepEqual([...module.quality], [2, 2]);
  t.false(module.hasSymbols, 'a debug file would still tell more');
});

test('damaged MiniDebugInfo leaves what is exported', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop.so', ['-O2', '-shared', '-fPIC']);
  const hidden = addressOf(path, '_ZL13hidden_helperi');
  withMiniDebugInfo(folder, path);
  const packed = readFileSync(join(folder, 'mini.xz'));
  const bytes = readFileSync(path);
  const at = bytes.indexOf(packed);
  t.true(at > 0);
  bytes.fill(0xff, at + (packed.length >> 1), at + (packed.length >> 1) + 64);
  writeFileSync(path, bytes);
  const module = await new Symbolizer().resolve(path, '', Float64Array.of(hidden.start + 2));
  t.is(module.quality[0], 1);
});

test('a debug file from elsewhere is used when it has the build id', async (t) => {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-g', '-O2', '-Wl,--build-id']);
  const addresses = addressesOf(path, ours);
  const expected = binutilsFrames(path, addresses);
  const buildId = `${inspectExecutable(path).buildId}`;
  const debugPath = join(folder, 'fetched');
  run('objcopy', '--only-keep-debug', path, debugPath);
  run('strip', path);
  const symbolizer = new Symbolizer({ debugFolders: [] });
  const before = await symbolizer.resolve(path, buildId, addresses);
  t.deepEqual([before.hasSymbols, before.hasDebugInfo, before.sources], [false, false, []]);
  symbolizer.useDebugFile(buildId, debugPath);
  const after = await symbolizer.resolve(path, buildId, addresses);
  sameFrames(t, after, addresses, expected);
  t.deepEqual(after.sources, [path, debugPath]);
  // Another program's debug file under the same name.
  const other = compile(folder, 'other', ['-g', '-O0', '-Wl,--build-id']);
  const doubting = new Symbolizer({ debugFolders: [] });
  doubting.useDebugFile(buildId, other);
  t.is((await doubting.resolve(path, buildId, addresses)).reason, 'no-symbols');
  t.throws(() => symbolizer.useDebugFile('no hex', other), { code: 'EINVAL' });
});
