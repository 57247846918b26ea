// Programs that use real addons as they are meant to be used, and release what they took.
import { buildWithNodeGyp, type Installed, installed } from '../../e2e/support/npm.js';

export interface RealProgram {
  name: string;
  /** Built here with V8's own API: runs on the Node that built it. */
  isForThisNodeOnly: boolean;
  packages: Installed;
  /** CommonJS; may call `await`. */
  source: string;
}

const sqlite = `
  const Database = require('better-sqlite3');
  const db = new Database(':memory:');
  db.function('half', (value) => value / 2);
  db.exec('create table notes (id integer primary key, text text, size real)');
  const insert = db.prepare('insert into notes (text, size) values (?, half(?))');
  db.transaction(() => { for (let i = 0; i < 3000; i++) insert.run('note '.repeat(i % 40), i); })();
  let sum = 0;
  for (const row of db.prepare('select * from notes where id % 3 = 0').iterate()) sum += row.size;
  console.log(sum, db.prepare('select count(*) n from notes').get());
  try { db.prepare('select nothing'); } catch (error) { console.log(error.message); }
  const copy = new Database(db.serialize());
  console.log(copy.prepare('select sum(size) s from notes').pluck().get());
  copy.close();
  db.close();`;

const sharp = `
  const sharp = require('sharp');
  const raw = Buffer.alloc(256 * 256 * 3, 77);
  const size = { raw: { width: 256, height: 256, channels: 3 } };
  for (let i = 0; i < 4; i++) {
    const png = await sharp(raw, size).resize(100 + i).blur(1.5).png().toBuffer();
    const { width, height } = await sharp(png).metadata();
    const jpeg = await sharp(png).rotate(90).jpeg({ quality: 70 }).toBuffer();
    console.log(width, height, (await sharp(jpeg).stats()).channels.length);
  }
  await sharp(Buffer.from('no image')).png().toBuffer().catch((error) => console.log(error.message));`;

const bcrypt = `
  const bcrypt = require('bcrypt');
  const salt = '$2b$04$abcdefghijklmnopqrstuu';
  console.log(bcrypt.hashSync('one', salt), bcrypt.compareSync('one', bcrypt.hashSync('one', salt)));
  const hashes = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((text) => bcrypt.hash(text, salt)));
  console.log(await Promise.all(hashes.map((hash, i) => bcrypt.compare('abcdef'[i], hash))));
  console.log(bcrypt.getRounds(await bcrypt.genSalt(4).then((fresh) => bcrypt.hash('x', fresh))));`;

const canvas = `
  const { createCanvas, loadImage, Path2D } = require('@napi-rs/canvas');
  for (let i = 0; i < 4; i++) {
    const canvas = createCanvas(120 + i, 80);
    const context = canvas.getContext('2d');
    const gradient = context.createLinearGradient(0, 0, 120, 80);
    gradient.addColorStop(0, 'red');
    gradient.addColorStop(1, 'blue');
    context.fillStyle = gradient;
    context.fillRect(0, 0, 120, 80);
    context.stroke(new Path2D('M 10 10 L 100 60'));
    const png = canvas.toBuffer('image/png');
    const image = await loadImage(png);
    context.drawImage(image, 0, 0, 60, 40);
    const webp = await canvas.encode('webp');
    console.log(image.width, image.height, webp.length > 0, context.getImageData(0, 0, 4, 4).data.length);
  }`;

export async function realPrograms(): Promise<RealProgram[]> {
  const others = await installed('addons', [
    'sharp@0.35.5',
    'bcrypt@6.0.0',
    '@node-rs/argon2@2.2.1',
  ]);
  const databases = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
    prepare: (folder) => buildWithNodeGyp(`${folder}/node_modules/better-sqlite3`),
  });
  const canvases = await installed('canvas', ['@napi-rs/canvas@1.1.1']);
  return [
    { name: 'better-sqlite3', isForThisNodeOnly: true, packages: databases, source: sqlite },
    { name: 'sharp', isForThisNodeOnly: false, packages: others, source: sharp },
    { name: 'bcrypt', isForThisNodeOnly: false, packages: others, source: bcrypt },
    { name: 'canvas', isForThisNodeOnly: false, packages: canvases, source: canvas },
  ];
}
