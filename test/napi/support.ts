// Runs an addon under memprof-run and reads the ledger with `memprof napi --json`.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { buildAddon, cacheFolder, fixturesFolder } from '../e2e/support/build.js';
import { memprofJson, onlyTrace, runTraced, scratchFolder } from '../e2e/support/run.js';

/** Written by hand from docs/schema/napi.schema.json. */
export interface Counts {
  createdCount: number;
  unwatchedCount: number;
  releasedCount: number;
  finalizedCount: number;
  tornDownCount: number;
  outstandingCount: number;
  outstandingValue: number;
}

export interface NapiReport {
  schema: string;
  moment: string;
  addons: {
    package: { name: string } | null;
    module: string | null;
    holdsBytes: number;
    tellsBytes: number;
    findings: { kind: string; count: number; text: string }[];
    resources: ({ kind: string } & Counts)[];
  }[];
  sites: ({
    kind: string;
    className: string | null;
    package: { name: string } | null;
    frames: { kind: string; function: string | null; module: string | null }[];
  } & Counts)[];
}

export const appPath = (name: string): string => join(fixturesFolder, 'apps', name);

export async function ledgerOf(
  t: ExecutionContext,
  command: readonly string[],
): Promise<{ stdout: string; report: NapiReport }> {
  const folder = await scratchFolder(t);
  const outcome = await runTraced(command, { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  const report = await memprofJson<NapiReport>(t, 'napi', await onlyTrace(t, folder));
  return { stdout: outcome.stdout, report };
}

/** created, released, finalized, outstanding of each kind: what a balance is about. */
export function balance(
  resources: readonly ({ kind: string } & Counts)[],
): Record<string, number[]> {
  return Object.fromEntries(
    resources.map((one) => [
      one.kind,
      [one.createdCount, one.releasedCount, one.finalizedCount, one.outstandingCount],
    ]),
  );
}

async function withPackage(built: string, name: string): Promise<string> {
  const described = join(dirname(built), 'package.json');
  if (!existsSync(described))
    await copyFile(join(fixturesFolder, 'addons', name, 'package.json'), described);
  return built;
}

/** The plain C addon; its relocations bound when it is loaded, or at the first call. */
export async function balanceAddon(binding: 'now' | 'lazy'): Promise<string> {
  const flags = ['-std=gnu11', `-Wl,-z,${binding}`, '-Wl,-z,relro'];
  const built = await buildAddon(join('napi-balance', 'napi-balance.c'), flags);
  return withPackage(built, 'napi-balance');
}

/** The raw V8 addon, built with the headers of that Node; null: it has none. */
export async function v8Addon(node: string): Promise<string | null> {
  const include = join(dirname(dirname(node)), 'include', 'node');
  if (!existsSync(join(include, 'node.h'))) return null;
  const flags = ['-std=c++20', '-w', `-I${include}`];
  return withPackage(await buildAddon(join('napi-v8', 'napi-v8.cc'), flags), 'napi-v8');
}

/** The Rust addon, which imports Node's functions or looks them up. Built once for its sources. */
export async function rustAddon(how: 'imports' | 'lookup'): Promise<string> {
  const source = join(fixturesFolder, 'addons', 'napi-rust');
  const hash = createHash('sha256').update(how);
  for (const name of ['Cargo.toml', 'Cargo.lock', 'build.rs', join('src', 'lib.rs')])
    hash.update(await readFile(join(source, name)));
  const folder = join(cacheFolder, 'built', hash.digest('hex').slice(0, 16));
  const output = join(folder, 'napi-rust.node');
  if (existsSync(output)) return output;
  await mkdir(folder, { recursive: true });
  await promisify(execFile)(
    'cargo',
    ['build', '--release', '--locked', ...(how === 'lookup' ? ['--features', 'lookup'] : [])],
    {
      cwd: source,
      env: {
        ...process.env,
        CARGO_TARGET_DIR: join(cacheFolder, 'napi-rust'),
        // Built for a few calls.
        CARGO_PROFILE_RELEASE_OPT_LEVEL: '0',
      },
    },
  );
  const half = join(folder, `.${process.pid}.node`);
  await copyFile(join(cacheFolder, 'napi-rust', 'release', 'libnapi_rust.so'), half);
  await rename(half, output);
  return withPackage(output, 'napi-rust');
}
