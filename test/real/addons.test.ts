// Real addons from npm: C++ with V8's own API, libuv's pool, a big C library, and Rust.
import { join } from 'node:path';
import test from 'ava';
import { buildWithNodeGyp, installed } from '../e2e/support/npm.js';
import { bareName, drawStack } from '../e2e/support/report.js';
import { compareScript, sitesOfPackage } from './support.js';

const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
  prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
});
const others = await installed('addons', ['sharp@0.35.5', 'bcrypt@6.0.0', '@node-rs/argon2@2.2.1']);

const withSqlite = sqlite.folder === null ? test.skip : test;
const withOthers = others.folder === null ? test.skip : test;
const because = (reason: string | null) => (reason === null ? '' : ` (skipped: ${reason})`);

withSqlite(
  `better-sqlite3, built here, works and its open database is seen${because(sqlite.reason)}`,
  async (t) => {
    const { report } = await compareScript(
      t,
      sqlite.folder as string,
      'notes',
      `const Database = require('better-sqlite3');
     const db = new Database(':memory:');
     db.exec('create table notes (id integer primary key, text text)');
     const insert = db.prepare('insert into notes (text) values (?)');
     db.transaction(() => { for (let i = 0; i < 5000; i++) insert.run('note '.repeat(i % 40)); })();
     function countNotes() { return db.prepare('select count(*) n, sum(length(text)) s from notes').get(); }
     console.log(countNotes());
     globalThis.keepOpen = db;`,
    );
    const sites = sitesOfPackage(report, 'better-sqlite3');
    t.true(sites.length > 0);
    t.is(sites[0]?.package?.version, '12.9.0');
    const bytes = sites.reduce((sum, site) => sum + site.sizeBytes, 0);
    t.true(bytes > 300_000, `${bytes} bytes`);
    const pages = sites.find((site) =>
      site.frames.some((frame) => bareName(frame).startsWith('sqlite3')),
    );
    t.not(pages, undefined, 'SQLite’s own functions are named');
    t.true(
      pages?.frames.some(
        (frame) => frame.kind === 'js' && (frame.file ?? '').endsWith('notes.cjs'),
      ),
    );
  },
);

withOthers(`sharp works and its memory is its own${because(others.reason)}`, async (t) => {
  const { report } = await compareScript(
    t,
    others.folder as string,
    'picture',
    `const sharp = require('sharp');
     (async () => {
       const raw = Buffer.alloc(512 * 512 * 3, 77);
       let total = 0;
       for (let i = 0; i < 5; i++) {
         const png = await sharp(raw, { raw: { width: 512, height: 512, channels: 3 } }).resize(200 + i).png().toBuffer();
         const { width, height } = await sharp(png).metadata();
         total += width * height;
       }
       console.log(total);
     })();`,
  );
  const own = report.sites.filter((site) => /sharp/.test(site.package?.name ?? ''));
  t.true(
    own.length > 0,
    report.sites
      .slice(0, 3)
      .map((site) => drawStack(site.frames))
      .join('\n\n'),
  );
});

withOthers(
  `bcrypt works, on the main thread and in libuv’s pool${because(others.reason)}`,
  async (t) => {
    await compareScript(
      t,
      others.folder as string,
      'password',
      `const bcrypt = require('bcrypt');
     const salt = '$2b$04$abcdefghijklmnopqrstuu';
     console.log(bcrypt.hashSync('one', salt));
     Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((text) => bcrypt.hash(text, salt))).then((all) => console.log(all));`,
    );
  },
);

withOthers(
  `an addon written in Rust works and its functions are demangled${because(others.reason)}`,
  async (t) => {
    const { report } = await compareScript(
      t,
      others.folder as string,
      'argon',
      `const { hashSync, hash, verifySync } = require('@node-rs/argon2');
     const options = { salt: Buffer.alloc(16, 7), memoryCost: 4096, timeCost: 2 };
     console.log(hashSync('one', options));
     hash('two', options).then((text) => console.log(text, verifySync(text, 'two')));`,
    );
    for (const site of report.sites) {
      for (const frame of site.frames)
        t.notRegex(frame.function ?? '', /^_(R|ZN)/, drawStack(site.frames));
    }
  },
);
