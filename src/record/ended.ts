// How a process ended, from all that is known about it.
import { type ExitFacts, ExitKind, Teardown } from '../ledger/index.js';
import type { Ended, EndedHow } from '../model/index.js';

/** What waitpid() said; of the root only. */
export interface RootStatus {
  pid: number;
  code: number | null;
  signal: string | null;
}

export interface EndKnowledge {
  exit: ExitFacts;
  /** null: not our child. */
  status: RootStatus | null;
  /** A newer image runs, or ran, in the same process. */
  wasReplaced: boolean;
  isRunning: boolean;
  /** How it went on after that was not seen. */
  stoppedEarly: boolean;
}

export function endedOf(known: EndKnowledge): Ended {
  const { exit, status, wasReplaced, isRunning } = known;
  if (wasReplaced) return { how: 'exec', code: null, signal: null };
  if (isRunning) return { how: 'still-running', code: null, signal: null };
  // The kernel's word stands above the program's: a crash in an exit handler is a signal.
  if (status?.signal != null) return { how: 'signal', code: null, signal: status.signal };
  if (exit.kind === ExitKind.exec) return { how: 'exec', code: null, signal: null };
  const code = status?.code ?? (exit.kind === null ? null : exit.status & 0xff);
  return { how: howOf(known), code, signal: null };
}

function howOf({ exit, status, stoppedEarly }: EndKnowledge): EndedHow {
  if (exit.kind === null) {
    // A Node program whose exit event came, then nothing: it is gone since, we cannot say how.
    return stoppedEarly || status === null || status.code === null ? 'unknown' : '_exit';
  }
  if (exit.teardown === Teardown.processExit) return 'process.exit';
  if (exit.teardown === Teardown.uncaught) return 'uncaught-exception';
  if (exit.kind === ExitKind.underscore) return '_exit';
  return exit.kind === ExitKind.quick ? 'quick_exit' : 'exit';
}
