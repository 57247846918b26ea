// What a view asks the recorder and what it gets, one line of JSON each. Both ends believe nothing of the other:
// they may be of two versions.
import { MemprofError } from '../errors.js';

export const sorts = ['bytes', 'blocks', 'growth', 'rate'] as const;
export type SortBy = (typeof sorts)[number];

/** More than a screen of text ever needs. */
export const mostMessageBytes = 4 << 20;
export const liveVersion = 1;

export interface LiveRequest {
  version: number;
  /** Absent: figures. */
  wants?: 'figures' | 'trace';
  /** null: the program that was started. */
  pid: number | null;
  sort: SortBy;
  /** '' : all sites. */
  filter: string;
  siteLimit: number;
  packageLimit: number;
  /** A site's id: its stack is wanted, in lines of so many columns. */
  stackOf: string | null;
  columns: number;
  /** Counted up at each mark: growth is counted from the look that brings a new number. */
  mark: number;
}

export interface Amounts {
  liveBytes: number;
  liveCount: number;
  /** Since the mark. */
  growthBytes: number;
  growthCount: number;
  /** Allocated since the last look, a second; null: this is the first. */
  bytesPerSecond: number | null;
  eventsPerSecond: number | null;
}

export interface LiveSite extends Amounts {
  id: string;
  owner: string;
  where: string;
  /** false: `where` is a place in a module, its name is being looked up. */
  isNamed: boolean;
}

export interface LiveFigures {
  kind: 'figures';
  version: number;
  pid: number;
  command: string;
  elapsedNs: number;
  peakBytes: number;
  total: Amounts;
  /** When growth is counted from. */
  markNs: number;
  packages: ({ name: string } & Amounts)[];
  packageCount: number;
  sites: LiveSite[];
  /** Behind the filter, and in all. */
  matchCount: number;
  siteCount: number;
  /** Sites without a name so far: the filter cannot see their functions. */
  unnamedCount: number;
  stack: { id: string; lines: string[] } | null;
}

/** For who reads the trace himself while it grows. */
export interface LiveTrace {
  kind: 'trace';
  version: number;
  pid: number;
  command: string;
  /** Absolute; null: there is none. */
  tracePath: string | null;
}

/** none: nothing is recorded of the process yet, or no more. */
export type LiveAnswer = LiveFigures | LiveTrace | { kind: 'none'; version: number };

type Fields = Record<string, unknown>;

export function parseRequest(line: string): LiveRequest {
  const fields = objectOf(line, 'request');
  const sort = sorts.find((one) => one === fields['sort']);
  if (sort === undefined) throw broken('request', 'sort');
  return {
    version: count(fields, 'version'),
    ...(fields['wants'] === 'trace' ? { wants: 'trace' } : {}),
    pid: fields['pid'] === null ? null : count(fields, 'pid'),
    sort,
    filter: text(fields, 'filter'),
    siteLimit: count(fields, 'siteLimit'),
    packageLimit: count(fields, 'packageLimit'),
    stackOf: fields['stackOf'] === null ? null : text(fields, 'stackOf'),
    columns: count(fields, 'columns'),
    mark: count(fields, 'mark'),
  };
}

export function parseAnswer(line: string): LiveAnswer {
  const fields = objectOf(line, 'answer');
  const version = count(fields, 'version');
  if (version !== liveVersion)
    throw new MemprofError(
      'ERR_MEMPROF_LIVE_VERSION',
      `memprof-run speaks version ${version} of the live view, this memprof ${liveVersion}. Use the memprof that started the program`,
    );
  if (fields['kind'] === 'none') return { kind: 'none', version };
  if (fields['kind'] === 'trace') {
    const pid = count(fields, 'pid');
    const tracePath = fields['tracePath'] === null ? null : text(fields, 'tracePath');
    return { kind: 'trace', version, pid, command: text(fields, 'command'), tracePath };
  }
  if (fields['kind'] !== 'figures') throw broken('answer', 'kind');
  return {
    kind: 'figures',
    version,
    pid: count(fields, 'pid'),
    command: text(fields, 'command'),
    elapsedNs: number(fields, 'elapsedNs'),
    peakBytes: number(fields, 'peakBytes'),
    total: amounts(objectIn(fields['total'], 'total')),
    markNs: number(fields, 'markNs'),
    packages: list(fields, 'packages').map((one) => {
      const row = objectIn(one, 'packages');
      return { name: text(row, 'name'), ...amounts(row) };
    }),
    packageCount: count(fields, 'packageCount'),
    sites: list(fields, 'sites').map(site),
    matchCount: count(fields, 'matchCount'),
    siteCount: count(fields, 'siteCount'),
    unnamedCount: count(fields, 'unnamedCount'),
    stack: stackOf(fields['stack']),
  };
}

function site(value: unknown): LiveSite {
  const row = objectIn(value, 'sites');
  return {
    id: text(row, 'id'),
    owner: text(row, 'owner'),
    where: text(row, 'where'),
    isNamed: row['isNamed'] === true,
    ...amounts(row),
  };
}

function stackOf(value: unknown): { id: string; lines: string[] } | null {
  if (value === null) return null;
  const row = objectIn(value, 'stack');
  const lines = list(row, 'lines').map((line) => {
    if (typeof line !== 'string') throw broken('answer', 'lines');
    return line;
  });
  return { id: text(row, 'id'), lines };
}

function amounts(row: Fields): Amounts {
  const rate = (name: string) => (row[name] === null ? null : number(row, name));
  return {
    liveBytes: number(row, 'liveBytes'),
    liveCount: number(row, 'liveCount'),
    growthBytes: number(row, 'growthBytes'),
    growthCount: number(row, 'growthCount'),
    bytesPerSecond: rate('bytesPerSecond'),
    eventsPerSecond: rate('eventsPerSecond'),
  };
}

function objectOf(line: string, what: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // What JSON.parse says of it helps nobody.
    throw broken(what, 'JSON');
  }
  return objectIn(value, what);
}

function objectIn(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw broken(what, 'object');
  return value as Fields;
}

function list(fields: Fields, name: string): unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw broken('answer', name);
  return value;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw broken('message', name);
  return value;
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw broken('message', name);
  return value;
}

function count(fields: Fields, name: string): number {
  const value = number(fields, name);
  if (!Number.isSafeInteger(value) || value < 0) throw broken('message', name);
  return value;
}

function broken(what: string, field: string): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_LIVE_MESSAGE',
    `a ${what} of the live view has no good ${field}. Use the memprof that started the program`,
  );
}
