// A program that interpose/launch started before this process was Node: its parent is this process still. What it
// left here are the program, the session's folder with its lock, and a guard that ends the program with us
// until we have our signal handlers.
import { closeSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { MemprofError } from '../errors.js';
import { waitForEnd } from '../native/index.js';
import { forwardSignals, type ProgramEnd, type RunningProgram } from './launch-spawn.js';

export interface Launched {
  pid: number;
  /** A child of ours as well, until guardDescriptor is closed; null: there is none. */
  guardPid: number | null;
  guardDescriptor: number | null;
  /** Holds the session's lock. */
  lockDescriptor: number;
  sessionFolder: string;
}

const handOver = 'MEMPROF_LAUNCHED';

/** Takes the hand-over out of the environment; null: nothing was started yet. */
export function takeLaunched(environment: NodeJS.ProcessEnv): Launched | null {
  const text = environment[handOver];
  if (text === undefined) return null;
  delete environment[handOver];
  const found = /^(\d+) (-1|\d+) (-1|\d+) (\d+) (\/.+)$/s.exec(text);
  if (found === null)
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      `${handOver} is set to something that memprof-run did not write. Unset it`,
    );
  const [pid, guardPid, guardDescriptor, lockDescriptor] = found.slice(1, 5).map(Number);
  const hasGuard = guardPid > 0 && guardDescriptor >= 0;
  return {
    pid,
    guardPid: hasGuard ? guardPid : null,
    guardDescriptor: hasGuard ? guardDescriptor : null,
    lockDescriptor,
    sessionFolder: found[5],
  };
}

/** As spawnProgram() for a program that runs already. */
export function adoptProgram(
  { pid, guardPid, guardDescriptor }: Launched,
  beforeSignal: (signal: NodeJS.Signals) => Promise<void>,
): RunningProgram {
  let isRunning = true;
  const kill = (signal: NodeJS.Signals): void => {
    // Once it is reaped, its pid may be another process's.
    if (isRunning) process.kill(pid, signal);
  };
  const forwarding = forwardSignals(beforeSignal);
  forwarding.begin({ pid, kill });
  if (guardDescriptor !== null && guardPid !== null) {
    writeSync(guardDescriptor, 'r');
    closeSync(guardDescriptor);
    // Only to reap it: how it ended says nothing.
    waitForEnd(guardPid).catch(() => undefined);
  }
  const ended = waitForEnd(pid).then(({ code, signal }): ProgramEnd => {
    isRunning = false;
    return { pid, code, signal: signal === null ? null : signalName(signal) };
  });
  return { pid, started: Promise.resolve(), ended, stopForwarding: forwarding.stopForwarding };
}

function signalName(number: number): NodeJS.Signals {
  const known = Object.entries(constants.signals).find(([, each]) => each === number);
  // Real-time signals have no name in Node, which then says SIGTERM's status for them as well.
  return (known?.[0] ?? 'SIGTERM') as NodeJS.Signals;
}
