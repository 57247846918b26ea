import test from 'ava';
import fc from 'fast-check';
import { parseV8Name, qualifiedName, shortenFunction } from '../../src/symbols/index.js';

const show = (raw: string) => {
  const name = parseV8Name(raw);
  return `${name.kind} ${name.function} | ${name.file}:${name.line}:${name.column} ${name.tier}`;
};

test('names of V8 are taken apart into function, script and place', (t) => {
  t.is(show('JS:~foo /a/app.js:12:3'), 'js foo | /a/app.js:12:3 interpreter');
  t.is(
    show('JS:*get size file:///tmp/a%20b/t.mjs:1:18'),
    'js get size | /tmp/a b/t.mjs:1:18 turbofan',
  );
  t.is(show('JS:^ /a/my app.js:1:102'), 'js (anonymous) | /a/my app.js:1:102 sparkplug');
  t.is(show("JS:+'hot node:internal/fs/utils:9:1"), 'js hot | node:internal/fs/utils:9:1 maglev');
  t.is(show('JS:o*keep /a.js:47:1'), 'js keep | /a.js:47:1 turbofan');
  t.is(show("JS:o+'once /a.js:47:1"), 'js once | /a.js:47:1 maglev');
  t.is(show('JS:~o /a.js:4:1'), 'js o | /a.js:4:1 interpreter');
  t.is(show('LazyCompile:*old /a.js:7'), 'js old | /a.js:7:null turbofan');
  t.is(show('Function:foo /a.js:7:1'), 'js foo | /a.js:7:1 null');
  t.is(show('Script:~ file:///tmp/t.mjs:1:1'), 'js (script) | /tmp/t.mjs:1:1 interpreter');
  t.is(show('Eval:~ :1:1'), 'js (eval) | null:1:1 interpreter');
  t.is(
    show('Eval:~ node:internal/fs/dir:1:1'),
    'js (anonymous) | node:internal/fs/dir:1:1 interpreter',
  );
  t.is(show('JS:~x evalmachine.<anonymous>:1:1'), 'js x | evalmachine.<anonymous>:1:1 interpreter');
  t.is(
    show('JS:~x webpack://app/./src/i.ts:4:2'),
    'js x | webpack://app/./src/i.ts:4:2 interpreter',
  );
});

test('generated code without a script is a builtin', (t) => {
  t.is(show('Builtin:ArrayMap'), 'builtin ArrayMap | null:null:null null');
  t.is(show('BytecodeHandler:Wide'), 'builtin BytecodeHandler:Wide | null:null:null null');
  t.is(show('RegExp:ab+c :/'), 'builtin RegExp:ab+c :/ | null:null:null null');
  t.is(show(''), 'builtin (anonymous) | null:null:null null');
});

test('a name made by us is found again, whatever function and path hold', (t) => {
  const word = fc.stringMatching(/^[\w#$]{0,12}$/);
  const path = fc.stringMatching(/^\/[\w .:-]{1,30}\.js$/);
  fc.assert(
    fc.property(word, path, fc.nat(), fc.nat(), (name, file, line, column) => {
      const parsed = parseV8Name(`JS:~${name} ${file}:${line}:${column}`);
      t.deepEqual([parsed.file, parsed.line, parsed.column], [file, line, column]);
      t.is(parsed.function, name === '' ? '(anonymous)' : name);
    }),
  );
});

test('no text makes the parsers of names throw', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.stringMatching(/^(?:operator|[<>():~ a&*,-]){0,40}$/)),
      (text) => {
        parseV8Name(text);
        parseV8Name(`JS:${text}`);
        qualifiedName(text);
        shortenFunction(text);
      },
    ),
  );
  t.pass();
});

test('C++ names lose return types, parameters and the spelled-out standard library', (t) => {
  const string = 'std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >';
  t.is(
    shortenFunction(`${string}::_M_create(unsigned long&, unsigned long)`),
    'std::string::_M_create',
  );
  t.is(
    shortenFunction('void std::vector<int, std::allocator<int> >::push_back(int&&) const'),
    'std::vector<int>::push_back',
  );
  t.is(
    shortenFunction(
      `std::map<${string}, int, std::less<${string} >, std::allocator<std::pair<${string} const, int> > >::operator[](${string} const&)`,
    ),
    'std::map<std::string, int>::operator[]',
  );
  t.is(shortenFunction('operator new(unsigned long)'), 'operator new');
  t.is(shortenFunction('operator new[](unsigned long)'), 'operator new[]');
  t.is(
    shortenFunction('std::ostream& std::operator<< <std::char_traits<char> >(std::ostream&, char)'),
    'std::operator<< <std::char_traits<char>>',
  );
  t.is(shortenFunction('(anonymous namespace)::grow(int)'), 'grow');
  t.is(
    shortenFunction('main::{lambda(int)#1}::operator()(int) const'),
    'main::{lambda(int)#1}::operator()',
  );
  t.is(shortenFunction('work() [clone .isra.0]'), 'work');
  t.is(
    shortenFunction('core::ptr::drop_in_place<T>::h0123456789abcdef'),
    'core::ptr::drop_in_place<T>',
  );
  t.is(
    shortenFunction('<alloc::vec::Vec<T> as core::ops::Drop>::drop'),
    '<alloc::vec::Vec<T> as core::ops::Drop>::drop',
  );
  t.is(shortenFunction('malloc'), 'malloc');
});

test('a long name keeps its ends and folds its template arguments', (t) => {
  t.is(
    shortenFunction(
      'void very::long_name<a_type_with_a_long_name, another_type_with_a_name>::method<and_more>(int)',
      40,
    ),
    'very::long_name<…>::method<…>',
  );
});
