// From the words of a command line to the file to execute, by the rules of a POSIX shell.
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { ExitCode, MemprofError } from '../errors.js';

export interface Command {
  /** Absolute path of the file to execute. */
  file: string;
  /** As typed: the program sees it as argv[0]. */
  name: string;
  args: string[];
}

export function resolveCommand(
  words: readonly string[],
  searchPath: string | undefined,
  cwd: string,
): Command {
  const [name, ...args] = words;
  if (name === undefined || name === '') {
    throw new MemprofError(
      'ERR_MEMPROF_NO_COMMAND',
      'the command is empty. Give the program to run: memprof-run node app.js',
      ExitCode.notFound,
    );
  }
  const file = name.includes('/') ? atPath(name, cwd) : inSearchPath(name, searchPath, cwd);
  return { file, name, args };
}

function atPath(name: string, cwd: string): string {
  const file = isAbsolute(name) ? name : resolve(cwd, name);
  const stats = look(file);
  if (stats === null) {
    throw new MemprofError(
      'ERR_MEMPROF_NOT_FOUND',
      `${name}: no such file. Check the path`,
      ExitCode.notFound,
    );
  }
  if (stats.isDirectory()) {
    throw new MemprofError(
      'ERR_MEMPROF_NOT_EXECUTABLE',
      `${name} is a folder. Give the program inside it`,
      ExitCode.notExecutable,
    );
  }
  if (!isExecutable(file, stats)) {
    throw new MemprofError(
      'ERR_MEMPROF_NOT_EXECUTABLE',
      `${name} is not executable. ${adviceFor(name)}`,
      ExitCode.notExecutable,
    );
  }
  return file;
}

function adviceFor(name: string): string {
  if (/\.[cm]?js$/.test(name)) return `Run it with node: memprof-run node ${name}`;
  return 'Make it so (chmod +x) or run it with its interpreter';
}

function inSearchPath(name: string, searchPath: string | undefined, cwd: string): string {
  let blocked: string | null = null;
  // An empty entry is the current folder; without PATH the C library searches its default.
  for (const folder of (searchPath ?? '/bin:/usr/bin').split(':')) {
    const file = join(resolve(cwd, folder), name);
    const stats = look(file);
    if (stats === null || stats.isDirectory()) continue;
    if (isExecutable(file, stats)) return file;
    blocked ??= file;
  }
  if (blocked !== null) {
    throw new MemprofError(
      'ERR_MEMPROF_NOT_EXECUTABLE',
      `${blocked} is not executable. Make it so (chmod +x)`,
      ExitCode.notExecutable,
    );
  }
  const advice = /\.[cm]?js$/.test(name)
    ? `Run it with node: memprof-run node ${name}`
    : 'Install it, or give its path';
  throw new MemprofError(
    'ERR_MEMPROF_NOT_FOUND',
    `${name}: command not found. ${advice}`,
    ExitCode.notFound,
  );
}

function look(file: string): Stats | null {
  try {
    return statSync(file);
  } catch (error) {
    // As a shell does: whatever keeps us from seeing it (a missing folder, no right to search one) is "not there".
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return null;
  }
}

function isExecutable(file: string, stats: Stats): boolean {
  if (!stats.isFile()) return false;
  try {
    // For root, access(2) says yes as soon as anybody may execute it, as exec does.
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
