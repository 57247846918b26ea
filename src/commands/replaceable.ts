// Whether a file may be replaced by a report. Apart, because memprof-run asks before the program starts.
import { closeSync, openSync, readSync } from 'node:fs';
import { ExitCode, MemprofError } from '../errors.js';
import { reportMark } from '../html/report-mark.js';

/** A report gives way to a new one; nothing else does without -f. */
export function assertReplaceable(path: string, force: boolean): void {
  if (path === '')
    throw new MemprofError(
      'ERR_MEMPROF_OUTPUT',
      'the name of the report is empty. Give a file: -o report.html',
      ExitCode.usage,
    );
  if (force) return;
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    // Not there, or not readable: writing says what is wrong.
    return;
  }
  try {
    const head = Buffer.alloc(256);
    const length = readSync(descriptor, head);
    if (length === 0 || head.toString('latin1').includes(reportMark)) return;
  } catch {
    // A folder: writing says so.
    return;
  } finally {
    closeSync(descriptor);
  }
  throw new MemprofError(
    'ERR_MEMPROF_OUTPUT_EXISTS',
    `${path} exists already and is no report of memprof. Overwrite it with -f, or give another name with -o`,
  );
}
