// Addons that people use, used correctly: the ledger balances.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { buildWithNodeGyp, installed } from '../e2e/support/npm.js';
import { balance, ledgerOf } from './support.js';

const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
  prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
});
const addons = await installed('addons', ['sharp@0.35.5', 'bcrypt@6.0.0', '@node-rs/argon2@2.2.1']);

async function runScript(
  t: Parameters<typeof ledgerOf>[0],
  folder: string,
  name: string,
  text: string,
) {
  const script = join(folder, `${name}.cjs`);
  await writeFile(script, text);
  const { report } = await ledgerOf(t, [process.execPath, '--expose-gc', script]);
  t.deepEqual(
    report.addons.flatMap((addon) => addon.findings.map((one) => one.text)),
    [],
  );
  return Object.fromEntries(
    report.addons.map((addon) => [
      (addon.package?.name ?? 'unknown').replace(/-linux.*/, ''),
      balance(addon.resources),
    ]),
  );
}

const withSqlite = sqlite.folder === null ? test.skip : test;
withSqlite(
  'better-sqlite3 (raw V8): statements that were dropped released their handles',
  async (t) => {
    const made = await runScript(
      t,
      sqlite.folder as string,
      'napi-ledger',
      `const db = new (require('better-sqlite3'))(':memory:');
     db.exec('create table t(a)');
     (() => { for (let i = 0; i < 50; i++) db.prepare('insert into t values (?)').run(i); })();
     for (let i = 0; i < 3; i++) globalThis.gc();
     globalThis.db = db;`,
    );
    const [created, released, , outstanding] = made['better-sqlite3']?.['persistent'] ?? [];
    t.is((created as number) - (released as number), outstanding);
    t.true((released as number) >= 49, String(released));
  },
);

const withAddons = addons.folder === null ? test.skip : test;
withAddons('bcrypt (Node-API, C++): each work and its references are given back', async (t) => {
  const made = await runScript(
    t,
    addons.folder as string,
    'napi-ledger-bcrypt',
    `const bcrypt = require('bcrypt');
     (async () => { for (let i = 0; i < 5; i++) await bcrypt.compare('x', await bcrypt.hash('x', 4)); })();`,
  );
  // hash() makes its salt in a work of its own.
  t.deepEqual(made['bcrypt']?.['async-work'], [15, 15, 0, 0]);
  const [created, released] = made['bcrypt']?.['reference'] ?? [];
  t.is(created, released);
});

withAddons('sharp (Node-API, C++): a picture is one work', async (t) => {
  const made = await runScript(
    t,
    addons.folder as string,
    'napi-ledger-sharp',
    `const sharp = require('sharp');
     const create = { width: 64, height: 64, channels: 3, background: 'red' };
     (async () => { for (let i = 0; i < 4; i++) await sharp({ create }).png().toBuffer(); })();`,
  );
  t.deepEqual(made['@img/sharp']?.['async-work'], [4, 4, 0, 0]);
  t.is(made['@img/sharp']?.['external-buffer']?.[0], 4);
});

withAddons('@node-rs/argon2 (Rust): each promise is settled, each work deleted', async (t) => {
  const made = await runScript(
    t,
    addons.folder as string,
    'napi-ledger-argon2',
    `const argon2 = require('@node-rs/argon2');
     (async () => { for (let i = 0; i < 3; i++) await argon2.verify(await argon2.hash('x'), 'x'); })();`,
  );
  t.deepEqual(made['@node-rs/argon2']?.['async-work'], [6, 6, 0, 0]);
  t.deepEqual(made['@node-rs/argon2']?.['deferred'], [6, 6, 0, 0]);
});
