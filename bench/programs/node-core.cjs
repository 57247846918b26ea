// node-core ROUNDS: what Node brings: JSON, zlib, crypto, in the main thread and in the pool.
const zlib = require('node:zlib');
const crypto = require('node:crypto');
const { promisify } = require('node:util');
const rounds = Number(process.argv[2]);
const people = Array.from({ length: 400 }, (_, i) => ({
  id: i,
  name: `person ${i}`,
  tags: ['a', 'b', `c${i % 7}`],
  at: { lat: i / 7, lon: -i / 3 },
}));
const gzip = promisify(zlib.gzip);
const key = crypto.createHash('sha256').update('key').digest();

(async () => {
  for (let round = 0; round < rounds; round++) {
    const text = JSON.stringify(people);
    if (JSON.parse(text).length !== people.length) throw new Error('JSON');
    const packed = zlib.deflateSync(text);
    if (zlib.inflateSync(packed).length !== text.length) throw new Error('zlib');
    await Promise.all([gzip(text), gzip(text.slice(1))]);
    for (let i = 0; i < 40; i++) {
      crypto.createHash('sha256').update(text.slice(i, i + 500)).digest('hex');
      crypto.createHmac('sha1', key).update(text.slice(i, i + 500)).digest('base64');
    }
    const cipher = crypto.createCipheriv('aes-256-gcm', key, key.subarray(0, 12));
    cipher.update(text, 'utf8', 'base64');
    cipher.final();
    await promisify(crypto.randomBytes)(1024);
  }
})();
