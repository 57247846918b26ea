import test from 'ava';
import fc from 'fast-check';
import type { CheckFinding } from '../../src/checks/index.js';
import {
  generateSuppressions,
  matchRule,
  parseSuppressions,
  suppress,
} from '../../src/suppressions/index.js';
import { globOfMangled, pathOfName } from '../../src/suppressions/mangled.js';
import { matchesGlob, matchesTemplate } from '../../src/suppressions/patterns.js';
import { finding, stackOf, tileFinding } from './support.js';

const matches = (text: string, one: CheckFinding = tileFinding()): boolean =>
  parseSuppressions(text, 'x').some((rule) => matchRule(rule, one));
const leakEntry = (...frames: string[]) =>
  ['{', 'name', 'Memcheck:Leak', ...frames, '}'].join('\n');

test("LeakSanitizer's templates: found anywhere, held by ^ and $, * is any text", (t) => {
  t.true(matchesTemplate('foo', 'a::foo(int)'));
  t.true(matchesTemplate('^a*int', 'a::foo(int)'));
  t.false(matchesTemplate('^foo', 'a::foo'));
  t.true(matchesTemplate('foo$', 'a::foo'));
  t.false(matchesTemplate('foo$', 'a::foo(int)'));
  t.true(matchesTemplate('^*foo', 'a::foo'));
  t.true(matchesTemplate('a*$', 'a::foo'));
  t.true(matchesTemplate('foo*', 'foo'));
  t.false(matchesTemplate('foo', ''));
  // Each part is looked for once, from the left.
  t.false(matchesTemplate('b$', 'ab b'));
  t.true(matchesTemplate('b*b$', 'ab b'));
});

const few = fc.stringMatching(/^[ab]{0,6}$/);

test('templates without $ are what a regular expression would find', (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^\^?[ab*]{1,6}$/), few, (template, text) => {
      fc.pre(text !== '');
      const isHeld = template.startsWith('^');
      const source = (isHeld ? template.slice(1) : template).replaceAll('*', '.*');
      t.is(matchesTemplate(template, text), new RegExp((isHeld ? '^' : '') + source).test(text));
    }),
    { numRuns: 1000 },
  );
});

test("valgrind's globs are whole-text patterns", (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ab*?]{0,8}$/), few, (glob, text) => {
      const source = glob.replaceAll('*', '.*').replaceAll('?', '.');
      t.is(matchesGlob(glob, text), new RegExp(`^${source}$`).test(text));
    }),
    { numRuns: 1000 },
  );
  // Not exponential in the stars.
  t.false(matchesGlob(`${'*a'.repeat(200)}b`, 'a'.repeat(20_000)));
});

test('mangled names are compared by their qualified names', (t) => {
  const pairs: [string, string, string][] = [
    ['_ZN9QListView4showEv', 'QListView::show', 'QListView::show()'],
    ['_Z14make_thumbnaili', 'make_thumbnail', 'make_thumbnail(int)'],
    [
      '_ZNSt6vectorIiSaIiEE9push_backEOi',
      'std::vector::push_back',
      'std::vector<int, std::allocator<int> >::push_back(int&&)',
    ],
    ['_Znwm', 'operator new', 'operator new(unsigned long)'],
    ['_Znam', 'operator new[]', 'operator new[](unsigned long)'],
    [
      '_ZN5tiles5CacheIiE3putEPKci',
      'tiles::Cache::put',
      'tiles::Cache<int>::put(char const*, int)',
    ],
    ['_ZNK3foo3BarC1Ev', 'foo::Bar::Bar', 'foo::Bar::Bar()'],
    ['_ZN3foo3BarD2Ev', 'foo::Bar::~Bar', 'foo::Bar::~Bar()'],
    ['_ZN12_GLOBAL__N_14helpEv', '(anonymous namespace)::help', '(anonymous namespace)::help()'],
    ['_ZN3foo3getB5cxx11Ev', 'foo::get', 'foo::get[abi:cxx11]()'],
    ['_ZN4rust4make17h0123456789abcdefE', 'rust::make', 'rust::make'],
    ['_Z3mapIiEvT_', 'map', 'void map<int>(int)'],
  ];
  for (const [mangled, path, demangled] of pairs) {
    t.is(pathOfName(demangled), path);
    t.is(globOfMangled(mangled), path, mangled);
  }
  t.is(globOfMangled('_ZN9QListView4sh*'), 'QListView::sh*');
  t.is(globOfMangled('_ZN9QListView*'), 'QListView*');
  t.is(globOfMangled('malloc'), null);
  t.is(globOfMangled('_Z*'), null);
});

