// The shim's jit part inside real Nodes: do frames of every tier carry the right function's name?
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { walkAddon } from './support/build.js';
import { testOnEachNode } from './support/node-builds.js';

interface Frame {
  kind: 'bytecode' | 'code' | 'builtin' | 'unnamed';
  name: string;
  offset: number;
  isolate: number;
  interpreter: 0 | 1;
  moved: number;
}

/** Runs a program that prints JSON. `walker` is the addon, attached; FILE in the result is the program's path. */
function runProgram<T>(
  t: ExecutionContext,
  nodePath: string,
  options: string[],
  source: string,
): T {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-names-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'program.cjs');
  // One line, so that the source's own first line is line 2.
  const head = `'use strict'; const walker = require(${JSON.stringify(walkAddon())}); walker.attach(); const print = (value) => console.log(JSON.stringify(value));`;
  writeFileSync(file, `${head}\n${source}`);
  const output = execFileSync(nodePath, [...options, file], { encoding: 'utf8' });
  return JSON.parse(output.replaceAll(file, 'FILE')) as T;
}

/** The program's own frames, leaf first, a line each. */
const own = (frames: Frame[]): string[] =>
  frames.filter(({ name }) => name.includes(' FILE:')).map(({ kind, name }) => `${kind} ${name}`);

const nested = `function gammaLeaf() { return walker.walk(); }
class Middle { method() { return [1].map(function inMap() { return gammaLeaf(); })[0]; } }
function alphaRoot() { return new Middle().method(); }
print(alphaRoot());
`;

testOnEachNode(
  'interpreted frames have their names, through builtins, down to the entry',
  (t, nodePath) => {
    const frames = runProgram<Frame[]>(t, nodePath, [], nested);
    t.deepEqual(own(frames), [
      'bytecode JS:~gammaLeaf FILE:2:19',
      'bytecode JS:~inMap FILE:3:56',
      'bytecode JS:~method FILE:3:22',
      'bytecode JS:~alphaRoot FILE:4:19',
      'bytecode JS:~ FILE:1:1',
    ]);
    t.true(frames.some(({ kind, name }) => kind === 'builtin' && name === 'Builtin:ArrayMap'));
    t.is(frames.at(-1)?.name, 'Builtin:JSEntry');
    t.deepEqual(
      frames.filter(({ kind }) => kind === 'unnamed'),
      [],
    );
    for (const { kind, interpreter } of frames) t.is(interpreter === 1, kind === 'bytecode');
  },
);

testOnEachNode('Sparkplug frames have their names', (t, nodePath) => {
  const frames = runProgram<Frame[]>(t, nodePath, ['--always-sparkplug'], nested);
  t.deepEqual(own(frames), [
    'code JS:^gammaLeaf FILE:2:19',
    'code JS:^inMap FILE:3:56',
    'code JS:^method FILE:3:22',
    'code JS:^alphaRoot FILE:4:19',
    'code JS:^ FILE:1:1',
  ]);
});

const optimizedBy = (intrinsic: string): string => `function hotLeaf() { return walker.walk(); }
%PrepareFunctionForOptimization(hotLeaf);
hotLeaf(); hotLeaf();
${intrinsic}(hotLeaf);
hotLeaf();
print(hotLeaf());
`;

