import test, { type ExecutionContext } from 'ava';
import type { TraceCommand } from '../../src/commands/context.js';
import { type DiffOptions, diff } from '../../src/commands/diff.js';
import { parseGrowth } from '../../src/commands/parse-options.js';
import { MemprofError } from '../../src/errors.js';
import type { Checkpoint, TraceModel } from '../../src/model/index.js';
import { colourStyle, plainStyle, textWidth } from '../../src/report/index.js';
import { stackOwners, symbolize } from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';
import { validJson as validOutput } from './support.js';

const addon = '/app/node_modules/shop/shop.node';
const source = '/app/node_modules/shop/shop.cc';

/** A shop whose second version has another leak, in code that has moved. */
function shop(version: 1 | 2): ModelBuilder {
  const m = new ModelBuilder();
  m.process = { ...m.process, pid: 4242 + version };
  m.threads = [{ ...m.threads[0], tid: 4242 + version }];
  const shift = version === 1 ? 0 : 20;
  const main = `js JS:~main /app/app.js:${12 + shift}:3\n node node::Start(int, char**)`;
  const at = (name: string, line: number) =>
    m.stack(`${addon} ${name}@${source}:${line + shift}\n${main}`);
  m.live('both', at('cache::put', 10), 100, version === 1 ? 10 : 30);
  m.live('both', at('index', 40), 64, 20);
  m.live('both', at('decode', 60), 1000, version === 1 ? 5 : 2);
  if (version === 1) m.live('both', at('old_leak', 80), 300, 4);
  else m.live('both', at('encode', 90), 4096, 3);
  m.live('both', m.stack('node v8::Heap()\n node node::Start(int, char**)'), 100, 3 + version);
  return m;
}

function commandOf(m: ModelBuilder, name: string, changes: Partial<TraceModel> = {}): TraceCommand {
  const packageOf = (path: string) => {
    const found = /node_modules\/([^/]+)/.exec(path)?.[1];
    return found === undefined ? null : { name: found, version: '2.0.0' };
  };
  return {
    model: { ...m.build(), ...changes },
    tracePath: name,
    nameStacks: (model, ids) => symbolize(model, ids, m.resolver(), { packageOf }),
    findOwners: (model, ids) => stackOwners(model, ids, m.resolver(), packageOf),
    nameData: () => Promise.resolve([]),
    findSymbols: () => Promise.resolve([]),
    columns: 80,
    style: plainStyle,
    memprofCommand: 'memprof',
  };
}

const defaults: DiffOptions = { measure: 'live', limit: 10 };

/** The parts that the tests below look at. */
interface Output {
  totals: Record<'before' | 'after' | 'growth', { blockCount: number; sizeBytes: number }>;
  changes: Record<string, { siteCount: number; growth: { sizeBytes: number } }>;
  failAbove: { isAbove: boolean; growthBytes: number; limitBytes: number } | null;
  notes: string[];
  sites: {
    change: string;
    growth: { blockCount: number; sizeBytes: number };
    frames: { function: string }[];
    matchedBy: string | null;
  }[];
}

async function lines(...args: Parameters<typeof diff>): Promise<string> {
  return [...(await diff(...args)).lines].join('\n');
}

async function validJson(
  t: ExecutionContext,
  first: TraceCommand,
  second: TraceCommand | null,
  options: Partial<DiffOptions> = {},
): Promise<Output> {
  const result = await diff(first, second, { ...defaults, ...options, json: true });
  return (await validOutput(t, 'diff', toAsync(result.lines))) as Output;
}

async function* toAsync(all: Iterable<string>): AsyncGenerator<string> {
  yield* all;
}

const pairOf = (): [TraceCommand, TraceCommand] => [
  commandOf(shop(1), 'old.mprof'),
  commandOf(shop(2), 'new.mprof'),
];

