import test from 'ava';
import fc from 'fast-check';
import { EventBatch, EventType, MarkKind, Recording } from '../../src/ledger/index.js';
import type { CollectedBlocks } from '../../src/model/index.js';
import { plainHost } from './support.js';

type Step =
  | { do: 'allocate' | 'pair'; address: number; size: number; stack: number }
  | { do: 'release' | 'move'; address: number }
  | { do: 'collect' | 'checkpoint' };

const address = fc.integer({ min: 1, max: 30 }).map((n) => n * 16);
const block = {
  address,
  size: fc.integer({ min: 0, max: 5000 }),
  stack: fc.integer({ min: 6, max: 9 }),
};
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('allocate' as const), ...block }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('pair' as const), ...block }) },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constantFrom('release' as const, 'move' as const), address }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom('collect' as const, 'checkpoint' as const) }),
    },
  ),
  { maxLength: 120 },
);

/** What each checkpoint is told, by the recording. */
function recorded(list: readonly Step[], batchRows: number): (CollectedBlocks | null)[] {
  const recording = new Recording(plainHost);
  const told: (CollectedBlocks | null)[] = [];
  recording.onCheckpoint = () => told.push(recording.collectedNow());
  let batch = new EventBatch(64);
  const mark = (kind: number, value: number) =>
    batch.pushRare(EventType.mark, 0, tick, [kind, 0, value, 0]);
  let tick = 0;
  for (const step of list) {
    tick++;
    if (step.do === 'allocate')
      batch.pushAllocation(EventType.malloc, 0, tick, step.address, step.size, step.stack);
    else if (step.do === 'pair')
      batch.pushPair(EventType.malloc, 0, tick, step.address, step.size, step.stack, 1);
    else if (step.do === 'release') batch.pushRelease(EventType.free, 0, tick, step.address);
    else if (step.do === 'move') batch.pushRelease(EventType.freeRealloc, 0, tick, step.address);
    else if (step.do === 'collect') mark(MarkKind.collect, 4096 * tick);
    else mark(MarkKind.checkpoint, 1);
    if (batch.count < batchRows) continue;
    recording.consume(batch);
    batch = new EventBatch(64);
  }
  recording.consume(batch);
  return told;
}

/** The same by the obvious way. */
function expected(list: readonly Step[]): (CollectedBlocks | null)[] {
  const told: (CollectedBlocks | null)[] = [];
  const live = new Map<number, { size: number; stack: number; isOld: boolean }>();
  let now: CollectedBlocks | null = null;
  list.forEach((step, at) => {
    switch (step.do) {
      case 'allocate':
      case 'pair':
        live.delete(step.address);
        if (step.do === 'allocate')
          live.set(step.address, { size: step.size, stack: step.stack, isOld: false });
        break;
      case 'release':
      case 'move': {
        const gone = live.get(step.address);
        live.delete(step.address);
        if (gone?.isOld !== true || now === null || step.do === 'move') break;
        now.goneCount++;
        now.goneBytes += gone.size;
        const stack = now.stacks.find(({ stackId }) => stackId === gone.stack);
        if (stack === undefined)
          now.stacks.push({ stackId: gone.stack as never, blockCount: 1, sizeBytes: gone.size });
        else {
          stack.blockCount++;
          stack.sizeBytes += gone.size;
        }
        break;
      }
      case 'collect': {
        for (const one of live.values()) one.isOld = true;
        now = {
          residentBeforeBytes: 4096 * (at + 1),
          beforeCount: live.size,
          beforeBytes: [...live.values()].reduce((sum, { size }) => sum + size, 0),
          goneCount: 0,
          goneBytes: 0,
          stacks: [],
        };
        break;
      }
      case 'checkpoint':
        now?.stacks.sort((a, b) => b.sizeBytes - a.sizeBytes || a.stackId - b.stackId);
        told.push(now);
        now = null;
    }
  });
  return told;
}

test('what went between the collection and the checkpoint is what was live before it and was released since', (t) => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 40 }), (list, batchRows) => {
      t.deepEqual(recorded(list, batchRows), expected(list));
    }),
    { numRuns: 400 },
  );
});
