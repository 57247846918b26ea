// Packages from npm, installed once into test/.cache and shared by test processes. Where the registry
// cannot be reached the reason is returned, and the tests that need it are skipped with it.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cacheFolder } from './build.js';

const run = promisify(execFile);

export type Installed = { folder: string; reason: null } | { folder: null; reason: string };

export interface InstallOptions {
  /** Runs after the packages are there, before anybody sees the folder: builds what must be built. */
  prepare?: (folder: string) => Promise<void>;
}

/** One at a time over all processes: mkdir is atomic, and a lock older than its owner could be is broken. */
async function withLock<T>(lock: string, work: () => Promise<T>): Promise<T> {
  const staleMs = 40 * 60_000;
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const info = await stat(lock).catch(() => null);
      if (info !== null && Date.now() - info.mtimeMs > staleMs)
        await rm(lock, { recursive: true, force: true });
      else await delay(200);
    }
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** Installs NAME@VERSION specs into a folder called `key`; install scripts never run. */
export async function installed(
  key: string,
  specs: readonly string[],
  { prepare }: InstallOptions = {},
): Promise<Installed> {
  const folder = join(cacheFolder, 'npm', key);
  if (existsSync(folder)) return { folder, reason: null };
  await mkdir(dirname(folder), { recursive: true });
  return withLock(`${folder}.lock`, async (): Promise<Installed> => {
    if (existsSync(folder)) return { folder, reason: null };
    const half = `${folder}.${process.pid}.half`;
    await rm(half, { recursive: true, force: true });
    await mkdir(half, { recursive: true });
    try {
      await writeFile(join(half, 'package.json'), '{ "private": true }\n');
      await run(
        'npm',
        [
          'install',
          '--ignore-scripts',
          '--no-audit',
          '--no-fund',
          '--fetch-retries=1',
          '--loglevel=error',
          ...specs,
        ],
        { cwd: half, timeout: 5 * 60_000 },
      );
      await prepare?.(half);
      await rename(half, folder);
      return { folder, reason: null };
    } catch (error) {
      await rm(half, { recursive: true, force: true });
      const text = String((error as { stderr?: string }).stderr ?? error);
      // Only the network excuses a test: whatever else goes wrong must show as a failure.
      if (
        !/ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|E404|ETARGET/.test(text)
      )
        throw error;
      return { folder: null, reason: `the npm registry did not give ${specs.join(' ')}` };
    }
  });
}

/** node-gyp as npm brings it, run with the headers that belong to the running Node. */
export async function buildWithNodeGyp(packageFolder: string): Promise<void> {
  const nodeFolder = dirname(dirname(process.execPath));
  const headers = existsSync(join(nodeFolder, 'include', 'node', 'node.h'))
    ? [`--nodedir=${nodeFolder}`]
    : [];
  const { stdout } = await run('npm', ['root', '--global']);
  const gyp = join(stdout.trim(), 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  await run(process.execPath, [gyp, 'rebuild', '--release', '-j', '2', ...headers], {
    cwd: packageFolder,
    // SQLite alone takes a minute with -O3. Goes behind the flags of gyp files, and not to C++.
    env: { ...process.env, CFLAGS: '-O1' },
    timeout: 30 * 60_000,
    maxBuffer: 64 << 20,
  });
  // Objects are ten times the size of what is linked from them.
  for (const name of await readdir(join(packageFolder, 'build', 'Release'))) {
    if (name === 'obj' || name === 'obj.target') {
      await rm(join(packageFolder, 'build', 'Release', name), { recursive: true });
    }
  }
}
