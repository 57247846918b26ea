// What a configuration may say. Every error names the file and the key. Pure.
import { MemprofError } from '../errors.js';
import { parseSize } from '../sizes.js';

export const checkKinds = ['lost', 'orphaned', 'growth', 'budgets'] as const;
export type CheckKind = (typeof checkKinds)[number];

/** Native memory that a package may have in one process. null: no limit. */
export interface Budget {
  /** Live blocks at the last checkpoint. */
  liveBytes: number | null;
  /** The most that its blocks had at any moment. */
  peakBytes: number | null;
}

export interface CheckConfig {
  /** null: not said. */
  check: CheckKind[] | null;
  budgets: ReadonlyMap<string, Budget>;
  /** Files, as written: relative to the configuration. */
  suppressions: string[];
  /** Lines as in a suppressions file. */
  ignore: string[];
}

export const emptyConfig: CheckConfig = {
  check: null,
  budgets: new Map(),
  suppressions: [],
  ignore: [],
};

const keys = ['check', 'budgets', 'suppressions', 'ignore'] as const;

/** @param value what the file exports; `file` is for errors */
export function readConfig(value: unknown, file: string): CheckConfig {
  const fail = (path: string, fact: string): never => {
    throw new MemprofError(
      'ERR_MEMPROF_CONFIG',
      `${file}: ${path === '' ? '' : `${path}: `}${fact}`,
    );
  };
  if (!isRecord(value))
    return fail('', `${nameOf(value)} is no configuration. Export an object: { check: ['lost'] }`);
  for (const key of Object.keys(value))
    if (!keys.some((one) => one === key))
      fail(key, `there is no such setting. There are ${keys.join(', ')}`);
  const config: CheckConfig = {
    check: null,
    budgets: readBudgets(value['budgets'], fail),
    suppressions: readTexts(value['suppressions'], 'suppressions', 'a file', fail),
    ignore: readTexts(value['ignore'], 'ignore', "a line such as 'leak:libfoo'", fail),
  };
  if (value['check'] !== undefined) {
    config.check = readTexts(value['check'], 'check', `one of ${checkKinds.join(', ')}`, fail).map(
      (word, at) =>
        kindOf(word) ?? fail(`check[${at}]`, `'${word}' is none of ${checkKinds.join(', ')}`),
    );
    if (config.check.length === 0) fail('check', 'nothing is to be checked. Leave the key out');
  }
  return config;
}

const kindOf = (word: string): CheckKind | undefined => checkKinds.find((kind) => kind === word);

/** Of the command line. null: none is named. */
export function parseKinds(text: string): CheckKind[] | null {
  if (text.trim() === '') return null;
  return text.split(',').map((part) => {
    const kind = kindOf(part.trim());
    if (kind !== undefined) return kind;
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      `--check=${text}: '${part.trim()}' is none of ${checkKinds.join(', ')}`,
    );
  });
}

type Fail = (path: string, fact: string) => never;

function readTexts(value: unknown, path: string, what: string, fail: Fail): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return fail(path, `expected an array, found ${nameOf(value)}`);
  return value.map((one: unknown, at) =>
    typeof one === 'string' && one.trim() !== ''
      ? one
      : fail(`${path}[${at}]`, `expected ${what}, found ${nameOf(one)}`),
  );
}

function readBudgets(value: unknown, fail: Fail): Map<string, Budget> {
  const budgets = new Map<string, Budget>();
  if (value === undefined) return budgets;
  if (!isRecord(value))
    return fail(
      'budgets',
      `expected an object such as { sharp: '24 MiB' }, found ${nameOf(value)}`,
    );
  for (const [name, limit] of Object.entries(value)) {
    const path = `budgets${/^[\w$]+$/.test(name) ? `.${name}` : `['${name}']`}`;
    if (!isRecord(limit)) {
      budgets.set(name, { liveBytes: readSize(limit, path, fail), peakBytes: null });
      continue;
    }
    for (const key of Object.keys(limit))
      if (key !== 'live' && key !== 'peak')
        fail(`${path}.${key}`, 'there is no such limit. There are live and peak');
    const { live, peak } = limit;
    if (live === undefined && peak === undefined)
      fail(path, "expected a size, or { live: '24 MiB', peak: '64 MiB' }");
    budgets.set(name, {
      liveBytes: live === undefined ? null : readSize(live, `${path}.live`, fail),
      peakBytes: peak === undefined ? null : readSize(peak, `${path}.peak`, fail),
    });
  }
  return budgets;
}

function readSize(value: unknown, path: string, fail: Fail): number {
  try {
    return parseSize(value, '');
  } catch (error) {
    if (!(error instanceof MemprofError)) throw error;
    return fail(path, error.message.replace(/^: /, ''));
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return value === '' ? 'an empty text' : `'${value.slice(0, 60)}'`;
  return typeof value === 'object' || typeof value === 'function'
    ? `a value of type ${typeof value}`
    : String(value);
}
