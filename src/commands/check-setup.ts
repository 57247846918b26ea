// What `memprof-run --check` needs to know before the program starts: the project's configuration, its
// suppressions, and whether the files that are asked for can be written. Wrong ones must not cost a test run.
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import {
  type CheckConfig,
  type CheckKind,
  findProject,
  loadConfig,
  type Project,
  parseKinds,
} from '../config/index.js';
import { MemprofError } from '../errors.js';
import {
  parseSuppressions,
  type SuppressionFormat,
  type SuppressionRule,
} from '../suppressions/index.js';

/** As the command line says it. */
export interface CheckOptions {
  /** After "--check=": '' names none. */
  check: string;
  suppressions: readonly string[];
  genSuppressions: SuppressionFormat | null;
  annotations: boolean;
  sarif?: string;
  junit?: string;
  summary?: string;
}

export interface Check {
  kinds: ReadonlySet<CheckKind>;
  budgets: CheckConfig['budgets'];
  project: Project;
  rules: SuppressionRule[];
  options: CheckOptions;
  /** Since 1970. */
  startedMs: number;
}

export async function prepareCheck(
  options: CheckOptions,
  run: { hasCheckpoints: boolean; hasEvents: boolean },
  cwd: string,
): Promise<Check> {
  const named = parseKinds(options.check);
  if (!run.hasCheckpoints)
    fail('--check is judged at checkpoints, so it cannot be combined with --checkpoint none');
  const folder = realpathSync(cwd);
  const project = findProject(folder);
  const { config, file, suppressions } = await loadConfig(folder, project);
  const kinds = new Set(named ?? config.check ?? defaultKinds(config));
  if (kinds.has('budgets')) {
    if (config.budgets.size === 0)
      fail(
        `--check=budgets: ${file === null ? 'there is no configuration with budgets' : `${relative(folder, file)} has no budgets`}. Write one: export default { budgets: { sharp: '24 MiB' } } in memprof.config.js`,
      );
    const needsEvents = [...config.budgets.values()].some((one) => one.peakBytes !== null);
    if (needsEvents && !run.hasEvents)
      fail(
        'a budget with a peak is judged by the events of the trace: leave --events none and -o /dev/null out',
      );
  }
  for (const path of [options.sarif, options.junit, options.summary])
    if (path !== undefined) assertWritable(resolve(folder, path), path);
  const rules = [
    ...options.suppressions.flatMap((path) => readSuppressions(resolve(folder, path), path)),
    ...suppressions.flatMap((path) => readSuppressions(path, relative(folder, path))),
    ...parseSuppressions(config.ignore.join('\n'), `${relative(folder, file ?? '')} "ignore"`),
  ];
  return { kinds, budgets: config.budgets, project, rules, options, startedMs: Date.now() };
}

function defaultKinds({ budgets }: CheckConfig): CheckKind[] {
  return budgets.size === 0 ? ['lost', 'orphaned'] : ['lost', 'orphaned', 'budgets'];
}

/** `name` is how the user wrote it. */
export function readSuppressions(path: string, name: string): SuppressionRule[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MemprofError('ERR_MEMPROF_SUPPRESSIONS', `${name} cannot be read: ${reason}`);
  }
  return parseSuppressions(text, name);
}

function assertWritable(path: string, name: string): void {
  const folder = dirname(path);
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
      throw new Error('it is a folder');
    accessSync(folder, constants.W_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MemprofError('ERR_MEMPROF_OUTPUT', `${name} cannot be written: ${reason}`);
  }
}

function fail(fact: string): never {
  throw new MemprofError('ERR_MEMPROF_USAGE', fact);
}
