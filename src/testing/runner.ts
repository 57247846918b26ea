// Which test runner runs this file: for the command that an error names, and to run the file again. Pure.
export type RunnerName = 'node' | 'node --test' | 'ava' | 'jest' | 'vitest' | 'mocha';

export interface RunnerFacts {
  execPath: string;
  execArgv: readonly string[];
  /** The script with its symbolic links resolved. */
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** null: not known. */
  testFile: string | null;
  /** The command of jest as the project would load it; jest's workers do not know it. null: none found. */
  jestCli: string | null;
}

export function runnerOf({ argv, env, execArgv }: RunnerFacts): RunnerName {
  const script = argv[1] ?? '';
  if (env['VITEST'] !== undefined || packageFolder(script, 'vitest') !== null) return 'vitest';
  if (packageFolder(script, 'ava') !== null) return 'ava';
  if (packageFolder(script, 'mocha') !== null) return 'mocha';
  if (env['JEST_WORKER_ID'] !== undefined) return 'jest';
  if ((env['NODE_TEST_CONTEXT'] ?? '').startsWith('child') || execArgv.includes('--test'))
    return 'node --test';
  return 'node';
}

/** For a person to type; `shortened` makes a path short. */
export function commandToType(facts: RunnerFacts, shortened: (path: string) => string): string {
  const runner = runnerOf(facts);
  const script = facts.argv[1];
  const file = facts.testFile ?? (runner.startsWith('node') ? (script ?? null) : null);
  const words = runner === 'vitest' ? ['vitest', 'run'] : runner.split(' ');
  if (file !== null) words.push(quoted(shortened(file)));
  else if (runner === 'node') words.push('app.js');
  return `npx memprof-run --quiet ${words.join(' ')}`;
}

/** The command that runs this one test file in the same way. null: that cannot be known. */
export function commandToRerun(facts: RunnerFacts): string[] | null {
  const { execPath, execArgv, argv, cwd, testFile } = facts;
  const script = argv[1];
  const runner = runnerOf(facts);
  if (runner === 'node') {
    const isEval = execArgv.some((word) => /^(-e|-p|-pe|--eval|--print)$/.test(word));
    if (script === undefined) return isEval ? [execPath, ...execArgv] : null;
    // From standard input, which was read already.
    if (script === '-') return null;
    return [execPath, ...execArgv, ...argv.slice(1)];
  }
  const file = testFile ?? (runner === 'node --test' ? script : undefined);
  if (file === undefined) return null;
  if (runner === 'node --test')
    return [execPath, ...execArgv.filter((word) => !isOfTestRunner(word)), file];
  if (runner === 'jest')
    return facts.jestCli === null ? null : [execPath, facts.jestCli, '--runTestsByPath', file];
  const folder = packageFolder(script ?? '', runner);
  if (folder === null) return null;
  if (runner === 'vitest') return [execPath, `${folder}/vitest.mjs`, 'run', '--root', cwd, file];
  if (runner === 'ava') return [execPath, `${folder}/entrypoints/cli.mjs`, file];
  return [execPath, `${folder}/bin/mocha.js`, file];
}

const isOfTestRunner = (word: string): boolean => /^--(experimental-)?test(-|=|$)/.test(word);

/** The folder node_modules/NAME that a path is in. */
function packageFolder(path: string, name: string): string | null {
  const at = path.lastIndexOf(`/node_modules/${name}/`);
  return at < 0 ? null : path.slice(0, at + `/node_modules/${name}`.length);
}

const quoted = (word: string): string =>
  /^[\w./@:+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
