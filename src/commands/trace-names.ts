// What the traces of a run are called, and whether they can be written: asked before the program starts.
import { closeSync, openSync, statSync, unlinkSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { MemprofError } from '../errors.js';

export interface TracedProcess {
  pid: number;
  generation: number;
  argv: readonly string[];
  executable: string;
  isRoot: boolean;
}

export interface TraceNames {
  /** null: the user wants no trace (-o /dev/null). */
  pathFor(process: TracedProcess): string | null;
}

/** Throws when it is known already that the trace cannot be written. */
export function traceNames(output: string | undefined, force: boolean, cwd: string): TraceNames {
  if (output === '')
    throw new MemprofError(
      'ERR_MEMPROF_OUTPUT',
      '-o was given an empty name. Give a file: -o run.mprof',
    );
  if (output === '/dev/null') return { pathFor: () => null };
  if (output !== undefined && !output.includes('%p')) assertFree(output, force, cwd);
  assertWritable(output, cwd);
  const given = new Set<string>();
  return {
    pathFor(process) {
      let path = nameFor(output, process, cwd);
      // A name that we made up gives way; one that the user chose was checked above.
      for (
        let next = 2;
        given.has(path) || (!force && isMadeUp(output, path) && exists(resolve(cwd, path)));
        next++
      ) {
        path = beforeExtension(nameFor(output, process, cwd), `-${next}`);
      }
      given.add(path);
      return path;
    },
  };
}

const isMadeUp = (output: string | undefined, path: string): boolean => path !== output;

function nameFor(output: string | undefined, process: TracedProcess, cwd: string): string {
  const image =
    process.generation === 0 ? `${process.pid}` : `${process.pid}.${process.generation}`;
  if (output === undefined)
    return `memprof-${scriptName(process.argv, process.executable, cwd)}.${process.pid}.mprof`;
  if (output.includes('%p')) return output.replaceAll('%p', image);
  return process.isRoot && process.generation === 0 ? output : beforeExtension(output, `.${image}`);
}

export function beforeExtension(path: string, addition: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}${addition}${extension}`;
}

function exists(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    // Something is in the way of even looking: writing will fail with the better message.
    return false;
  }
}

function assertFree(output: string, force: boolean, cwd: string): void {
  const path = resolve(cwd, output);
  if (!exists(path)) return;
  if (statSync(path).isDirectory())
    throw new MemprofError(
      'ERR_MEMPROF_OUTPUT',
      `-o ${output} is a folder. Give a file in it: -o ${output.replace(/\/$/, '')}/run.mprof`,
    );
  if (!force)
    throw new MemprofError(
      'ERR_MEMPROF_OUTPUT_EXISTS',
      `${output} exists already. Overwrite it with -f, or give another name with -o`,
    );
}

/** By writing: access(2) tells root that everything is writable, /proc and read-only mounts included. */
function assertWritable(output: string | undefined, cwd: string): void {
  const shown = output ?? 'the current folder';
  const folder = output === undefined ? cwd : dirname(resolve(cwd, output));
  const probe = join(folder, `.memprof-${process.pid}.tmp`);
  try {
    closeSync(openSync(probe, 'wx', 0o600));
    unlinkSync(probe);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new MemprofError(
      'ERR_MEMPROF_OUTPUT',
      `no trace can be written to ${shown}: ${folder} ${whyNot(folder, code)}. Give another place with -o FILE`,
    );
  }
}

function whyNot(folder: string, code: string | undefined): string {
  switch (code) {
    case 'ENOENT':
      return exists(folder) ? 'takes no files (ENOENT)' : 'is not there';
    case 'ENOTDIR':
      return 'is not a folder';
    case 'EROFS':
      return 'is on a read-only file system';
    case 'ENOSPC':
    case 'EDQUOT':
      return `is full (${code})`;
    default:
      return `is not writable (${code})`;
  }
}

const jsExtension = /\.[cm]?[jt]sx?$/;
const nodeLike = /^(?:node|nodejs|deno|bun)(?:-?\d[\d.]*)?$/;
// Options of node whose value is the next word.
const withValue = new Set([
  '-r',
  '--require',
  '--import',
  '--loader',
  '--experimental-loader',
  '-C',
  '--conditions',
  '--env-file',
  '--title',
  '--input-type',
  '--icu-data-dir',
  '--openssl-config',
  '--redirect-warnings',
  '--trace-event-categories',
  '--diagnostic-dir',
  '--inspect-port',
  '--stack-trace-limit',
]);
const evaluates = new Set(['-e', '--eval', '-p', '--print', '-pe']);

/** The script of node and its like, else the command; safe as part of a file's name. */
export function scriptName(argv: readonly string[], executable: string, cwd: string): string {
  const command = basename(argv[0] ?? executable).replace(/^-/, '');
  const name =
    nodeLike.test(command) || nodeLike.test(basename(executable))
      ? (scriptOf(argv, cwd) ?? command)
      : command;
  const safe = name
    .replace(/[^\w.@+-]/g, '_')
    .replace(/^\.+/, '')
    .slice(0, 60);
  return safe === '' ? 'program' : safe;
}

function scriptOf(argv: readonly string[], cwd: string): string | null {
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at];
    if (evaluates.has(word) || word.startsWith('--eval=') || word.startsWith('--print='))
      return 'eval';
    if (withValue.has(word)) at++;
    else if (word === '-') return null;
    else if (word === 'run' && at === 1) continue;
    else if (word === '--' || !word.startsWith('-')) {
      const script = word === '--' ? argv[at + 1] : word;
      return script === undefined ? null : basename(resolve(cwd, script)).replace(jsExtension, '');
    }
  }
  return null;
}
