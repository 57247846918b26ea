// whenMissing: 'run': the test file is run once more, under memprof-run, and each call in this process ends as
// the same call did there. Calls are told apart by their place and by how often the place was reached.
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemprofError } from '../errors.js';
import { memprofRunBinPath } from '../paths.js';
import { startTimer, stopTimer } from './agent.js';

/** Set in the run under memprof-run: where each call writes how it ended. */
export const resultsVariable = 'MEMPROF_RERUN_RESULTS';
const rerunTimeoutMs = 10 * 60_000;
const keptOutputBytes = 64 * 1024;

const ofWorkers = /^(NODE_TEST_|NODE_CHANNEL_|NODE_UNIQUE_ID$|JEST_WORKER_ID$|VITEST)/;

interface CallResult {
  key: string;
  value?: unknown;
  error?: { code: string; message: string };
}

interface Ended {
  /** status 1, signal SIGKILL. */
  how: string;
  output: string;
  results: ReadonlyMap<string, CallResult>;
  folder: string;
}

/** Keys of calls: equal in both runs of the file. */
export class CallCounter {
  readonly #counts = new Map<string, number>();

  keyOf(place: string): string {
    const count = (this.#counts.get(place) ?? 0) + 1;
    this.#counts.set(place, count);
    return `${place} #${count}`;
  }
}

/** In the run under memprof-run: how a call ended. */
export function writeResult(
  key: string,
  outcome: { value: unknown } | { error: { code: string; message: string } },
): void {
  const file = process.env[resultsVariable];
  if (file === undefined) return;
  appendFileSync(file, `${JSON.stringify({ key, ...outcome })}\n`);
}

export class Rerun {
  /** By command: where a runner runs several files in one process, each has its own. */
  readonly #runs = new Map<string, Promise<Ended>>();

  /** How the call with this key ended under memprof-run. */
  async resultOf(key: string, command: readonly string[]): Promise<unknown> {
    const name = command.join('\0');
    const run = this.#runs.get(name) ?? runAgain(command);
    this.#runs.set(name, run);
    const { how, output, results, folder } = await run;
    const result = results.get(key);
    if (result === undefined)
      throw new MemprofError(
        'ERR_MEMPROF_RERUN',
        `the test file was run again under memprof-run, and did not get to ${key.replace(/ #1$/, '')}: it ended with ${how}. ` +
          `Its traces are in ${folder}. The command: memprof-run ${command.join(' ')}\n${output}`,
      );
    if (result.error !== undefined) throw new MemprofError(result.error.code, result.error.message);
    return result.value;
  }
}

async function runAgain(command: readonly string[]): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-rerun-'));
  const resultsFile = join(folder, 'results.jsonl');
  const env: NodeJS.ProcessEnv = { ...process.env, [resultsVariable]: resultsFile };
  // What runners set for their workers: the file must run as its user would run it.
  for (const name of Object.keys(env)) if (ofWorkers.test(name)) delete env[name];
  const child = spawn(
    process.execPath,
    [memprofRunBinPath, '--quiet', '--output', join(folder, '%p.mprof'), '--', ...command],
    { env, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const { how, output } = await endOf(child);
  const results = readResults(resultsFile);
  const isClean = how === 'status 0' && [...results.values()].every((one) => !one.error);
  if (isClean) rmSync(folder, { recursive: true, force: true });
  return { how, output, results, folder };
}

async function endOf(child: ChildProcess): Promise<{ how: string; output: string }> {
  let output = '';
  const keep = (piece: Buffer) => {
    output = (output + piece.toString()).slice(-keptOutputBytes);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  let isLate = false;
  const timer = startTimer(() => {
    isLate = true;
    child.kill();
  }, rerunTimeoutMs);
  const stop = () => child.kill();
  process.once('exit', stop);
  const how = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`the error ${error.message}`));
    child.once('close', (code, signal) =>
      resolve(signal === null ? `status ${code}` : `signal ${signal}`),
    );
  });
  stopTimer(timer);
  process.removeListener('exit', stop);
  return { how: isLate ? `no end within ${rerunTimeoutMs / 60_000} minutes` : how, output };
}

function readResults(file: string): Map<string, CallResult> {
  const results = new Map<string, CallResult>();
  if (!existsSync(file)) return results;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue;
    const result = JSON.parse(line) as CallResult;
    results.set(result.key, result);
  }
  return results;
}
