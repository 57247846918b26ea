import test from 'ava';
import fc from 'fast-check';
import { Mappings } from '../../src/ledger/index.js';

const page = 4096;

test('mappings equal an array of pages, however ranges are cut, joined and moved', (t) => {
  const step = fc.record({
    isMap: fc.boolean(),
    page: fc.nat({ max: 30 }),
    pages: fc.integer({ min: 1, max: 12 }),
    stackId: fc.integer({ min: 1, max: 1000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const mappings = new Mappings();
      const pages = new Array<number>(64).fill(0);
      for (const s of steps) {
        if (s.isMap)
          mappings.map(s.page * page, s.pages * page, {
            stackId: s.stackId,
            bornTick: 0,
            prot: 3,
            flags: 0,
          });
        else mappings.unmap(s.page * page, s.pages * page);
        pages.fill(s.isMap ? s.stackId : 0, s.page, s.page + s.pages);
      }
      const found = new Array<number>(64).fill(0);
      let end = 0;
      for (const range of mappings.list(1)) {
        t.true(range.address >= end && range.sizeBytes > 0);
        end = range.address + range.sizeBytes;
        found.fill(range.stackId, range.address / page, end / page);
      }
      t.deepEqual(found, pages);
    }),
  );
});

test('mremap keeps protection and flags and takes the new place and stack', (t) => {
  const mappings = new Mappings();
  mappings.map(10 * page, 4 * page, { stackId: 1, bornTick: 5, prot: 3, flags: 0x22 });
  mappings.remap(10 * page, 4 * page, 100 * page, 8 * page, 2, 7);
  t.deepEqual(
    mappings.list(2).map((m) => ({ ...m })),
    [
      { address: 100 * page, sizeBytes: 8 * page, stackId: 2, bornNs: 14, prot: 3, flags: 0x22 },
    ] as never,
  );
});
