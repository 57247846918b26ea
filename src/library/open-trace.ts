// The library's way to a trace. The reader is a file of its own, loaded on call.
import { createRequire } from 'node:module';
import { MemprofError } from '../errors.js';
import { readingBundlePath } from '../paths.js';
import type { Trace } from './trace.js';

interface Reading {
  openTrace(path: string): Trace;
}

/**
 * Opens a trace of memprof-run.
 *
 * A trace that was cut (the program or memprof-run was killed, the disk was full) opens up to its last whole
 * part: `complete` is false then, and `warnings` says so.
 *
 * @throws MemprofError with one of these codes:
 * ERR_MEMPROF_TRACE_NOT_READABLE: no such file, or no right to read it;
 * ERR_MEMPROF_TRACE_EMPTY: the file has no bytes;
 * ERR_MEMPROF_TRACE_TRUNCATED: it is cut within its first 16 bytes, so nothing is left;
 * ERR_MEMPROF_NOT_A_TRACE: another format;
 * ERR_MEMPROF_TRACE_NEWER: written by a newer memprof than this one.
 */
export async function openTrace(path: string): Promise<Trace> {
  if (typeof path !== 'string')
    throw new MemprofError(
      'ERR_MEMPROF_ARGUMENT',
      `openTrace() was given ${path === null ? 'null' : `a value of type ${typeof path}`}. Give the path of a .mprof file, as a string`,
    );
  const reading = createRequire(import.meta.url)(readingBundlePath) as Reading;
  return reading.openTrace(path);
}
