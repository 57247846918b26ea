// Projects as users have them: memprof installed as it ships, a test runner, the addon of examples/testing.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { packageRoot } from '../../src/paths.js';
import { type Outcome, run, scratchFolder } from '../e2e/support/run.js';

const execute = promisify(execFile);
const examples = join(packageRoot, 'examples', 'testing');

export interface Project {
  folder: string;
  /** Runs a command of the project's packages, as npm would find it. */
  run: (words: readonly string[], env?: Record<string, string>) => Promise<Outcome>;
}

/** `packagesFolder`: where node_modules with the runner is. */
export async function exampleProject(
  t: ExecutionContext,
  example: string,
  packagesFolder: string,
): Promise<Project> {
  const project = await projectOf(t, join(examples, example), packagesFolder);
  await execute(join(examples, 'addon', 'build.sh'));
  await cp(join(examples, 'addon'), join(project.folder, 'node_modules', 'tiny-digest'), {
    recursive: true,
  });
  return project;
}

/** A copy of `source`, as it is in the repository, with the packages of `packagesFolder` and memprof installed. */
export async function projectOf(
  t: ExecutionContext,
  source: string,
  packagesFolder: string,
): Promise<Project> {
  const folder = await scratchFolder(t);
  // Somebody may have tried the example where it lies.
  const isMade = (path: string) =>
    ['node_modules', 'build'].some((name) => path === join(source, name)) ||
    /\.(mprof|html)$/.test(path);
  await cp(source, folder, { recursive: true, filter: (path) => !isMade(path) });
  await linkPackages(join(packagesFolder, 'node_modules'), join(folder, 'node_modules'));
  await copyShipped(join(folder, 'node_modules', 'memprof'));
  const path = `${join(folder, 'node_modules', '.bin')}:${dirname(process.execPath)}:/usr/bin:/bin`;
  return {
    folder,
    run: (words, env = {}) =>
      run(words, { cwd: folder, env: { PATH: path, CI: '', TMPDIR: folder, ...env } }),
  };
}

async function linkPackages(from: string, to: string): Promise<void> {
  await mkdir(join(to, '.bin'), { recursive: true });
  for (const name of await readdir(from)) {
    if (name.startsWith('.') || name === 'memprof') continue;
    await symlink(join(from, name), join(to, name));
  }
  const commands = await readdir(join(from, '.bin'));
  for (const name of commands) await symlink(join(from, '.bin', name), join(to, '.bin', name));
}

/** What npm would pack: links would make runners take memprof for the project's own code. */
async function copyShipped(to: string): Promise<void> {
  const { files, bin } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as {
    files: string[];
    bin: Record<string, string>;
  };
  for (const pattern of ['package.json', ...files]) {
    // Not built here: what tests of the runners need is missed soon enough.
    if (!pattern.includes('*') && !existsSync(join(packageRoot, pattern))) continue;
    const isPattern = pattern.includes('*');
    const inFolder = isPattern ? dirname(pattern) : '';
    const names = isPattern
      ? (await readdir(join(packageRoot, inFolder))).filter((name) => matches(pattern, name))
      : [pattern];
    for (const name of names)
      await cp(join(packageRoot, inFolder, name), join(to, inFolder, name), {
        recursive: true,
        dereference: true,
      });
  }
  for (const [name, path] of Object.entries(bin))
    await symlink(join('..', 'memprof', path), join(to, '..', '.bin', name));
}

function matches(pattern: string, name: string): boolean {
  const [before, after] = (pattern.split('/').at(-1) as string).split('*') as [string, string];
  return name.startsWith(before) && name.endsWith(after);
}
