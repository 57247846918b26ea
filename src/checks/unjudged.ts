// Processes of a run that nothing can be said about, or not as of their end. They are told: silence would pass
// for innocence. Pure.
import type { Checkpoint, TraceModel } from '../model/index.js';
import { describeEnd, escapeText, formatCount, formatDuration } from '../report/index.js';
import { baseName } from '../symbols/index.js';
import { isProjectModule } from './whole-run.js';

export interface Unjudged {
  pid: number;
  label: string;
  /** "was killed by SIGKILL, without a checkpoint". */
  reason: string;
  /** It had code that the check is about: an addon, or a program of the project. */
  isSubject: boolean;
}

/** The one that the process is judged by; null: none was scanned. */
export function lastScanned({ checkpoints = [] }: TraceModel): Checkpoint | null {
  return checkpoints.findLast((one) => one.scanFailure === null) ?? null;
}

export function hasSubject({ modules, process }: TraceModel, root: string): boolean {
  const isNode = process.nodeVersion !== null;
  return modules.some(
    ({ path, isExecutable, isShim }) =>
      !isShim &&
      baseName(path) !== 'memprof_agent.node' &&
      // Node itself may be installed in the project.
      !(isNode && isExecutable) &&
      isProjectModule(path, root),
  );
}

/** null: its checkpoint says everything. */
export function doubtOf(model: TraceModel): { reason: string; isJudged: boolean } | null {
  const checkpoint = lastScanned(model);
  const end = describeEnd(model.process);
  if (checkpoint === null) {
    const failure = model.checkpoints?.at(-1)?.scanFailure ?? null;
    const why =
      failure === null
        ? 'without a checkpoint'
        : `its checkpoint was not scanned (${escapeText(failure)})`;
    return { reason: `${end}, ${why}`, isJudged: false };
  }
  if (checkpoint.owners === 'failed')
    return {
      reason: 'its JavaScript objects could not be listed, so what they held is not known',
      isJudged: false,
    };
  if (checkpoint.reason === 'exit' || checkpoint.reason === 'signal') return null;
  const at = `checkpoint ${checkpoint.number} (after ${formatDuration(checkpoint.atNs)})`;
  return { reason: `${end}: judged as of ${at}, not as of its end`, isJudged: true };
}

const mostNamed = 5;

/** Of processes that had code to judge; a sentence or none, escaped. */
export function unjudgedTexts(unjudged: readonly Unjudged[]): string[] {
  const subjects = unjudged.filter((one) => one.isSubject);
  if (subjects.length === 0) return [];
  const named = subjects
    .slice(0, mostNamed)
    .map(({ pid, label, reason }) => `${label} (pid ${pid}) ${reason}`);
  const more = subjects.length - named.length;
  return [
    `${processes(subjects.length)} could not be judged: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
  ];
}

/** Of the others: shells, and runners that were killed. `npm test` has one in every run. */
export function passedOverTexts(unjudged: readonly Unjudged[]): string[] {
  const others = unjudged.filter((one) => !one.isSubject);
  if (others.length === 0) return [];
  const names = new Map<string, number>();
  for (const { label } of others) {
    const name = baseName(label.split(' ')[0]);
    names.set(name, (names.get(name) ?? 0) + 1);
  }
  const list = [...names].map(([name, count]) => (count === 1 ? name : `${name} (${count})`));
  return [
    `${processes(others.length)} without any addon could not be judged: ${list.slice(0, 2 * mostNamed).join(', ')}`,
  ];
}

export const processes = (count: number): string =>
  `${formatCount(count)} ${count === 1 ? 'process' : 'processes'}`;
