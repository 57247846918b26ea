import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { crc32 as nodeCrc32 } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { crc32, zstdCompress, zstdCompressAsync, zstdDecompress } from '../../src/native/index.js';

const damaged = { code: 'ERR_MEMPROF_ZSTD' };

test('what was compressed comes back, on this thread and on another', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 5000 }),
      fc.integer({ min: 1, max: 9 }),
      async (data, level) => {
        const packed = zstdCompress(data, level);
        t.deepEqual(Uint8Array.from(zstdDecompress(packed, data.length)), data);
        t.deepEqual(await zstdCompressAsync(data, level), packed);
      },
    ),
    { numRuns: 50 },
  );
});

test('what zstdCompressAsync reads is kept for it, when everybody else has let go of it', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const packing = Array.from({ length: 8 }, (_, at) =>
    zstdCompressAsync(new Uint8Array(1 << 20).fill(at), 9),
  );
  collect();
  const others = packing.map(() => new Uint8Array(1 << 20).fill(99));
  for (const [at, packed] of (await Promise.all(packing)).entries())
    t.true(zstdDecompress(packed, 1 << 20).every((byte) => byte === at));
  t.is(others.length, packing.length);
});

test('a frame cut anywhere is an error', (t) => {
  const packed = zstdCompress(Buffer.from('to be or not to be '.repeat(50)), 3);
  for (let length = 0; length < packed.length; length++) {
    t.throws(
      () => zstdDecompress(packed.subarray(0, length), 1 << 20),
      damaged,
      `cut at ${length}`,
    );
  }
});

test('a damaged frame is an error or still holds the same bytes', (t) => {
  const data = Buffer.from('to be or not to be '.repeat(50));
  const packed = zstdCompress(data, 3);
  fc.assert(
    fc.property(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), (place, mask) => {
      const hurt = Buffer.from(packed);
      hurt[place] ^= mask;
      let content: Buffer;
      try {
        content = zstdDecompress(hurt, 1 << 20);
      } catch (error) {
        return (error as { code: string }).code === damaged.code;
      }
      return content.equals(data);
    }),
  );
  t.pass();
});

test('content beyond maxBytes is an error, not memory', (t) => {
  const bomb = zstdCompress(new Uint8Array(64 << 20), 19);
  t.true(bomb.length < 64 << 10);
  t.throws(() => zstdDecompress(bomb, (64 << 20) - 1), damaged);
  t.is(zstdDecompress(bomb, 64 << 20).length, 64 << 20);
});

test('bytes after a frame are an error', (t) => {
  const packed = zstdCompress(Buffer.from('x'), 3);
  t.throws(() => zstdDecompress(Buffer.concat([packed, Buffer.from('tail')]), 100), damaged);
});

test('only the levels of zstd are taken', (t) => {
  for (const level of [0, -1, 23]) {
    t.throws(() => zstdCompress(new Uint8Array(1), level), { code: 'EINVAL' });
    t.throws(() => zstdCompressAsync(new Uint8Array(1), level), { code: 'EINVAL' });
  }
});

test('the CRC is the one of zlib, whole or in parts', (t) => {
  t.is(crc32(Buffer.from('123456789')), 0xcbf43926);
  t.is(crc32(Buffer.from('56789'), crc32(Buffer.from('1234'))), 0xcbf43926);
  fc.assert(fc.property(fc.uint8Array(), (data) => nodeCrc32(data) === crc32(data)));
});
