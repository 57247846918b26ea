// One real trace of JavaScript with a C++ addon, recorded once and shared by the tests of a file.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAddon, fixturesFolder } from '../e2e/support/build.js';
import { runTraced } from '../e2e/support/run.js';

export interface RealTrace {
  path: string;
  remove(): Promise<void>;
}

export async function keeperTrace(memprofOptions: readonly string[] = []): Promise<RealTrace> {
  const addon = await buildAddon('keeper.cc');
  const folder = await mkdtemp(join(tmpdir(), 'memprof-test-'));
  const path = join(folder, 'keeper.mprof');
  const program = [process.execPath, join(fixturesFolder, 'apps', 'keep.cjs'), addon];
  const traced = await runTraced(program, {
    cwd: folder,
    memprofOptions: ['-q', '-o', path, ...memprofOptions],
  });
  if (traced.code !== 0) throw new Error(`the traced program failed: ${traced.stderr}`);
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}
