// Runs the program with our standard streams and passes signals on.
//
// Who already has a signal: what a terminal sends (Ctrl-C, Ctrl-\, Ctrl-Z, a resize, a hang-up) goes to
// every process of the foreground group, the program included; delivering it once more would make one
// Ctrl-C count as two, which many programs take for "quit at once". Node does not tell who sent a signal,
// so: while we are in the foreground group of a terminal, those signals are taken to be the terminal's
// and not passed on (kill -INT of memprof-run's pid alone is then lost on the program: send it to the
// program's pid). Without a terminal, or in the background, everything is passed on. SIGTERM, SIGUSR1
// and SIGUSR2 never come from a terminal and are always passed on.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ExitCode, MemprofError } from '../errors.js';
import type { Command } from './launch-command.js';
import type { InheritedDescriptors } from './launch-descriptors.js';

export interface ProgramEnd {
  pid: number;
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunningProgram {
  /** Known at once, so that the recorder that finds the process knows whose it is; undefined: not started. */
  pid: number | undefined;
  /** Rejects with a MemprofError when the program could not be started. */
  started: Promise<void>;
  ended: Promise<ProgramEnd>;
  /** Gives the signals back their default meaning. */
  stopForwarding(): void;
}

const terminalSignals = ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGWINCH'] as const;
const otherSignals = ['SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;

/** beforeSignal: what is done, in bounded time, before a signal that may end the program is passed on. */
export function spawnProgram(
  command: Command,
  environment: NodeJS.ProcessEnv,
  stdio: InheritedDescriptors,
  beforeSignal: (signal: NodeJS.Signals) => Promise<void> = () => Promise.resolve(),
): RunningProgram {
  // Before the program is there: a busy machine may run it for a while before it runs us again, and a
  // signal that came then would end us and leave it alone.
  const forwarding = forwardSignals(beforeSignal);
  const { stopForwarding } = forwarding;
  let child: ChildProcess;
  try {
    child = spawn(command.file, command.args, { argv0: command.name, env: environment, stdio });
  } catch (error) {
    // Some errors (E2BIG) are thrown, others (ENOENT) come as an event.
    stopForwarding();
    throw startError(command, error as NodeJS.ErrnoException);
  }
  forwarding.begin(child);
  const ended = new Promise<ProgramEnd>((done) => {
    child.once('exit', (code, signal) => done({ pid: child.pid as number, code, signal }));
  });
  const started = new Promise<void>((done, failed) => {
    child.once('spawn', done);
    // Later errors of the child object are failed kills: the program was gone already.
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      stopForwarding();
      failed(startError(command, error));
    });
  });
  return { pid: child.pid, started, ended, stopForwarding };
}

function startError(command: Command, error: NodeJS.ErrnoException): MemprofError {
  const code = error.code ?? error.message;
  if (code === 'ENOENT')
    return new MemprofError(
      'ERR_MEMPROF_NOT_FOUND',
      `${command.name} could not be started: it or its interpreter is not there (ENOENT). Check the path`,
      ExitCode.notFound,
    );
  const cause =
    code === 'E2BIG'
      ? 'arguments and environment are too long (E2BIG). Shorten them'
      : `the system said ${code}. Try it without memprof-run`;
  return new MemprofError(
    'ERR_MEMPROF_NOT_EXECUTABLE',
    `${command.name} could not be started: ${cause}`,
    ExitCode.notExecutable,
  );
}

interface Target {
  readonly pid?: number | undefined;
  kill(signal: NodeJS.Signals): void;
}

interface Forwarding {
  /** Passes on what came so far, and from now on what comes. */
  begin(child: Target): void;
  stopForwarding(): void;
}

const endingSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export function forwardSignals(
  beforeSignal: (signal: NodeJS.Signals) => Promise<void>,
): Forwarding {
  const startedWithTerminal = terminalOf() !== 0;
  let child: Target | null = null;
  const early: NodeJS.Signals[] = [];
  let isEnding = false;
  const pass = (signal: NodeJS.Signals) => {
    const target = child;
    if (target === null) {
      early.push(signal);
    } else if (isEnding || !endingSignals.includes(signal)) {
      // A second one does not wait: whoever sends it is in a hurry.
      target.kill(signal);
    } else {
      isEnding = true;
      beforeSignal(signal).finally(() => {
        isEnding = false;
        target.kill(signal);
      });
    }
  };
  const handlers: [NodeJS.Signals, () => void][] = [];
  const on = (signal: NodeJS.Signals, handler: () => void) => {
    handlers.push([signal, handler]);
    process.on(signal, handler);
  };
  for (const signal of terminalSignals) {
    on(signal, () => {
      // After a hang-up the terminal is gone from the books, and everybody has been told.
      const fromTerminal = inForeground() || (signal === 'SIGHUP' && startedWithTerminal);
      if (!fromTerminal) pass(signal);
    });
  }
  for (const signal of otherSignals) on(signal, () => pass(signal));
  on('SIGTSTP', () => {
    if (!inForeground()) pass('SIGTSTP');
    // Stop as the default action would, so that the shell takes the terminal back.
    process.kill(process.pid, 'SIGSTOP');
  });
  on('SIGCONT', () => {
    if (stateOf(child?.pid) === 'T') pass('SIGCONT');
  });
  return {
    begin(started) {
      child = started;
      for (const signal of early.splice(0)) child.kill(signal);
    },
    stopForwarding() {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}

/** Fields of /proc/<pid>/stat after the name, which may hold anything: state, ppid, pgrp, session, tty, tpgid. */
function statFields(pid: number | 'self'): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    // Gone: there is nothing to know about it any more.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return null;
  }
}

const stateOf = (pid: number | undefined): string | null =>
  pid === undefined ? null : (statFields(pid)?.[0] ?? null);
const terminalOf = (): number => Number(statFields('self')?.[4] ?? 0);

/** Of our terminal; false without one. */
export function inForeground(): boolean {
  const fields = statFields('self');
  return fields !== null && Number(fields[4]) !== 0 && fields[2] === fields[5];
}