test('any mangled pattern is read without a fault', (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^_Z[NISKTELXJ0-9a-fSt_*?]{0,40}$/), (pattern) => {
      const glob = globOfMangled(pattern);
      t.true(glob === null || glob.length <= 20 * pattern.length + 30);
    }),
    { numRuns: 2000 },
  );
});

test('a rule matches the package that allocated, its frames, and the libraries that it called', (t) => {
  t.true(matches('leak:tile-cache'));
  t.true(matches('leak:^tile-cache$'));
  t.true(matches('leak:tiles::Cache'));
  t.true(matches('leak:src/cache.cc$'));
  t.true(matches('leak:libfontconfig'));
  t.true(matches('leak:FcPattern*Create'));
  t.false(matches('leak:other'));
});

test('a caller far from the allocation hides nothing, unless the file asks for the whole stack', (t) => {
  for (const caller of ['node::Start', 'uv_run', 'storeTile', '/usr/bin/node', 'v8impl']) {
    t.false(matches(`leak:${caller}`), caller);
    t.true(matches(`# memprof: match the whole stack\nleak:${caller}`), caller);
    t.false(matches(leakEntry('...', `fun:*${caller}*`)), caller);
  }
  t.true(matches(leakEntry('# memprof: match the whole stack', '...', 'fun:uv_run')));
  // malloc and operator new allocate for everybody.
  t.false(matches('leak:operator new'));
  t.false(matches('leak:libstdc++'));
  t.false(matches(leakEntry('fun:_Znwm')));
  t.false(matches(leakEntry('fun:malloc', 'obj:*')));
  t.false(matches(leakEntry('...')));
});

test("valgrind's frames: from the allocation on, ... for any number, mangled or not", (t) => {
  const push = 'fun:_ZNSt6vectorIiSaIiEE9push_backEOi';
  const put = 'fun:_ZN5tiles5CacheIiE3putEPKci';
  t.true(matches(leakEntry('fun:_Znwm', 'fun:FcPatternCreate')));
  t.true(matches(leakEntry('fun:FcPatternCreate', push, put)));
  t.true(matches(leakEntry('fun:malloc', 'obj:*/libfontconfig.so*', '...', put)));
  t.true(matches(leakEntry('obj:*/vgpreload_memcheck*', 'fun:Fc*', '...', 'fun:uv_run')));
  t.true(matches(leakEntry('...', 'src:*/cache.cc')));
  t.true(matches(leakEntry('...', 'fun:tiles::Cache<int>::put(char const?, int)')));
  t.false(matches(leakEntry('fun:_Znwm', put)));
  t.false(matches(leakEntry(push)));
  t.false(matches(leakEntry('fun:FcPatternCreate', put)));
  t.false(matches(leakEntry('...', 'src:*/cache.cc:7')));
});

test('match-leak-kinds: what is lost or orphaned is definite, what grows is reachable', (t) => {
  const kinds = (words: string) => leakEntry(`match-leak-kinds: ${words}`, '...', 'fun:*Cache*');
  t.true(matches(kinds('definite')));
  t.false(matches(kinds('indirect,possible,reachable')));
  t.false(matches(kinds('none')));
  const growing = tileFinding({ rule: 'growth' });
  t.true(matches(kinds('reachable'), growing));
  t.false(matches(kinds('definite'), growing));
  t.true(matches(kinds('all'), growing));
  t.true(matches(leakEntry('...', 'fun:*Cache*'), growing));
});

test('no rule hides a budget', (t) => {
  t.false(matches('leak:tile-cache', tileFinding({ rule: 'budget' })));
});

