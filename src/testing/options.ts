// The options of memprof/testing's functions, checked before anything runs. Pure.
import { ExitCode, MemprofError } from '../errors.js';

export function usage(message: string): MemprofError {
  return new MemprofError('ERR_MEMPROF_USAGE', message, ExitCode.usage);
}

/** `allowed` names each option and what it must be; `place` begins the message of an error. */
export type Checks = Readonly<
  Record<string, { is: (value: unknown) => boolean; expected: string }>
>;

export function assertOptions(options: unknown, allowed: Checks, place: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw usage(
      `${place}: its options must be an object, such as { ${Object.keys(allowed)[0]}: … }`,
    );
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
    if (check === undefined)
      throw usage(
        `${place}: there is no option '${name}'. There are: ${Object.keys(allowed).join(', ')}`,
      );
    if (value !== undefined && !check.is(value))
      throw usage(`${place}: '${name}' must be ${check.expected}, and is ${shown(value)}`);
  }
}

export function assertFunction(value: unknown, place: string): void {
  if (typeof value !== 'function')
    throw usage(`${place}: needs a function to run, and got ${shown(value)}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

export const isText = (value: unknown): boolean => typeof value === 'string';
const isTimeout = (value: unknown): boolean =>
  typeof value === 'number' && value > 0 && value <= 2 ** 31 - 1;

export const commonOptions = {
  name: { is: isText, expected: 'a text' },
  timeoutMs: { is: isTimeout, expected: 'a number of milliseconds above 0' },
  whenMissing: {
    is: (value: unknown) => value === 'error' || value === 'skip' || value === 'run',
    expected: "'error', 'skip' or 'run'",
  },
} as const satisfies Checks;

export type WhenMissing = 'error' | 'skip' | 'run';

export interface CommonOptions {
  /** Names the moment in the trace and in messages. Default: the place of the call. */
  name?: string;
  /** How long fn may take in all. */
  timeoutMs?: number;
  /** What to do where memprof-run is missing. Default: MEMPROF_WHEN_MISSING, else 'error'. */
  whenMissing?: WhenMissing;
}
