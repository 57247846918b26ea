// Addons that create and release known numbers of everything: the ledger must have exactly those.
import test, { type ExecutionContext } from 'ava';
import { type FoundNode, nodeOfMajor } from '../e2e/support/nodes.js';
import { run } from '../e2e/support/run.js';
import {
  appPath,
  balance,
  balanceAddon,
  ledgerOf,
  type NapiReport,
  rustAddon,
  v8Addon,
} from './support.js';

const majors = [20, 22, 24, 26];
const nodes = await Promise.all(majors.map(nodeOfMajor));

function onlyAddon(t: ExecutionContext, report: NapiReport, name: string) {
  t.deepEqual(
    report.addons.map((addon) => addon.package?.name),
    [name],
  );
  return report.addons[0] as NapiReport['addons'][number];
}

const valueIn = (addon: NapiReport['addons'][number], kind: string) =>
  addon.resources.find((one) => one.kind === kind)?.outstandingValue;

for (const [at, major] of majors.entries()) {
  const node = nodes[at] as FoundNode;
  const check = node.path === null ? test.skip : test;
  const path = node.path as string;

  for (const binding of ['now', 'lazy'] as const) {
    // The loader binds, whatever the Node: the second way on the oldest and the newest.
    if (binding === 'lazy' && major !== 20 && major !== 26) continue;
    check(
      `Node ${major}: a C addon bound ${binding} has its exact balance, and sees nothing of it`,
      async (t) => {
        const addon = await balanceAddon(binding);
        const command = [path, '--expose-gc', appPath('napi-balance.cjs'), addon];
        const plain = await run(command);
        const { stdout, report } = await ledgerOf(t, command);
        t.is(stdout, plain.stdout);
        const found = onlyAddon(t, report, 'napi-balance');
        t.deepEqual(balance(found.resources), {
          wrap: [69, 6, 50, 13],
          reference: [72, 26, 0, 46],
          external: [6, 0, 4, 2],
          'external-buffer': [4, 0, 3, 1],
          'external-arraybuffer': [3, 0, 2, 1],
          'async-work': [9, 7, 0, 2],
          'threadsafe-function': [3, 2, 0, 1],
          deferred: [6, 4, 0, 2],
          'cleanup-hook': [5, 3, 0, 2],
          'async-cleanup-hook': [4, 3, 0, 1],
          'instance-data': [2, 1, 0, 1],
          'handle-scope': [3, 0, 0, 3],
          'external-memory': [2, 0, 0, 2],
          finalizer: [3, 0, 3, 0],
          'async-context': [2, 1, 0, 1],
        });
        t.is(valueIn(found, 'reference'), 6);
        t.is(valueIn(found, 'external-buffer'), 5000);
        t.is(valueIn(found, 'external-arraybuffer'), 7000);
        t.is(valueIn(found, 'external-memory'), 8000);
        t.is(valueIn(found, 'threadsafe-function'), 2);
        t.is(found.tellsBytes, 20_000);
        t.deepEqual(
          found.findings.map((one) => one.text),
          [
            "30 wraps, 0 references deleted: napi_wrap's reference is never removed",
            '3 handle scopes left open: the objects in them cannot be collected',
            '2 of 9 async works never deleted',
            '2 of 6 promises never settled',
          ],
        );
        // One place in several stacks where V8 compiles the function meanwhile.
        const forgotten = report.sites.filter((site) => site.className === 'Forgotten');
        const ofKind = (kind: string) => {
          const sites = forgotten.filter((site) => site.kind === kind);
          return [
            sites.reduce((sum, { createdCount }) => sum + createdCount, 0),
            sites.reduce((sum, { outstandingCount }) => sum + outstandingCount, 0),
          ];
        };
        t.deepEqual([...new Set(forgotten.map(({ kind }) => kind))].sort(), ['reference', 'wrap']);
        t.deepEqual(ofKind('reference'), [30, 30]);
        t.deepEqual(ofKind('wrap'), [30, 0]);
        for (const site of forgotten) {
          const functions = site.frames.map((frame) => frame.function);
          t.is(functions[0], 'wrap');
          t.true(functions.includes('wraps'), functions.join(' '));
          t.false(site.frames.some((frame) => frame.module?.endsWith('libmemprof.so')));
        }
      },
    );
  }

  check(`Node ${major}: a raw V8 addon has its exact balance`, async (t) => {
    const addon = await v8Addon(path);
    if (addon === null) {
      t.pass('no headers');
      return;
    }
    const { report } = await ledgerOf(t, [path, '--expose-gc', appPath('napi-v8.cjs'), addon]);
    const found = onlyAddon(t, report, 'napi-v8');
    t.deepEqual(balance(found.resources), {
      persistent: [15, 8, 0, 7],
      'external-buffer': [5, 0, 4, 1],
      'external-memory': [2, 0, 0, 2],
    });
    t.is(valueIn(found, 'persistent'), 5);
    t.is(valueIn(found, 'external-memory'), 6000);
    t.is(valueIn(found, 'external-buffer'), 3000);
  });
}

for (const how of ['imports', 'lookup'] as const) {
  // One after the other: both are built in one place.
  test.serial(
    `a Rust addon that ${how === 'imports' ? "imports Node's functions" : 'looks Node up at run time'} has its exact balance`,
    async (t) => {
      const addon = await rustAddon(how);
      const { report } = await ledgerOf(t, [
        process.execPath,
        '--expose-gc',
        appPath('napi-rust.cjs'),
        addon,
      ]);
      const found = onlyAddon(t, report, 'napi-rust');
      const counts = balance(found.resources);
      t.deepEqual(counts['wrap'], [7, 0, 4, 3]);
      t.deepEqual(counts['external-buffer'], [6, 0, 4, 2]);
      t.deepEqual(counts['async-work'], [5, 5, 0, 0]);
      t.deepEqual(counts['deferred'], [5, 5, 0, 0]);
      t.is(valueIn(found, 'external-buffer'), 8000);
      const holders = report.sites.filter((site) => site.className === 'Holder');
      t.deepEqual(holders.map((site) => [site.kind, site.outstandingCount]).sort(), [
        ['reference', 3],
        ['wrap', 3],
      ]);
    },
  );
}
