// How many allocations carry a stack that reaches its root, on real programs; and where the others end.
// Prints JSON: exact counts over every allocation event of the traced processes, no sample.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { FrameKind, Marker, type TraceModel } from '../src/model/index.js';
import { memprofRunBinPath } from '../src/paths.js';
import { readTraceFile } from '../src/record/index.js';
import { buildWithNodeGyp, installed } from '../test/e2e/support/npm.js';

/** A program to count, and the least share of its allocations whose stack must reach the root. */
interface Workload {
  name: string;
  goal: number;
  argv: readonly string[];
}

const sharpSource = (folder: string): string => `
const sharp = require(${JSON.stringify(join(folder, 'node_modules', 'sharp'))});
(async () => {
  const noise = { type: 'gaussian', mean: 128, sigma: 30 };
  const create = { width: 1200, height: 800, channels: 3, background: '#c86432', noise };
  const photo = await sharp({ create }).jpeg().toBuffer();
  for (let i = 0; i < 10; i++) {
    await sharp(photo).resize(300 + i, 200).jpeg().toBuffer();
    await sharp(photo).resize(200, 100 + i).png().toBuffer();
    await sharp(photo).rotate(90).resize(100).webp().toBuffer();
    await sharp(photo).blur(2).resize(160 + i).avif({ effort: 0 }).toBuffer();
  }
})();`;

const sqliteSource = (folder: string): string => `
const Database = require(${JSON.stringify(join(folder, 'node_modules', 'better-sqlite3'))});
const db = new Database(':memory:');
db.exec('create table notes (id integer primary key, text text)');
const insert = db.prepare('insert into notes (text) values (?)');
db.transaction(() => { for (let i = 0; i < 20000; i++) insert.run('note '.repeat(i % 40)); })();
const select = db.prepare('select id, text from notes where id % 7 = ?');
for (let i = 0; i < 20; i++) select.all(i % 7);
db.close();`;

const coreSource = `
const zlib = require('zlib');
const crypto = require('crypto');
const text = JSON.stringify(Array.from({ length: 5000 }, (_, id) => ({ id, name: 'name ' + id })));
(async () => {
  for (let i = 0; i < 20; i++) {
    JSON.parse(text);
    zlib.inflateSync(zlib.deflateSync(text));
    await new Promise((done) => zlib.gzip(text, done));
    crypto.createHash('sha256').update(text).digest('hex');
    crypto.pbkdf2Sync('secret', 'salt', 100, 32, 'sha512');
    await new Promise((done) => crypto.scrypt('secret', 'salt', 32, { N: 1024 }, done));
  }
})();`;

async function workloads(folder: string): Promise<Workload[]> {
  const script = async (name: string, goal: number, source: string): Promise<Workload> => {
    const path = join(folder, `${name}.cjs`);
    await writeFile(path, source);
    return { name, goal, argv: [process.execPath, path] };
  };
  const all: Workload[] = [];
  const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
    prepare: (at) => buildWithNodeGyp(join(at, 'node_modules', 'better-sqlite3')),
  });
  const addons = await installed('addons', [
    'sharp@0.35.5',
    'bcrypt@6.0.0',
    '@node-rs/argon2@2.2.1',
  ]);
  if (sqlite.folder !== null)
    all.push(await script('better-sqlite3', 0.999, sqliteSource(sqlite.folder)));
  else process.stderr.write(`better-sqlite3 skipped: ${sqlite.reason}\n`);
  all.push(await script('core', 0.999, coreSource));
  all.push({ name: 'tsc', goal: 0.99, argv: await compilerCommand(folder) });
  if (addons.folder !== null) all.push(await script('sharp', 0.6, sharpSource(addons.folder)));
  else process.stderr.write(`sharp skipped: ${addons.reason}\n`);
  return all;
}

