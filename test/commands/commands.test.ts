import test, { type ExecutionContext } from 'ava';
import { blocks } from '../../src/commands/blocks.js';
import type { TraceCommand } from '../../src/commands/context.js';
import { type SitesOptions, sites } from '../../src/commands/sites.js';
import { summary } from '../../src/commands/summary.js';
import { tree } from '../../src/commands/tree.js';
import { unfreed } from '../../src/commands/unfreed.js';
import { plainStyle, textWidth } from '../../src/report/index.js';
import { stackOwners, symbolize } from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';
import { textOf, validJson as validOutput } from './support.js';

function example(): { m: ModelBuilder; command: TraceCommand } {
  const m = new ModelBuilder();
  m.threads.push({ index: 1, tid: 4300, name: 'pool', beginNs: 0, endNs: null });
  const leak = m.stack(`
    libstdc++.so.6 operator new(unsigned long)
    /app/node_modules/leaky/leaky.node std::vector<int>::reserve(unsigned long)@/usr/include/vector:70 << leaky::add(int)@/app/node_modules/leaky/leaky.cc:12
    js JS:~handler /app/app.js:12:17
    node node::Start(int, char**)
  `);
  const other = m.stack(`
    /app/node_modules/leaky/leaky.node ~napi_register_module_v1
    js JS:~handler /app/app.js:12:17
    node node::Start(int, char**)
    !broken
  `);
  m.live('both', leak, 64, 100);
  m.live('both', leak, 64, 50, 1);
  m.live('before-teardown', other, 5000);
  m.live('both', m.stack('node v8::Heap()\n node node::Start(int, char**)'), 100, 3);
  m.released(leak, 1000, 64000, 10);
  m.released(m.stack('libz.so.1 inflate\n node node::Start(int, char**)'), 7, 700_000, 7);
  return { m, command: commandOf(m) };
}

function commandOf(m: ModelBuilder): TraceCommand {
  const packageOf = (path: string) => {
    const name = /node_modules\/([^/]+)/.exec(path)?.[1];
    return name === undefined ? null : { name, version: '2.0.0' };
  };
  return {
    model: m.build(),
    tracePath: 'x.mprof',
    findOwners: (of, ids) => stackOwners(of, ids, m.resolver(), packageOf),
    nameStacks: (model, ids) => symbolize(model, ids, m.resolver(), { packageOf }),
    nameData: () => Promise.resolve([]),
    findSymbols: () => Promise.resolve([]),
    columns: 80,
    style: plainStyle,
    memprofCommand: 'memprof',
  };
}

/** The parts of the outputs that the tests below look at. */
interface Output {
  totals: unknown;
  sites: {
    moment: string;
    sizeBytes: number;
    blockCount: number;
    allocatedBytes: number;
    package: { name: string } | null;
    owner: string;
    thread: string | null;
    threads: { name: string; blockCount: number }[];
    frames: { function: string | null; near: unknown }[];
    markers: { at: number; marker: string }[];
  }[];
  nodes: { parent: number | null; sizeBytes: number; selfBytes: number }[];
}

const sitesDefaults: SitesOptions = { sort: 'bytes', limit: 20 };
const all = Number.POSITIVE_INFINITY;

const validJson = async (
  t: ExecutionContext,
  name: string,
  lines: AsyncIterable<string>,
): Promise<Output> => (await validOutput(t, name, lines)) as Output;

test('every command draws within 80 columns', async (t) => {
  const { command } = example();
  for (const [name, lines] of Object.entries({
    summary: summary(command, {}),
    sites: sites(command, sitesDefaults),
    'sites --stacks': sites(command, { ...sitesDefaults, stacks: true }),
    'sites --sort allocated': sites(command, { ...sitesDefaults, sort: 'allocated' }),
    tree: tree(command, { minPercent: 0 }),
    'tree --inverted': tree(command, { minPercent: 0, inverted: true }),
    blocks: blocks(command, { limit: 2 }),
    unfreed: unfreed(command, { limit: 10 }),
  })) {
    const text = await textOf(lines);
    t.snapshot(text, name);
    t.deepEqual(
      text.split('\n').filter((line) => textWidth(line) > 80),
      [],
      name,
    );
  }
});

test('every JSON output is as its schema says, and says nothing else', async (t) => {
  const { command } = example();
  const options = { json: true, limit: all };
  await validJson(t, 'summary', summary(command, { json: true }));
  await validJson(t, 'sites', sites(command, { ...sitesDefaults, ...options }));
  await validJson(t, 'tree', tree(command, { json: true, minPercent: 1 }));
  await validJson(t, 'blocks', blocks(command, options));
  await validJson(t, 'unfreed', unfreed(command, options));
});

