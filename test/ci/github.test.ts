import test from 'ava';
import fc from 'fast-check';
import { githubAnnotations } from '../../src/ci/index.js';
import { escapeText } from '../../src/report/index.js';
import { anyContext, anyFindings, context, finding, nativeFrame } from './support.js';

/** As GitHub's runner reads a line of a step's output. */
function parseCommand(line: string) {
  const match = /^::(\w+)(?: (.*?))?::(.*)$/s.exec(line);
  if (match === null) return null;
  const decode = (text: string) =>
    text
      .replaceAll('%0D', '\r')
      .replaceAll('%0A', '\n')
      .replaceAll('%3A', ':')
      .replaceAll('%2C', ',')
      .replaceAll('%25', '%');
  const properties = Object.fromEntries(
    (match[2] ?? '').split(',').map((pair) => {
      const equals = pair.indexOf('=');
      return [pair.slice(0, equals), decode(pair.slice(equals + 1))];
    }),
  );
  const message = match[3].replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
  return { command: match[1], properties, message };
}

test('an annotation stands at the file, line and column of the finding, relative to the repository', (t) => {
  t.deepEqual(githubAnnotations([finding()], context()).map(parseCommand), [
    {
      command: 'error',
      properties: {
        file: 'src/leaky.cc',
        line: '12',
        col: '3',
        title: 'memprof: lost memory in leaky',
      },
      message: '40 blocks, 2.5 KiB, are lost\n\n  leaky::add  src/leaky.cc:12',
    },
  ]);
});

test('a file outside of the repository is told in the message alone', (t) => {
  for (const file of ['/usr/include/vector', 'node:fs', 'relative.cc', '/repository/x.cc']) {
    const place = { file, line: 1, column: null };
    const [line] = githubAnnotations([finding({ place, stack: [] })], context());
    t.is(parseCommand(line)?.properties['file'], undefined, file);
  }
});

test("a leak in an installed package is shown at the repository's own call of it", (t) => {
  const place = { file: '/repo/node_modules/leaky/leaky.cc', line: 7, column: null };
  const stack = [
    { ...nativeFrame, file: place.file, line: 7 },
    { ...nativeFrame, kind: 'js' as const, file: 'file:///repo/test/all.mjs', line: 31 },
  ];
  const at = (...argv: Parameters<typeof finding>) =>
    parseCommand(githubAnnotations([finding(...argv)], context())[0])?.properties;
  t.like(at({ place, stack }), { file: 'test/all.mjs', line: '31' });
  // Where the repository has no part in it, the package's file is better than nothing.
  t.like(at({ place, stack: stack.slice(0, 1) }), {
    file: 'node_modules/leaky/leaky.cc',
    line: '7',
  });
});

test('suppressed findings are not annotated; warnings, notes and what could not be judged are', (t) => {
  const lines = githubAnnotations(
    [
      finding({ suppressedBy: 'leak:x' }),
      finding({ level: 'warning' }),
      finding({ level: 'note' }),
    ],
    context({ unjudged: ['pid 7 was killed'] }),
  );
  t.deepEqual(
    lines.map((line) => parseCommand(line)?.command),
    ['warning', 'warning', 'notice'],
  );
});

test('of more than ten the tenth tells how many are left', (t) => {
  const many = (count: number) =>
    githubAnnotations(
      Array.from({ length: count }, () => finding()),
      context(),
    );
  t.is(many(10).length, 10);
  t.regex(many(10)[9], /are lost/);
  t.is(many(23).length, 10);
  t.regex(many(23)[9], /^::error title=memprof%3A 14 more::14 more of this level/);
});

test('whatever the names are, each finding is one command that says them', (t) => {
  fc.assert(
    fc.property(anyFindings, anyContext, (findings, given) => {
      const lines = githubAnnotations(findings, given);
      const parsed = lines.map(parseCommand);
      for (const [at, one] of parsed.entries()) {
        t.false(/[\r\n]/.test(lines[at]));
        t.true(one !== null && ['error', 'warning', 'notice'].includes(one.command));
        for (const name of Object.keys(one?.properties ?? {}))
          t.true(['file', 'line', 'col', 'title'].includes(name), name);
      }
      const messages = parsed.map((one) => one?.message ?? '');
      const errors = findings.filter((one) => one.level === 'error' && one.suppressedBy === null);
      if (errors.length > 10) return;
      for (const [at, one] of errors.entries()) {
        t.is(messages[at].split('\n')[0], escapeText(one.title));
        t.true(parsed[at]?.properties['title'].endsWith(escapeText(one.packageName)));
      }
    }),
  );
});
