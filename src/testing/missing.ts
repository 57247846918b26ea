// What a call does in a process that is not under memprof-run: an error that names the command, a skip, or the
// test file run again.
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ExitCode, MemprofError } from '../errors.js';
import { type Agent, agent } from './agent.js';
import { usage, type WhenMissing } from './options.js';
import { type CallPlace, shortened, withCallStack } from './place.js';
import { CallCounter, Rerun, resultsVariable, writeResult } from './rerun.js';
import { commandToRerun, commandToType, type RunnerFacts } from './runner.js';

const whenMissingVariable = 'MEMPROF_WHEN_MISSING';

export interface Call {
  /** expectMemoryBelow at test/a.test.js:3:9 */
  title: string;
  place: CallPlace;
  whenMissing: WhenMissing | undefined;
}

export interface Skipped {
  skipped: true;
}

/** What this copy of the module knows of its process. */
class ThisProcess {
  readonly calls = new CallCounter();
  readonly rerun = new Rerun();
  #isNoted = false;

  noteSkip(call: Call): void {
    if (this.#isNoted) return;
    this.#isNoted = true;
    process.stderr.write(
      `memprof: not loaded in this process, so ${call.title} and what follows is skipped. To run it: ${typedCommand(call)}\n`,
    );
  }
}
const here = new ThisProcess();

/** Runs `work` with the agent, or does what whenMissing says. Our errors show the call's place as their stack. */
export async function withAgent<T extends object>(
  call: Call,
  work: (from: Agent) => Promise<T>,
): Promise<T | Skipped> {
  try {
    const mode = agent === null ? modeOf(call) : 'error';
    if (mode === 'skip') {
      here.noteSkip(call);
      return { skipped: true };
    }
    const key = here.calls.keyOf(call.place.text);
    if (mode === 'run') return (await here.rerun.resultOf(key, rerunCommand(call))) as T;
    if (agent === null) throw notLoaded(call);
    return await recorded(key, () => work(agent as Agent));
  } catch (error) {
    throw withCallStack(error, call.place);
  }
}

async function recorded<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    const value = await work();
    writeResult(key, { value });
    return value;
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    writeResult(key, {
      error: {
        code: error instanceof MemprofError ? error.code : `ERR_MEMPROF_FUNCTION_THREW`,
        message:
          error instanceof MemprofError
            ? error.message
            : `under memprof-run the function threw ${String(code ?? '')} ${String(message ?? error)}`,
      },
    });
    throw error;
  }
}

export function modeOf(call: Call): WhenMissing {
  // No run of a run: memprof-run was there, and this process did not join it.
  if (process.env[resultsVariable] !== undefined) return 'error';
  if (call.whenMissing !== undefined) return call.whenMissing;
  const word = process.env[whenMissingVariable];
  if (word === undefined || word === '' || word === 'error') return 'error';
  if (word === 'skip' || word === 'run') return word;
  throw usage(`${whenMissingVariable} must be error, skip or run, and is '${word}'`);
}

export function notLoaded(call: Call): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_NOT_LOADED',
    `memprof is not loaded in this process, so ${call.title} cannot see native memory. Run the tests under it:\n` +
      `  ${typedCommand(call)}\n` +
      `or set ${whenMissingVariable}=skip to skip such tests, ${whenMissingVariable}=run to have their file run again under memprof-run`,
  );
}

function rerunCommand(call: Call): string[] {
  const command = commandToRerun(runnerFacts(call.place));
  if (command !== null) return command;
  throw new MemprofError(
    'ERR_MEMPROF_NOT_LOADED',
    `${call.title}: memprof is not loaded, and whenMissing 'run' cannot tell how to run this test file again. Run it yourself: ${typedCommand(call)}`,
    ExitCode.usage,
  );
}

const typedCommand = (call: Call): string => commandToType(runnerFacts(call.place), shortened);

function runnerFacts(place: CallPlace): RunnerFacts {
  const [execPath, script, ...rest] = process.argv;
  return {
    execPath: process.execPath ?? execPath,
    execArgv: process.execArgv,
    argv: script === undefined ? [process.execPath] : [process.execPath, real(script), ...rest],
    env: process.env,
    cwd: process.cwd(),
    testFile: place.testFile,
    jestCli: process.env['JEST_WORKER_ID'] === undefined ? null : findJest(),
  };
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // `node name` without its extension, or a script that is gone.
    return path;
  }
}

function findJest(): string | null {
  const from = createRequire(join(process.cwd(), 'package.json'));
  for (const name of ['jest/bin/jest', 'jest-cli/bin/jest']) {
    try {
      return from.resolve(name);
    } catch {
      // Not installed under that name.
    }
  }
  return null;
}
