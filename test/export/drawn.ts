// Drawn recordings for the tests of formats: events in any order, on stacks whose frames may be called anything.
import fc from 'fast-check';
import type { TimedBatch } from '../../src/exporters/index.js';
import { EventBatch, EventType, Recording } from '../../src/ledger/index.js';
import type { StackId, TraceModel } from '../../src/model/index.js';
import type {
  NamedFrame,
  NamedStack,
  StackFrame,
  SymbolizedStacks,
} from '../../src/symbols/index.js';
import { plainHost } from '../ledger/support.js';
import { ModelBuilder } from '../model-builder.js';

export interface Drawn {
  model: TraceModel;
  symbols: SymbolizedStacks;
  /** As a trace gives them: releases have their block's size, stack and age. */
  batches: TimedBatch[];
  /** What lived when most bytes did, found by trying. */
  peak: Map<number, { blockCount: number; sizeBytes: number }>;
}

type Step =
  | { do: 'allocate' | 'pair'; stack: number; size: number; thread: number }
  | { do: 'release'; which: number; thread: number }
  | { do: 'lose'; which: number; stack: number; size: number };

/** Any UTF-16, well formed or not, and what formats have meanings for. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    'a;b c 7',
    'x\n- 5',
    'tab\there',
    '"quoted", cell',
    'back\\slash \\x3b',
    '\ud800 half',
    '</script>',
    ' lead and trail ',
    '__proto__',
    '\u001b[31mred',
    'nul\0byte',
    '\u2028line',
    '[root]',
    'éñ 漢字 😀',
  ),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
);

const place = fc.record({
  file: fc.option(hostileText.filter((one) => one !== '')),
  line: fc.option(fc.integer({ min: 1, max: 1e6 })),
  column: fc.option(fc.integer({ min: 1, max: 500 })),
});

const frame: fc.Arbitrary<StackFrame> = fc
  .oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom('native' as const, 'js' as const, 'builtin' as const),
        function: fc.option(hostileText.filter((one) => one !== '')),
        place,
        module: fc.option(fc.constantFrom('/usr/bin/node', '/app/x;y.node', '/lib/\nlibc.so.6')),
        inlined: fc.boolean(),
        near: fc.option(fc.record({ symbol: hostileText, offsetBytes: fc.nat(9999) })),
        offset: fc.option(fc.nat(2 ** 40)),
      }),
    },
    {
      weight: 1,
      arbitrary: hostileText.map((text) => ({
        kind: 'marker' as const,
        marker: 'cut' as const,
        text,
      })),
    },
  )
  .map((one): StackFrame => {
    if (one.kind === 'marker') return one;
    const { place, ...rest } = one;
    const line = place.file === null ? null : place.line;
    const isNative = rest.kind === 'native';
    const known: NamedFrame = {
      ...rest,
      ...place,
      line,
      column: line === null ? null : place.column,
      inlined: isNative && rest.inlined && rest.function !== null,
      near: isNative && rest.function === null ? rest.near : null,
      offset: rest.function === null ? rest.offset : null,
      certainty: 'exact',
    };
    return known;
  });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('allocate' as const, 'pair' as const),
      stack: fc.nat(9),
      size: fc.oneof(fc.nat(64), fc.nat(2 ** 40)),
      thread: fc.nat(2),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      which: fc.nat(30),
      thread: fc.nat(2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lose' as const),
      which: fc.nat(30),
      stack: fc.nat(9),
      size: fc.nat(5000),
    }),
  },
);

export const drawnTrace: fc.Arbitrary<Drawn> = fc
  .record({
    frames: fc.array(frame, { minLength: 1, maxLength: 8 }),
    stacks: fc.array(fc.array(fc.nat(7), { maxLength: 6 }), { minLength: 1, maxLength: 6 }),
    steps: fc.array(step, { maxLength: 40 }),
    owner: hostileText,
    batchRows: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ frames, stacks, steps, owner, batchRows }) => {
    const builder = new ModelBuilder();
    builder.module('node');
    const ids = stacks.map((_stack, at) => builder.stack(`libdrawn.so f${at}`));
    const named = new Map<number, NamedStack>(
      stacks.map((rows, at) => [
        ids[at] as number,
        {
          key: `stack ${at}`,
          owner: {
            kind: 'package',
            package: { name: owner, version: '1.0.0' },
            module: '/app/x;y.node',
            key: owner,
          },
          frames: rows.map((row) => frames[row % frames.length] as StackFrame),
        },
      ]),
    );
    const symbols: SymbolizedStacks = {
      stack: (id) => named.get(id) as NamedStack,
      owner: (id) => (named.get(id) as NamedStack).owner,
      has: (id) => named.has(id),
      modules: [],
    };
    const { batches, peak, recording } = recorded(steps, ids, batchRows);
    const base = builder.build();
    const model: TraceModel = {
      ...base,
      ...recording.parts(nsPerTick, base.stacks.count),
      losses: {
        ...base.losses,
        doubleAllocationCount: recording.ledger.doubleAllocationCount,
        unknownReleaseCount: recording.ledger.unknownReleaseCount,
      },
    };
    return { model: { ...model, beforeTeardown: null }, symbols, batches, peak };
  });

const nsPerTick = 1000;

function recorded(steps: readonly Step[], ids: readonly StackId[], batchRows: number) {
  const recording = new Recording(plainHost, 1 << 8);
  const batches: TimedBatch[] = [];
  let batch = new EventBatch(batchRows);
  const live = new Map<number, { stack: number; size: number }>();
  let [tick, bytes, most] = [0, 0, 0];
  let peak: Drawn['peak'] = new Map();
  const keepPeak = (): void => {
    if (bytes <= most) return;
    most = bytes;
    peak = new Map();
    for (const { stack, size } of live.values()) {
      const sum = peak.get(stack) ?? { blockCount: 0, sizeBytes: 0 };
      peak.set(stack, { blockCount: sum.blockCount + 1, sizeBytes: sum.sizeBytes + size });
    }
  };
  const add = (address: number, stack: number, size: number): void => {
    bytes += size - (live.get(address)?.size ?? 0);
    live.set(address, { stack, size });
    keepPeak();
  };
  const flush = (): void => {
    recording.consume(batch);
    batches.push({ batch, nsPerTick });
    batch = new EventBatch(batchRows);
  };
  let nextAddress = 0x10000;
  for (const step of steps) {
    tick += 3;
    const addresses = [...live.keys()];
    const chosen =
      addresses.length === 0 ? 0 : addresses['which' in step ? step.which % addresses.length : 0]!;
    if (step.do === 'release') {
      // One in a while is of a block from before the recording.
      const address = step.which > 28 || chosen === 0 ? 0x8000 : chosen;
      batch.pushRelease(EventType.free, step.thread, tick, address);
      bytes -= live.get(address)?.size ?? 0;
      live.delete(address);
    } else {
      const stack = ids[step.stack % ids.length] as number;
      const address = step.do === 'lose' && chosen !== 0 ? chosen : (nextAddress += 0x100);
      const thread = step.do === 'lose' ? 0 : step.thread;
      add(address, stack, step.size);
      if (step.do === 'pair') {
        batch.pushPair(EventType.malloc, thread, tick, address, step.size, stack, 2);
        bytes -= step.size;
        live.delete(address);
      } else batch.pushAllocation(EventType.calloc, thread, tick, address, step.size, stack);
    }
    if (batch.count === batchRows) flush();
  }
  flush();
  return { recording, batches, peak };
}
