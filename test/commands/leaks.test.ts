import test from 'ava';
import type { TraceCommand } from '../../src/commands/context.js';
import { type LeaksOptions, leaks } from '../../src/commands/leaks.js';
import { owners } from '../../src/commands/owners.js';
import { why } from '../../src/commands/why.js';
import { MemprofError } from '../../src/errors.js';
import type { Checkpoint, StackId, TraceModel } from '../../src/model/index.js';
import { colourStyle, plainStyle, textWidth } from '../../src/report/index.js';
import { stackOwners, symbolize } from '../../src/symbols/index.js';
import { OwnerMemory } from '../../src/verdicts/index.js';
import { ModelBuilder } from '../model-builder.js';
import { addressOf, Heap } from '../verdicts/heap.js';
import { checkpointOf, withCheckpoints } from './checkpointed.js';
import { textOf, validJson } from './support.js';

interface Program {
  m: ModelBuilder;
  stacks: Record<'image' | 'pixels' | 'cache' | 'lost' | 'node', StackId>;
}

function program(): Program {
  const m = new ModelBuilder();
  const addon = '/app/node_modules/shop/shop.node';
  const below = `
    js JS:~handler /app/app.js:12:17
    node node::Start(int, char**)`;
  return {
    m,
    stacks: {
      image: m.stack(`${addon} Image::Image()@/app/node_modules/shop/image.cc:12 ${below}`),
      pixels: m.stack(`${addon} Image::grow(int)@/app/node_modules/shop/image.cc:30 ${below}`),
      cache: m.stack(`${addon} cache::put(Image*)@/app/node_modules/shop/cache.cc:7 ${below}`),
      lost: m.stack(`${addon} decode@/app/node_modules/shop/decode.cc:99 ${below}`),
      node: m.stack('node v8::internal::Heap::SetUp()\n node node::Start(int, char**)'),
    },
  };
}

/** Three checkpoints: images are collected and forgotten, a cache grows, decode loses a pair of blocks. */
function shop(): { model: TraceModel; m: ModelBuilder } {
  const { m, stacks } = program();
  const memory = new OwnerMemory();
  const heapAt = (number: number) => {
    const cached = Array.from({ length: number * 2 }, (_one, at) => `block c${at} 100`);
    const held = Array.from({ length: number * 2 }, (_one, at) =>
      at === 0 ? 'global 1 -> c0' : `c${at - 1}+${at} -> c${at}`,
    );
    return {
      heap: new Heap(`
        block image 64
        block pixels 4096
        block a 32
        block b 48
        block env 1000 runtime
        block gone 24 runtime
        ${cached.join('\n')}
        image+8 -> pixels
        a -> b
        v8 -> env
        ${held.join('\n')}
        ${number === 1 ? 'owner Image wrap -> image' : ''}
        owner Buffer arraybuffer -> env
      `),
      stackIds: [
        stacks.image,
        stacks.pixels,
        stacks.lost,
        stacks.lost,
        stacks.node,
        stacks.node,
        ...cached.map(() => stacks.cache),
      ],
    };
  };
  const checkpoints = [1, 2, 3].map((number) => {
    const { heap, stackIds } = heapAt(number);
    return checkpointOf(heap, stackIds, memory, number, number === 3 ? { reason: 'exit' } : {});
  });
  return { model: withCheckpoints(m.build(), checkpoints), m };
}

function commandFor(
  model: TraceModel,
  m: ModelBuilder,
  more: Partial<TraceCommand> = {},
): TraceCommand {
  const packageOf = (path: string) => {
    const name = /node_modules\/([^/]+)/.exec(path)?.[1];
    return name === undefined ? null : { name, version: '2.0.0' };
  };
  return {
    model,
    tracePath: 'x.mprof',
    findOwners: (of, ids) => stackOwners(of, ids, m.resolver(), packageOf),
    nameStacks: (of, ids) => symbolize(of, ids, m.resolver(), { packageOf }),
    nameData: (_path, _buildId, addresses) =>
      Promise.resolve([...addresses].map(() => ({ symbol: 'cache::images', offsetBytes: 8 }))),
    findSymbols: (_path, wanted) => Promise.resolve(wanted.map(() => false)),
    columns: 80,
    style: plainStyle,
    memprofCommand: 'memprof',
    ...more,
  };
}

