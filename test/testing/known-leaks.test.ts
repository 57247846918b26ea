// Leaks that real packages had: found, with what leaks and how much a call; the versions that repaired them pass.
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import { buildAddon, fixturesFolder } from '../e2e/support/build.js';
import { installed } from '../e2e/support/npm.js';
import { type Failure, runScript, said } from './support.js';

const canvas = {
  leaking: await installed('canvas-0.1.47', ['@napi-rs/canvas@0.1.47']),
  repaired: await installed('canvas-0.1.48', ['@napi-rs/canvas@0.1.48']),
};
const addonApi = {
  leaking: await installed('node-addon-api-8.2.1', ['node-addon-api@8.2.1']),
  repaired: await installed('node-addon-api-8.2.2', ['node-addon-api@8.2.2']),
};

type Versions = Record<'leaking' | 'repaired', { folder: string | null; reason: string | null }>;

function testWith(versions: Versions, title: string) {
  const reason = versions.leaking.reason ?? versions.repaired.reason;
  const declare = reason === null ? test.serial : test.skip;
  const folders = { leaking: versions.leaking.folder, repaired: versions.repaired.folder };
  return (body: (t: import('ava').ExecutionContext, of: Record<keyof Versions, string>) => void) =>
    declare(`${title}${reason === null ? '' : ` (skipped: ${reason})`}`, (t) =>
      body(t, folders as Record<keyof Versions, string>),
    );
}

const encodeWebp = (folder: string) => `
const { createCanvas } = require(${JSON.stringify(join(folder, 'node_modules', '@napi-rs', 'canvas'))});
say(await failure(expectNoLeaks(async function encodeOne() {
  const canvas = createCanvas(64, 64);
  canvas.getContext('2d').fillRect(3, 3, 20, 20);
  await canvas.encode('webp');
})));`;

testWith(
  canvas,
  '@napi-rs/canvas 0.1.47 lost its canvas in encode, 0.1.48 does not',
)(async (t, { leaking, repaired }) => {
  const found = await runScript(t, encodeWebp(leaking));
  const [failure] = said(found) as [Failure];
  t.is(failure.code, 'ERR_MEMPROF_LEAK');
  t.regex(failure.message, /@napi-rs\/canvas-linux-x64-gnu 0\.1\.47/);
  // One canvas of Skia's a call, of 64 * 64 pixels of 4 bytes.
  t.regex(failure.message, /every call loses 1 block of 16\.0 KiB\n/);
  t.regex(failure.message, /\n +encodeOne +script\.cjs:\d+/);
  const [passed] = said(await runScript(t, encodeWebp(repaired))) as [Failure];
  t.like(passed.value, { skipped: false }, JSON.stringify(passed));
});

async function counterWith(folder: string): Promise<string> {
  const headers = join(folder, 'node_modules', 'node-addon-api');
  const source = join('wrapped-counter', 'wrapped-counter.cc');
  const built = await buildAddon(source, ['-DNAPI_DISABLE_CPP_EXCEPTIONS'], headers);
  const described = join(fixturesFolder, 'addons', 'wrapped-counter', 'package.json');
  await copyFile(described, join(dirname(built), 'package.json'));
  return `
const { Counter } = require(${JSON.stringify(built)});
say(await failure(expectNoLeaks(function countOne() { return new Counter().add(); })));`;
}

testWith(
  addonApi,
  'node-addon-api 8.2.1 lost the reference of each ObjectWrap, 8.2.2 does not',
)(async (t, { leaking, repaired }) => {
  const found = await runScript(t, await counterWith(leaking));
  const [failure] = said(found) as [Failure];
  t.is(failure.code, 'ERR_MEMPROF_LEAK');
  t.regex(failure.message, /wrapped-counter 1\.0\.0: every call keeps 1 napi reference\n/);
  t.regex(failure.message, /\n +Napi::ObjectWrap<Counter>::ObjectWrap /);
  t.regex(failure.message, /\n +countOne +script\.cjs:\d+/);
  const [passed] = said(await runScript(t, await counterWith(repaired))) as [Failure];
  t.like(passed.value, { skipped: false }, JSON.stringify(passed));
});
