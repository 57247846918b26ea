// Can a library be preloaded into this program at all? If not, one clear line before anything starts.
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { ExitCode, MemprofError } from '../errors.js';
import type { Inspection } from '../native/index.js';

type Inspect = (path: string) => Inspection;

// Linux itself gives up after 5 scripts in a row (ELOOP).
const maxScripts = 5;

/** Throws when the program (or the interpreter of a script) cannot be traced. */
export function assertPreloadable(file: string, name: string, inspect: Inspect): void {
  const own = inspect(process.execPath);
  let current = file;
  for (let scripts = 0; scripts <= maxScripts; scripts++) {
    const shown = current === file ? name : `${current} (the interpreter of ${name})`;
    const facts = inspect(current);
    if (facts.kind === 'elf') {
      assertElf(current, shown, facts, own);
      return;
    }
    if (facts.kind === 'script' && facts.shebang !== null && facts.shebang.length > 0) {
      // The set-id bits of a script mean nothing to Linux.
      current = facts.shebang[0];
      assertInterpreter(current, name);
      continue;
    }
    if (looksBinary(current)) {
      throw new MemprofError(
        'ERR_MEMPROF_NOT_EXECUTABLE',
        `${shown} is neither an ELF program nor a script. Give a program of this machine`,
        ExitCode.notExecutable,
      );
    }
    // Text without #!: exec falls back to the shell, and so do we.
    return;
  }
  throw new MemprofError(
    'ERR_MEMPROF_NOT_EXECUTABLE',
    `${name}: too many scripts that name scripts as their interpreter. Run its program directly`,
    ExitCode.notExecutable,
  );
}

function assertInterpreter(interpreter: string, name: string): void {
  try {
    statSync(interpreter);
  } catch {
    // As a shell reports it: the file that was asked for cannot be executed.
    throw new MemprofError(
      'ERR_MEMPROF_NOT_EXECUTABLE',
      `${name}: its interpreter ${interpreter} is not there. Install it, or run the script with another`,
      ExitCode.notExecutable,
    );
  }
}

function assertElf(path: string, shown: string, facts: Inspection, own: Inspection): void {
  const refuse = (code: string, message: string): never => {
    throw new MemprofError(code, message);
  };
  if (facts.elfClass !== own.elfClass || facts.machine !== own.machine) {
    const kind = facts.elfClass === 32 ? '32-bit ' : '';
    refuse(
      'ERR_MEMPROF_OTHER_MACHINE',
      `${shown} is a ${kind}program for ${facts.machine ?? 'an unknown machine'}, memprof's recorder is for ${own.machine ?? 'this machine'}. Run a program built for this machine`,
    );
  }
  if (facts.interpreter === null) {
    refuse(
      'ERR_MEMPROF_STATIC',
      `${shown} is statically linked: there is no loader that could preload the recorder. Use a dynamically linked build of it`,
    );
  }
  if (facts.isSetuid || hasSetId(path)) {
    refuse(
      'ERR_MEMPROF_SETUID',
      `${shown} is setuid or setgid: the loader does not preload libraries into such programs. Run a copy of it without that bit`,
    );
  }
  const loader = basename(facts.interpreter as string);
  if (!/^(?:ld-linux|ld64|ld-\d|ld\.so)/.test(loader)) {
    refuse(
      'ERR_MEMPROF_OTHER_LIBC',
      `${shown} uses the loader ${facts.interpreter}, memprof's recorder needs glibc. Use a build of it for glibc`,
    );
  }
}

function hasSetId(path: string): boolean {
  return (statSync(path).mode & 0o6000) !== 0;
}

function looksBinary(path: string): boolean {
  const head = Buffer.alloc(256);
  const file = openSync(path, 'r');
  try {
    const length = readSync(file, head, 0, head.length, 0);
    // What bash does before it says "cannot execute binary file": a NUL in the first line.
    const line = head.subarray(0, length).indexOf(10);
    return head.subarray(0, line < 0 ? length : line).includes(0);
  } finally {
    closeSync(file);
  }
}