const defaults: LeaksOptions = { limit: 10 };
const shopCommand = (more: Partial<TraceCommand> = {}) => {
  const { model, m } = shop();
  return commandFor(model, m, more);
};

interface LeaksJson {
  sites: {
    verdict: string;
    blockCount: number;
    sizeBytes: number;
    behind: { blockCount: number; sizeBytes: number };
    owner: { className: string; lastSeen: number | null } | null;
    heldBy: { kind: string; text: string } | null;
    growth: { blocksPerCheckpoint: number } | null;
    package: { name: string } | null;
    frames: { function: string | null }[];
  }[];
  checkpoint: { liveCount: number; liveBytes: number };
}
const leaksJson = async (t: Parameters<typeof validJson>[0], more: Partial<LeaksOptions> = {}) =>
  (await validJson(
    t,
    'leaks',
    leaks(shopCommand(), { ...defaults, ...more, json: true }),
  )) as LeaksJson;

test('leaks, owners and why draw within 80 columns, and 120', async (t) => {
  for (const columns of [80, 120]) {
    const command = shopCommand({ columns });
    for (const [name, lines] of Object.entries({
      leaks: leaks(command, defaults),
      'leaks --all': leaks(command, { ...defaults, all: true }),
      'leaks --at 2': leaks(command, { ...defaults, at: 2 }),
      owners: owners(command, { limit: 20 }),
      'why 1': why(command, { limit: 3 }, '1'),
      'why an address': why(command, { limit: 3 }, `0x${addressOf(8).toString(16)}`),
      'why a function': why(command, { limit: 3 }, 'cache::put'),
    })) {
      const text = await textOf(lines);
      if (columns === 80) t.snapshot(text, name);
      t.deepEqual(
        text.split('\n').filter((line) => textWidth(line) > columns),
        [],
        `${name} at ${columns}`,
      );
    }
  }
});

test('leaks lists what to act on, and with --all everything that was live', async (t) => {
  const { sites } = await leaksJson(t);
  t.deepEqual(
    sites.map((site) => [site.verdict, site.blockCount, site.sizeBytes, site.owner?.className]),
    [
      ['orphaned', 1, 64, 'Image'],
      ['lost-indirect', 1, 4096, undefined],
      ['lost', 1, 32, undefined],
      ['lost-indirect', 1, 48, undefined],
      ['held-by-native', 6, 600, undefined],
    ].sort(
      (a, b) =>
        sites.findIndex((site) => site.sizeBytes === a[2]) -
        sites.findIndex((site) => site.sizeBytes === b[2]),
    ),
  );
  const orphaned = sites.find((site) => site.verdict === 'orphaned');
  t.deepEqual(orphaned?.behind, { blockCount: 1, sizeBytes: 4096 });
  t.is(orphaned?.owner?.lastSeen, 1);
  const cache = sites.find((site) => site.verdict === 'held-by-native');
  t.is(cache?.growth?.blocksPerCheckpoint, 2);
  t.deepEqual(cache?.heldBy, { kind: 'global', text: 'cache::images+0x8 in shop.node' });

  const { sites: all, checkpoint } = await leaksJson(t, { all: true });
  t.is(
    all.reduce((sum, site) => sum + site.sizeBytes, 0),
    checkpoint.liveBytes,
  );
  t.is(
    all.reduce((sum, site) => sum + site.blockCount, 0),
    checkpoint.liveCount,
  );
  t.true(all.some((site) => site.verdict === 'lost' && site.package === null));
});

