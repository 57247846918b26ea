// The heaps' map and the checkpoints of a report stay small, however large the process and long the run.
import test from 'ava';
import { memoryFacts } from '../../src/html/memory-facts.js';
import { packPages } from '../../src/html/memory-map.js';
import { Packer, unpack } from '../../src/html/pack.js';
import type { StackIndex } from '../../src/html/stack-index.js';
import { type HeapMap, notResident } from '../../src/memory/index.js';
import type { Checkpoint, LiveSet, MemoryPicture, TraceModel } from '../../src/model/index.js';
import type { Owner, SymbolizedStacks } from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';

const page = 4096;
const index = {
  siteOf: Uint32Array.of(0, 1, 2),
  packageOfSite: (site: number) => site,
} as unknown as StackIndex;

function heapOf(low: number, occupancy: Uint8Array): HeapMap {
  return { low, high: low + occupancy.length * page, arena: low, occupancy };
}

function liveOf(blocks: readonly [address: number, size: number, stack: number, born: number][]) {
  return {
    count: blocks.length,
    address: Float64Array.from(blocks, ([address]) => address),
    sizeBytes: Float64Array.from(blocks, ([, size]) => size),
    stackId: Uint32Array.from(blocks, ([, , stack]) => stack),
    bornNs: Float64Array.from(blocks, ([, , , born]) => born),
  } as unknown as LiveSet;
}

test('a page of the map says what lives there, how old its oldest block is and whose most is', (t) => {
  const packer = new Packer();
  const heap = heapOf(0x10000, Uint8Array.of(250, 1, 0, notResident));
  const empty = heapOf(0x90000, Uint8Array.of(notResident, notResident));
  const live = liveOf([
    [0x10000, page, 1, 100],
    [0x11000, 16, 2, 900],
  ]);
  const facts = packPages(packer, { live, maps: [heap, empty], atNs: 1000, index });
  t.deepEqual(facts, {
    pagesOfCell: 1,
    heaps: [
      {
        low: 0x10000,
        high: 0x14000,
        arena: '10000',
        cellCount: 4,
        residentPages: 3,
        emptyPages: 1,
        sparsePages: 1,
      },
    ],
  });
  const { column } = unpack(packer.finish({}));
  t.deepEqual([...column('pages.occupancy')], [250, 1, 0, notResident]);
  // Less than 10^(6/2) and 10^(5/2) ns old; row of packages + 1.
  t.deepEqual([...column('pages.age')], [6, 5, 0, 0]);
  t.deepEqual([...column('pages.package')], [2, 3, 0, 0]);
});

test('a gigabyte of heaps is a map of no more cells than a quarter of one', (t) => {
  const packer = new Packer();
  const pageCount = 262_144;
  const occupancy = new Uint8Array(pageCount).fill(notResident);
  // Of the first cell's pages one is full and one nearly empty.
  occupancy[0] = 250;
  occupancy[1] = 1;
  const maps = [heapOf(0x10000, occupancy)];
  const live = liveOf([[0x10000, page, 1, 0]]);
  const facts = packPages(packer, { live, maps, atNs: 1000, index });
  t.is(facts?.pagesOfCell, 4);
  t.is(facts?.heaps[0]?.cellCount, 65_536);
  t.is(facts?.heaps[0]?.residentPages, 2);
  const { column } = unpack(packer.finish({}));
  const drawn = column('pages.occupancy');
  t.is(drawn.length, 65_536);
  t.is(drawn[0], 126);
  t.is(drawn[1], notResident);
});

const memory: MemoryPicture = {
  areas: [],
  heaps: [],
  mapped: { blockCount: 0, askedBytes: 0, residentBytes: 0, bytes: 0, askedResidentBytes: 0 },
  stray: { blockCount: 3, askedBytes: 300, residentBytes: 0 },
  mappings: [],
  own: [],
  pages: null,
};

function factsOf(checkpoints: Partial<Checkpoint>[]) {
  const model: TraceModel = {
    ...new ModelBuilder().build(),
    checkpoints: checkpoints.map((one, at) => ({
      number: at + 1,
      atNs: at,
      tallies: [],
      detail: null,
      heap: null,
      scanFailure: null,
      ...one,
    })) as unknown as Checkpoint[],
  };
  return memoryFacts(new Packer(), {
    model,
    index,
    traceName: 'run.mprof',
    ownerOf: () => ({ kind: 'unknown', package: null, module: null, key: '' }) satisfies Owner,
    symbols: {} as unknown as SymbolizedStacks,
    context: { isNode: true, executable: '', cwd: '' },
  });
}

test('of many checkpoints some are kept, the last among them', (t) => {
  const { checkpoints, hiddenCheckpointCount } = factsOf(
    Array.from({ length: 500 }, () => ({ memory })),
  );
  t.true(checkpoints.length <= 60 && checkpoints.length >= 30);
  t.is(checkpoints.length + hiddenCheckpointCount, 500);
  t.is(checkpoints.at(-1)?.number, 500);
});

test('what a trace lacks is said: no checkpoint, one that was not scanned, another allocator', (t) => {
  t.regex(factsOf([]).missing, /^No checkpoint was taken/);
  t.regex(
    factsOf([{ scanFailure: 'the process could not be copied' }]).missing,
    /^Checkpoint 1 does not say .*could not be copied/,
  );
  const { missing, checkpoints, timeline } = factsOf([{ memory }]);
  t.is(missing, '');
  t.is(timeline, null);
  t.regex(checkpoints[0]?.notes.join(' ') ?? '', /another allocator \(3 live blocks/);
  t.is(checkpoints[0]?.pages, null);
  t.is(checkpoints[0]?.map, null);
});
