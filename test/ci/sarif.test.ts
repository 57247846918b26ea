import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { sarifLog } from '../../src/ci/index.js';
import { escapeText } from '../../src/report/index.js';
import {
  anyContext,
  anyFindings,
  context,
  finding,
  formatPackages,
  requireFrom,
} from './support.js';

interface Log {
  runs: {
    tool: { driver: { rules: { id: string; help: { text: string } }[] } };
    originalUriBaseIds: Record<string, { uri: string }>;
    invocations: { executionSuccessful: boolean; exitCode?: number }[];
    results: {
      ruleId: string;
      ruleIndex: number;
      message: { text: string };
      locations: {
        physicalLocation?: {
          artifactLocation: { uri: string; uriBaseId?: string };
          region?: { startLine: number };
        };
      }[];
      stacks?: { frames: unknown[] }[];
      codeFlows?: { threadFlows: { locations: { location: { message: { text: string } } }[] }[] }[];
      suppressions: { kind: string; justification: string }[];
      partialFingerprints: Record<string, string>;
    }[];
  }[];
}

const packages = await formatPackages();
const errorsOf = packages.folder === null ? null : schemaValidator(packages.folder);
const withSchema = errorsOf === null ? test.skip : test;
if (packages.reason !== null) test(`without a schema: ${packages.reason}`, (t) => t.pass());

/** The schema is of draft 4, which the ajv that came with it reads. */
function schemaValidator(folder: string): (value: unknown) => unknown {
  const load = requireFrom(folder);
  const Ajv = load('ajv');
  const ajv = new Ajv({ schemaId: 'id', meta: false, allErrors: true, unknownFormats: 'ignore' });
  ajv.addMetaSchema(load('ajv/lib/refs/json-schema-draft-04.json'));
  const schemaPath = 'node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json';
  const validate = ajv.compile(JSON.parse(readFileSync(join(folder, schemaPath), 'utf8')));
  return (value) => (validate(value) ? null : validate.errors);
}

const parse = (text: string) => JSON.parse(text) as Log;

test('a result has its rule, place, way to the allocation and fingerprint', (t) => {
  const [run] = parse(sarifLog([finding()], context())).runs;
  const [result] = run.results;
  t.is(run.tool.driver.rules[result.ruleIndex].id, 'lost');
  t.true(run.tool.driver.rules.every((rule) => rule.help.text.length > 20));
  t.deepEqual(result.locations[0].physicalLocation, {
    artifactLocation: { uri: 'src/leaky.cc', uriBaseId: '%SRCROOT%' },
    region: { startLine: 12, startColumn: 3 },
  });
  t.is(run.originalUriBaseIds['%SRCROOT%'].uri, 'file:///repo/');
  t.is(result.stacks?.[0].frames.length, 2);
  // From the outermost call to the allocation.
  t.deepEqual(
    result.codeFlows?.[0].threadFlows[0].locations.map((one) => one.location.message.text),
    ['main', 'leaky::add(std::string const&)'],
  );
  t.deepEqual(result.partialFingerprints, { 'memprof/v1': 'f00d' });
});

test('a suppressed finding is there with what suppressed it', (t) => {
  const [run] = parse(
    sarifLog([finding({ suppressedBy: 'leak:leaky' }), finding()], context()),
  ).runs;
  t.deepEqual(
    run.results.map((one) => one.suppressions.map((each) => each.justification)),
    [[], ['leak:leaky']],
  );
});

test('a finding without a line is put to the file of the project that the caller names', (t) => {
  const log = (projectFile?: string) =>
    parse(
      sarifLog(
        [finding({ place: null, stack: [], packageName: '' })],
        context(projectFile === undefined ? {} : { projectFile }),
      ),
    ).runs[0].results[0].locations;
  t.deepEqual(log(), []);
  t.deepEqual(log('package.json')[0].physicalLocation, {
    artifactLocation: { uri: 'package.json', uriBaseId: '%SRCROOT%' },
  });
});

test('a command that failed was not checked successfully', (t) => {
  const invocation = (endedStatus: number | null) =>
    parse(sarifLog([], context({ endedStatus }))).runs[0].invocations[0];
  t.true(invocation(0).executionSuccessful);
  t.like(invocation(3), { executionSuccessful: false, exitCode: 3 });
  t.false(invocation(null).executionSuccessful);
});

test('a name is no link, and operator[] stays what it is', (t) => {
  const text = (title: string) =>
    parse(sarifLog([finding({ title, details: [] })], context())).runs[0].results[0].message.text;
  t.is(text('see [here](1)'), 'see [here\\](1)');
  t.is(text('[x](https://evil.example)'), '[x\\](https://evil.example)');
  for (const name of [
    'map::operator[](std::string const&)',
    'name[abi:cxx11](int)',
    'f()::{lambda(int)#1}::operator()',
  ])
    t.is(text(name), name);
});

withSchema('the schema of SARIF finds faults at all', (t) => {
  t.not(errorsOf?.({ version: '2.1.0', runs: [{}] }), null);
});

withSchema('whatever the names are, the log is valid and says them', (t) => {
  fc.assert(
    fc.property(anyFindings, anyContext, (findings, given) => {
      const log = parse(sarifLog(findings, given));
      t.deepEqual(errorsOf?.(log), null);
      const [run] = log.runs;
      t.is(run.results.length, findings.length);
      const fingerprints = run.results.map((one) => one.partialFingerprints['memprof/v1']);
      t.deepEqual(fingerprints.sort(), findings.map((one) => escapeText(one.fingerprint)).sort());
      const root = run.originalUriBaseIds['%SRCROOT%'].uri;
      for (const { locations } of run.results) {
        for (const { physicalLocation } of locations) {
          const location = physicalLocation?.artifactLocation;
          if (location?.uriBaseId === undefined) continue;
          t.true(new URL(location.uri, root).href.startsWith(root), location.uri);
        }
      }
    }),
  );
});
