// Runs a script against packages from npm, plainly and traced, and compares.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Unfreed, unfreed } from '../e2e/support/report.js';
import { type Outcome, onlyTrace, run, runTraced, scratchFolder } from '../e2e/support/run.js';

export interface Compared {
  plain: Outcome;
  traced: Outcome;
  report: Unfreed;
}

/** Runs a CommonJS script that lies in `packagesFolder`, so that it finds the packages. */
export async function compareScript(
  t: ExecutionContext,
  packagesFolder: string,
  name: string,
  source: string,
): Promise<Compared> {
  const script = join(packagesFolder, `${name}.cjs`);
  await writeFile(script, source);
  const folder = await scratchFolder(t);
  const plain = await run([process.execPath, script], { cwd: folder });
  t.is(plain.code, 0, plain.stderr);
  const traced = await runTraced([process.execPath, script], { cwd: folder });
  t.is(traced.code, 0, traced.stderr);
  t.is(traced.stdout, plain.stdout);
  return { plain, traced, report: await unfreed(t, await onlyTrace(t, folder)) };
}

/** Sites before teardown that belong to a package: what its users look for. */
export function sitesOfPackage(report: Unfreed, name: string): Unfreed['sites'] {
  return report.sites.filter(
    (site) => site.package?.name === name && site.moment === 'before-teardown',
  );
}
