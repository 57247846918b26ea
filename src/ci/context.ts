// What the outputs for CI systems know of the run besides its findings, and which findings count. Pure.
import type { CheckFinding } from '../checks/index.js';

export interface CiContext {
  /** Absolute: the repository's root. Files below it are shown relative to it. */
  root: string;
  toolVersion: string;
  /** As a person types it: "npm test". */
  command: string;
  processCount: number;
  /** Sentences: which processes or rules could not be judged, and why. */
  unjudged: readonly string[];
  /** Exit status of the command; null: a signal ended it, or it is not known. */
  endedStatus: number | null;
  /**
   * Relative to the root: the file that stands for the whole project where a finding has no line
   * (a package.json or memprof's configuration). Without it such findings have no location.
   */
  projectFile?: string;
  /** Since 1970; the clock is the caller's. */
  startedMs?: number;
  durationMs?: number;
}

export interface SortedFindings {
  errors: CheckFinding[];
  warnings: CheckFinding[];
  notes: CheckFinding[];
  /** Whatever their level: they fail nothing. */
  suppressed: CheckFinding[];
}

export function sortFindings(findings: readonly CheckFinding[]): SortedFindings {
  const active = findings.filter((one) => one.suppressedBy === null);
  return {
    errors: active.filter((one) => one.level === 'error'),
    warnings: active.filter((one) => one.level === 'warning'),
    notes: active.filter((one) => one.level === 'note'),
    suppressed: findings.filter((one) => one.suppressedBy !== null),
  };
}

/** In the order of what a reader should do first. */
export function inOrder(findings: readonly CheckFinding[]): CheckFinding[] {
  const { errors, warnings, notes, suppressed } = sortFindings(findings);
  return [...errors, ...warnings, ...notes, ...suppressed];
}

/** Everything that there is to say, the title first. */
export const textLines = (finding: CheckFinding): string[] => [
  finding.title,
  ...finding.details.filter((line) => line !== finding.title),
];

export const packageText = (finding: CheckFinding): string =>
  finding.packageName === '' ? 'unknown package' : finding.packageName;

export const countText = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** One sentence about the whole check, without any text of the traced program. */
export function verdictText(findings: readonly CheckFinding[], context: CiContext): string {
  const { errors, warnings, suppressed } = sortFindings(findings);
  const parts = [
    errors.length === 0 ? 'no leaks found' : countText(errors.length, 'fault'),
    ...(warnings.length === 0 ? [] : [countText(warnings.length, 'warning')]),
    ...(suppressed.length === 0 ? [] : [`${suppressed.length} suppressed`]),
    ...(context.unjudged.length === 0 ? [] : [`${context.unjudged.length} not judged`]),
  ];
  return `${parts.join(', ')} in ${countText(context.processCount, 'process', 'processes')}`;
}
