// npm run bench [-- --quick --only NAME --pairs N --json FILE --render FILE]
//
// Runs every workload natively, under memprof-run and under heaptrack, in turns; measures the unwinder,
// the reader, symbols and stacks alone; prints what it found and writes bench/RESULTS.md.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Command, InvalidArgumentError, Option } from 'commander';
import { MemprofError } from '../src/errors.js';
import { packageRoot, shimPath } from '../src/paths.js';
import { programAlone, unwinderAlone } from './alone.js';
import { renderResults } from './markdown.js';
import {
  type Machine,
  type Measured,
  parseResults,
  type Results,
  resultsVersion,
} from './results.js';
import { type Bench, compileInto, failureOf, measure } from './support/run.js';
import { heaptrackVersion, runVariant, traceFigures, type Variant } from './variants.js';
import { distinctCommand, type Workload, workloads } from './workloads.js';

const benchFolder = join(packageRoot, 'bench');
const resultsPath = join(benchFolder, 'RESULTS.md');
const parts = ['unwinder', 'reader', 'symbols', 'stacks', 'checkpoint'] as const;
const usualRounds = 5;
const leastRounds = 3;
/** All workloads together stay below ten minutes, also where a machine is slow. */
const workloadBudgetMs = 42_000;
const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface Options {
  quick?: boolean;
  only?: string[];
  /** Absent: as many of `usualRounds` as fit into `workloadBudgetMs`. */
  pairs?: number;
  json?: string;
  render?: string;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1000) {
    throw new InvalidArgumentError('a whole number from 1 to 1000.');
  }
  return value;
}

function readOptions(): Options {
  const names = [...workloads.map(({ name }) => name), ...parts];
  return new Command('npm run bench --')
    .addOption(
      new Option('--only <names...>', 'only these, printed and not written').choices(names),
    )
    .option('--quick', 'one round of little work, to see that it runs; not written')
    .option('--pairs <n>', 'rounds of each workload (default: 5, or 3 of what takes long)', count)
    .option('--json <file>', 'write everything that was measured to this file')
    .option('--render <file>', 'measure nothing: RESULTS.md again from a file of --json')
    .parse()
    .opts<Options>();
}

function commit(): string {
  const git = (...argv: string[]): string =>
    execFileSync('git', argv, {
      cwd: packageRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'interpose');
    return git('rev-parse', '--short', 'HEAD') + (changed === '' ? '' : ' with changes');
  } catch {
    return ''; // not a checkout, or no git: RESULTS.md says "unknown"
  }
}

async function describeMachine(): Promise<Machine> {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? 'unknown CPU',
    coreCount: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    heaptrack: await heaptrackVersion(),
    commit: commit(),
    load: loadavg()[0] ?? 0,
  };
}

async function measureWorkload(
  bench: Bench,
  workload: Workload,
  hasHeaptrack: boolean,
  { quick = false, pairs }: Options,
): Promise<Measured> {
  const { name, title, aims, leftOut } = workload;
  const measured: Measured = {
    ...{ name, title, aims, skipped: null, runs: {}, failures: {}, trace: null },
    ...(leftOut === undefined ? {} : { leftOut }),
  };
  const command = await workload.prepare(bench, quick);
  if ('skipped' in command) {
    say(`${name}: skipped: ${command.skipped}`);
    return { ...measured, skipped: command.skipped };
  }
  const isThere = (variant: Variant): boolean => variant !== 'heaptrack' || hasHeaptrack;
  const variants = workload.variants.filter(isThere);
  const rounds = quick ? 1 : (pairs ?? usualRounds) * (workload.roundFactor ?? 1);
  const beginMs = performance.now();
  for (let round = 0; round < rounds; round++) {
    const isLate = pairs === undefined && performance.now() - beginMs > workloadBudgetMs;
    if (isLate && round >= leastRounds) break;
    for (const variant of variants) {
      if (measured.failures[variant] !== undefined) continue;
      try {
        const run = await runVariant(bench, variant, command);
        (measured.runs[variant] ??= []).push(run);
      } catch (error) {
        // The peer may fail where it likes; the program and memprof-run may not.
        if (variant !== 'heaptrack' || !(error instanceof MemprofError)) throw error;
        measured.failures[variant] = error.message.split('\n')[0] ?? '';
      }
    }
  }
  measured.trace = await traceFigures(bench);
  const walls = variants.map((variant) => {
    const last = measured.runs[variant]?.at(-1);
    return `${variant} ${last === undefined ? 'failed' : `${(last.wallNs / 1e9).toFixed(2)} s`}`;
  });
  say(`${name}: ${measured.runs.native?.length} x ${walls.join(', ')}`);
  return measured;
}

