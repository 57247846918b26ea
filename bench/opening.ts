// What opening a trace costs: peak memory and time of a process that opens it, names its sites, reads all of
// its events, or exports it. By default 10 million events over 100,000 live blocks:
//
//   node dist/bench/opening.js [EVENTS [LIVE]]
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memprofBinPath, memprofRunBinPath, packageRoot } from '../src/paths.js';

const [events = '10000000', live = '100000'] = process.argv.slice(2);
const library = join(packageRoot, 'dist', 'src', 'library', 'index.js');

/** Each in a process of its own; what it prints first is its answer. */
const tasks: readonly [name: string, body: string][] = [
  ['open', 'console.log(trace.totals.allocationCount + trace.totals.releaseCount)'],
  ['open, all sites', 'console.log((await trace.sites()).length)'],
  [
    'open, all blocks',
    'let count = 0; for await (const _ of trace.blocks({ names: false })) count++; console.log(count)',
  ],
  [
    'open, all events',
    'let count = 0; for (const batch of trace.events()) count += batch.count; console.log(count)',
  ],
];
const exports = [
  ['pprof'],
  ['collapsed', '--measure', 'peak'],
  ['heaptrack'],
  ['dhat'],
  ['parquet', '--rows', 'events'],
] as const;

const usage = 'console.log(JSON.stringify(process.resourceUsage()))';
const folder = mkdtempSync(join(tmpdir(), 'memprof-opening-'));
try {
  const program = join(folder, 'window');
  const source = join(packageRoot, 'bench', 'programs', 'window.c');
  execFileSync('gcc', ['-O2', '-g', '-fno-builtin', '-o', program, source]);
  const trace = join(folder, 'window.mprof');
  const record = [memprofRunBinPath, '-q', '--checkpoint', 'none', '-o', trace, program];
  execFileSync(process.execPath, [...record, live, events], { stdio: 'inherit' });
  const sizeMb = (statSync(trace).size / 2 ** 20).toFixed(1);
  console.log(`${events} events, ${live} live blocks: a trace of ${sizeMb} MiB`);
  for (const [name, body] of tasks) {
    const script = `import { openTrace } from ${JSON.stringify(library)};
      const trace = await openTrace(${JSON.stringify(trace)}); ${body}; ${usage}`;
    report(name, ['--input-type=module', '-e', script]);
  }
  for (const [format, ...words] of exports) {
    const argv = ['export', trace, '--format', format, ...words, '-f', '-o', join(folder, 'out')];
    const script = `process.argv.splice(1, 0, ${JSON.stringify(memprofBinPath)});
      process.on('exit', () => { ${usage} }); require(${JSON.stringify(memprofBinPath)});`;
    report(`export ${format} ${words.join(' ')}`.trimEnd(), ['-e', script, ...argv]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function report(name: string, argv: readonly string[]): void {
  const { stdout, stderr, status } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} failed: ${stderr}`);
  const [answer, used] = stdout.trim().split('\n').slice(-2);
  const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(used as string) as NodeJS.ResourceUsage;
  const seconds = ((userCPUTime + systemCPUTime) / 1e6).toFixed(1);
  const shown = name.startsWith('export') ? '' : `, answer ${answer}`;
  console.log(
    `${name.padEnd(32)} ${(maxRSS / 1024).toFixed(0).padStart(6)} MiB peak, ${seconds} s CPU${shown}`,
  );
}
