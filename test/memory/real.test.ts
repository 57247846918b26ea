// What memory of real programs is called, and how much of it is left unexplained.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildWithNodeGyp, installed } from '../e2e/support/npm.js';
import { memprofJson, onlyTrace, runTraced, scratchFolder } from '../e2e/support/run.js';

interface Rss {
  residentBytes: number;
  parts: { kind: string; residentBytes: number }[];
}
interface Fragmentation {
  findings: { verdict: string; bytes: number; ofBytes: number; remedies: string[] }[];
}

const addons = await installed('addons', ['sharp@0.35.5', 'bcrypt@6.0.0', '@node-rs/argon2@2.2.1']);
const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
  prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
});

async function traced(t: ExecutionContext, packages: string, name: string, source: string) {
  const script = join(packages, `${name}.cjs`);
  await writeFile(script, source);
  const folder = await scratchFolder(t);
  const outcome = await runTraced([process.execPath, script], { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  return onlyTrace(t, folder);
}

/** Adds up exactly, and at most 3 % of it is not known, in either direction. */
async function assertExplained(t: ExecutionContext, trace: string): Promise<void> {
  const { residentBytes, parts } = await memprofJson<Rss>(t, 'rss', trace);
  t.is(
    parts.reduce((sum, part) => sum + part.residentBytes, 0),
    residentBytes,
  );
  const unexplained = parts.find(({ kind }) => kind === 'unexplained')?.residentBytes ?? 0;
  t.true(Math.abs(unexplained) <= 0.03 * residentBytes, `${unexplained} of ${residentBytes}`);
}

const title = (text: string, reason: string | null): string =>
  reason === null ? text : `${text} (skipped: ${reason})`;

(addons.folder === null ? test.skip : test)(
  title(
    'sharp that resized and idles: its allocator keeps memory, and nothing leaks',
    addons.reason,
  ),
  async (t) => {
    const trace = await traced(
      t,
      addons.folder as string,
      'memory-idle',
      `const sharp = require('sharp');
const create = { width: 1600, height: 1200, channels: 3, background: '#345' };
(async () => {
  const photo = await sharp({ create }).jpeg().toBuffer();
  for (let i = 0; i < 20; i++)
    await Promise.all([1, 2, 3, 4].map((k) => sharp(photo).resize(300 + 10 * i + k).jpeg().toBuffer()));
  await new Promise((resolve) => setTimeout(resolve, 500));
})();
`,
    );
    await assertExplained(t, trace);
    const { findings } = await memprofJson<Fragmentation>(t, 'fragmentation', trace);
    const verdicts = findings.map(({ verdict }) => verdict);
    t.true(verdicts.includes('retention'), verdicts.join());
    t.false(verdicts.includes('leak'), verdicts.join());
    const kept = findings.find(({ verdict }) => verdict === 'retention');
    t.true((kept?.bytes ?? 0) >= 0.5 * (kept?.ofBytes ?? 0));
    t.true(kept?.remedies.includes('trim'));
  },
);

(sqlite.folder === null ? test.skip : test)(
  title("better-sqlite3's memory is explained", sqlite.reason),
  async (t) => {
    const trace = await traced(
      t,
      sqlite.folder as string,
      'memory-rows',
      `const db = new (require('better-sqlite3'))(':memory:');
db.exec('create table rows (id integer primary key, text)');
const add = db.prepare('insert into rows (text) values (?)');
for (let i = 0; i < 20000; i++) add.run('x'.repeat(i % 300));
globalThis.rows = db.prepare('select * from rows').all().length;
globalThis.db = db;
`,
    );
    await assertExplained(t, trace);
  },
);
