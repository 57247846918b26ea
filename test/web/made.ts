// Reports for the tests of the page, each made once in a test file's own folder.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memprofBin, run, runCommand } from '../e2e/support/run.js';

export class MadeReports {
  readonly folder: string;

  static async create(): Promise<MadeReports> {
    return new MadeReports(await mkdtemp(join(tmpdir(), 'memprof-web-')));
  }

  constructor(folder: string) {
    this.folder = folder;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  /** The trace of a program that memprof-run ran. */
  async trace(name: string, command: readonly string[], options: string[] = []): Promise<string> {
    const own = join(this.folder, name);
    await mkdir(own);
    const traced = await run([runCommand, '-q', ...options, ...command], {
      cwd: own,
    });
    if (traced.code !== 0) throw new Error(traced.stderr);
    const found = (await readdir(own)).find((one) => one.endsWith('.mprof'));
    return join(own, found as string);
  }

  /** By memprof report. */
  async report(trace: string, options: string[] = []): Promise<string> {
    const path = trace.replace(/\.mprof$/, options.length === 0 ? '.html' : '-more.html');
    const made = await run([process.execPath, memprofBin, 'report', trace, '-o', path, ...options]);
    if (made.code !== 0) throw new Error(made.stderr);
    return path;
  }

  async write(name: string, html: string): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(path, html);
    return path;
  }
}
