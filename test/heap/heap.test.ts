import { getHeapSnapshot } from 'node:v8';
import test from 'ava';
import fc from 'fast-check';
import { MemprofError } from '../../src/errors.js';
import {
  describeRetainers,
  HeapSnapshotParser,
  RetainerTree,
  writeHeapSnapshot,
} from '../../src/heap/index.js';
import { draw, nodeNamed, parse, snapshotJson } from './support.js';

class MarkedForTheSnapshot {
  readonly payload = ['kept'];
}
const keeper = new Map([['key', new MarkedForTheSnapshot()]]);
const real = await readOwnSnapshot();

async function readOwnSnapshot(): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of getHeapSnapshot()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

const cached = `
[synthetic] root -element:1-> [synthetic] (GC roots)
(GC roots) -element:1-> [synthetic] (Stack roots)
(Stack roots) -element:0-> Image
(GC roots) -element:2-> global
global -property:modules-> Module
Module -property:filename-> [string] /app/cache.js
Module -property:exports-> Object
Object -property:cache-> Map
Map -internal:table-> [array] storage
storage -internal:7-> Image
Image -weak:8-> Forgotten
`;

test('a real snapshot is read in pieces of any size and written back without a difference', (t) => {
  const parser = new HeapSnapshotParser();
  for (let at = 0; at < real.length; at += 10_007) parser.push(real.subarray(at, at + 10_007));
  const snapshot = parser.finish();
  const written = [...writeHeapSnapshot(snapshot, { blocks: [], edges: [] })].join('');
  t.true(JSON.stringify(JSON.parse(written)) === JSON.stringify(JSON.parse(real.toString())));
  const tree = new RetainerTree(snapshot);
  const words = describeRetainers(tree, nodeNamed(snapshot, 'MarkedForTheSnapshot'));
  t.true(words.length > 0);
  t.is(keeper.size, 1);
});

test('the path names the entry, the property and the module, not V8’s storage', (t) => {
  const snapshot = draw(cached);
  const tree = new RetainerTree(snapshot);
  t.deepEqual(describeRetainers(tree, nodeNamed(snapshot, 'Image')), [
    'entry of Map',
    'property cache of Object',
    'property exports of Module',
    'module /app/cache.js',
  ]);
});

test('what only weak edges lead to has no path', (t) => {
  const snapshot = draw(cached);
  t.deepEqual(new RetainerTree(snapshot).path(nodeNamed(snapshot, 'Forgotten')), []);
});

test('a handle or the stack is the answer only where nothing else is', (t) => {
  const snapshot = draw(`
    [synthetic] root -element:1-> [synthetic] (Global handles)
    (Global handles) -element:4-> Wrapped
    Wrapped -property:name-> Label
  `);
  const tree = new RetainerTree(snapshot);
  t.deepEqual(describeRetainers(tree, nodeNamed(snapshot, 'Label')), [
    'property name of Wrapped',
    'a strong handle of native code',
  ]);
});

test('a variable is told by its name and its function', (t) => {
  const snapshot = draw(`
    [synthetic] root -element:1-> [closure] keep
    keep -internal:context-> system / Context
    system / Context -context:images-> Image
    system / Context -internal:scope_info-> [hidden] scope
    scope -internal:function_name-> [string] makeStore
  `);
  const tree = new RetainerTree(snapshot);
  t.is(
    describeRetainers(tree, nodeNamed(snapshot, 'Image'))[0],
    'variable images of function makeStore',
  );
});

test('an ES module is named by its URL, without V8’s way through its generator', (t) => {
  const snapshot = draw(`
    [synthetic] root -element:1-> ModuleWrap
    ModuleWrap -property:url-> [string] file:///app/cache.js
    ModuleWrap -internal:2-> [code] system / SourceTextModule
    system / SourceTextModule -internal:4-> Generator
    Generator -internal:context-> system / Context
    system / Context -context:cache-> Image
  `);
  const tree = new RetainerTree(snapshot);
  t.deepEqual(describeRetainers(tree, nodeNamed(snapshot, 'Image')), [
    'variable cache of a scope',
    'module file:///app/cache.js',
  ]);
});

test('objects are found by their id', (t) => {
  const snapshot = draw(cached);
  const tree = new RetainerTree(snapshot);
  t.is(tree.nodeOf(2 * nodeNamed(snapshot, 'Image') + 1), nodeNamed(snapshot, 'Image'));
  t.is(tree.nodeOf(1_000_000), -1);
});

test('native blocks become nodes that hang from their owner', (t) => {
  const snapshot = draw(cached);
  const image = nodeNamed(snapshot, 'Image');
  const text = [
    ...writeHeapSnapshot(snapshot, {
      blocks: [
        { name: 'pixels', sizeBytes: 4096 },
        { name: 'row', sizeBytes: 64 },
      ],
      edges: [
        { from: image, to: 0, name: 'native' },
        { from: snapshot.nodeCount, to: 1, name: '8' },
      ],
    }),
  ].join('');
  const added = parse(text);
  const tree = new RetainerTree(added);
  t.deepEqual(describeRetainers(tree, nodeNamed(added, 'row')).slice(0, 3), [
    '8 of pixels',
    'native of Image',
    'entry of Map',
  ]);
  t.is(added.nodeCount, snapshot.nodeCount + 2);
});

test('a cut or changed file is refused by name, never by accident', (t) => {
  const bytes = new TextEncoder().encode(snapshotJson(cached));
  fc.assert(
    fc.property(
      fc.nat(bytes.length - 1),
      fc.nat(255),
      fc.integer({ min: 0, max: bytes.length }),
      (at, value, end) => {
        const changed = bytes.slice(0, end);
        if (at < end) changed[at] = value;
        const parser = new HeapSnapshotParser();
        try {
          parser.push(changed.subarray(0, at));
          parser.push(changed.subarray(at));
          const tree = new RetainerTree(parser.finish());
          for (let node = 0; node < tree.snapshot.nodeCount; node++) describeRetainers(tree, node);
        } catch (error) {
          if (!(error instanceof MemprofError)) throw error;
        }
      },
    ),
    { numRuns: 2000 },
  );
  t.throws(() => parse('{"snapshot":{}}'), { code: 'ERR_MEMPROF_HEAP_SNAPSHOT' });
});
