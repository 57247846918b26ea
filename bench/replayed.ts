// memprof replay against what really happens: how near it comes to the recorded program, and to programs that really
// run with another allocator, untraced. Writes bench/REPLAYED.md. A quarter of an hour:
//
//   node dist/bench/replayed.js [RUNS]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memprofBinPath, memprofRunBinPath, packageRoot } from '../src/paths.js';
import { formatBytes } from '../src/report/index.js';
import { buildAddon, buildProgram, cacheFolder } from '../test/e2e/support/build.js';

const runs = Number(process.argv[2] ?? 5);

interface Workload {
  name: string;
  command: readonly string[];
  /** It says what the kernel counts at its end: it is compared with really running it, too. */
  isMeasured: boolean;
}

interface Kernel {
  residentBytes: number;
  peakBytes: number;
}

interface Replayed {
  recorded: { checkpoint: number; residentBytes: number };
  restBytes: number;
  honestyRatio: number;
  replays: {
    name: string;
    checkpoints: { number: number; residentBytes: number }[];
  }[];
}

const allocators: readonly [name: string, environment: Record<string, string>][] = [
  ['glibc', {}],
  ['arena-max-1', { MALLOC_ARENA_MAX: '1' }],
  ['arena-max-2', { MALLOC_ARENA_MAX: '2' }],
  ['jemalloc', { LD_PRELOAD: 'libjemalloc.so.2' }],
  ['mimalloc', { LD_PRELOAD: 'libmimalloc.so.2' }],
];

const { execPath } = process;
const script = (name: string) => join(packageRoot, 'bench', 'programs', name);
const packages = (name: string) => join(cacheFolder, 'npm', name);
const whatIf = await buildProgram('what-if.c');
const addon = await buildAddon(join('..', '..', '..', 'bench', 'programs', 'addon.cc'));
const measured = (name: string, command: readonly string[]) => ({
  name,
  command,
  isMeasured: true,
});
const other = (name: string, command: readonly string[]) => ({ name, command, isMeasured: false });
const workloads: readonly Workload[] = [
  measured('sharp, 40 resizes, then idle', [
    execPath,
    '--expose-gc',
    script('sharp-idle.cjs'),
    packages('addons'),
    '40',
  ]),
  measured('C, 8 threads, 1 of 100 blocks stays', [whatIf, 'arenas']),
  measured('C, every second block released', [whatIf, 'halves']),
  measured('C, 4 threads release what others took', [whatIf, 'four']),
  other('better-sqlite3, 20,000 rows', [
    execPath,
    script('sqlite.cjs'),
    packages('better-sqlite3'),
    '20000',
  ]),
  other('addon, std::map of 100,000, 5 times', [
    execPath,
    script('addon-map.cjs'),
    addon,
    '100000',
    '5',
  ]),
  other('node -e 0', [execPath, '-e', '0']),
];

const folder = mkdtempSync(join(tmpdir(), 'memprof-replayed-'));
try {
  const honesty: string[] = [];
  const real: string[] = [];
  for (const workload of workloads) {
    const traces = Array.from({ length: runs }, () => replayed(workload));
    honesty.push(honestyRow(workload.name, traces));
    console.log(honesty.at(-1));
    if (!workload.isMeasured) continue;
    real.push(...realRows(workload, traces));
    console.log(real.slice(-allocators.length).join('\n'));
  }
  writeFileSync(join(packageRoot, 'bench', 'REPLAYED.md'), page(honesty, real));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function replayed({ command }: Workload): Replayed {
  const trace = join(folder, 'run.mprof');
  const record = [memprofRunBinPath, '--quiet', '--force', '-o', trace, ...command];
  execFileSync(execPath, record, { stdio: ['ignore', 'ignore', 'inherit'] });
  const names = allocators.map(([name]) => name).join(',');
  const argv = [memprofBinPath, 'replay', '--json', trace, '--with', names];
  return JSON.parse(execFileSync(execPath, argv, { encoding: 'utf8' })) as Replayed;
}

function honestyRow(name: string, traces: readonly Replayed[]): string {
  const ratios = spread(traces.map((one) => one.honestyRatio));
  const bytes = spread(traces.map((one) => one.recorded.residentBytes));
  const off = ratios.map((ratio) => `${ratio >= 1 ? '+' : ''}${(100 * (ratio - 1)).toFixed(1)} %`);
  return `| ${name} | ${bytes.map(formatBytes).join(', ')} | ${off.join(', ')} |`;
}

/** The whole process: what is not the allocator's, and the replayed allocator's, against the kernel's figure. */
function realRows({ name, command }: Workload, traces: readonly Replayed[]): string[] {
  let [glibcReal, glibcReplayed] = [0, 0];
  return allocators.map(([allocator, environment]) => {
    const [file, ...argv] = command;
    const really = median(
      Array.from({ length: runs }, () => {
        const env = { ...process.env, ...environment };
        const text = execFileSync(file!, argv, { encoding: 'utf8', env });
        return (JSON.parse(text) as Kernel).residentBytes;
      }),
    );
    const predicted = median(
      traces.map((trace) => {
        const one = trace.replays.find((replay) => replay.name === allocator);
        const at = one?.checkpoints.find(({ number }) => number === trace.recorded.checkpoint);
        if (at === undefined) throw new Error(`${name} was not replayed with ${allocator}`);
        return trace.restBytes + at.residentBytes;
      }),
    );
    if (allocator === 'glibc') [glibcReal, glibcReplayed] = [really, predicted];
    const off = 100 * (predicted / really - 1);
    const change = (bytes: number, from: number) =>
      bytes === from ? '' : `${bytes > from ? '+' : '-'}${formatBytes(Math.abs(bytes - from))}`;
    const changes = `${change(really, glibcReal)} | ${change(predicted, glibcReplayed)}`;
    const offText = `${off >= 0 ? '+' : ''}${off.toFixed(1)} %`;
    return `| ${name} | ${allocator} | ${formatBytes(really)} | ${formatBytes(predicted)} | ${offText} | ${changes} |`;
  });
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

function median(values: readonly number[]): number {
  return sorted(values)[Math.floor(values.length / 2)]!;
}

/** Least, median, most. */
function spread(values: readonly number[]): number[] {
  const all = sorted(values);
  return [all[0]!, median(values), all.at(-1)!];
}

function page(honesty: readonly string[], real: readonly string[]): string {
  return `# Replays against what really happened

Written by \`node dist/bench/replayed.js ${runs}\`: ${runs} runs of each, Node ${process.versions.node}.

## With the recorded settings

The allocator's resident memory at the checkpoint; replayed against recorded, each run against its own recording. Least,
median, most. Aim: within 10 %.

| program | recorded | replayed |
| --- | --- | --- |
${honesty.join('\n')}

## With other allocators

Resident memory of the whole process at its end, as the kernel says (VmRSS), of programs that really run so, without
memprof; and what \`memprof replay\` calls "process": the replayed allocator's memory and the recorded process's rest.
Medians. Aim: within 20 %. The last two columns are the differences to glibc as it is.

| program | with | really | replayed | | change, really | change, replayed |
| --- | --- | --- | --- | --- | --- | --- |
${real.join('\n')}
`;
}
