// What a recording of one process is asked for, and what comes out of it.
import type { Losses, ModuleInfo, StackTable, TraceModel } from '../model/index.js';
import type { StackClasses } from './checkpoints.js';
import type { RootStatus } from './ended.js';
import type { ProcessMemory } from './process-memory.js';
import type { QuestionHandler } from './questions.js';
import { ProcessHeader, StopReason } from './wire.js';

/** What is known about a process when its trace gets a name. */
export interface ProcessSummary {
  pid: number;
  ppid: number;
  generation: number;
  argv: string[];
  executable: string;
  isRoot: boolean;
}

export interface RecorderOptions {
  events: 'full' | 'none';
  overwrite: boolean;
  tracePathFor(process: ProcessSummary): string | null;
  onProcess?(process: ProcessSummary): void;
  /** Answers what the program asks (agent.ask); absent: every question is answered with an error. */
  onQuestion?: QuestionHandler;
  /** Whose stacks are whose, for the scanner; absent: nobody can tell. */
  classesFor?(stacks: StackSources): StackClasses;
}

/** What grows while a process is recorded. */
export interface StackSources {
  stacks(): StackTable;
  modules(): readonly ModuleInfo[];
  isNode: boolean;
}

export interface RecordedProcess {
  model: TraceModel;
  tracePath: string | null;
  traceBytes: number;
  isRoot: boolean;
  warnings: string[];
}

export interface EndOfRecording {
  status: RootStatus | null;
  isStillRunning: boolean;
}

/** What the shim counted, and what the ledger missed. */
export function lossesOf(
  memory: ProcessMemory,
  ledger: { unknownReleaseCount: number; doubleAllocationCount: number },
): Losses {
  return {
    lostEventCount: memory.counter(ProcessHeader.lostEvents),
    untracedThreadCount: memory.counter(ProcessHeader.untracedThreads),
    nestedEventCount: memory.counter(ProcessHeader.nestedEvents),
    cutStackCount: memory.counter(ProcessHeader.cutStacks),
    fullTableStackCount: memory.counter(ProcessHeader.fullTableStacks),
    unknownReleaseCount: ledger.unknownReleaseCount,
    doubleAllocationCount: ledger.doubleAllocationCount,
    ringWaitCount: memory.counter(ProcessHeader.waitCount),
    ringWaitNs: memory.counter(ProcessHeader.waitNs),
    bootstrapBytes: memory.counter(ProcessHeader.bootstrapBytes),
    stoppedEarly: stoppedEarly(memory.field(ProcessHeader.stopReason)),
  };
}

function stoppedEarly(reason: number): Losses['stoppedEarly'] {
  if (reason === StopReason.readerGone) return 'reader-gone';
  if (reason === StopReason.detached) return 'detached';
  return reason === StopReason.noSpace ? 'no-space' : null;
}
