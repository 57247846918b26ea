// Runs commands, plainly and under memprof-run, and reads the traces with `memprof ... --json`.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import {
  memprofBinPath,
  memprofRunBinPath,
  memprofRunPath,
  packageRoot,
} from '../../../src/paths.js';

/** What the package ships: the bundle, and the command that starts it. */
export const runCommand: string = memprofRunPath;
export const runBin: string = memprofRunBinPath;
export const memprofBin: string = memprofBinPath;
assertBundleIsNew();

/** tsc alone leaves the old bundle behind, and tests of that would say nothing. */
function assertBundleIsNew(): void {
  const timeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = join(packageRoot, 'dist', 'src');
  const newest = readdirSync(sources, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .reduce((latest, name) => Math.max(latest, timeOf(join(sources, name))), 0);
  if (timeOf(runBin) < newest)
    throw new Error('dist/bin is older than dist/src. Bundle it: node scripts/bundle.mjs');
}

export interface Outcome {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string | undefined>;
  /** What the command reads from its standard input; it is empty otherwise. */
  input?: string | Uint8Array;
  /** Called with the running process, before its end is awaited. */
  onStart?: (child: ChildProcess) => void;
  /** Called with each piece of output. */
  onOutput?: (text: string, child: ChildProcess) => void;
}

/** Resolves when memprof-run has taken the program over, which may have been running for a while then. */
export async function untilReading({ pid }: ChildProcess): Promise<void> {
  const handlesSigcont = () => {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
    return (BigInt(`0x${caught}`) & (1n << 17n)) !== 0n;
  };
  const hasGuard = () =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
      .split(' ')
      .filter((child) => child !== '' && existsSync(`/proc/${child}/comm`))
      .some((child) => readFileSync(`/proc/${child}/comm`, 'latin1') === 'memprof-guard\n');
  while (!handlesSigcont() || hasGuard()) await delay(5);
}

function plainEnvironment(extra: RunOptions['env']): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...extra };
  // Set by ava for its own workers; a traced Node program would behave differently because of them.
  for (const name of ['NODE_OPTIONS', 'LD_PRELOAD', 'FORCE_COLOR', 'NODE_CHANNEL_FD']) {
    if (extra === undefined || !(name in extra)) delete env[name];
  }
  return env;
}

/** Runs a command to its end; never throws for its exit status. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const [file, ...argv] = command;
    const child = spawn(file as string, argv, {
      cwd: options.cwd,
      env: plainEnvironment(options.env),
      stdio: 'pipe',
    });
    const pieces: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    child.stdout.on('data', (piece: Buffer) => {
      pieces.stdout.push(piece);
      options.onOutput?.(piece.toString(), child);
    });
    child.stderr.on('data', (piece: Buffer) => pieces.stderr.push(piece));
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({
        code,
        signal,
        stdout: Buffer.concat(pieces.stdout).toString(),
        stderr: Buffer.concat(pieces.stderr).toString(),
      }),
    );
    child.stdin.on('error', () => {}); // EPIPE: the program did not want to read it all
    child.stdin.end(options.input ?? '');
    options.onStart?.(child);
  });
}

/**
 * ava starts all tests of a file at once; on two cores that many programs only wait for each other. A
 * class, so that its state belongs to something.
 */
class Turns {
  #free: number;
  readonly #waiting: Array<() => void> = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
const turns = new Turns(2);

/** Programs of one test file that run at the same time are two at most. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return turns.take(work);
}

/** Runs a command under memprof-run. */
export function runTraced(
  command: readonly string[],
  { memprofOptions = [], ...options }: RunOptions & { memprofOptions?: readonly string[] } = {},
): Promise<Outcome> {
  return inTurn(() => run([runCommand, ...memprofOptions, ...command], options));
}

/** A folder of its own, gone after the test. */
export async function scratchFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'memprof-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The one trace in a folder. */
export async function onlyTrace(t: ExecutionContext, folder: string): Promise<string> {
  const traces = (await readdir(folder)).filter((name) => name.endsWith('.mprof'));
  t.is(traces.length, 1, `traces in the folder: ${traces.join(' ')}`);
  return join(folder, traces[0] as string);
}

/** Runs `memprof COMMAND --json ARGUMENTS` and returns what it printed, parsed. */
export async function memprofJson<T>(
  t: ExecutionContext,
  command: string,
  ...argv: readonly string[]
): Promise<T> {
  const outcome = await run([process.execPath, memprofBin, command, '--json', ...argv]);
  t.is(outcome.code, 0, outcome.stderr);
  return JSON.parse(outcome.stdout) as T;
}
