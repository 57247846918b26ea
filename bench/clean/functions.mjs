// Functions that leak nothing, over real addons and Node's own. Each is a line: who, what, and a factory that gets
// what its package needs and returns the function that a leak test calls again and again.
const text = 'memory '.repeat(2000);
const bytes = Buffer.from(text);

const sqlite = [
  [
    'open and close',
    ({ Database }) =>
      () =>
        new Database(':memory:').close(),
  ],
  [
    'prepare',
    ({ db }) =>
      () =>
        db.prepare('select 1'),
  ],
  [
    'get',
    ({ db }) =>
      () =>
        db.prepare('select count(*) n from notes').get(),
  ],
  [
    'all',
    ({ db }) =>
      () =>
        db.prepare('select * from notes limit 50').all(),
  ],
  [
    'iterate',
    ({ db }) =>
      () =>
        [...db.prepare('select id from notes limit 20').iterate()].length,
  ],
  [
    'leave an iterator',
    ({ db }) =>
      () =>
        firstOf(db.prepare('select id from notes').iterate()),
  ],
  [
    'insert and delete',
    ({ db }) =>
      () =>
        addAndRemove(db),
  ],
  [
    'transaction',
    ({ db }) =>
      () =>
        db.transaction(() => addAndRemove(db))(),
  ],
  [
    'syntax error',
    ({ db }) =>
      () =>
        caught(() => db.prepare('selec 1')),
  ],
  [
    'constraint error',
    ({ db }) =>
      () =>
        caught(() => db.exec('insert into notes values (1, 1)')),
  ],
  [
    'serialize',
    ({ db }) =>
      () =>
        db.serialize(),
  ],
  [
    'user function',
    ({ db }) =>
      () =>
        db.prepare('select twice(21)').pluck().get(),
  ],
];

const sharp = [
  [
    'resize',
    ({ sharp, photo }) =>
      () =>
        sharp(photo).resize(40).toBuffer(),
  ],
  [
    'metadata',
    ({ sharp, photo }) =>
      () =>
        sharp(photo).metadata(),
  ],
  [
    'png',
    ({ sharp, photo }) =>
      () =>
        sharp(photo).png().toBuffer(),
  ],
  [
    'webp',
    ({ sharp, photo }) =>
      () =>
        sharp(photo).webp({ effort: 0 }).toBuffer(),
  ],
  [
    'rotate',
    ({ sharp, photo }) =>
      () =>
        sharp(photo).rotate(90).toBuffer(),
  ],
  [
    'raw',
    ({ sharp, photo }) =>
      () =>
        sharp(photo).raw().toBuffer({ resolveWithObject: true }),
  ],
  [
    'no picture',
    ({ sharp }) =>
      () =>
        sharp(Buffer.from('no')).toBuffer().catch(String),
  ],
  [
    'never run',
    ({ sharp, photo }) =>
      () =>
        sharp(photo).resize(10),
  ],
];

const bcrypt = [
  [
    'hash',
    ({ bcrypt }) =>
      () =>
        bcrypt.hash('secret', 4),
  ],
  [
    'hashSync',
    ({ bcrypt }) =>
      () =>
        bcrypt.hashSync('secret', 4),
  ],
  [
    'compare',
    ({ bcrypt, hash }) =>
      () =>
        bcrypt.compare('secret', hash),
  ],
  [
    'compareSync',
    ({ bcrypt, hash }) =>
      () =>
        bcrypt.compareSync('other', hash),
  ],
  [
    'genSalt',
    ({ bcrypt }) =>
      () =>
        bcrypt.genSalt(4),
  ],
  [
    'wrong salt',
    ({ bcrypt }) =>
      () =>
        caught(() => bcrypt.hashSync('secret', 'salt')),
  ],
];