test('a trace without a moment before teardown, without blocks and without Node is valid too', async (t) => {
  const m = new ModelBuilder();
  m.hasTeardown = false;
  m.process = {
    ...m.process,
    nodeVersion: null,
    executable: '/bin/true',
    ended: { how: 'signal', code: null, signal: 'SIGKILL' },
  };
  const command = commandOf(m);
  const report = await validJson(t, 'unfreed', unfreed(command, { json: true, limit: all }));
  t.deepEqual(report.totals, { beforeTeardown: null, atEnd: { blockCount: 0, sizeBytes: 0 } });
  for (const lines of [
    summary(command, {}),
    sites(command, sitesDefaults),
    tree(command, { minPercent: 1 }),
    blocks(command, { limit: all }),
    unfreed(command, { limit: all }),
  ]) {
    t.true((await textOf(lines)).length > 0);
  }
  await t.throwsAsync(textOf(sites(command, { ...sitesDefaults, moment: 'before-teardown' })), {
    message: /was killed by SIGKILL.*--moment at-end/,
  });
});

test('unfreed gives both moments, each by size, and its sites add up to the totals', async (t) => {
  const { command } = example();
  const report = await validJson(t, 'unfreed', unfreed(command, { json: true, limit: all }));
  t.deepEqual(
    report.sites.map((site) => [
      site.moment,
      site.sizeBytes,
      site.blockCount,
      site.package?.name ?? site.owner,
      site.thread,
    ]),
    [
      ['before-teardown', 9600, 150, 'leaky', null],
      ['before-teardown', 5000, 1, 'leaky', 'main'],
      ['before-teardown', 300, 3, 'node', 'main'],
      ['at-end', 9600, 150, 'leaky', null],
      ['at-end', 300, 3, 'node', 'main'],
    ],
  );
  t.deepEqual(report.totals, {
    beforeTeardown: { blockCount: 154, sizeBytes: 14900 },
    atEnd: { blockCount: 153, sizeBytes: 9900 },
  });
  t.deepEqual(
    report.sites[0].threads.map((one) => [one.name, one.blockCount]),
    [
      ['main', 100],
      ['pool', 50],
    ],
  );
  const near = report.sites[1];
  t.is(near.frames[0].function, null);
  t.deepEqual(near.frames[0].near, { symbol: 'napi_register_module_v1', offsetBytes: 32 });
  t.deepEqual(
    near.markers.map((one) => [one.at, one.marker]),
    [[3, 'broken']],
  );
});

test('filters choose blocks by package, module, function, thread, size and age', async (t) => {
  const { command } = example();
  const count = async (filter: Partial<SitesOptions>) => {
    const report = await validJson(
      t,
      'sites',
      sites(command, { ...sitesDefaults, ...filter, json: true }),
    );
    return report.sites.reduce((sum, site) => sum + site.blockCount, 0);
  };
  t.is(await count({}), 154);
  t.is(await count({ package: 'leaky' }), 151);
  t.is(await count({ package: 'leaky@2.0.0' }), 151);
  t.is(await count({ package: 'leaky@9.9.9' }), 0);
  t.is(await count({ package: 'node' }), 3);
  t.is(await count({ module: 'libstdc++.so.6' }), 150);
  t.is(await count({ function: 'reserve' }), 150);
  t.is(await count({ thread: 'pool' }), 50);
  t.is(await count({ thread: 'main' }), 104);
  t.is(await count({ size: { min: 100, max: 200 } }), 3);
  t.is(await count({ age: { min: 0, max: 1 } }), 0);
  await t.throwsAsync(
    textOf(sites(command, { ...sitesDefaults, sort: 'temporary', thread: 'main' })),
    { message: /--sort temporary/ },
  );
});

test('sites can be sorted by what was allocated over the whole run', async (t) => {
  const { command } = example();
  const report = await validJson(
    t,
    'sites',
    sites(command, { ...sitesDefaults, sort: 'allocated', json: true }),
  );
  t.deepEqual(
    report.sites.slice(0, 2).map((site) => [site.allocatedBytes, site.blockCount]),
    [
      [700_000, 0],
      [73_600, 150],
    ],
  );
});

test('a tree adds up: each node holds what its children and itself hold', async (t) => {
  const { command } = example();
  for (const inverted of [false, true]) {
    const { nodes } = await validJson(
      t,
      'tree',
      tree(command, { json: true, inverted, minPercent: 0 }),
    );
    const children = nodes.map((node) => node.selfBytes);
    for (const node of nodes) if (node.parent !== null) children[node.parent] += node.sizeBytes;
    t.deepEqual(
      nodes.map((node) => node.sizeBytes),
      children,
    );
  }
});