async function compilerCommand(folder: string): Promise<string[]> {
  const source = join(folder, 'many.ts');
  const part = (i: number): string =>
    `export interface I${i} { a: number; b: string[] }\n` +
    `export const f${i} = <T extends I${i}>(x: T, y: keyof T) => [x[y], x.a.toFixed(${i % 9})] as const;\n`;
  await writeFile(source, Array.from({ length: 400 }, (_, i) => part(i)).join(''));
  const options = ['--noEmit', '--strict', '--target', 'es2022', source];
  const packages = await installed('typescript', ['typescript@5.9.3']);
  if (packages.folder !== null)
    return [
      process.execPath,
      join(packages.folder, 'node_modules/typescript/lib/tsc.js'),
      ...options,
    ];
  const own = createRequire(import.meta.url).resolve('typescript/package.json');
  return [process.execPath, join(own, '..', 'bin', 'tsc'), ...options];
}

interface Counted {
  /** By rows alone. */
  complete: number;
  /** To the root, some frames of it found by reading code. */
  recovered: number;
  /** To the root, with a place where frames may be missing. */
  gapped: number;
  broken: number;
  cut: number;
  /** No stack could be taken: full table, nested in the recorder. */
  none: number;
}

interface Place {
  allocationCount: number;
  module: string;
  offset: number;
  kind: number;
}

function countStacks(model: TraceModel): { counted: Counted; ends: Place[] } {
  const { parent, kind, index, offset } = model.stacks;
  const counted: Counted = { complete: 0, recovered: 0, gapped: 0, broken: 0, cut: 0, none: 0 };
  const ends = new Map<string, Place>();
  for (const [id, count] of model.stackTotals.allocationCount.entries()) {
    if (count === 0) continue;
    let outcome: keyof Counted = 'complete';
    let last = 0;
    if (id === 0) outcome = 'none';
    for (let node = id; node !== 0; node = parent[node]) {
      if (kind[node] === FrameKind.nativeRecovered && outcome === 'complete') outcome = 'recovered';
      if (kind[node] === FrameKind.marker) {
        if (index[node] === Marker.cut) outcome = 'cut';
        else if (index[node] === Marker.gap) outcome = 'gapped';
        else if (index[node] === Marker.broken) outcome = 'broken';
        else if (index[node] !== Marker.queued) outcome = 'none';
        if (outcome === 'broken' || outcome === 'gapped') {
          const key = `${kind[last]} ${index[last]} ${offset[last]}`;
          const known = ends.get(key);
          const path = model.modules.find((module) => module.id === index[last])?.path ?? '';
          if (known !== undefined) known.allocationCount += count;
          else
            ends.set(key, {
              allocationCount: count,
              module: basename(path),
              offset: offset[last],
              kind: kind[last],
            });
        }
      }
      last = node;
    }
    counted[outcome] += count;
  }
  const places = [...ends.values()].sort((a, b) => b.allocationCount - a.allocationCount);
  return { counted, ends: places.slice(0, 10) };
}

async function runTraced(argv: readonly string[], folder: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(process.execPath, [memprofRunBinPath, ...argv], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${argv.join(' ')}: exit code ${code}\n${said}`)),
    );
  });
}

async function measure(workload: Workload, folder: string) {
  await runTraced(workload.argv, folder);
  const traces = (await readdir(folder)).filter((name) => name.endsWith('.mprof'));
  const sum: Counted = { complete: 0, recovered: 0, gapped: 0, broken: 0, cut: 0, none: 0 };
  let ends: Place[] = [];
  for (const name of traces) {
    const found = countStacks(await readTraceFile(join(folder, name)));
    for (const key of Object.keys(sum) as (keyof Counted)[]) sum[key] += found.counted[key];
    ends = ends.concat(found.ends);
    await rm(join(folder, name));
  }
  const allocationCount = Object.values(sum).reduce((total, count) => total + count, 0);
  const share = (sum.complete + sum.recovered) / allocationCount;
  return {
    workload: workload.name,
    allocationCount,
    toRootShare: Math.round(share * 1e5) / 1e5,
    goal: workload.goal,
    isReached: share >= workload.goal,
    ...sum,
    ends,
  };
}

const folder = await mkdtemp(join(tmpdir(), 'memprof-stacks-'));
try {
  const wanted = process.argv.slice(2);
  const results = [];
  for (const workload of await workloads(folder)) {
    if (wanted.length === 0 || wanted.includes(workload.name))
      results.push(await measure(workload, folder));
  }
  process.stdout.write(`${JSON.stringify(results, null, 1)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