test('a diff tells what is new, grew, shrank and is gone, within 80 and 160 columns', async (t) => {
  const [before, after] = pairOf();
  for (const columns of [80, 160]) {
    for (const [name, options] of Object.entries({
      plain: {},
      stacks: { stacks: true, all: true },
      node: { package: 'node' },
      limited: { limit: 0 },
    })) {
      const text = await lines(before, { ...after, columns }, { ...defaults, ...options });
      t.snapshot(text, `${name} ${columns}`);
      t.deepEqual(
        text.split('\n').filter((line) => textWidth(line) > columns),
        [],
      );
    }
  }
  const coloured = await lines(before, { ...after, style: colourStyle }, defaults);
  t.is(coloured.replace(/\u001b\[\d+m/g, ''), await lines(before, after, defaults));
});

test('the JSON of a diff is as its schema says, and its sites add up to the totals', async (t) => {
  const [before, after] = pairOf();
  const report = await validJson(t, before, after);
  t.deepEqual(
    report.sites.map((one) => [one.change, one.frames[0].function, one.growth.sizeBytes]),
    [
      ['new', 'encode', 12_288],
      ['grew', 'cache::put', 2000],
      ['grew', 'v8::Heap()', 100],
      ['shrank', 'decode', -3000],
      ['gone', 'old_leak', -1200],
    ],
  );
  const sum = report.sites.reduce((total, one) => total + one.growth.sizeBytes, 0);
  t.is(sum, report.totals.growth.sizeBytes);
  t.is(report.totals.after.sizeBytes - report.totals.before.sizeBytes, sum);
  t.is(report.changes['unchanged'].siteCount, 1);
  const all = await validJson(t, before, after, { all: true });
  t.is(all.sites.at(-1)?.change, 'unchanged');
});

test('filters choose sites and blocks on both sides', async (t) => {
  const [before, after] = pairOf();
  const growth = async (options: Partial<DiffOptions>) =>
    (await validJson(t, before, after, options)).totals.growth.sizeBytes;
  t.is(await growth({ package: 'shop' }), 12_288 + 2000 - 3000 - 1200);
  t.is(await growth({ package: 'node' }), 100);
  t.is(await growth({ function: 'decode' }), -3000);
  t.is(await growth({ size: { min: 2000, max: 1e9 } }), 12_288);
  t.is(await growth({ thread: 'nobody' }), 0);
});

test('--fail-above judges what packages hold, by size or by share', async (t) => {
  const [before, after] = pairOf();
  const status = async (text: string, options: Partial<DiffOptions> = {}) => {
    const failAbove = parseGrowth(text);
    return (await diff(before, after, { ...defaults, failAbove, ...options })).exitStatus;
  };
  // 10,088 bytes more where 8,480 were; Node's own 100 do not count.
  t.is(await status('10088'), 0);
  t.is(await status('10087'), 23);
  t.is(await status('119%'), 0);
  t.is(await status('118%'), 23);
  t.is(await status('0', { function: 'decode' }), 0);
  t.is(await status('0', { package: 'node' }), 23);
  const failing = await diff(before, after, { ...defaults, failAbove: { bytes: 1024 } });
  t.is(failing.failure, 'memory grew by 9.9 KiB, which is above 1.0 KiB (--fail-above)');
  const { failAbove } = await validJson(t, before, after, { failAbove: { percent: 10 } });
  t.like(failAbove, { isAbove: true, growthBytes: 10_088, limitBytes: 848 });
  for (const text of ['24 MB', '-1', 'much', '', '5 %%'])
    t.throws(
      () => parseGrowth(text),
      { instanceOf: MemprofError, code: 'ERR_MEMPROF_USAGE' },
      text,
    );
});

test('the same trace twice has no difference, and that is said', async (t) => {
  const m = shop(1);
  const text = await lines(commandOf(m, 'a.mprof'), commandOf(m, './a.mprof'), defaults);
  t.regex(text, /^Live memory: no difference\n/);
  t.regex(text, /both are the trace of one run: --from and --to/);
});

test('other programs, other versions of Node and losses are told', async (t) => {
  const other = shop(2);
  other.process = { ...other.process, pid: 7, argv: ['node', 'other.js'], nodeVersion: 'v22.1.0' };
  other.hasTeardown = false;
  const losses = { ...other.build().losses, lostEventCount: 3 };
  const { notes } = await validJson(
    t,
    commandOf(shop(1), 'a.mprof'),
    commandOf(other, 'b.mprof', { losses, complete: false }),
  );
  t.is(notes.length, 4);
  t.regex(notes[0], /programs differ \(node app\.js, then node other\.js\)/);
  t.regex(notes[1], /Node is v20\.20\.2, then v22\.1\.0/);
  t.regex(notes[2], /b\.mprof: 3 events could not be recorded/);
  t.regex(notes[3], /b\.mprof: the trace ends before its last part/);
  // One of them never came to its teardown, so both are compared at their ends.
  const [before, after] = pairOf();
  t.regex(await lines(before, after, defaults), /old\.mprof, before Node's teardown/);
  t.regex(
    await lines(before, commandOf(other, 'b.mprof'), defaults),
    /old\.mprof, the end: .*\n.*b\.mprof, the end:/,
  );
});

test('allocated memory is compared over the whole run', async (t) => {
  const drawn = (count: number) => {
    const m = new ModelBuilder();
    const stack = m.stack(`${addon} parse@${source}:5\n node node::Start(int, char**)`);
    return commandOf(m.released(stack, count, count * 100), 'a.mprof');
  };
  const report = await validJson(t, drawn(10), drawn(15), { measure: 'allocated' });
  t.deepEqual(report.totals.growth, { blockCount: 5, sizeBytes: 500 });
  const text = await lines(drawn(10), drawn(15), { ...defaults, measure: 'allocated' });
  t.regex(text, /^Allocated memory: \+500 B, \+5 allocations\n/);
  await t.throwsAsync(
    lines(drawn(1), drawn(2), { ...defaults, measure: 'allocated', thread: 'x' }),
    {
      message: /no thread, size or age\. Leave out --thread/,
    },
  );
});

/** Checkpoints with sums alone, as older ones have them. */
function withTallies(command: TraceCommand, perCheckpoint: Checkpoint['tallies'][]): TraceCommand {
  const checkpoints = perCheckpoint.map((tallies, at) => ({
    number: at + 1,
    reason: 'program',
    atNs: (at + 1) * 1e8,
    scanFailure: null,
    tallies,
    detail: null,
  })) as unknown as Checkpoint[];
  return { ...command, model: { ...command.model, hasEvents: false, checkpoints } };
}

test('checkpoints are compared by their sums, without events too', async (t) => {
  const m = new ModelBuilder();
  const below = 'js JS:~main /app/app.js:1:1\n node node::Start(int, char**)';
  const leak = m.stack(`${addon} leak@${source}:5\n${below}`);
  const cache = m.stack(`${addon} cache@${source}:9\n${below}`);
  const tally = (
    stackId: typeof leak,
    verdict: 'lost' | 'orphaned' | 'held-by-js',
    count: number,
  ) => ({
    stackId,
    verdict,
    blockCount: count,
    sizeBytes: count * 10,
  });
  const command = withTallies(commandOf(m, 'x.mprof'), [
    [tally(leak, 'lost', 1), tally(cache, 'held-by-js', 5)],
    [tally(leak, 'lost', 3), tally(leak, 'orphaned', 1), tally(cache, 'held-by-js', 50)],
  ]);
  const growth = async (options: Partial<DiffOptions>) =>
    (await validJson(t, command, null, options)).totals.growth.blockCount;
  t.is(await growth({ from: '#1', to: '#2' }), 48);
  t.is(await growth({ from: '#1', measure: 'lost' }), 3);
  t.is(await growth({ to: '#2', measure: 'lost' }), 4);
  t.is(await growth({ from: '#2', to: '#1', measure: 'lost' }), -3);
  const backwards = await validJson(t, command, null, { from: '#2', to: '#1' });
  t.regex(backwards.notes[0], /checkpoint 2 came after checkpoint 1/);
  const fails = (options: Partial<DiffOptions>, message: RegExp) =>
    t.throwsAsync(lines(command, null, { ...defaults, ...options }), { message });
  await fails(
    {},
    /has nothing to be compared with.*x\.mprof has start, #1, #2, before-teardown, end/,
  );
  await fails({ from: '#3' }, /x\.mprof has no moment #3\. It has start, #1, #2/);
  await fails({ from: 'warm' }, /has no moment warm/);
  await fails(
    { from: '#1', thread: 'main' },
    /which blocks were live at checkpoint 1: .*no events/,
  );
  await fails({ from: '#1', measure: 'allocated' }, /what was allocated at checkpoint 1/);
  await fails({ to: 'end', measure: 'lost' }, /known at checkpoints alone, and the end is none/);
});

test('names of the program cannot draw on the terminal', async (t) => {
  const m = new ModelBuilder();
  const evil = '\u001b[2J\u202eevil\n';
  m.process = { ...m.process, argv: ['node', `${evil}.js`] };
  m.live('both', m.stack(`${addon} ${evil.trim()}@/app/${evil.trim()}:1`), 10);
  const other = shop(2);
  const text = await lines(commandOf(m, `${evil}.mprof`), commandOf(other, 'b.mprof'), {
    ...defaults,
    stacks: true,
  });
  t.false(/[\u0000-\u0009\u000b-\u001f\u202e]/.test(text));
});