test("the sums of leaks are the live total, Node's own in one line", async (t) => {
  const text = await textOf(leaks(shopCommand(), defaults));
  t.regex(text, /Node's own +1\.0 KiB +2 +24 B of it lost/);
  t.regex(text, /total +5\.7 KiB +12/);
  t.false(text.includes("Node's runtime"));
  const all = await textOf(leaks(shopCommand(), { ...defaults, all: true }));
  t.true(all.includes("Node's runtime"));
});

test('an older checkpoint has sums by site, though not its blocks', async (t) => {
  const { sites } = await leaksJson(t, { at: 1, all: true });
  t.deepEqual(
    sites.filter((site) => site.package !== null).map((site) => [site.verdict, site.sizeBytes]),
    [
      ['lost-indirect', 48],
      ['lost', 32],
      ['held-by-js', 4096],
      ['held-by-native', 200],
      ['held-by-js', 64],
    ],
  );
  t.true(sites.every((site) => site.growth === null));
});

test('without a checkpoint every command says so, and how to get one', async (t) => {
  const { m } = shop();
  const command = commandFor(m.build(), m);
  for (const lines of [
    leaks(command, defaults),
    owners(command, { limit: 1 }),
    why(command, { limit: 1 }, '1'),
  ]) {
    const error = await t.throwsAsync<MemprofError>(textOf(lines), { instanceOf: MemprofError });
    t.is(error?.code, 'ERR_MEMPROF_NO_CHECKPOINT');
    t.regex(error?.message ?? '', /has no checkpoint.*--checkpoint 30s/);
  }
  const unknown = await t.throwsAsync<MemprofError>(
    textOf(leaks(shopCommand(), { ...defaults, at: 9 })),
  );
  t.regex(unknown?.message ?? '', /no checkpoint 9\. It has 1, 2, 3/);
});

test('a checkpoint that was not scanned, or not wholly, says what is not known', async (t) => {
  const { m, stacks } = program();
  const heap = new Heap('block a 10\nblock b 20\nowner Image wrap -> b');
  const checkpoint = checkpointOf(heap, [stacks.image, stacks.image], new OwnerMemory(), 1, {
    scanFailure: 'fork: Cannot allocate memory',
    input: { reachability: null },
    stoppedCount: 7,
    skippedBytes: 4096,
    owners: 'partial',
  });
  const text = await textOf(
    leaks(commandFor(withCheckpoints(m.build(), [checkpoint]), m), defaults),
  );
  t.regex(text, /! not scanned, so most verdicts are unknown: fork: Cannot allocate memory/);
  t.regex(text, /3 of 10 threads could not be stopped/);
  t.regex(text, /4\.0 KiB of memory could not be read/);
  t.regex(text, /a Worker could not be asked/);
  t.regex(text, /unknown: not scanned +10 B/);
});

test('a program with nothing to act on is told so', async (t) => {
  const { m, stacks } = program();
  const heap = new Heap('block a 10\nglobal 0 -> a');
  const checkpoint = checkpointOf(heap, [stacks.image], new OwnerMemory(), 1);
  const command = commandFor(withCheckpoints(m.build(), [checkpoint]), m);
  t.regex(await textOf(leaks(command, defaults)), /Nothing is lost or orphaned\./);
});

test('owners shows what native code holds beside what JavaScript sees', async (t) => {
  const { model, m } = shop();
  const detail = model.checkpoints?.at(-1)?.detail;
  if (detail != null) detail.owners.sizeBytes[0] = 900;
  const command = commandFor(model, m);
  const report = (await validJson(t, 'owners', owners(command, { limit: 20, json: true }))) as {
    classes: unknown;
  };
  t.deepEqual(report.classes, [
    { className: 'Buffer', objectCount: 1, blockCount: 1, sizeBytes: 1000, jsBytes: 900 },
  ]);
  const before = (await validJson(
    t,
    'owners',
    owners(command, { limit: 20, at: 1, json: true }),
  )) as { classes: unknown };
  t.deepEqual(before.classes, [
    { className: 'Image', objectCount: 1, blockCount: 2, sizeBytes: 4160, jsBytes: null },
    { className: 'Buffer', objectCount: 1, blockCount: 1, sizeBytes: 1000, jsBytes: null },
  ]);
});

interface WhyJson {
  groups: {
    blockCount: number;
    text: string;
    path: { address: string; pointerOffset: number }[];
    root: { kind: string; text: string };
  }[];
}
const whyJson = async (t: Parameters<typeof validJson>[0], question: string, more = {}) =>
  (
    (await validJson(
      t,
      'why',
      why(shopCommand(more), { limit: 10, json: true }, question),
    )) as WhyJson
  ).groups;
const addressText = (row: number, inside = 0) => `0x${(addressOf(row) + inside).toString(16)}`;

test('why says in a sentence what became of a block, by its address or one inside of it', async (t) => {
  const text = async (row: number, inside = 0) =>
    (await whyJson(t, addressText(row, inside)))[0].text;
  t.is(
    await text(0),
    'orphaned: its Image was collected after checkpoint 1 (2 checkpoints ago), nobody called free',
  );
  t.is(
    await text(1, 77),
    `lost behind ${addressText(0)} (64 B): its Image was collected after checkpoint 1 (2 checkpoints ago), nobody called free`,
  );
  t.is(await text(2), 'lost: nothing points to it');
  t.is(await text(3), `lost with ${addressText(2)} (32 B), to which nothing points`);
  t.is(await text(4), 'held by Buffer (JS)');
  t.is(await text(7), 'held by cache::images+0x8 in shop.node');
});

test('why gives the path from a block to its root, pointer by pointer', async (t) => {
  const [group] = await whyJson(t, addressText(9));
  t.deepEqual(
    group.path.map((hop) => [hop.address, hop.pointerOffset]),
    [
      [addressText(8), 3],
      [addressText(7), 2],
      [addressText(6), 1],
    ],
  );
  t.deepEqual(group.root, { kind: 'global', text: 'cache::images+0x8 in shop.node' });
});

test('why of a site groups its blocks by their ways, and shows retainers where they are known', async (t) => {
  const bySite = await whyJson(t, '1');
  t.deepEqual(
    bySite.map((group) => group.blockCount),
    [1],
  );
  t.true(bySite[0].text.startsWith('orphaned'));
  const cached = await whyJson(t, 'cache::put');
  t.is(
    cached.reduce((sum, group) => sum + group.blockCount, 0),
    6,
  );
  const { model, m } = shop();
  const detail = model.checkpoints?.at(-1)?.detail;
  if (detail != null) detail.owners.snapshotId[0] = 17;
  const command = commandFor(model, m, {
    retainersOf: (id) => (id === 17 ? ['Map entry in cache', 'module /app/cache.js'] : null),
  });
  t.regex(
    await textOf(why(command, { limit: 1 }, addressText(4))),
    /held by Buffer \(JS\) <- Map entry in cache <- module \/app\/cache\.js/,
  );
});

test('why refuses what it does not find, and says what it can be asked', async (t) => {
  for (const [question, message] of [
    ['0x1', /no block was live at 0x1 at checkpoint 3/],
    ['99', /lists 3 sites, so there is no site 99/],
    ['no such function', /no live block has a function with "no such function"/],
  ] as const) {
    await t.throwsAsync(textOf(why(shopCommand(), { limit: 1 }, question)), { message });
  }
});

test('roots on stacks, in registers and in TLS are told with their thread and function', async (t) => {
  const { m, stacks } = program();
  const heap = new Heap(
    'block s 8\nblock r 8\nblock l 8\nstack 4300 -> s\nregister 4242 -> r\ntls 4300 -> l',
  );
  m.threads.push({ index: 1, tid: 4300, name: 'worker', beginNs: 0, endNs: null });
  const checkpoint = checkpointOf(heap, Array(3).fill(stacks.image), new OwnerMemory(), 1);
  const frame = checkpoint.detail?.reachability?.frames[0];
  const model = withCheckpoints(m.build(), [checkpoint]);
  if (frame !== undefined) {
    frame.index = model.stacks.index[stacks.lost];
    frame.offset = model.stacks.offset[stacks.lost];
  }
  const of = async (row: number) => {
    const lines = why(commandFor(model, m), { limit: 1, json: true }, addressText(row));
    return ((await validJson(t, 'why', lines)) as WhyJson).groups[0].text;
  };
  t.is(await of(0), 'held by the stack of thread worker (4300), in decode (decode.cc:99)');
  t.is(await of(1), 'held by a register of thread main');
  t.is(await of(2), 'held by thread-local memory of thread worker (4300)');
});

test("what Node's own globals hold is held by Node's runtime, whichever global it is", async (t) => {
  const { m, stacks } = program();
  const heap = new Heap('block a 8\nglobal 0 -> a');
  const checkpoint = checkpointOf(heap, [stacks.image], new OwnerMemory(), 1);
  const model = withCheckpoints(m.build(), [checkpoint]);
  t.regex(
    await textOf(why(commandFor(model, m), { limit: 1 }, addressText(0))),
    /held by Node's runtime, through cache::images\+0x8 in node/,
  );
});

test('names of classes and symbols cannot drive the terminal, and colours change no letter', async (t) => {
  const { m, stacks } = program();
  const heap = new Heap('block a 10\nblock b 20\nowner X wrap -> a\nglobal 0 -> b');
  const memory = new OwnerMemory();
  const evil = (number: number): Checkpoint => {
    const made = checkpointOf(heap, [stacks.image, stacks.cache], memory, number);
    made.detail?.owners.classNames.splice(0, 1, 'E\x1b[2Jvil\n');
    made.classes[0].className = 'E\x1b[2Jvil\n';
    return made;
  };
  const model = withCheckpoints(m.build(), [evil(1)]);
  const nameData = () => Promise.resolve([{ symbol: 'g\x07\u202e', offsetBytes: 0 }]);
  for (const run of [
    (command: TraceCommand) => leaks(command, { ...defaults, all: true }),
    (command: TraceCommand) => owners(command, { limit: 9 }),
    (command: TraceCommand) => why(command, { limit: 9 }, addressText(0)),
    (command: TraceCommand) => why(command, { limit: 9 }, addressText(1)),
  ]) {
    const plain = await textOf(run(commandFor(model, m, { nameData })));
    t.notRegex(plain, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    const coloured = await textOf(run(commandFor(model, m, { nameData, style: colourStyle })));
    t.is(coloured.replace(/\x1b\[\d+m/g, ''), plain);
  }
});

test('a class is told by its vtable, a container by its functions, for sites and on paths', async (t) => {
  const { m } = program();
  const addon = '/app/node_modules/shop/shop.node';
  const image = m.stack(`${addon} Image::create()@/app/i.cc:3`);
  const vector = m.stack(
    `libstdc++.so.6 operator new(unsigned long)\n ${addon} std::vector<int, std::allocator<int> >::reserve(unsigned long) << fill()@/app/i.cc:9`,
  );
  const heap = new Heap('block a 64\nblock b 64\nblock v 400\na -> v\nglobal 1 -> b');
  const checkpoint = checkpointOf(heap, [image, image, vector], new OwnerMemory(), 1);
  const model = withCheckpoints(m.build(), [checkpoint]);
  const module = model.modules.find((one) => one.path === addon);
  const word = (module?.base ?? 0) + 0x3010;
  checkpoint.detail?.reachability?.firstWord.fill(word, 0, 2);
  const command = commandFor(model, m, {
    nameData: (_path, _buildId, addresses) =>
      Promise.resolve(
        [...addresses].map((address) =>
          address === 0x3010 ? { symbol: 'vtable for shop::Image', offsetBytes: 16 } : null,
        ),
      ),
  });
  const { sites } = (await validJson(
    t,
    'leaks',
    leaks(command, { ...defaults, all: true, json: true }),
  )) as { sites: { verdict: string; type: string | null }[] };
  t.deepEqual(
    sites.map((site) => [site.verdict, site.type]),
    [
      ['lost', 'shop::Image'],
      ['lost-indirect', 'std::vector<int> storage'],
      ['held-by-native', 'shop::Image'],
    ],
  );
  const text = await textOf(why(command, { limit: 1 }, addressText(2)));
  t.regex(text, /^0x12000: 400 B, std::vector<int> storage, lost behind others/);
  t.regex(text, /64 B {2}shop::Image, Image::create i\.cc:3/);
  t.regex(await textOf(leaks(command, defaults)), /type shop::Image/);
});

test('an allocator inside an addon is told with what the addon has mapped', async (t) => {
  const { model, m } = shop();
  const { stacks } = program();
  const mapping = (sizeBytes: number, stackId: StackId) => ({
    address: 0x7000_0000 as never,
    sizeBytes,
    stackId,
    bornNs: 0,
    prot: 3,
    flags: 0x22,
  });
  model.mappings.push(
    mapping(32 << 20, stacks.cache),
    mapping(4 << 20, stacks.lost),
    mapping(64 << 20, stacks.node),
  );
  const command = commandFor(model, m, {
    findSymbols: (path, wanted) =>
      Promise.resolve(wanted.map((word) => path.endsWith('shop.node') && word === 'mi_malloc')),
  });
  const text = await textOf(leaks(command, defaults));
  t.regex(
    text.replaceAll(/\n +/g, ' '),
    /! shop 2\.0\.0 has mimalloc inside \(shop\.node\): 36\.0 MiB in 2 mappings at the end are counted to it, and single blocks in them cannot be seen/,
  );
  const report = (await validJson(t, 'leaks', leaks(command, { ...defaults, json: true }))) as {
    privateAllocators: { allocator: string; sizeBytes: number }[];
  };
  t.deepEqual(
    report.privateAllocators.map((one) => [one.allocator, one.sizeBytes]),
    [['mimalloc', 36 << 20]],
  );
});
