import test from 'ava';
import fc from 'fast-check';
import { fragmentationOf, PageMap } from '../../src/memory/index.js';
import { Layers } from '../../src/memory/layers.js';
import type { Address, Checkpoint, HeapPicture, MemoryPicture } from '../../src/model/index.js';
import { parseAreas, readPicture } from '../../src/record/memory-picture.js';
import { wireAbi } from '../../src/record/wire.js';
import { ByteReader, ByteWriter, TraceDamage } from '../../src/trace/index.js';
import { decodeMemory, decodePages, encodeMemory, encodePages } from '../../src/trace/memory.js';

const page = 4096;

/** '#' a resident page, '.' one that is not. */
function rangeOf(drawn: string, low = 0x10000) {
  const bits = new Uint8Array(Math.ceil(drawn.length / 8));
  [...drawn].forEach((one, at) => {
    if (one === '#') bits[at >>> 3]! |= 1 << (at & 7);
  });
  return { low: low as Address, high: (low + drawn.length * page) as Address, bits };
}

test('resident bytes of any range are those on pages that are there', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('#', '.'), { minLength: 1, maxLength: 60 }),
      fc.nat(70 * page),
      fc.nat(70 * page),
      (drawn, a, b) => {
        const range = rangeOf(drawn.join(''));
        const [low, high] = [0xf000 + Math.min(a, b), 0xf000 + Math.max(a, b)];
        let expected = 0;
        for (const [at, one] of drawn.entries()) {
          const start = range.low + at * page;
          if (one === '#')
            expected += Math.max(0, Math.min(high, start + page) - Math.max(low, start));
        }
        return new PageMap([range]).residentBytes(low, high) === expected;
      },
    ),
  );
  t.pass();
});

test('of layers the topmost that has anything there speaks', (t) => {
  const draw = (...layers: string[]) => {
    const spans = layers.map((layer) =>
      [...layer].flatMap((use, at) => (use === ' ' ? [] : [{ low: at, high: at + 1, use }])),
    );
    let drawn = '';
    new Layers(spans).visit(0, 12, (low, high, use) => {
      drawn += (use ?? '-').repeat(high - low);
    });
    return drawn;
  };
  t.is(draw('  aa    ', ' bbbb   b', 'cccccccc'), 'cbaabcccb---');
  t.is(draw(), '------------');
});

const heap = (low: number, high: number): HeapPicture => ({
  low: low as Address,
  high: high as Address,
  arena: 0x1000 as Address,
  isMain: true,
  isWhole: true,
  count: [0, 2, 0, 0, 0, 0, 1],
  bytes: [0, 0, 0, 0, 0, 0, 0],
  residentBytes: [0, 0, 0, 0, 0, 0, 0],
  liveAskedBytes: 0,
  liveAskedResidentBytes: 0,
  largestFreeBytes: 0,
  trimmableBytes: 0,
});

test('pages are told by how much of them lives, and what keeps sparse ones is named by stack', (t) => {
  const low = 0x10000;
  // page:           0     1     2     3      4
  const pages = [rangeOf('####.', low)];
  // A whole page of stack 7, half of one of stack 7, 64 bytes of stack 8 and 64 of 9, nothing.
  const blocks: [address: number, size: number, stack: number][] = [
    [low, page, 7],
    [low + page, 2048, 7],
    [low + 2 * page + 16, 64, 8],
    [low + 2 * page + 128, 64, 9],
  ];
  const memory = {
    areas: [],
    heaps: [heap(low, low + 5 * page)],
    pages,
  } as unknown as MemoryPicture;
  const live = {
    count: blocks.length,
    address: Float64Array.from(blocks, ([address]) => address),
    sizeBytes: Float64Array.from(blocks, ([, size]) => size),
    stackId: Uint32Array.from(blocks, ([, , stack]) => stack),
    bornNs: new Float64Array(blocks.length),
  };
  const found = fragmentationOf({ detail: { live } } as unknown as Checkpoint, memory);
  t.deepEqual(
    found.pages?.map((one) => one.pageCount),
    [1, 1, 0, 1, 1],
  );
  t.deepEqual(
    found.pinning?.map(({ stackId, pageCount, keptBytes }) => [
      stackId as number,
      pageCount,
      keptBytes,
    ]),
    [
      [8, 1, (page - 128) / 2],
      [9, 1, (page - 128) / 2],
    ],
  );
  t.deepEqual([...found.maps![0]!.occupancy], [250, 125, 8, 0, 255]);
});

test('a picture of memory that is cut or changed anywhere is refused or read, and nothing else', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 9000 }), fc.boolean(), (bytes, isOurs) => {
      const whole = new Uint8Array(Math.max(bytes.length, 128));
      whole.set(bytes);
      if (isOurs) {
        new DataView(whole.buffer).setBigUint64(0, 0x4d31464f52504d45n, true);
        new DataView(whole.buffer).setUint32(8, wireAbi, true);
      }
      try {
        readPicture(whole.buffer as ArrayBuffer);
      } catch (error) {
        return error instanceof Error && 'code' in error && error.code === 'ERR_MEMPROF_WIRE';
      }
      return true;
    }),
  );
  t.pass();
});

test("the kernel's text on mappings is read, and lines that are none are passed over", (t) => {
  const areas =
    parseAreas(`55d0c2a00000-55d0c2a21000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                  12 kB
Swap:                  4 kB
VmFlags: rd wr mr mw me ac sd
7f0000000000-7f0000001000 r-xp 00001000 08:01 42   /a path/with spaces (deleted)
Rss:                   4 kB
garbage
`);
  t.deepEqual(
    areas.map(({ access, path, residentBytes, swappedBytes }) => [
      access,
      path,
      residentBytes,
      swappedBytes,
    ]),
    [
      ['rw-p', '[heap]', 12288, 4096],
      ['r-xp', '/a path/with spaces (deleted)', 4096, 0],
    ],
  );
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseAreas(text))));
});

test('a picture of memory comes out of a trace as it went in', (t) => {
  const memory: MemoryPicture = {
    areas: parseAreas('1000-3000 rw-p 0 0:0 0 \nRss: 8 kB\n'),
    heaps: [heap(0x1000, 0x3000)],
    mapped: { blockCount: 1, askedBytes: 2, residentBytes: 3, bytes: 4, askedResidentBytes: 5 },
    stray: { blockCount: 0, askedBytes: 0, residentBytes: 0 },
    mappings: [],
    own: [{ low: 0x9000 as Address, high: 0xa000 as Address }],
    pages: [rangeOf('##..#....#'), rangeOf('#', 0x90000)],
  };
  const out = new ByteWriter();
  encodeMemory(3, memory, out);
  const { memory: read } = decodeMemory(new ByteReader(out.written().slice()));
  const pagesOut = new ByteWriter();
  encodePages(3, memory.pages!, pagesOut);
  const { pages } = decodePages(new ByteReader(pagesOut.written().slice()));
  t.deepEqual({ ...read, pages }, memory);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const decode of [decodeMemory, decodePages]) {
        try {
          decode(new ByteReader(bytes));
        } catch (error) {
          if (!(error instanceof TraceDamage)) return false;
        }
      }
      return true;
    }),
  );
});
