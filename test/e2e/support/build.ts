// Compiles the programs and addons under test/fixtures, once per source and flags, into test/.cache.
// Several test processes do so at once: each compiles to a name of its own, and the first puts it into place.
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../../src/paths.js';

const run = promisify(execFile);

export const fixturesFolder: string = join(packageRoot, 'test', 'fixtures');
export const cacheFolder: string = join(packageRoot, 'test', '.cache');

/** -fno-builtin: the compiler would take away a malloc whose block is never used. */
const commonFlags = ['-O1', '-g', '-Wall', '-Wextra', '-fno-builtin', '-pthread'];

async function compile(
  sourcePath: string,
  outputName: string,
  flags: readonly string[],
): Promise<string> {
  const compiler = sourcePath.endsWith('.c') ? 'gcc' : 'g++';
  const hash = createHash('sha256').update(JSON.stringify([compiler, flags]));
  for (const name of (await readdir(dirname(sourcePath))).sort()) {
    const path = join(dirname(sourcePath), name);
    if (path === sourcePath || name.endsWith('.h')) hash.update(await readFile(path));
  }
  const folder = join(cacheFolder, 'built', hash.digest('hex').slice(0, 16));
  const output = join(folder, outputName);
  if (existsSync(output)) return output;
  await mkdir(folder, { recursive: true });
  const half = join(folder, `.${randomUUID()}.${outputName}`);
  await run(compiler, [...flags, '-o', half, sourcePath]);
  // Not by rename(): who was first may be running what lies there.
  await link(half, output).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(half);
  return output;
}

/** Builds test/fixtures/programs/SOURCE and returns the executable's path. */
export function buildProgram(source: string, extraFlags: readonly string[] = []): Promise<string> {
  const path = join(fixturesFolder, 'programs', source);
  const language = source.endsWith('.c') ? [] : ['-std=c++17'];
  return compile(path, source.replace(/\.[^.]*$/, ''), [
    ...commonFlags,
    ...language,
    ...extraFlags,
  ]);
}

/** Builds test/fixtures/programs/SOURCE into a shared library. */
export function buildLibrary(source: string, name: string): Promise<string> {
  return compile(join(fixturesFolder, 'programs', source), name, [
    ...commonFlags,
    '-fPIC',
    '-shared',
  ]);
}

const modules = join(packageRoot, 'node_modules');

/** Builds test/fixtures/addons/SOURCE against the headers in node_modules; runs on every Node. */
export function buildAddon(
  source: string,
  extraFlags: readonly string[] = [],
  addonApiFolder: string = join(modules, 'node-addon-api'),
): Promise<string> {
  const output = basename(source).replace(/\.[^.]*$/, '.node');
  return compile(join(fixturesFolder, 'addons', source), output, [
    ...commonFlags,
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-shared',
    '-DNAPI_VERSION=8',
    `-I${addonApiFolder}`,
    `-I${join(modules, 'node-api-headers', 'include')}`,
    ...extraFlags,
  ]);
}

/** Builds test/fixtures/addons/NAME/NAME.cc (C++ with node-addon-api), beside it the package.json that names it. */
export async function buildAddonPackage(name: string): Promise<string> {
  const built = await buildAddon(join(name, `${name}.cc`), ['-DNAPI_DISABLE_CPP_EXCEPTIONS']);
  const described = join(dirname(built), 'package.json');
  if (!existsSync(described))
    await copyFile(join(fixturesFolder, 'addons', name, 'package.json'), described);
  return built;
}