const zlib = [
  [
    'deflateSync',
    ({ zlib }) =>
      () =>
        zlib.deflateSync(bytes),
  ],
  ['inflateSync', ({ zlib }) => between(zlib.deflateSync(bytes), zlib.inflateSync)],
  ['gzip', ({ zlib, promisify }) => between(bytes, promisify(zlib.gzip))],
  ['gunzip', ({ zlib, promisify }) => between(zlib.gzipSync(bytes), promisify(zlib.gunzip))],
  [
    'brotli',
    ({ zlib }) =>
      () =>
        zlib.brotliCompressSync(text.slice(0, 2000)),
  ],
  [
    'no gzip',
    ({ zlib }) =>
      () =>
        caught(() => zlib.gunzipSync(bytes)),
  ],
  [
    'stream',
    ({ zlib }) =>
      () =>
        piped(zlib.createDeflate(), bytes),
  ],
  [
    'stream that is destroyed',
    ({ zlib }) =>
      () =>
        destroyed(zlib.createGzip()),
  ],
];

const crypto = [
  [
    'sha256',
    ({ crypto }) =>
      () =>
        crypto.createHash('sha256').update(bytes).digest('hex'),
  ],
  [
    'hash never digested',
    ({ crypto }) =>
      () =>
        crypto.createHash('sha512').update('a'),
  ],
  [
    'hmac',
    ({ crypto }) =>
      () =>
        crypto.createHmac('sha1', 'key').update(text).digest(),
  ],
  [
    'randomBytes',
    ({ crypto }) =>
      () =>
        crypto.randomBytes(256),
  ],
  ['randomBytes async', ({ crypto, promisify }) => between(64, promisify(crypto.randomBytes))],
  [
    'aes',
    ({ crypto }) =>
      () =>
        encrypted(crypto),
  ],
  [
    'pbkdf2',
    ({ crypto }) =>
      () =>
        crypto.pbkdf2Sync('secret', 'salt', 10, 32, 'sha256'),
  ],
  [
    'scrypt',
    ({ crypto, promisify }) =>
      () =>
        promisify(crypto.scrypt)('a', 'b', 32, { N: 16 }),
  ],
  [
    'sign and verify',
    ({ crypto, keys }) =>
      () =>
        signed(crypto, keys),
  ],
  [
    'key object',
    ({ crypto }) =>
      () =>
        crypto.createSecretKey(bytes.subarray(0, 32)),
  ],
];

const buffer = [
  ['alloc', () => () => Buffer.alloc(10_000)],
  ['allocUnsafeSlow', () => () => Buffer.allocUnsafeSlow(5000)],
  ['from text', () => () => Buffer.from(text).length],
  ['concat', () => () => Buffer.concat([bytes, bytes])],
  ['base64', () => () => Buffer.from(bytes.toString('base64'), 'base64')],
  ['structuredClone', () => () => structuredClone(bytes.subarray(0, 9000))],
];

export const functions = { 'better-sqlite3': sqlite, sharp, bcrypt, zlib, crypto, buffer };

function firstOf(rows) {
  for (const row of rows) return row;
}

function addAndRemove(db) {
  const { lastInsertRowid } = db.prepare('insert into notes (text) values (?)').run('new');
  db.prepare('delete from notes where id = ?').run(lastInsertRowid);
}

function caught(work) {
  try {
    return work();
  } catch (error) {
    return error.message;
  }
}

function between(input, work) {
  return () => work(input);
}

async function piped(stream, input) {
  stream.end(input);
  let length = 0;
  for await (const piece of stream) length += piece.length;
  return length;
}

function destroyed(stream) {
  stream.on('error', () => {});
  stream.write('some');
  return new Promise((resolve) => stream.destroy().once('close', resolve));
}

function encrypted(crypto) {
  const cipher = crypto.createCipheriv('aes-256-gcm', bytes.subarray(0, 32), bytes.subarray(0, 12));
  return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

function signed(crypto, { publicKey, privateKey }) {
  const signature = crypto.sign(null, bytes, privateKey);
  return crypto.verify(null, bytes, publicKey, signature);
}
