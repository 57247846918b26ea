import test from 'ava';
import fc from 'fast-check';
import { MemprofError } from '../../src/errors.js';
import { parseSuppressions, type SuppressionRule } from '../../src/suppressions/index.js';

const failure = (text: string): string => {
  try {
    parseSuppressions(text, 'my.supp');
  } catch (error) {
    if (!(error instanceof MemprofError)) throw error;
    return `${error.code} ${error.message}`;
  }
  return 'no error';
};

const entry = (...lines: string[]) => ['{', '  known leak', '  Memcheck:Leak', ...lines, '}'];

test('a LeakSanitizer file: comments, blank lines, spaces and a byte order mark are passed over', (t) => {
  const rules = parseSuppressions(
    '\ufeff# third party\r\n\r\n  leak:libfontconfig  \r\n#leak:not this\nleak:^Foo*bar$',
    'my.supp',
  );
  t.like(rules, [
    { format: 'lsan', template: 'libfontconfig', file: 'my.supp', line: 3, scope: 'allocation' },
    { format: 'lsan', template: '^Foo*bar$', line: 5 },
  ]);
  t.is(rules.length, 2);
});

test('a file with nothing but comments has no rules', (t) => {
  t.deepEqual(parseSuppressions('', 'x'), []);
  t.deepEqual(parseSuppressions('\n # a\n\t\n#b', 'x'), []);
});

test("a valgrind file: entries of other tools and of Memcheck's other kinds are skipped", (t) => {
  const text = [
    '# from the distribution',
    '{',
    '  zlib reads on',
    '  Memcheck:Cond',
    '  obj:*/libz.so*',
    '}',
    '{',
    '  a race',
    '  Helgrind:Race',
    '  fun:whatever',
    '  quite different line',
    '}',
    '{',
    '  <fontconfig>',
    '  # a comment inside',
    '  Memcheck,Addrcheck:Leak',
    '  match-leak-kinds: definite, possible',
    '  fun:malloc',
    '  ...',
    '  obj:*libfontconfig*',
    '  src:fc*.c:12',
    '}',
  ].join('\n');
  const rules = parseSuppressions(text, 'valgrind.supp');
  t.deepEqual(rules, [
    {
      format: 'valgrind',
      name: '<fontconfig>',
      kinds: new Set(['definite', 'possible']),
      frames: [
        { is: 'fun', glob: 'malloc' },
        { is: 'any' },
        { is: 'obj', glob: '*libfontconfig*' },
        { is: 'src', glob: 'fc*.c', line: 12 },
      ],
      file: 'valgrind.supp',
      line: 13,
      scope: 'allocation',
      fingerprint: null,
    },
  ] satisfies SuppressionRule[]);
});

test('comments for memprof: the whole stack from here on, one finding for the next rule', (t) => {
  const rules = parseSuppressions(
    [
      'leak:a',
      '# memprof: match the whole stack',
      '# memprof: finding 0123456789abcdef',
      'leak:b',
      'leak:c',
      '# memprof: match the allocation',
      'leak:d',
    ].join('\n'),
    'x',
  );
  t.deepEqual(
    rules.map(({ scope, fingerprint }) => [scope, fingerprint]),
    [
      ['allocation', null],
      ['stack', '0123456789abcdef'],
      ['stack', null],
      ['allocation', null],
    ],
  );
  const [inside] = parseSuppressions(
    entry('# memprof: match the whole stack', 'fun:a').join('\n'),
    'x',
  );
  t.is(inside.scope, 'stack');
});

test('a malformed file is told with its name, the line, and what was expected there', (t) => {
  const at = (line: number, expected: string, found: string) =>
    `ERR_MEMPROF_SUPPRESSIONS my.supp:${line}: expected ${expected}, found ${found}`;
  t.is(
    failure('leak:a\n\nrace:b'),
    at(3, 'leak:PATTERN (or "{" at the start of a valgrind file)', '"race:b"'),
  );
  t.is(
    failure('leak:a\nleak: *'),
    at(2, 'a pattern that does not match everything behind leak:', '"leak: *"'),
  );
  t.is(failure('leak:'), at(1, 'a pattern that does not match everything behind leak:', '"leak:"'));
  t.is(
    failure('# memprof: match all\nleak:a'),
    at(
      1,
      '"# memprof: match the whole stack", "# memprof: match the allocation" or "# memprof: finding FINGERPRINT"',
      '"# memprof: match all"',
    ),
  );
  t.is(
    failure('{\nname\nMemcheck:Leak\nfun:a'),
    at(4, '"}" (the entry begins in line 1)', 'the end of the file'),
  );
  t.is(failure('{\n}\n'), at(2, "the entry's name", '"}"'));
  t.is(
    failure('{\nname\nMemcheck Leak\nfun:a\n}'),
    at(3, 'a kind such as Memcheck:Leak', '"Memcheck Leak"'),
  );
  t.is(
    failure(entry('fn:a').join('\n')),
    at(4, '"...", fun:NAME, obj:FILE, src:FILE or "}"', '"fn:a"'),
  );
  t.is(failure(entry().join('\n')), at(4, 'at least one of fun:, obj:, src: and "..."', '"}"'));
  t.is(
    failure(entry('match-leak-kinds: definite,lost', 'fun:a').join('\n')),
    at(
      4,
      'definite, indirect, possible, reachable, all or none',
      '"match-leak-kinds: definite,lost"',
    ),
  );
  t.is(
    failure('{\nname\nMemcheck:Leak\nfun:a\n{\nb\n}'),
    at(5, '"}" of the entry that begins in line 1', '"{"'),
  );
  t.is(
    failure([...entry('fun:a'), 'leak:b'].join('\n')),
    at(6, '"{" at the start of an entry', '"leak:b"'),
  );
  t.regex(failure(`leak:a\n${'x'.repeat(500)}`), /found "x{79}…"$/);
});

const lineText = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '{',
    '}',
    'leak:a',
    'Memcheck:Leak',
    '...',
    'fun:f',
    'match-leak-kinds: all',
    '#',
    '',
  ),
);

test('whatever a file holds: rules, or an error that names file and line', (t) => {
  fc.assert(
    fc.property(fc.array(lineText, { maxLength: 20 }), (lines) => {
      const text = lines.join('\n');
      const count = text.split('\n').length;
      try {
        for (const { line } of parseSuppressions(text, 'my.supp'))
          t.true(line >= 1 && line <= count);
      } catch (error) {
        if (!(error instanceof MemprofError)) throw error;
        const line = Number(/^my\.supp:(\d+): expected /.exec(error.message)?.[1]);
        t.true(line >= 1 && line <= count, error.message);
      }
    }),
    { numRuns: 500 },
  );
});

const word = fc.stringMatching(/^[a-z][a-z0-9*?_.]{0,10}$/);
const frame = fc.oneof(
  fc.constant('...'),
  fc.tuple(fc.constantFrom('fun', 'obj', 'src'), word).map(([is, name]) => `${is}:${name}`),
);

test('what was written as valgrind reads it comes back', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.array(frame, { minLength: 1 }))), (entries) => {
      const text = entries
        .map(([name, frames]) => ['{', ` ${name} `, '\tMemcheck:Leak', ...frames, '}'].join('\n'))
        .join('\n\n');
      const shown = parseSuppressions(text, 'x').map((rule) =>
        rule.format === 'lsan'
          ? null
          : [
              rule.name,
              rule.frames.map((one) => (one.is === 'any' ? '...' : `${one.is}:${one.glob}`)),
            ],
      );
      t.deepEqual(shown, entries);
    }),
  );
});