testOnEachNode('TurboFan frames have their names', (t, nodePath) => {
  const source = optimizedBy('%OptimizeFunctionOnNextCall');
  const frames = runProgram<Frame[]>(t, nodePath, ['--allow-natives-syntax'], source);
  // V8 writes ' when the code is specialized for one closure.
  t.regex(own(frames)[0] ?? '', /^code JS:\*'?hotLeaf FILE:2:17$/);
});

// Official builds of Node 20 and 22 have no Maglev.
testOnEachNode(
  'Maglev frames have their names',
  (t, nodePath) => {
    const source = optimizedBy('%OptimizeMaglevOnNextCall');
    const frames = runProgram<Frame[]>(t, nodePath, ['--allow-natives-syntax', '--maglev'], source);
    t.regex(own(frames)[0] ?? '', /^code JS:\+'?hotLeaf FILE:2:17$/);
  },
  [24, 26],
);

testOnEachNode("a Worker's frames have their names and its own isolate", async (t, nodePath) => {
  const source = `const { Worker, isMainThread, parentPort } = require('node:worker_threads');
function inBoth() { return walker.walk(); }
const frames = inBoth();
if (isMainThread) {
  const answers = [];
  const workers = [new Worker(__filename), new Worker(__filename)];
  for (const worker of workers) worker.on('message', (message) => {
    answers.push(message);
    if (answers.length === 2) { print([frames, ...answers]); for (const one of workers) one.postMessage('end'); }
  });
} else {
  parentPort.postMessage(frames);
  parentPort.once('message', () => parentPort.close());
}
`;
  const all = runProgram<Frame[][]>(t, nodePath, [], source);
  t.is(all.length, 3);
  for (const frames of all) {
    t.deepEqual(own(frames), ['bytecode JS:~inBoth FILE:3:16', 'bytecode JS:~ FILE:1:1']);
    t.deepEqual(
      frames.filter(({ kind }) => kind === 'unnamed'),
      [],
    );
  }
  const isolates = all.map((frames) => frames.find(({ name }) => name.includes('inBoth'))?.isolate);
  t.deepEqual(isolates.sort(), [0, 1, 2]);
});

testOnEachNode(
  'names stay right when collections move bytecode under running functions',
  (t, nodePath) => {
    const source = `const results = [];
function make(i) { return (0, eval)('(function live' + i + '(rest) { return rest.length ? rest[0](rest.slice(1)) : (gc(), walker.walk()); })'); }
const kept = [];
globalThis.walker = walker;
for (let round = 0; round < 12; round++) {
  // Garbage between what lives, so that compaction has something to do.
  for (let i = 0; i < 200; i++) { const f = make(round * 1000 + i); f([() => 0]); if (i % 20 === 0) kept.push(f); }
  const chain = kept.slice(-8);
  const frames = chain[0](chain.slice(1));
  results.push({ expected: chain.map((f) => f.name).reverse(), frames: frames.filter((f) => f.name.includes('live')) , unnamed: frames.filter((f) => f.kind === 'unnamed').length });
}
print(results);
`;
    const options = ['--expose-gc', '--stress-compaction', '--no-opt', '--no-sparkplug'];
    const results = runProgram<{ expected: string[]; frames: Frame[]; unnamed: number }[]>(
      t,
      nodePath,
      options,
      source,
    );
    const headers = new Set<number>();
    let moved = 0;
    for (const { expected, frames, unnamed } of results) {
      t.deepEqual(
        frames.map(({ name }) => /~(\w+)/.exec(name)?.[1]),
        expected,
      );
      t.is(unnamed, 0);
      for (const frame of frames) {
        if (frame.moved > 0 && frame.moved < 0x80) headers.add(frame.moved);
        else moved++;
      }
    }
    t.true(headers.size <= 1, 'one header size');
    t.true(moved > 0, 'nothing was moved: this run proved nothing');
  },
);

testOnEachNode(
  'a function compiled again after its code was flushed has its name',
  (t, nodePath) => {
    const source = `const functions = Array.from({ length: 50 }, (_, i) => new Function('walker', 'return function flushed' + i + '() { return walker.walk(); }')(walker));
const names = [];
let codeCount = 0;
for (let round = 0; round < 4; round++) {
  if (round === 1) codeCount = walker.stats().codeCount;
  for (const f of functions) names.push([f.name, f().filter((frame) => frame.kind !== 'builtin')[0].name]);
  for (let i = 0; i < 4; i++) gc();
}
print({ names, again: walker.stats().codeCount - codeCount });
`;
    const options = ['--expose-gc', '--stress-flush-code', '--flush-bytecode'];
    const { names, again } = runProgram<{ names: [string, string][]; again: number }>(
      t,
      nodePath,
      options,
      source,
    );
    for (const [expected, found] of names) t.is(/~(\w+)/.exec(found)?.[1], expected);
    t.true(
      again >= 50,
      `only ${again} code objects were announced after the first round: nothing was flushed`,
    );
  },
);

testOnEachNode(
  "the builtins in node's own text are recognised as the announced ones",
  (t, nodePath) => {
    const symbols = execFileSync('nm', [nodePath], { encoding: 'utf8', maxBuffer: 1 << 29 });
    const addressOf = (name: string): number => {
      const line = symbols.split('\n').find((one) => one.endsWith(` ${name}`));
      return Number.parseInt(line ?? '', 16);
    };
    const source = `const at = (address) => { const { kind, name, offset, interpreter } = walker.frameAt(address + 7); return [kind, name, offset, interpreter]; };
print(${JSON.stringify(['InterpreterEntryTrampoline', 'ArrayMap', 'JSEntry'].map((name) => addressOf(`Builtins_${name}`)))}.map(at));
`;
    t.deepEqual(runProgram(t, nodePath, [], source), [
      ['builtin', 'Builtin:InterpreterEntryTrampoline', 7, 1],
      ['builtin', 'Builtin:ArrayMap', 7, 0],
      ['builtin', 'Builtin:JSEntry', 7, 0],
    ]);
  },
);
