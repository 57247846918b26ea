import test from 'ava';
import fc from 'fast-check';
import { EventBatch, EventType, MarkKind, Recording } from '../../src/ledger/index.js';
import { plainHost } from './support.js';

type Step =
  | { do: 'create' | 'destroy' | 'clear'; pool: number }
  | { do: 'allocate'; pool: number; address: number; size: number; stack: number }
  | { do: 'release'; pool: number; address: number };

const pool = fc.integer({ min: 1, max: 4 });
const address = fc.integer({ min: 1, max: 40 }).map((n) => n * 16);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constantFrom('create', 'destroy', 'clear'), pool }),
    fc.record({
      do: fc.constant('allocate'),
      pool,
      address,
      size: fc.integer({ min: 0, max: 100 }),
      stack: fc.integer({ min: 6, max: 9 }),
    }),
    fc.record({ do: fc.constant('release'), pool, address }),
  ) as fc.Arbitrary<Step>,
  { maxLength: 200 },
);

const rare = (batch: EventBatch, type: number, words: readonly number[]) =>
  batch.pushRare(
    type,
    0,
    batch.count + 1,
    words.flatMap((word) => [word >>> 0, Math.floor(word / 2 ** 32)]),
  );

function recorded(list: readonly Step[]): Recording {
  const recording = new Recording(plainHost);
  recording.addText(1, 'shapes');
  const batch = new EventBatch(1024);
  for (const step of list) {
    if (step.do === 'create')
      rare(batch, EventType.poolCreate, [step.pool, 0, 0, 2 ** 32 + 6 + (step.pool % 2)]);
    else if (step.do === 'destroy') rare(batch, EventType.poolDestroy, [step.pool]);
    else if (step.do === 'clear') rare(batch, EventType.poolClear, [step.pool]);
    else if (step.do === 'allocate')
      rare(batch, EventType.poolAlloc, [step.pool, step.address, step.size, step.stack]);
    else if (step.do === 'release') rare(batch, EventType.poolFree, [step.pool, step.address]);
  }
  recording.consume(batch);
  return recording;
}

test('whatever a program announces, pools hold what its words add up to, and totals of malloc stay as they are', (t) => {
  fc.assert(
    fc.property(steps, (list) => {
      const live = new Map<string, { size: number; stack: number }>();
      const pools = new Set<number>();
      let [unknownRelease, double, doubleCreate] = [0, 0, 0];
      const end = (which: number) => {
        for (const key of [...live.keys()]) if (key.startsWith(`${which} `)) live.delete(key);
      };
      for (const step of list) {
        const key =
          step.do === 'allocate' || step.do === 'release' ? `${step.pool} ${step.address}` : '';
        if (step.do === 'create') {
          if (pools.has(step.pool)) doubleCreate++;
          end(step.pool);
          pools.add(step.pool);
        } else if (step.do === 'destroy') {
          end(step.pool);
          pools.delete(step.pool);
        } else if (step.do === 'clear') end(step.pool);
        else if (step.do === 'allocate') {
          pools.add(step.pool);
          if (live.has(key)) double++;
          live.delete(key);
          live.set(key, step);
        } else if (step.do === 'release' && !live.delete(key)) unknownRelease++;
      }
      const recording = recorded(list);
      const { pools: ledger, totals, atEnd } = recording.parts(1, 10);
      t.is(totals.allocationCount, 0);
      t.is(atEnd.live.count, 0);
      const found = ledger?.atEnd;
      const rows = Array.from({ length: found?.live.count ?? 0 }, (_, row) => {
        const { address, sizeBytes, stackId } = found!.live;
        const { key } = found!.pools[found!.poolIndex[row]!]!;
        return [`${key} ${address[row]}`, { size: sizeBytes[row], stack: stackId[row] }];
      });
      t.deepEqual(
        rows,
        [...live].map(([key, { size, stack }]) => [key, { size, stack }]),
      );
      t.is(ledger?.misuse.unknownReleaseCount ?? 0, unknownRelease);
      t.is(ledger?.misuse.doubleAllocationCount ?? 0, double);
      t.is(ledger?.misuse.doubleCreateCount ?? 0, doubleCreate);
      const bytes = [...live.values()].reduce((sum, one) => sum + one.size, 0);
      t.is(ledger?.sites.reduce((sum, site) => sum + site.liveBytes, 0) ?? 0, bytes);
      t.is(found?.pools.reduce((sum, one) => sum + one.liveBytes, 0) ?? 0, bytes);
      for (const one of ledger?.groups ?? [])
        t.true(one.releaseCount + one.endedCount <= one.allocationCount);
    }),
  );
});

