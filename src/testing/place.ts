// Where in the user's code one of our functions was called.
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemprofError } from '../errors.js';

export interface CallPlace {
  /** file:line:column as the stack names it, relative to the working directory; 'unknown place' otherwise. */
  text: string;
  /** The outermost file of the user's on the stack: with a test runner the test file. null: none is known. */
  testFile: string | null;
  /** The stack below the error's first line, for an error that is made later. */
  stack: string;
}

/** `called` is the function that the user called: it and what it called are left out. */
export function callPlace(called: (...rest: never[]) => unknown): CallPlace {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, called);
  // The string and not call sites: runners that compile tests put the sources' lines there.
  const lines = String(holder.stack ?? '').split('\n');
  const frames = lines.filter((line) => /^\s+at /.test(line));
  const places = frames.map(placeOfFrame).filter((place) => place !== null);
  const own = places.filter(({ file }) => !/[\\/]node_modules[\\/]/.test(file));
  const nearest = own[0] ?? places[0];
  return {
    text: nearest === undefined ? 'unknown place' : `${shortened(nearest.file)}${nearest.position}`,
    testFile: own.filter(({ file }) => file.startsWith('/')).at(-1)?.file ?? null,
    stack: frames.join('\n'),
  };
}

/** Runs `work`; errors of ours that it throws have the user's call as their stack. */
export function atCall<T>(place: CallPlace, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw withCallStack(error, place);
  }
}

const isPlaced = Symbol('memprof: has the stack of its call');

/** The same error; one of ours has the user's call as its stack. Of nested calls the innermost is told. */
export function withCallStack(error: unknown, place: CallPlace): unknown {
  if (!(error instanceof MemprofError) || isPlaced in error) return error;
  Object.defineProperty(error, isPlaced, { value: true });
  // Not enumerable, as it was: runners print what is enumerable.
  Object.defineProperty(error, 'stack', {
    value: `${error.name}: ${error.message}${place.stack === '' ? '' : `\n${place.stack}`}`,
    configurable: true,
    writable: true,
  });
  return error;
}

/** `at name (file:line:column)` or `at file:line:column`; null: not in a file. */
function placeOfFrame(line: string): { file: string; position: string } | null {
  const match =
    /\((.+?)(:\d+:\d+)\)\s*$/.exec(line) ?? /^\s+at (?:async )?(.+?)(:\d+:\d+)\s*$/.exec(line);
  if (match === null) return null;
  const [, file, position] = match;
  if (file.startsWith('file:')) return { file: pathOfUrl(file), position };
  return /^(\/|\[eval\])/.test(file) ? { file, position } : null;
}

function pathOfUrl(url: string): string {
  try {
    // Runners add a query so that a file is loaded anew.
    return fileURLToPath(url.replace(/[?#].*$/, ''));
  } catch {
    return url;
  }
}

export function shortened(path: string): string {
  if (!path.startsWith('/')) return path;
  const short = relative(process.cwd(), path);
  return short === '' || short.startsWith('..') ? path : short;
}
