// TypeScript and bundles under memprof-run: their own files and lines.
import { execFile } from 'node:child_process';
import { cp, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { packageRoot } from '../../src/paths.js';
import { buildAddon, fixturesFolder } from '../e2e/support/build.js';
import { installed } from '../e2e/support/npm.js';
import { type Frame, siteOfSize, unfreed } from '../e2e/support/report.js';
import { memprofBin, onlyTrace, run, runTraced, scratchFolder } from '../e2e/support/run.js';

const exec = promisify(execFile);
const tsc = join(packageRoot, 'node_modules', '.bin', 'tsc');
const esbuild = await installed('esbuild', ['esbuild@0.25.12']);

interface MappedFrame extends Frame {
  lineIs?: string;
  generated?: { file: string; line: number; column: number };
}

/** The fixture's own folder with what was built from it; returns the script. */
type Build = (folder: string) => Promise<string>;

const compiled =
  (...options: string[]): Build =>
  async (folder) => {
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    const words = [
      '--outDir',
      'out',
      '--target',
      'ES2022',
      '--module',
      'NodeNext',
      '--types',
      'node',
    ];
    const types = ['--typeRoots', join(packageRoot, 'node_modules', '@types')];
    await exec(tsc, [...words, ...types, ...options, 'main.ts'], { cwd: folder });
    return join(folder, 'out', 'main.js');
  };

const bundled =
  (...options: string[]): Build =>
  async (folder) => {
    const bin = join(
      esbuild.folder ?? '',
      'node_modules',
      '@esbuild',
      'linux-x64',
      'bin',
      'esbuild',
    );
    const words = [
      'main.ts',
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--outfile=out/bundle.mjs',
    ];
    await exec(bin, [...words, ...options], { cwd: folder });
    return join(folder, 'out', 'bundle.mjs');
  };

async function buildIn(t: ExecutionContext, build: Build) {
  const folder = await scratchFolder(t);
  await cp(join(fixturesFolder, 'apps', 'mapped'), folder, { recursive: true });
  return { folder, script: await build(folder), addon: await buildAddon('keeper.cc') };
}

const ownFrames = (frames: readonly Frame[], folder: string): MappedFrame[] =>
  frames.filter(({ kind, file }) => kind === 'js' && file?.startsWith(folder) === true);

const builds: [title: string, isHere: boolean, build: Build][] = [
  ['tsc, external maps', true, compiled('--sourceMap')],
  ['tsc, inline maps', true, compiled('--inlineSourceMap')],
  ['tsc for old engines', true, compiled('--sourceMap', '--target', 'ES2015')],
  ['esbuild, external map', esbuild.folder !== null, bundled('--sourcemap')],
  ['esbuild, minified to one line', esbuild.folder !== null, bundled('--sourcemap', '--minify')],
  ['esbuild, inline map', esbuild.folder !== null, bundled('--sourcemap=inline')],
];

for (const [title, isHere, build] of builds) {
  (isHere ? test : test.skip)(
    `${title}: stacks show the TypeScript's files and lines`,
    async (t) => {
      const { folder, script, addon } = await buildIn(t, build);
      const outcome = await runTraced([process.execPath, script, addon, '400000'], {
        cwd: folder,
        memprofOptions: ['--exact-lines'],
      });
      t.is(outcome.code, 0, outcome.stderr);
      t.notRegex(outcome.stderr, /source map/);
      const report = await unfreed(t, await onlyTrace(t, folder));
      const source = await readFile(join(folder, 'shop.ts'), 'utf8');
      const expected = [...source.matchAll(/keeps (\d+): ([\d <]*\d)/g)];
      t.is(expected.length, 3);
      for (const [, size, lines] of expected) {
        const frames = ownFrames(siteOfSize(t, report, 400000 + Number(size)).frames, folder);
        // Helpers that a compiler adds stand in its output only.
        const written = frames.filter(({ file }) => file?.endsWith('.ts') === true);
        t.is(written.map(({ line }) => line).join(' < '), lines as string, `keeps ${size}`);
        t.is(written[0]?.file, join(folder, 'shop.ts'));
        t.is(written[0]?.generated?.file.startsWith(join(folder, 'out')), true);
        if (Number(size) === 8)
          t.is(written.at(-2)?.function, 'openDoor', 'also where the bundle calls it a');
      }
    },
  );
}

test('a script that was built again after the run shows its own lines, and why', async (t) => {
  const { folder, script, addon } = await buildIn(t, compiled('--sourceMap'));
  const words = [process.execPath, script, addon, '400000'];
  t.is((await runTraced(words, { cwd: folder })).code, 0);
  const later = new Date(Date.now() + 60_000);
  await utimes(join(folder, 'out', 'shop.js'), later, later);
  const trace = await onlyTrace(t, folder);
  const outcome = await run([process.execPath, memprofBin, 'unfreed', '--json', trace]);
  t.regex(outcome.stderr, /out\/shop\.js or its source map changed after the program started/);
  const report = await unfreed(t, trace);
  const frames = ownFrames(siteOfSize(t, report, 400008).frames, folder);
  t.is(frames[0]?.file, join(folder, 'out', 'shop.js'));
  t.is(frames.at(-1)?.file, join(folder, 'main.ts'), 'other scripts are mapped all the same');
});

test('a bundle without its map shows itself', async (t) => {
  const { folder, script, addon } = await buildIn(t, compiled('--sourceMap'));
  await writeFile(join(folder, 'out', 'shop.js.map'), '{ "version": 3');
  await exec('rm', [join(folder, 'out', 'main.js.map')]);
  const outcome = await runTraced([process.execPath, script, addon, '400000'], { cwd: folder });
  t.regex(outcome.stderr, /source map of .*out\/shop\.js cannot be used/);
  const report = await unfreed(t, await onlyTrace(t, folder));
  const files = ownFrames(siteOfSize(t, report, 400008).frames, folder).map(({ file }) => file);
  const out = (name: string) => join(folder, 'out', name);
  t.deepEqual(files, [out('shop.js'), out('main.js'), out('main.js')]);
});
