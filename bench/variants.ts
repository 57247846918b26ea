// The ways in which each workload runs: alone, under memprof-run, under heaptrack.
import { execFile } from 'node:child_process';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MemprofError } from '../src/errors.js';
import { memprofBinPath, memprofRunPath } from '../src/paths.js';
import { parseSummary, type TraceFigures } from './support/parse.js';
import { type Bench, type Cost, failureOf, measure } from './support/run.js';

const execute = promisify(execFile);

/**
 * `memprof`: without the checkpoint at the end, for heaptrack takes none. `checkpointed`: as users run it.
 * `recording`: without checkpoint, trace and report.
 */
export type Variant = 'native' | 'memprof' | 'checkpointed' | 'recording' | 'heaptrack';

/** One run. */
export interface Run extends Cost {
  /** heaptrack: without heaptrack_print. */
  recordWallNs: number;
}

async function expectWell(what: string, cost: Cost, outputPath: string): Promise<void> {
  const failure = failureOf(cost);
  if (failure === null && cost.cpuProgramNs !== null) return;
  const output = (await readFile(outputPath, 'utf8')).trimEnd().split('\n').slice(-15).join('\n');
  throw new MemprofError(
    'ERR_MEMPROF_BENCH_RUN',
    `${what}: ${failure ?? 'the program never reached its end'}\n${output}`,
  );
}

async function single(bench: Bench, what: string, program: readonly string[], prefix: string[]) {
  const outputPath = join(bench.folder, 'output.txt');
  const cost = await measure(bench, program, [...prefix, ...program], { outputPath });
  await expectWell(what, cost, outputPath);
  return { ...cost, recordWallNs: cost.wallNs };
}

export const tracePath = (bench: Bench): string => join(bench.folder, 'bench.mprof');

async function heaptrack(bench: Bench, program: readonly string[]): Promise<Run> {
  const outputPath = join(bench.folder, 'output.txt');
  for (const name of await readdir(bench.folder)) {
    if (name.startsWith('heaptrack-data.')) await rm(join(bench.folder, name));
  }
  const record = ['heaptrack', '-o', join(bench.folder, 'heaptrack-data'), ...program];
  const recorded = await measure(bench, program, record, { outputPath });
  await expectWell(`heaptrack ${program[0]}`, recorded, outputPath);
  const data = (await readdir(bench.folder)).find((name) => name.startsWith('heaptrack-data.'));
  if (data === undefined) throw new Error('heaptrack wrote no data');
  const print = ['heaptrack_print', join(bench.folder, data)];
  const printed = await measure(bench, print, print, { outputPath });
  await expectWell('heaptrack_print', printed, outputPath);
  return {
    ...recorded,
    recordWallNs: recorded.wallNs,
    wallNs: recorded.wallNs + printed.wallNs,
    cpuAllNs: recorded.cpuAllNs + printed.cpuAllNs,
    peakOtherBytes: Math.max(recorded.peakOtherBytes, printed.peakProgramBytes ?? 0),
    tailNs: recorded.tailNs === null ? null : recorded.tailNs + printed.wallNs,
  };
}

export function runVariant(
  bench: Bench,
  variant: Variant,
  program: readonly string[],
): Promise<Run> {
  const memprof = [memprofRunPath];
  switch (variant) {
    case 'native':
      return single(bench, 'native', program, []);
    case 'memprof':
      return single(bench, variant, program, [
        ...memprof,
        ...['--checkpoint', 'none', '-f', '-o', tracePath(bench)],
      ]);
    case 'checkpointed':
      return single(bench, variant, program, [...memprof, '-f', '-o', tracePath(bench)]);
    case 'recording':
      return single(bench, variant, program, [
        ...memprof,
        ...['-q', '--checkpoint', 'none', '--events', 'none', '-f', '-o', '/dev/null'],
      ]);
    case 'heaptrack':
      return heaptrack(bench, program);
  }
}

/** What the trace of the last run says. */
export async function traceFigures(bench: Bench): Promise<TraceFigures & { traceBytes: number }> {
  const path = tracePath(bench);
  const { stdout } = await execute(process.execPath, [memprofBinPath, 'summary', '--json', path], {
    maxBuffer: 64 << 20,
  });
  return { ...parseSummary(stdout), traceBytes: (await stat(path)).size };
}

/** heaptrack's version; null where it is not installed. */
export async function heaptrackVersion(): Promise<string | null> {
  try {
    const { stdout } = await execute('heaptrack', ['--version']);
    return stdout.trim().replace(/^heaptrack /, '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
