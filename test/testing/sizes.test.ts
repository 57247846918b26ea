import test from 'ava';
import fc from 'fast-check';
import { MemprofError } from '../../src/errors.js';
import { parseSize, sizeBytes } from '../../src/sizes.js';

for (const [text, bytes] of [
  ['100 B', 100],
  ['100', 100],
  ['512KiB', 524_288],
  ['24 MiB', 25_165_824],
  ['1 GiB', 1_073_741_824],
  ['1.5 kib', 1536],
  [' 2 TiB ', 2 ** 41],
] as const) {
  test(`a size: ${text}`, (t) => t.is(parseSize(text, 'here'), bytes));
}

test('a number is a size in bytes', (t) => {
  t.is(parseSize(4096, 'here'), 4096);
  t.is(parseSize(0, 'here'), 0);
});

for (const [size, message] of [
  ['24 MB', /^here: '24 MB': MB means 1000 .* Write '24 MiB' \(1,048,576 bytes each\)$/],
  ['1.5kB', /^here: '1\.5kB': kB means .* Write '1\.5 KiB' \(1,024 bytes each\)$/],
  ['24 foo', /^here: '24 foo' has the unit foo, which is none of memory\. Write .* '24 MiB'/],
  ['', /^here: '' is no size\. Write a number with B, KiB, MiB or GiB/],
  ['MiB', /^here: 'MiB' is no size\./],
  ['-1 MiB', /^here: '-1 MiB' is no size\./],
  ['1e3', /^here: '1e3' /],
  ['1 2 MiB', /^here: '1 2 MiB' /],
  [-1, /^here: -1 is no size\./],
  [1.5, /^here: 1\.5 is no size\./],
  [Number.NaN, /^here: NaN is no size\./],
  [undefined, /^here: a value of type undefined is no size\./],
  [{}, /^here: a value of type object is no size\./],
] as const) {
  test(`no size: ${JSON.stringify(size)}`, (t) => {
    const error = t.throws(() => parseSize(size, 'here'), { instanceOf: MemprofError });
    t.is(error?.code, 'ERR_MEMPROF_USAGE');
    t.regex(error?.message ?? '', message);
  });
}

test('any text is a whole number of bytes, or none', (t) => {
  const likely = fc.stringMatching(/^[0-9. ]{0,6}[kmgtKMGTibB ]{0,4}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), likely), (text) => {
      const bytes = sizeBytes(text);
      return bytes === null || (Number.isInteger(bytes) && bytes >= 0);
    }),
  );
  t.pass();
});
