// Projects with an addon under test, and whole runs of them under --check.
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { buildAddon } from '../e2e/support/build.js';
import { type Outcome, type RunOptions, runTraced, scratchFolder } from '../e2e/support/run.js';

export type Files = Record<string, string>;

/**
 * A folder with the package "shelf-app", whose index.cjs is its addon (test/fixtures/addons/shelf.cc), and a
 * dependency "other-shelf" with the same.
 */
export async function project(
  t: ExecutionContext,
  files: Files,
  packageJson: object = {},
): Promise<string> {
  const folder = await scratchFolder(t);
  const addon = await buildAddon('shelf.cc');
  const packages: [string, string][] = [
    ['', 'shelf-app'],
    ['node_modules/other-shelf', 'other-shelf'],
  ];
  for (const [place, name] of packages) {
    await mkdir(join(folder, place, 'build'), { recursive: true });
    await copyFile(addon, join(folder, place, 'build', 'shelf.node'));
    await writeFiles(join(folder, place), {
      'package.json': JSON.stringify({
        name,
        version: '1.0.0',
        ...(place === '' ? packageJson : {}),
      }),
      'index.cjs': "module.exports = require('./build/shelf.node');\n",
    });
  }
  await writeFiles(folder, files);
  return folder;
}

export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

/** What CI systems set would change what is written. */
const noCi = {
  GITHUB_ACTIONS: undefined,
  GITHUB_STEP_SUMMARY: undefined,
  GITHUB_WORKSPACE: undefined,
};

/** Runs a command under memprof-run --check. */
export function check(
  folder: string,
  memprofOptions: readonly string[],
  command: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  return runTraced(command, {
    cwd: folder,
    memprofOptions,
    ...options,
    env: { ...noCi, ...options.env },
  });
}

export const node = (script: string): string[] => [process.execPath, '-e', script];

/** Lines such as "lost: 2.3 MiB in 50 blocks, allocated in make_block (shelf.cc:30)". */
export function faults({ stderr }: Outcome): string[] {
  const title = /^(?: {5}| ?\d+\. )((?:lost|orphaned|growth|budget): .*(?:\n {5}\S.*\))?)/gm;
  return [...stderr.matchAll(title)].map((one) => (one[1] as string).replace(/\s+/g, ' '));
}

export const traces = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith('.mprof'));
