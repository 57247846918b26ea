// Asking a traced process for a checkpoint: a word in its header in shared memory, on which the agent
// sleeps (interpose/agent/demand.cc).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clockMs } from '../clock.js';
import { MemprofError } from '../errors.js';
import * as native from '../native/index.js';
import { CheckpointReason } from './checkpoint-wire.js';
import { Magic, ProcessHeader, pageBytes, wireAbi } from './wire.js';

const pollMs = 2;
/** An agent that has just answered somebody else listens again after this. */
const deafMs = 100;

export interface DemandAnswer {
  /** Nobody waits for demands there: it is no Node program, it is too young, or addons are forbidden. */
  isHeard: boolean;
  /** false though heard: its main thread is busy in native code. */
  isServed: boolean;
  /** The checkpoint's number; null: none was taken. */
  number: number | null;
  waitedMs: number;
}

/**
 * Asks for one and waits for it, at most timeoutMs. `signal`: the number of the signal that is about to
 * be sent; a program that handles it itself takes no checkpoint and answers at once.
 */
export async function demandCheckpoint(
  headerPath: string,
  reason: 'demand' | 'interval' | 'signal',
  timeoutMs: number,
  signal = 0,
): Promise<DemandAnswer> {
  const buffer = native.mapShared(headerPath);
  const header = new Uint32Array(buffer, 0, pageBytes / 4);
  const isOurs =
    new BigUint64Array(buffer, 0, 1)[0] === Magic.process &&
    header[ProcessHeader.abi >>> 2] === wireAbi;
  if (!isOurs)
    throw new MemprofError(
      'ERR_MEMPROF_WIRE',
      `${headerPath}: not the header of a process of this version of memprof. Use the memprof that started it`,
    );
  const begin = clockMs();
  const countBefore = Atomics.load(header, ProcessHeader.checkpointCount >>> 2);
  const why = CheckpointReason[reason] | (signal << 8);
  Atomics.store(header, ProcessHeader.checkpointReason >>> 2, why);
  const wanted = (Atomics.add(header, ProcessHeader.checkpointWanted >>> 2, 1) + 1) >>> 0;
  const isAnswered = () =>
    (Atomics.load(header, ProcessHeader.checkpointServed >>> 2) - wanted) >> 0 >= 0;
  let isHeard = false;
  while (!isAnswered() && clockMs() - begin < (isHeard ? timeoutMs : deafMs)) {
    isHeard ||= native.wakeWord(headerPath, ProcessHeader.checkpointWanted) > 0;
    await sleep(pollMs);
  }
  const isServed = isAnswered();
  const count = Atomics.load(header, ProcessHeader.checkpointCount >>> 2);
  return {
    isHeard: isHeard || isServed,
    isServed,
    number: isServed && count > countBefore ? count : null,
    waitedMs: clockMs() - begin,
  };
}

/** The header of the newest image of a process, found by the process's own environment. */
export function headerOfProcess(pid: number): string {
  const folder = sessionFolderOf(pid);
  const generations = filesOf(folder, pid)
    .map((name) => new RegExp(`^p${pid}\\.(\\d+)$`).exec(name)?.[1])
    .filter((generation) => generation !== undefined)
    .map(Number);
  if (generations.length === 0) throw notRecorded(pid, 'its recording has ended');
  return join(folder, `p${pid}.${Math.max(...generations)}`);
}

/** By the process's own environment. */
export function sessionFolderOf(pid: number): string {
  let environment: string;
  try {
    environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch (error) {
    const isForbidden = (error as NodeJS.ErrnoException).code === 'EACCES';
    throw new MemprofError(
      'ERR_MEMPROF_NO_PROCESS',
      isForbidden
        ? `process ${pid} belongs to another user. Run the command as that user`
        : `there is no process ${pid}. Give the pid of a program that memprof-run started`,
    );
  }
  const entry = environment.split('\0').find((each) => each.startsWith('MEMPROF_SESSION='));
  if (entry === undefined) throw notRecorded(pid, 'it was not started by memprof-run');
  return entry.slice('MEMPROF_SESSION='.length);
}

function filesOf(folder: string, pid: number): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // The session's folder goes when memprof-run does.
    throw notRecorded(pid, 'its memprof-run has ended');
  }
}

function notRecorded(pid: number, why: string): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_NOT_LOADED',
    `process ${pid} is not being recorded: ${why}. Start it with: memprof-run node app.js`,
  );
}