type Act =
  | { do: 'malloc' | 'free' | 'realloc' | 'ignore' | 'type'; thread: number; block: number }
  | { do: 'begin' | 'end'; thread: number };

const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constantFrom('malloc', 'free', 'realloc', 'ignore', 'type'),
      thread: fc.integer({ min: 0, max: 2 }),
      block: fc.integer({ min: 0, max: 12 }),
    }),
    fc.record({ do: fc.constantFrom('begin', 'end'), thread: fc.integer({ min: 0, max: 2 }) }),
  ) as fc.Arbitrary<Act>,
  { maxLength: 120 },
);

test('types and ignores go with their blocks through realloc and end with them, however threads interleave', (t) => {
  fc.assert(
    fc.property(acts, fc.integer({ min: 1, max: 7 }), (list, rowsOfBatch) => {
      const recording = new Recording(plainHost);
      recording.addText(1, 'Widget');
      let batch = new EventBatch(rowsOfBatch + 4);
      const flush = () => {
        recording.consume(batch);
        batch = new EventBatch(rowsOfBatch + 4);
      };
      interface Block {
        address: number;
        isIgnored: boolean;
        type: string | null;
      }
      const live: Block[] = [];
      const depth = [0, 0, 0];
      let tick = 1;
      let next = 1;
      const size = 40;
      const stack = 7;
      for (const act of list) {
        if (batch.count >= rowsOfBatch) flush();
        const { thread } = act;
        const mark = (kind: number) =>
          batch.pushRare(EventType.mark, thread, tick++, [kind, 0, 0, 0]);
        if (act.do === 'begin') {
          mark(MarkKind.ignoreBegin);
          depth[thread]!++;
        } else if (act.do === 'end') {
          mark(MarkKind.ignoreEnd);
          depth[thread] = Math.max(0, depth[thread]! - 1);
        } else if (act.do === 'malloc') {
          const address = next++ * 64;
          batch.pushAllocation(EventType.malloc, thread, tick++, address, size, stack);
          live.push({ address, isIgnored: depth[thread]! > 0, type: null });
        } else {
          const at = (act as { block: number }).block % Math.max(live.length, 1);
          const block = live[at];
          if (block === undefined) continue;
          const words = [block.address, 0, 1, 0];
          if (act.do === 'free') {
            batch.pushRelease(EventType.free, thread, tick++, block.address);
            live.splice(at, 1);
          } else if (act.do === 'realloc') {
            batch.pushRelease(EventType.freeRealloc, thread, tick++, block.address);
            // Another thread comes between the halves.
            const other = (thread + 1) % 3;
            const between = next++ * 64;
            batch.pushAllocation(EventType.malloc, other, tick++, between, size, stack);
            if (rowsOfBatch % 2 === 0) flush();
            live.push({ address: between, isIgnored: depth[other]! > 0, type: null });
            const address = next++ * 64;
            batch.pushAllocation(EventType.realloc, thread, tick++, address, size, stack);
            block.address = address;
            block.isIgnored ||= depth[thread]! > 0;
          } else if (act.do === 'ignore') {
            batch.pushRare(EventType.blockIgnore, thread, tick++, words.slice(0, 2));
            block.isIgnored = true;
          } else {
            batch.pushRare(EventType.blockType, thread, tick++, words);
            block.type = 'Widget';
          }
        }
      }
      flush();
      const found = recording.live(1);
      const { announced } = found;
      const said = new Map(
        Array.from({ length: found.count }, (_, row) => {
          const type = announced?.typeIndex[row] ?? 0;
          return [
            found.address[row],
            {
              isIgnored: announced?.isIgnored[row] === 1,
              type: type === 0 ? null : (announced?.typeNames[type - 1] ?? null),
            },
          ];
        }),
      );
      t.deepEqual(
        said,
        new Map(
          live
            .toSorted((a, b) => a.address - b.address)
            .map(({ address, isIgnored, type }) => [address, { isIgnored, type }]),
        ),
      );
      const kept = live.filter((one) => !one.isIgnored).length;
      t.is(recording.leakableSums(null).liveCount[stack] ?? 0, kept);
      t.is(recording.leakableSums(null).liveBytes[stack] ?? 0, kept * size);
    }),
  );
});
