// Scripts that use memprof/testing, run under memprof-run and without it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { packageRoot } from '../../src/paths.js';
import {
  type Outcome,
  type RunOptions,
  run,
  runTraced,
  scratchFolder,
} from '../e2e/support/run.js';

export const testingBundle: string = join(packageRoot, 'dist', 'cjs', 'testing.cjs');

/** In front of every script, on one line: what places count from. */
const prelude = `const testingPath = ${JSON.stringify(testingBundle)}; const { expectMemoryBelow, expectNoLeaks, track, ignoreLeaks, mark } = require(testingPath); const say = (value) => console.log(JSON.stringify(value)); const failure = (promise) => promise.then((value) => ({ value }), ({ code, message, stack }) => ({ code, message, stack }));`;

export interface ScriptOptions {
  env?: NonNullable<RunOptions['env']>;
  isTraced?: boolean;
  argv?: readonly string[];
}

/** Runs the body of an async function in a file of its own; its first line is line 2. */
export async function runScript(
  t: ExecutionContext,
  body: string,
  { env = {}, isTraced = true, argv = [] }: ScriptOptions = {},
): Promise<Outcome> {
  const folder = await scratchFolder(t);
  await writeFile(join(folder, 'script.cjs'), `${prelude} (async () => {\n${body}\n})();\n`);
  const command = [process.execPath, ...argv, 'script.cjs'];
  const options = { cwd: folder, env: { MEMPROF_WHEN_MISSING: undefined, TMPDIR: folder, ...env } };
  return isTraced
    ? runTraced(command, { ...options, memprofOptions: ['-q'] })
    : run(command, options);
}

/** What the script said, a value a line. */
export function said(outcome: Outcome): unknown[] {
  return outcome.stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

export interface Failure {
  code?: string;
  message: string;
  stack: string;
  value?: unknown;
}