const distinctLimitBytes = 4 * 2 ** 30;

/** heaptrack's interpreter grows with distinct stacks until the machine ends: once, and within limits. */
async function heaptrackOnDistinct(bench: Bench): Promise<string> {
  const program = distinctCommand(bench, 4096, 200_000);
  const command = ['heaptrack', '-o', join(bench.folder, 'heaptrack-distinct'), ...program];
  const outputPath = join(bench.folder, 'distinct.txt');
  const limits = { timeoutSeconds: 60, memoryBytes: distinctLimitBytes };
  const cost = await measure(bench, program, command, { outputPath, ...limits });
  const output = await readFile(outputPath, 'utf8');
  const what = 'heaptrack, 4,096 stacks, 200,000 blocks, within 4 GiB of address space a process';
  if (output.includes('std::bad_alloc')) {
    return `${what}: its interpreter ran out of memory (std::bad_alloc), and the program was stopped by that.`;
  }
  const failure = failureOf(cost);
  if (failure !== null) return `${what}: ${failure}.`;
  return `${what}: finished in ${(cost.wallNs / 1e9).toFixed(1)} s.`;
}

async function run(options: Options): Promise<Results> {
  if (!existsSync(shimPath)) {
    throw new MemprofError('ERR_MEMPROF_NOT_BUILT', 'memprof is not built: run scripts/build');
  }
  const beginMs = performance.now();
  const machine = await describeMachine();
  const isWanted = (name: string): boolean => options.only?.includes(name) ?? true;
  const folder = await mkdtemp(join(tmpdir(), 'memprof-bench-'));
  try {
    const bench = await compileInto(folder);
    const measured: Measured[] = [];
    for (const workload of workloads) {
      if (!isWanted(workload.name)) continue;
      measured.push(await measureWorkload(bench, workload, machine.heaptrack !== null, options));
    }
    const isOnDistinct = machine.heaptrack !== null && isWanted('distinct-4096');
    const onDistinct = isOnDistinct ? await heaptrackOnDistinct(bench) : null;
    const partAlone = async <T>(name: (typeof parts)[number], work: () => Promise<T>) => {
      const isLeftOut = !isWanted(name) || (options.quick === true && options.only === undefined);
      if (isLeftOut) return { figures: null, skipped: 'left out by the options' } as const;
      say(`${name} alone`);
      return work();
    };
    const alone: Results['alone'] = {
      unwinder: await partAlone('unwinder', unwinderAlone),
      reader: await partAlone('reader', () => programAlone('reader')),
      symbols: await partAlone('symbols', () => programAlone('symbols')),
      stacks: await partAlone('stacks', () => programAlone('stacks')),
      checkpoint: await partAlone('checkpoint', () => programAlone('checkpoint')),
    };
    return {
      schema: resultsVersion,
      isQuick: options.quick === true,
      machine,
      durationNs: (performance.now() - beginMs) * 1e6,
      measured,
      heaptrackOnDistinct: onDistinct,
      alone,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  const results =
    options.render === undefined
      ? await run(options)
      : parseResults(await readFile(options.render, 'utf8'), options.render);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(results)}\n`);
  const text = renderResults(results, await readFile(join(benchFolder, 'NOTES.md'), 'utf8'));
  process.stdout.write(text);
  if (results.isQuick || options.only !== undefined) return;
  await writeFile(resultsPath, text);
  say('\nwritten: bench/RESULTS.md');
}

main().catch((error: unknown) => {
  say(error instanceof MemprofError ? `bench: ${error.message}` : String((error as Error).stack));
  process.exitCode = 1;
});
