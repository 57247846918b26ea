import test from 'ava';
import { type FindingFacts, findingOf } from '../../src/checks/index.js';
import type { StackId } from '../../src/model/index.js';
import { symbolize } from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';

const context = {
  isNode: true,
  executable: '/usr/bin/node',
  cwd: '/app',
  ownFolders: ['/memprof'],
};
const packages = (path: string) =>
  path.includes('/shop/') ? { name: 'shop', version: '1.0.0' } : null;

async function found(drawing: string, facts: Partial<FindingFacts> = {}) {
  const builder = new ModelBuilder();
  const stackId: StackId = builder.stack(drawing);
  const symbols = await symbolize(builder.build(), [stackId], builder.resolver(), {
    packageOf: packages,
  });
  return findingOf({
    rule: 'growth',
    title: 'shop: one block of 16 B stays of every call',
    stack: symbols.stack(stackId),
    context,
    blockCount: 100,
    sizeBytes: 1600,
    ...facts,
  });
}

const leak = `
  libc.so.6 malloc
  /app/node_modules/shop/shop.node fill@/app/node_modules/shop/src/shop.cc:12
  node napi_call
  js JS:*parse /app/test/parse.test.js:7:3
  js JS:~attempt /app/node_modules/ava/lib/test.js:3:1
  node node::Start
`;

test('a finding points at the nearest line of the package that allocated', async (t) => {
  const finding = await found(leak);
  t.deepEqual(finding.place, {
    file: '/app/node_modules/shop/src/shop.cc',
    line: 12,
    column: null,
  });
  t.is(finding.packageName, 'shop');
  t.is(finding.level, 'error');
  t.deepEqual(
    finding.stack.map(({ kind, name, packageName }) => `${kind} ${name} ${packageName ?? '-'}`),
    [
      'native malloc -',
      'native fill shop',
      'native napi_call -',
      'js parse -',
      'js attempt ava',
      'native node::Start -',
    ],
  );
});

test('where the package has no lines, it points at the JavaScript that called it', async (t) => {
  const finding = await found(`
    /app/node_modules/shop/shop.node fill
    js JS:*parse /app/test/parse.test.js:7:3
    js JS:~attempt /app/node_modules/ava/lib/test.js:3:1
  `);
  t.is(finding.place?.file, '/app/test/parse.test.js');
  const nothing = await found('/app/node_modules/shop/shop.node fill');
  t.is(nothing.place, null);
});

test('the explanation has the title, the remarks and the stack, in 80 columns', async (t) => {
  const remarks = ['held by native code: '.padEnd(200, 'word and ')];
  const { details } = await found(leak, { remarks });
  t.is(details[0], 'shop: one block of 16 B stays of every call');
  t.true(details.every((line) => line.length <= 80));
  t.true(details.some((line) => line.startsWith('  held by native code')));
  t.true(details.some((line) => /fill {2,}node_modules\/shop\/src\/shop\.cc:12/.test(line)));
  t.is(details.filter((line) => line.includes('ava')).length, 0);
  t.is(details.at(-1), '    ... 2 frames of the test runner');
});

test('the fingerprint is the same in another build, in another version and under another runner', async (t) => {
  const { fingerprint } = await found(leak);
  const rebuilt = await found(`
    libc.so.6 malloc
    /app/node_modules/shop/shop.node fill@/elsewhere/shop.cc:99
    node v8::internal::Something
    node napi_call
    js JS:~parse /app/test/parse.test.js:70:3
    js JS:*runTest /app/node_modules/vitest/dist/run.js:3:1
  `);
  t.is(rebuilt.fingerprint, fingerprint);
  t.not((await found(leak, { rule: 'lost' })).fingerprint, fingerprint);
  t.not((await found(leak.replace('fill', 'drain'))).fingerprint, fingerprint);
  t.not((await found(leak, { subject: 'Image' })).fingerprint, fingerprint);
});

test('a finding without a stack has its package and subject for a fingerprint', async (t) => {
  const facts = { stack: null, rule: 'owner-growth', packageName: 'shop' } as const;
  const image = await found(leak, { ...facts, subject: 'Image' });
  t.deepEqual(image.stack, []);
  t.is(image.place, null);
  t.is(image.packageName, 'shop');
  t.not(image.fingerprint, (await found(leak, { ...facts, subject: 'Tile' })).fingerprint);
});