test('without a package the nearest module is what allocates', (t) => {
  const plain = finding(
    stackOf(`
      malloc      @ /usr/lib/libc.so.6
      make_node   @ /app/server
      main        @ /app/server
      start       @ /usr/lib/libc.so.6
    `),
  );
  t.true(matches('leak:make_node', plain));
  t.true(matches('leak:/app/server', plain));
  t.false(matches('leak:^start$', plain));
  t.false(matches('leak:make_node', finding([])));
});

test('who hides what: used rules, and those that hide the package under test', (t) => {
  const rules = parseSuppressions('leak:nothing\nleak:Cache\nleak:FcPattern', 'my.supp');
  const other = tileFinding({ packageName: 'other', fingerprint: 'f'.repeat(16) });
  const answer = suppress([tileFinding(), other], rules, 'tile-cache');
  t.deepEqual(
    answer.findings.map((one) => one.suppressedBy),
    // Of the other package no frame is known: what is nearest counts.
    ['my.supp:2: leak:Cache', 'my.supp:3: leak:FcPattern'],
  );
  t.deepEqual(answer.used, new Set([rules[1], rules[2]]));
  t.is(answer.hidden.length, 1);
  t.is(answer.hidden[0].rule, rules[1]);
  t.deepEqual(suppress([tileFinding()], rules, 'app').hidden, []);
});

const nameText = fc.oneof(
  fc.constantFrom(
    'make',
    'tiles::Cache<int>::put(char const*, int)',
    'operator new(unsigned long)',
    'std::f()',
    'lib.so+0x12',
    '$a',
    '*',
    '^x',
    '{lambda()#1}::operator()',
    '',
  ),
  fc.string(),
);
const anyFinding = fc
  .tuple(
    fc.array(
      fc.record({
        kind: fc.constantFrom('native' as const, 'js' as const, 'marker' as const),
        name: nameText,
        file: fc.option(nameText),
        line: fc.constant(null),
        column: fc.constant(null),
        module: fc.option(fc.constantFrom('/a/x.node', '/b/lib y.so', '/c/$.so')),
        packageName: fc.option(fc.constantFrom('x', 'y')),
      }),
      { maxLength: 6 },
    ),
    fc.constantFrom('x', 'y', ''),
    fc.constantFrom(
      'lost' as const,
      'orphaned' as const,
      'growth' as const,
      'resource-growth' as const,
    ),
    nameText,
  )
  .map(([stack, packageName, rule, title]) => ({ stack, packageName, rule, title }));

for (const format of ['lsan', 'valgrind'] as const) {
  test(`generated rules (${format}) hide exactly the findings that they were made for`, (t) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyFinding, fc.boolean()), { maxLength: 6 }), (drawn) => {
        const all = drawn.map(([facts, isWanted], at) => ({
          finding: finding(facts.stack, { ...facts, fingerprint: String(at).padStart(16, '0') }),
          isWanted,
        }));
        const wanted = all.filter((one) => one.isWanted).map((one) => one.finding);
        const lines = generateSuppressions(wanted, format);
        const nameless = lines.filter((line) => line.includes('no name is known')).length;
        const rules = parseSuppressions(lines.join('\n'), 'made.supp');
        t.is(rules.length, wanted.length - nameless);
        const answer = suppress(
          all.map((one) => one.finding),
          rules,
          null,
        );
        const hidden = answer.findings.filter((one) => one.suppressedBy !== null);
        t.is(hidden.length, rules.length, lines.join('\n'));
        for (const one of hidden)
          t.true(wanted.some((other) => other.fingerprint === one.fingerprint));
      }),
      { numRuns: 400 },
    );
  });
}

test('a generated rule is what either tool reads', (t) => {
  t.deepEqual(generateSuppressions([tileFinding()], 'lsan'), [
    '# lost: 1.0 KiB in 1 block',
    '# memprof: finding 0123456789abcdef',
    'leak:tiles::Cache*::put',
  ]);
  t.deepEqual(generateSuppressions([tileFinding()], 'valgrind').slice(2), [
    '{',
    '   lost: tiles::Cache*::put',
    '   Memcheck:Leak',
    '   match-leak-kinds: definite',
    '   ...',
    '   fun:*tiles*Cache*put*',
    '}',
  ]);
});
