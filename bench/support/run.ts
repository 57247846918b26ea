// Runs one command to its end and says what it cost: the edge to processes and files.
import { execFile, spawn } from 'node:child_process';
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/paths.js';
import { parseLaunched, parseUsed } from './parse.js';

const execute = promisify(execFile);
export const programsFolder: string = join(packageRoot, 'bench', 'programs');

/** A folder for a run of the benchmark, with everything that was compiled for it. */
export interface Bench {
  folder: string;
  launcher: string;
  probe: string;
  churn: string;
  distinct: string;
  addon: string;
}

/** -fno-builtin: the compiler would take away a malloc whose block is never used. */
export async function compileInto(folder: string): Promise<Bench> {
  const compile = async (source: string, output: string, ...flags: string[]): Promise<string> => {
    const path = join(folder, output);
    const compiler = source.endsWith('.c') ? 'gcc' : 'g++';
    await execute(compiler, ['-O2', '-g', ...flags, '-o', path, join(programsFolder, source)]);
    return path;
  };
  const headers = join(packageRoot, 'node_modules', 'node-api-headers', 'include');
  return {
    folder,
    launcher: await compile('launcher.c', 'launcher'),
    probe: await compile('probe.c', 'probe.so', '-fPIC', '-shared'),
    churn: await compile('churn.c', 'churn', '-fno-builtin', '-pthread'),
    distinct: await compile('distinct.c', 'distinct', '-fno-builtin'),
    addon: await compile(
      'addon.cc',
      'addon.node',
      '-std=c++17',
      '-fPIC',
      '-shared',
      `-I${headers}`,
    ),
  };
}

/** What a command cost, all times in nanoseconds. */
export interface Cost {
  wallNs: number;
  /** Of all processes. */
  cpuAllNs: number;
  /** Of the measured program alone; null where it did not end by itself. */
  cpuProgramNs: number | null;
  peakProgramBytes: number | null;
  /** The largest of the other processes: what records, and what reports. */
  peakOtherBytes: number;
  /** From the program's end to the end of the last process. */
  tailNs: number | null;
  code: number;
  signal: number;
  isOverdue: boolean;
}

export interface RunOptions {
  /** Standard output and error, in one file. */
  outputPath: string;
  timeoutSeconds?: number;
  /** Address space of each process. */
  memoryBytes?: number;
}

/** `program` is the part of `command` whose own cost is wanted: its exact arguments. */
export async function measure(
  bench: Bench,
  program: readonly string[],
  command: readonly string[],
  { outputPath, timeoutSeconds = 120, memoryBytes = 0 }: RunOptions,
): Promise<Cost> {
  const usageFolder = join(bench.folder, 'usage');
  await rm(usageFolder, { recursive: true, force: true });
  await mkdir(usageFolder);
  const resultPath = join(bench.folder, 'launched.json');
  await rm(resultPath, { force: true });
  const output = await open(outputPath, 'w');
  try {
    await new Promise<void>((resolve, reject) => {
      const argv = [resultPath, String(timeoutSeconds), String(memoryBytes), bench.probe];
      const child = spawn(
        bench.launcher,
        [...argv, program.join('\x1f'), usageFolder, '--', ...command],
        { cwd: bench.folder, env: plainEnvironment(), stdio: ['ignore', output.fd, output.fd] },
      );
      child.on('error', reject);
      child.on('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`the launcher ended with status ${code}`)),
      );
    });
  } finally {
    await output.close();
  }
  const launched = parseLaunched(await readFile(resultPath, 'utf8'));
  const used = await Promise.all(
    (await readdir(usageFolder)).map(async (name) =>
      parseUsed(await readFile(join(usageFolder, name), 'utf8')),
    ),
  );
  const measured = used.find((process) => process.isMeasured);
  const others = used.filter((process) => !process.isMeasured);
  return {
    wallNs: launched.endNs - launched.beginNs,
    cpuAllNs: launched.userNs + launched.systemNs,
    cpuProgramNs: measured === undefined ? null : measured.userNs + measured.systemNs,
    peakProgramBytes: measured?.peakBytes ?? null,
    peakOtherBytes: Math.max(0, ...others.map((process) => process.peakBytes)),
    tailNs: measured === undefined ? null : launched.endNs - measured.endNs,
    code: launched.code,
    signal: launched.signal,
    isOverdue: launched.isOverdue,
  };
}

const notPlain = [
  'NODE_OPTIONS',
  'LD_PRELOAD',
  // Symbols from a server would be a benchmark of the network.
  'DEBUGINFOD_URLS',
  // With it every Node 20 parses some 150 certificates before its first line: 400,000 allocations, 40 ms.
  'NODE_EXTRA_CA_CERTS',
];

/** The same on every machine, as far as it changes what a Node program does. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of notPlain) delete env[name];
  return env;
}

/** How a run ended, where it was not well; null where it was. */
export function failureOf(cost: Cost): string | null {
  if (cost.isOverdue) return 'it was stopped: it took too long';
  if (cost.signal !== 0) return `ended by signal ${cost.signal}`;
  return cost.code === 0 ? null : `ended with status ${cost.code}`;
}
