// The fifty clean functions, twenty times each on a loaded machine: how often does expectNoLeaks fail although nothing
// leaks? Each run of a package's functions is a process of its own under memprof-run. Results are kept as they come, so
// that a run that was stopped goes on where it was: of the same build only. Writes bench/CLEAN-RUNS.md.
//
//   scripts/clean-runs [--runs 20] [--minutes N] [--idle]
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWithNodeGyp, installed } from '../../dist/test/e2e/support/npm.js';
import { functions } from './functions.mjs';
import { writeReport } from './report.mjs';

const root = join(import.meta.dirname, '..', '..');
const runner = join(import.meta.dirname, 'run.mjs');
const memprofRun = join(root, 'dist', 'bin', 'memprof-run.cjs');
const processTimeoutMs = 10 * 60_000;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    minutes: { type: 'string', default: '600' },
    idle: { type: 'boolean', default: false },
  },
});
const runCount = Number(values.runs);
const deadline = Date.now() + Number(values.minutes) * 60_000;

const build = buildName();
const stateFolder = join(root, '.cache', 'clean-runs');
const stateFile = join(stateFolder, `${build}.jsonl`);
mkdirSync(stateFolder, { recursive: true });
const results = existsSync(stateFile)
  ? readFileSync(stateFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  : [];
const done = new Set(results.map(({ packageName, name, run }) => `${packageName}: ${name} ${run}`));

const folders = await packageFolders();
const load = values.idle ? [] : startLoad();
try {
  await runAll();
} finally {
  for (const child of load) child.kill('SIGKILL');
}
writeReport(join(root, 'bench', 'CLEAN-RUNS.md'), {
  results,
  runCount,
  build,
  hasLoad: !values.idle,
});

async function runAll() {
  for (let run = 1; run <= runCount; run++) {
    for (const packageName of Object.keys(functions)) {
      const names = functions[packageName]
        .map(([name]) => name)
        .filter((name) => !done.has(`${packageName}: ${name} ${run}`));
      if (names.length === 0) continue;
      if (Date.now() > deadline) return;
      for (const result of await runPackage(packageName, names)) {
        const row = { packageName, run, load: loadavg()[0], ...result };
        results.push(row);
        appendFileSync(stateFile, `${JSON.stringify(row)}\n`);
      }
    }
    const failed = results.filter(({ isClean }) => !isClean).length;
    console.log(`run ${run} of ${runCount}: ${results.length} verdicts, ${failed} failed`);
  }
}

/** A row for each name, whatever becomes of the process. */
async function runPackage(packageName, names) {
  const command = [memprofRun, '--quiet', '-o', '/dev/null', process.execPath, runner];
  const child = spawn(process.execPath, [...command, packageName, folders[packageName], ...names], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: processTimeoutMs,
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'])
    child[stream].on('data', (piece) => (output[stream] += piece));
  const how = await new Promise((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? `status ${code}`));
  });
  const rows = new Map();
  for (const line of output.stdout.split('\n')) {
    if (!line.startsWith('{')) continue;
    const row = JSON.parse(line);
    rows.set(row.name, row);
  }
  return names.map(
    (name) =>
      rows.get(name) ?? {
        name,
        isClean: false,
        message: `no verdict: the process ended with ${how}\n${output.stderr.slice(-2000)}`,
        seconds: 0,
      },
  );
}

/** As many processes as there are cores: each allocates and computes without end. */
function startLoad() {
  const code = `const { deflateSync } = require('node:zlib');
    for (const bytes = Buffer.alloc(200_000, 'memory'); ; ) deflateSync(bytes);`;
  return Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', code], { stdio: 'ignore' }),
  );
}

async function packageFolders() {
  const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
    prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
  });
  const others = await installed('addons', [
    'sharp@0.35.5',
    'bcrypt@6.0.0',
    '@node-rs/argon2@2.2.1',
  ]);
  for (const { reason } of [sqlite, others]) if (reason !== null) throw new Error(reason);
  const { folder: own } = others;
  return {
    'better-sqlite3': sqlite.folder,
    sharp: own,
    bcrypt: own,
    zlib: own,
    crypto: own,
    buffer: own,
  };
}

/** Verdicts of different builds do not add up. */
function buildName() {
  const hash = createHash('sha256');
  const bundle = join(root, 'dist', 'bin');
  for (const name of readdirSync(bundle).sort())
    if (name.endsWith('.cjs')) hash.update(readFileSync(join(bundle, name)));
  for (const name of ['libmemprof.so', 'memprof_agent.node'])
    hash.update(readFileSync(join(root, 'build', 'Release', name)));
  return hash.digest('hex').slice(0, 12);
}
