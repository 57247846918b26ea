// Programs that do what they can to be met by a checkpoint: none of their code may run, and what they
// print, and how they end, stays the same.
import { testOnEachNode } from '../agent/support/node-builds.js';
import { napiAddon } from './support/addons.js';
import { runInSession } from './support/session.js';

/** `shout` is what must not run: a program cannot print more visibly. */
const head = `const fs = require('node:fs'); let isLoud = false;
const shout = (what) => { if (isLoud) { fs.writeSync(1, 'MET ' + what + '\\n'); throw new Error('met'); } };`;

const programs: readonly [title: string, source: string, nodeOptions?: string[]][] = [
  [
    'getters on Object.prototype and Array.prototype',
    `for (const key of ['constructor', 'toString', 'name', 'length', '0', 'exit', 'number']) {
       for (const target of [Object.prototype, Array.prototype, Function.prototype]) {
         try { const was = target[key]; Object.defineProperty(target, key, { get() { shout(key); return was; }, set(v) { Object.defineProperty(this, key, { value: v, writable: true, configurable: true }); }, configurable: true }); } catch {}
       } }`,
  ],
  [
    'throwing getters on constructor and Symbol.toStringTag of wrapped objects',
    `const throwing = { get() { shout('class'); return 'x'; } };
     class Trap { static get name() { shout('name'); return 'x'; } get [Symbol.toStringTag]() { shout('tag'); return 'x'; } }
     Object.defineProperty(Trap.prototype, 'constructor', throwing);
     const object = new Trap(); napi.wrap(object, 'finalizer'); globalThis.kept = object;
     const own = {}; Object.defineProperty(own, 'constructor', throwing); Object.defineProperty(own, Symbol.toStringTag, throwing);
     napi.wrap(own, 'plain'); globalThis.own = own;
     const buffer = new ArrayBuffer(999); Object.setPrototypeOf(buffer, new Trap()); globalThis.buffer = buffer;`,
  ],
  [
    'proxies with throwing traps, as objects and as prototypes',
    `const traps = new Proxy({}, { get: (_, trap) => () => { shout('trap ' + String(trap)); throw new Error('trap'); } });
     const proxy = new Proxy({}, traps); globalThis.proxy = proxy;
     class Behind {} const behind = new Behind(); napi.wrap(behind, 'finalizer'); globalThis.behind = behind;
     globalThis.inProxy = new Proxy(napi.external(true) && {}, traps);
     Object.setPrototypeOf(Behind.prototype, proxy);`,
  ],
  [
    'globals and process overwritten and frozen',
    `const { emit } = process; process.emit = function (...all) { return emit.apply(this, all); };
     for (const name of ['Array', 'Object', 'Map', 'Set', 'Promise', 'Buffer', 'WeakRef', 'FinalizationRegistry', 'Symbol'])
       globalThis[name] = new Proxy(function () {}, { get: () => { shout(name); }, apply: () => shout(name), construct: () => { shout(name); return {}; } });
     Reflect.ownKeys(globalThis);`,
  ],
  [
    'frozen prototypes',
    `for (const each of [Object, Array, Function, Map, ArrayBuffer, Buffer]) { Object.freeze(each.prototype); Object.freeze(each); } Object.freeze(globalThis);`,
  ],
  [
    'a vm context with wrapped objects',
    `const context = require('node:vm').createContext({ napi }); require('node:vm').runInContext('class Inner {}; globalThis.inner = new Inner(); napi.wrap(inner, "finalizer"); Object.defineProperty(Object.prototype, "x", { get() { throw 1 } })', context); globalThis.context = context;`,
  ],
  [
    'no code from strings',
    'globalThis.b = Buffer.alloc(10)',
    ['--disallow-code-generation-from-strings'],
  ],
  [
    'frozen intrinsics',
    'globalThis.b = Buffer.alloc(10)',
    ['--frozen-intrinsics', '--no-warnings'],
  ],
  [
    'FinalizationRegistry and WeakRef',
    `const registry = new FinalizationRegistry(() => shout('registry')); for (let i = 0; i < 100; i++) registry.register({}, i); globalThis.registry = registry;`,
  ],
];

for (const [title, source, nodeOptions = []] of programs) {
  testOnEachNode(`a checkpoint meets no code of the program: ${title}`, async (t, node) => {
    const whole = `${head}\nconst napi = require(${JSON.stringify(await napiAddon())});\n${source}\n;isLoud = true;`;
    const argv = [...nodeOptions, '-e', whole];
    const plain = await runInSession(t, node, argv, { withAgent: false });
    const traced = await runInSession(t, node, argv);
    t.is(traced.stdout, plain.stdout);
    t.is(traced.stderr, plain.stderr);
    t.is(traced.status, plain.status);
    t.is(traced.checkpoints.length, 1);
    t.is(traced.checkpoints[0]?.ownerState, 1);
  });
}

testOnEachNode(
  'where addons are forbidden there is no checkpoint, and nothing shows',
  async (t, node) => {
    const argv = ['--no-addons', '-e', 'console.log(1)'];
    const plain = await runInSession(t, node, argv, { withAgent: false });
    const traced = await runInSession(t, node, argv);
    t.deepEqual(
      [traced.stdout, traced.stderr, traced.status],
      [plain.stdout, plain.stderr, plain.status],
    );
    t.is(traced.checkpoints.length, 0);
  },
);
