// Questions of a traced program to memprof-run and their answers: JSON through the agent's `ask`, whose mark
// gives each question its place in the order of events.
import type { CheckFinding } from './finding.js';

/** `watch` numbers what is being watched; unique in a process. */
export type Question =
  | {
      ask: 'begin';
      watch: number;
      name: string;
      /** Of the call: file:line. */
      place: string;
      /** Node's threadId. Of the watches that must not overlap, one in another thread is waited for. */
      thread: number;
      options: WatchOptions;
    }
  | {
      ask: 'round';
      watch: number;
      iterations: number;
      elapsedMs: number;
      checkpoint: number | null;
    }
  | { ask: 'finish'; watch: number; error?: string }
  | { ask: 'stats'; watch: number }
  | { ask: 'sites'; watch: number; limit: number }
  | { ask: 'stop'; watch: number };

export interface WatchOptions {
  kind: 'leaks' | 'memory' | 'track';
  /** Of expectNoLeaks. */
  minRounds?: number;
  maxRounds?: number;
  /** Every round has so many; absent: as many as are good. */
  iterations?: number;
  /** What may stay an iteration and site; null: any number. */
  tolerance?: { blocks: number | null; bytes: number | null };
  /** Suppression lines, as in a suppressions file. */
  ignore?: string[];
  /** Whose allocations count. */
  threads?: 'all' | 'calling';
  /** Of expectMemoryBelow. */
  limitBytes?: number;
}

export interface RoundAnswer {
  decision: 'more' | 'clean' | 'leak';
  /** 0 to 1. */
  confidence: number;
  /** How many iterations the next round should have. */
  nextIterations: number;
  /** Whether the next round should end with a checkpoint (owners, who holds what) or only with collected garbage. */
  nextCheckpoint: boolean;
}

export interface FinishAnswer {
  verdict: 'clean' | 'leak' | 'undecided' | 'above';
  confidence: number;
  roundCount: number;
  iterationCount: number;
  peakBytes: number | null;
  findings: CheckFinding[];
  /** The failure message, or one line when there is nothing wrong. */
  text: string;
  tracePath: string | null;
}

/** Native memory since the watch began. All sizes are what the program asked for. */
export interface TrackStats {
  allocationCount: number;
  allocatedBytes: number;
  releaseCount: number;
  releasedBytes: number;
  /** Allocated since the beginning and live now. */
  liveCount: number;
  liveBytes: number;
  /** Of all live native memory, above what was live at the beginning. */
  peakBytes: number;
}

export interface TrackSite {
  packageName: string;
  /** The frame that a person looks at first. */
  function: string;
  file: string | null;
  line: number | null;
  liveCount: number;
  liveBytes: number;
  allocationCount: number;
  allocatedBytes: number;
  stack: string[];
}

export interface ErrorAnswer {
  error: { code: string; message: string };
}

/** The error of a `begin` that another thread's watch must end before: its client asks again. */
export type WaitCode = 'ERR_MEMPROF_WAIT';
/** What answers was being loaded. Asked again at once, so that no later call is first. */
export type AskAgainCode = 'ERR_MEMPROF_ASK_AGAIN';
