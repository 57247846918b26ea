// node run.mjs PACKAGE FOLDER NAMES...: calls expectNoLeaks on functions of functions.mjs and prints how each ended, a line
// of JSON for each. FOLDER is where the package is installed.
import * as crypto from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { expectNoLeaks } from '../../dist/src/testing/index.js';
import { functions } from './functions.mjs';

const [packageName, folder, ...names] = process.argv.slice(2);
const require = createRequire(join(folder, 'index.js'));

const needs = {
  'better-sqlite3': () => {
    const Database = require('better-sqlite3');
    const db = new Database(':memory:');
    db.exec('create table notes (id integer primary key, text text)');
    for (let i = 0; i < 200; i++)
      db.prepare('insert into notes (text) values (?)').run(`note ${i}`);
    db.function('twice', (value) => 2 * value);
    return { Database, db };
  },
  sharp: async () => {
    const sharp = require('sharp');
    const create = { width: 80, height: 60, channels: 3, background: '#c86432' };
    return { sharp, photo: await sharp({ create }).jpeg().toBuffer() };
  },
  bcrypt: () => {
    const bcrypt = require('bcrypt');
    return { bcrypt, hash: bcrypt.hashSync('secret', 4) };
  },
  zlib: () => ({ zlib, promisify }),
  crypto: () => ({ crypto, promisify, keys: crypto.generateKeyPairSync('ed25519') }),
  buffer: () => ({}),
};

const needed = await needs[packageName]();
for (const [name, make] of functions[packageName]) {
  if (!names.includes(name)) continue;
  const begun = performance.now();
  const outcome = await expectNoLeaks(make(needed), { name }).then(
    (verdict) => ({ isClean: true, verdict }),
    (error) => ({ isClean: false, message: error.message, code: error.code }),
  );
  console.log(JSON.stringify({ name, ...outcome, seconds: (performance.now() - begun) / 1000 }));
}
