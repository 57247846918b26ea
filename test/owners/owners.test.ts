// What the agent finds in a checkpoint, on every Node.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SessionFlag } from '../../src/record/wire.js';
import { testOnEachNode } from '../agent/support/node-builds.js';
import { fixturesFolder } from '../e2e/support/build.js';
import { napiAddon, v8Addon } from './support/addons.js';
import { expectations, runInSession } from './support/session.js';

const program = join(fixturesFolder, 'apps', 'owners.cjs');
const reasonExit = 1;
const complete = 1;
const partial = 2;

testOnEachNode(
  'each way of holding native memory is a row with class, kind and address',
  async (t, node) => {
    const v8 = await v8Addon(node);
    if (v8 === null) return void t.pass('no headers of this Node');
    const { status, stdout, checkpoints } = await runInSession(t, node, [
      program,
      await napiAddon(),
      v8,
    ]);
    t.is(status, 0);
    t.is(checkpoints.length, 1);
    const [{ reason, ownerState, hasHeapFigures, owners }] = checkpoints as [
      (typeof checkpoints)[0],
    ];
    t.deepEqual([reason, ownerState, hasHeapFigures], [reasonExit, complete, true]);
    const expected = expectations(stdout);
    t.is(expected.length, 23);
    for (const { label, className, kind, address } of expected) {
      const rows = owners.filter((row) => row.address === address);
      t.deepEqual(
        rows.filter((row) => row.kind === kind).map((row) => row.className),
        [className],
        `${label}: ${JSON.stringify(rows)}`,
      );
    }
    const sizes = new Map(
      expected.map(({ label, address }) => [
        label,
        owners.find((row) => row.address === address)?.sizeBytes,
      ]),
    );
    t.deepEqual(
      ['buffer', 'external-buffer', 'external-arraybuffer', 'shared', 'wasm', 'wrap-plain'].map(
        (label) => sizes.get(label),
      ),
      [100_000, 5000, 6000, 4096, 131_072, 0],
    );
    t.deepEqual(
      [...new Set(owners.map((row) => row.object))],
      Array.from({ length: new Set(owners.map((row) => row.object)).size }, (_, i) => i),
      'objects are dense, in order',
    );
  },
);

testOnEachNode('an object that nobody holds is no owner', async (t, node) => {
  const source = `
    const napi = require(${JSON.stringify(await napiAddon())});
    class Kept {} class Dropped {}
    globalThis.kept = new Kept();
    napi.wrap(globalThis.kept, 'plain');
    (() => { for (let i = 0; i < 100; i++) napi.wrap(new Dropped(), 'plain'); })();
    process.exitCode = 0; setTimeout(() => process.exit(), 10);`;
  const { checkpoints } = await runInSession(t, node, ['-e', source]);
  const names = checkpoints[0]?.owners.map((row) => row.className) ?? [];
  t.is(names.filter((name) => name === 'Kept').length, 1);
  t.is(names.filter((name) => name === 'Dropped').length, 0);
});

testOnEachNode(
  'Workers are asked; one that cannot answer makes the checkpoint partial',
  async (t, node) => {
    const worker = (rest: string) =>
      `const { Worker } = require('node:worker_threads'); const w = new Worker('globalThis.big = new ArrayBuffer(54321); require("node:worker_threads").parentPort.postMessage(0); ${rest}', { eval: true }); w.on('message', () => setTimeout(() => process.exit(0), 100));`;
    const asked = await runInSession(t, node, ['-e', worker('setInterval(() => {}, 1000)')]);
    const rows = asked.checkpoints[0]?.owners ?? [];
    t.is(asked.checkpoints[0]?.ownerState, complete);
    t.is(rows.filter((row) => row.sizeBytes === 54_321).length, 1);
    const waiting = await runInSession(t, node, [
      '-e',
      worker('Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'),
    ]);
    t.is(waiting.checkpoints[0]?.ownerState, complete, 'so is one that waits');
    const busy = await runInSession(t, node, ['-e', worker('for (;;);')]);
    t.is(busy.checkpoints[0]?.ownerState, complete, 'JavaScript without end is interrupted');
    // Sleeps before the program ends, and until the checkpoint is taken or a minute is over.
    const sleeping =
      '["-c", "echo asleep >> $FAKE_SHIM_LOG; for i in $(seq 600); do grep -q ^checkpoint $FAKE_SHIM_LOG && exit; sleep 0.1; done"]';
    const source = `new (require('node:worker_threads').Worker)('require("node:child_process").execFileSync("sh", ${sleeping})', { eval: true });
      setInterval(() => {
        if (/^asleep$/m.test(require('node:fs').readFileSync(process.env.FAKE_SHIM_LOG))) process.exit(0);
      }, 20);`;
    const asleep = await runInSession(t, node, ['-e', source]);
    t.deepEqual([asleep.status, asleep.checkpoints[0]?.ownerState], [0, partial]);
  },
);

testOnEachNode(
  'with --retainers there is a heap snapshot, and the rows have ids in it',
  async (t, node) => {
    const source = `globalThis.big = new ArrayBuffer(54321); const napi = require(${JSON.stringify(await napiAddon())}); class Held {} globalThis.held = new Held(); napi.wrap(held, 'finalizer'); globalThis.external = napi.external(true)`;
    let pid = 0;
    const { folder, checkpoints } = await runInSession(t, node, ['-e', source], {
      flags: SessionFlag.checkpointExit | SessionFlag.retainers,
      onStart: (child) => {
        pid = child.pid as number;
      },
    });
    const path = join(folder, `p${pid}.0.k1.heapsnapshot`);
    t.true(existsSync(path));
    t.is(statSync(path).mode & 0o777, 0o600);
    const snapshot = JSON.parse(readFileSync(path, 'utf8'));
    const fields: string[] = snapshot.snapshot.meta.node_fields;
    const nameOf = (id: number): string | undefined => {
      for (let at = 0; at < snapshot.nodes.length; at += fields.length) {
        if (snapshot.nodes[at + fields.indexOf('id')] === id)
          return snapshot.strings[snapshot.nodes[at + fields.indexOf('name')]];
      }
      return undefined;
    };
    const rows = checkpoints[0]?.owners ?? [];
    const named = (className: string) => rows.find((row) => row.className === className);
    t.is(nameOf(rows.find((row) => row.sizeBytes === 54_321)?.snapshotId ?? 0), 'ArrayBuffer');
    t.is(nameOf(named('Held')?.snapshotId ?? 0), 'Held');
    t.truthy(nameOf(named('External')?.snapshotId ?? 0));
  },
);
