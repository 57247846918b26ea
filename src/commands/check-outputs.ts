// Files of a check for CI systems, and the annotations that GitHub reads from the log.
import { appendFileSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { CheckFinding } from '../checks/index.js';
import {
  type CiContext,
  githubAnnotations,
  junitXml,
  markdownSummary,
  sarifLog,
} from '../ci/index.js';
import type { Project } from '../config/index.js';
import { MemprofError } from '../errors.js';
import { ownVersion } from '../version.js';
import type { CheckOptions } from './check-setup.js';

export interface RunFacts extends Omit<CiContext, 'root' | 'toolVersion' | 'projectFile'> {
  project: Project;
}

/** The annotations, for the log. */
export function writeCheckOutputs(
  findings: readonly CheckFinding[],
  facts: RunFacts,
  options: CheckOptions,
  environment: NodeJS.ProcessEnv,
): string[] {
  const context = contextOf(facts);
  const write = (path: string | undefined, text: () => string) => {
    if (path !== undefined) save(path, () => writeFileSync(resolve(path), text()));
  };
  write(options.sarif, () => sarifLog(findings, context));
  write(options.junit, () => junitXml(findings, context));
  write(options.summary, () => markdownSummary(findings, context));
  const stepSummary = environment['GITHUB_STEP_SUMMARY'] ?? '';
  if (stepSummary !== '')
    save(stepSummary, () => appendFileSync(stepSummary, stepText(findings, context, stepSummary)));
  const isWanted = options.annotations || environment['GITHUB_ACTIONS'] === 'true';
  return isWanted ? githubAnnotations(findings, context) : [];
}

/** GitHub drops a step's summary above this whole. */
const stepSummaryBytes = 1024 * 1024;

function stepText(findings: readonly CheckFinding[], context: CiContext, path: string): string {
  const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const maxBytes = Math.max(4096, stepSummaryBytes - before - 4096);
  return `${markdownSummary(findings, context, { maxBytes })}\n`;
}

function save(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MemprofError('ERR_MEMPROF_OUTPUT', `${path} cannot be written: ${reason}`);
  }
}

function contextOf({ project, ...facts }: RunFacts): CiContext {
  const root = repositoryRoot(project.root);
  return {
    ...facts,
    root,
    toolVersion: ownVersion(),
    ...(project.packageFile === null ? {} : { projectFile: relative(root, project.packageFile) }),
  };
}

/** What CI systems name files by: the repository, of which the package may be a part. */
function repositoryRoot(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at;
    if (dirname(at) === at) return folder;
  }
}
