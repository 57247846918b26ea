// The exit report's lines about the last checkpoint.
import test from 'ava';
import { lastLeaks } from '../../src/commands/leaks.js';
import { summary } from '../../src/commands/summary.js';
import type { Checkpoint, StackId, TraceModel } from '../../src/model/index.js';
import {
  checkpointStackIds,
  liveStackIds,
  plainStyle,
  renderExitReport,
  textWidth,
  usersStackIds,
} from '../../src/report/index.js';
import { stackOwners, symbolize } from '../../src/symbols/index.js';
import { OwnerMemory } from '../../src/verdicts/index.js';
import { checkpointOf, withCheckpoints } from '../commands/checkpointed.js';
import { textOf, validJson } from '../commands/support.js';
import { ModelBuilder } from '../model-builder.js';
import { Heap } from '../verdicts/heap.js';

const packageOf = (path: string) => {
  const name = /node_modules\/([^/]+)/.exec(path)?.[1];
  return name === undefined ? null : { name, version: '1.2.3' };
};

async function report(m: ModelBuilder, model: TraceModel, columns = 80): Promise<string> {
  const ids = [...liveStackIds(model), ...checkpointStackIds(model.checkpoints ?? [])];
  const all = await symbolize(model, ids, m.resolver(), { packageOf });
  const symbols = await symbolize(model, usersStackIds(ids, all), m.resolver(), { owners: all });
  return renderExitReport(model, symbols, {
    columns,
    tracePath: 'memprof-app.4242.mprof',
    traceBytes: 4096,
    memprofCommand: 'memprof',
    leaks: lastLeaks(model, symbols),
  });
}

function drawn(drawing: string, more: Partial<Checkpoint> = {}, memory = new OwnerMemory()) {
  const m = new ModelBuilder();
  const addon = m.stack(
    '/app/node_modules/shop/shop.node Image::Image()@/app/node_modules/shop/image.cc:12\n js JS:~handler /app/app.js:12:17\n node node::Start(int, char**)',
  );
  const runtime = m.stack('node v8::internal::Heap::SetUp()\n node node::Start(int, char**)');
  const heap = new Heap(drawing);
  const stacks = heap.drawn.flags.map((flag) => (flag === 0 ? addon : runtime)) as StackId[];
  for (const [row, stack] of stacks.entries()) m.live('both', stack, heap.drawn.sizes[row]);
  const checkpoint = checkpointOf(heap, stacks, memory, 2, { reason: 'exit', ...more });
  return { m, model: withCheckpoints(m.build(), [checkpoint]) };
}

test('the exit report says what to act on, where most of it is, and what the scan cost', async (t) => {
  const memory = new OwnerMemory();
  new Heap('block image 64\nowner Image wrap -> image').judge(memory, 1);
  const { m, model } = drawn(
    `
    block image 64
    block lost 1000
    block behind 24
    block env 100 runtime
    block gone 10 runtime
    v8 -> env
    lost -> behind
  `,
    {},
    memory,
  );
  const text = await report(m, model);
  t.snapshot(text);
  for (const columns of [60, 80, 120]) {
    const lines = (await report(m, model, columns)).split('\n');
    t.deepEqual(
      lines.filter((line) => textWidth(line) > columns),
      [],
    );
  }
});

test("what Node itself lost is no finding: 'No lost blocks in any addon.'", async (t) => {
  const { m, model } = drawn('block a 64\nblock gone 10 runtime\nglobal 0 -> a');
  const text = await report(m, model);
  t.regex(text, /\nNo lost blocks in any addon\.\n/);
  t.regex(text, /memprof sites memprof-app/);
});

test('a checkpoint that failed is not taken for a clean one', async (t) => {
  const { m, model } = drawn('block a 64', {
    scanFailure: 'fork: Cannot allocate memory',
  });
  const text = await report(m, model);
  t.regex(text, /! no verdicts: the last checkpoint was not scanned \(fork: Cannot/);
  t.false(text.includes('No lost blocks'));
});

test('without a checkpoint nothing is said of verdicts', async (t) => {
  const { m, model } = drawn('block a 64');
  const { checkpoints: _none, ...plain } = model;
  const text = await report(m, plain);
  t.notRegex(text, /lost|checkpoint/);
});

test('summary tells what the checkpoints cost, and lists them in JSON', async (t) => {
  const { m, model } = drawn('block a 64');
  const command = {
    model,
    tracePath: 'x.mprof',
    findOwners: (of: TraceModel, ids: Iterable<StackId>) =>
      stackOwners(of, ids, m.resolver(), packageOf),
    nameStacks: (of: TraceModel, ids: Iterable<StackId>) =>
      symbolize(of, ids, m.resolver(), { packageOf }),
    nameData: () => Promise.resolve([]),
    findSymbols: () => Promise.resolve([]),
    columns: 80,
    style: plainStyle,
    memprofCommand: 'memprof',
  };
  t.regex(await textOf(summary(command, {})), /checkpoint: garbage collected in 12\.0 ms/);
  const report = (await validJson(t, 'summary', summary(command, { json: true }))) as {
    checkpoints: { number: number; pauseNs: number }[];
  };
  t.deepEqual(
    report.checkpoints.map((one) => [one.number, one.pauseNs]),
    [[2, 1.5e6]],
  );
});
