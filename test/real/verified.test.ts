// Real programs with every stack taken twice, once quickly and once from scratch: the process aborts at
// the first difference. And libvips, which has no unwind rows for most of its code: the frames found by
// reading it say so, and reach JavaScript.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { FrameKind, Marker } from '../../src/model/index.js';
import { buildWithNodeGyp, installed } from '../e2e/support/npm.js';
import { onlyTrace, runTraced, scratchFolder } from '../e2e/support/run.js';
import { readTrace } from '../e2e/support/trace.js';

const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
  prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
});
const others = await installed('addons', ['sharp@0.35.5', 'bcrypt@6.0.0', '@node-rs/argon2@2.2.1']);

const withSqlite = sqlite.folder === null ? test.skip : test;
const withOthers = others.folder === null ? test.skip : test;
const because = (reason: string | null) => (reason === null ? '' : ` (skipped: ${reason})`);

async function runVerified(
  t: ExecutionContext,
  packagesFolder: string,
  name: string,
  source: string,
): Promise<string> {
  const script = join(packagesFolder, `verified-${name}.cjs`);
  await writeFile(script, source);
  const folder = await scratchFolder(t);
  const outcome = await runTraced([process.execPath, script], {
    cwd: folder,
    env: { MEMPROF_VERIFY_STACKS: '1' },
  });
  t.is(outcome.signal, null, outcome.stderr);
  t.is(outcome.code, 0, outcome.stderr);
  return onlyTrace(t, folder);
}

const sharpSource = `
const sharp = require('sharp');
(async () => {
  const create = { width: 600, height: 400, channels: 3, background: '#c86432' };
  const photo = await sharp({ create }).jpeg().toBuffer();
  for (let i = 0; i < 3; i++) {
    await sharp(photo).resize(100 + i, 90).png().toBuffer();
    await sharp(photo).rotate(90).resize(80).webp().toBuffer();
    await sharp(Buffer.from('no picture')).toBuffer().catch(() => {});
  }
})();`;

withOthers(
  `sharp: reused stacks are those of a fresh walk, and reach their roots${because(others.reason)}`,
  async (t) => {
    const model = await readTrace(
      await runVerified(t, others.folder as string, 'sharp', sharpSource),
    );
    const { parent, kind, index } = model.stacks;
    const vips = new Set(
      model.modules.filter((module) => module.path.includes('libvips')).map((module) => module.id),
    );
    let throughVips = 0;
    let toRoot = 0;
    let toScript = 0;
    for (const [id, count] of model.stackTotals.allocationCount.entries()) {
      let isVips = false;
      let isWhole = true;
      let isScript = false;
      for (let node = id; count > 0 && node !== 0; node = parent[node]) {
        isVips ||= kind[node] === FrameKind.nativeRecovered && vips.has(index[node]);
        isScript ||= kind[node] === FrameKind.jsBytecode || kind[node] === FrameKind.jsCode;
        isWhole &&= kind[node] !== FrameKind.marker || index[node] === Marker.queued;
      }
      if (!isVips) continue;
      throughVips += count;
      if (isWhole) toRoot += count;
      if (isWhole && isScript) toScript += count;
    }
    t.true(throughVips > 10_000, `${throughVips} allocations`);
    t.true(toRoot >= 0.99 * throughVips, `${toRoot} of ${throughVips} reach a root`);
    t.true(toScript > 0, 'some work of libvips is queued or done by JavaScript');
  },
);

withOthers(
  `bcrypt and argon2: reused stacks are those of a fresh walk${because(others.reason)}`,
  async (t) => {
    await runVerified(
      t,
      others.folder as string,
      'hashes',
      `const bcrypt = require('bcrypt');
       const argon2 = require('@node-rs/argon2');
       (async () => {
         for (let i = 0; i < 5; i++) { await bcrypt.hash('x' + i, 4); bcrypt.hashSync('y', 4); }
         try { bcrypt.hashSync('x', 'no salt'); } catch {}
         await argon2.verify(await argon2.hash('p'), 'p');
       })();`,
    );
    t.pass();
  },
);

withSqlite(
  `better-sqlite3: reused stacks are those of a fresh walk${because(sqlite.reason)}`,
  async (t) => {
    await runVerified(
      t,
      sqlite.folder as string,
      'sqlite',
      `const Database = require('better-sqlite3');
       const db = new Database(':memory:');
       db.exec('create table notes (id integer primary key, text text)');
       db.function('twice', (x) => x + x);
       const insert = db.prepare('insert into notes (text) values (twice(?))');
       db.transaction(() => { for (let i = 0; i < 3000; i++) insert.run('note '.repeat(i % 20)); })();
       for (let i = 0; i < 50; i++) try { db.prepare('no sql'); } catch {}
       db.close();`,
    );
    t.pass();
  },
);

test('workers, deoptimized code and compiled code: reused stacks are those of a fresh walk', async (t) => {
  await runVerified(
    t,
    await scratchFolder(t),
    'tiers',
    `const { Worker, isMainThread } = require('worker_threads');
     const zlib = require('zlib');
     function add(a, b) { return a + b; }
     function down(depth) { return depth === 0 ? zlib.deflateSync('x'.repeat(2000)).length : down(depth - 1) + 1; }
     function work() {
       for (let round = 0; round < 5; round++) {
         for (let i = 0; i < 20000; i++) add(i, i);
         add('a', {}); // what was compiled for numbers is thrown away
         for (let i = 0; i < 60; i++) down(i);
         JSON.parse(JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id }))));
       }
     }
     work();
     if (isMainThread) for (let i = 0; i < 2; i++) new Worker(__filename);`,
  );
  t.pass();
});
