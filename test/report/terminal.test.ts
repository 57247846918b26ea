import test from 'ava';
import {
  colourStyle,
  liveStackIds,
  type ReportOptions,
  renderExitReport,
  textWidth,
  usersStackIds,
} from '../../src/report/index.js';
import { stackOwners, symbolize } from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';

const packageOf = (path: string) => {
  const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  return name === undefined ? null : { name, version: '1.2.3' };
};

async function report(
  m: ModelBuilder,
  options: Partial<ReportOptions> = {},
  change: (model: ReturnType<ModelBuilder['build']>) => void = () => {},
) {
  const model = m.build();
  change(model);
  const symbols = await symbolize(model, liveStackIds(model), m.resolver(), { packageOf });
  return renderExitReport(model, symbols, { ...reportOptions, ...options });
}

const reportOptions: ReportOptions = {
  columns: 80,
  tracePath: 'memprof-app.4242.mprof',
  traceBytes: 4096,
  memprofCommand: 'memprof',
};

function leaky(): ModelBuilder {
  const m = new ModelBuilder();
  const leak = m.stack(`
    libmemprof.so malloc
    libstdc++.so.6 operator new(unsigned long)
    /app/node_modules/leaky/leaky.node std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >::reserve(unsigned long)@/usr/include/c++/12/string:120 << leaky::Cache::add(int)@/app/node_modules/leaky/cache.cc:34
    node Builtins_CallApiCallbackGeneric
    node Builtins_InterpreterEntryTrampoline
    js JS:~handler file:///app/app.js:12:17
    js JS:~emit node:events:465:44
    node Builtins_JSEntry
    node node::Start(int, char**)
    libc.so.6 __libc_start_main
  `);
  const freed = m.stack(`
    /app/node_modules/tidy/tidy.node make
    js JS:~main /app/app.js:3:5
    node node::Start(int, char**)
  `);
  const runtime = m.stack('node v8::internal::Heap::SetUp()\n node node::Start(int, char**)');
  m.live('both', leak, 1024, 3000);
  m.live('before-teardown', freed, 500, 2);
  m.live('both', runtime, 100_000, 4);
  return m;
}

test('the report is the same when only stacks of users are named', async (t) => {
  const model = leaky().build();
  const ids = liveStackIds(model);
  const owners = await stackOwners(model, ids, leaky().resolver(), packageOf);
  const users = usersStackIds(ids, owners);
  t.is(users.length, ids.length - 1, "all but the runtime's");
  const symbols = await symbolize(model, users, leaky().resolver(), { packageOf, owners });
  t.is(renderExitReport(model, symbols, reportOptions), await report(leaky()));
});

test('the report of a leaky program, at 80 columns', async (t) => {
  const text = await report(leaky());
  t.snapshot(text);
  t.true(text.split('\n').every((line) => textWidth(line) <= 80));
});

test('a narrow terminal is kept to', async (t) => {
  const lines = (await report(leaky(), { columns: 60 })).split('\n');
  t.deepEqual(
    lines.filter((line) => textWidth(line) > 60),
    [],
  );
});

test('colours change no letter', async (t) => {
  const coloured = await report(leaky(), { style: colourStyle });
  t.regex(coloured, /\x1b\[/);
  t.is(coloured.replace(/\x1b\[\d+m/g, ''), await report(leaky()));
});

test('every loss that is not zero is said', async (t) => {
  const text = await report(leaky(), { warnings: ['something else'] }, (model) => {
    model.losses.lostEventCount = 12;
    model.losses.cutStackCount = 1;
    model.losses.ringWaitCount = 3;
    model.losses.ringWaitNs = 2e6;
    model.complete = false;
  });
  for (const part of [
    '12 events could not',
    '1 stack cut',
    'waited 3 times',
    'the trace ends before',
    'something else',
  ])
    t.true(text.includes(part), part);
  t.false((await report(leaky())).includes('!'));
});

/** Of a program each of whose stacks was cut, in this order. */
function reportOfCut(...leaves: string[]): Promise<string> {
  const m = new ModelBuilder();
  for (const leaf of leaves)
    m.live(
      'at-end',
      m.stack(`
        libc.so.6 malloc
        ${leaf}
        node v8::internal::Deserializer
        !cut
      `),
      64,
      1,
    );
  return report(m, {}, (model) => {
    model.losses.cutStackCount = leaves.length;
  });
}

test('a cut stack of Node alone is no news, one of an addon is, though Node’s own came first', async (t) => {
  const [own, addon] = ['node v8::internal::Heap', 'addon.node Leak'];
  t.false((await reportOfCut(own)).includes('cut at the depth limit'));
  t.true((await reportOfCut(addon)).includes('1 stack cut at the depth limit'));
  t.true((await reportOfCut(own, addon)).includes('2 stacks cut at the depth limit'));
});

test('a program without Node has one moment and no runtime', async (t) => {
  const m = new ModelBuilder();
  m.process = {
    ...m.process,
    executable: '/usr/bin/tool',
    argv: ['tool', 'a b'],
    nodeVersion: null,
    ended: { how: 'signal', code: null, signal: 'SIGKILL' },
  };
  m.hasTeardown = false;
  m.module('/usr/bin/tool', { isExecutable: true });
  m.live(
    'at-end',
    m.stack(
      '/usr/bin/tool grow@/src/tool.c:9\n /usr/bin/tool main@/src/tool.c:20\n libc.so.6 __libc_start_main',
    ),
    4096,
    2,
  );
  t.snapshot(await report(m, { tracePath: null }));
});

test('names and paths of the traced program cannot drive the terminal', async (t) => {
  const m = new ModelBuilder();
  m.process.argv = ['node', '\x1b]0;owned\x07.js'];
  m.live(
    'both',
    m.stack(
      '/app/node_modules/e\x1b[2Jvil/a.node f\x1b[31m@/x\u202e.cc:1\n js JS:~\x9bm /a\n.js:1:1',
    ),
    10,
  );
  const text = await report(m);
  // eslint-disable-next-line no-control-regex
  t.notRegex(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  t.true(text.includes('\\x1b[2J'));
});

test('amounts by package and sites add up to the totals', async (t) => {
  const m = new ModelBuilder();
  for (let i = 0; i < 30; i++)
    m.live('both', m.stack(`/app/node_modules/p${i}/p.node f${i}`), 1024 * (i + 1));
  const text = await report(m);
  t.regex(text, /19 others +190\.0 KiB +19 +190\.0 KiB +19/);
  t.regex(text, /total +465\.0 KiB +30/);
  t.regex(text, /25 more sites hold 325\.0 KiB in 25 blocks/);
});
