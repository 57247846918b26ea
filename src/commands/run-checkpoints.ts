// The checkpoints that memprof-run itself asks the program for: before a signal that ends it, and every
// so often.
import { constants } from 'node:os';
import { demandCheckpoint } from '../record/demand.js';
import type { Session } from '../record/session.js';
import { SessionFlag } from '../record/wire.js';
import type { CheckpointTimes } from './parse-options.js';

export function checkpointFlags({ atExit }: CheckpointTimes, withRetainers: boolean): number {
  return (atExit ? SessionFlag.checkpointExit : 0) | (withRetainers ? SessionFlag.retainers : 0);
}

/** How long a signal that ends the program is held back, at most: containers kill after ten seconds. */
const signalPatienceMs = 3000;
/** A program that does not answer in this time is asked again at the next turn. */
const intervalPatienceMs = 10_000;

/** For `--check=growth` where no other interval is asked for. */
export const growthIntervalMs = 2000;

/** The program's own process: who else gets the signal is the program's affair. */
export async function checkpointBefore(
  signal: NodeJS.Signals,
  session: Session,
  { atExit }: CheckpointTimes,
): Promise<void> {
  if (!atExit) return;
  const [root] = session.headerPaths('root');
  if (root === undefined) return;
  // Whatever goes wrong with it, the signal is what counts.
  await demandCheckpoint(root, 'signal', signalPatienceMs, constants.signals[signal]).catch(
    () => undefined,
  );
}

/** Returns what ends it. */
export function askEvery(everyMs: number | null, session: Session): () => void {
  if (everyMs === null) return () => undefined;
  let isAsking = false;
  const timer = setInterval(async () => {
    if (isAsking) return;
    isAsking = true;
    for (const path of session.headerPaths('all')) {
      // A process that ends meanwhile takes its header along.
      await demandCheckpoint(path, 'interval', intervalPatienceMs).catch(() => undefined);
    }
    isAsking = false;
  }, everyMs);
  return () => clearInterval(timer);
}
