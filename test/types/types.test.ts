import test from 'ava';
import fc from 'fast-check';
import type { NamedFrame, NamedStack } from '../../src/symbols/index.js';
import { containerOf } from '../../src/types/containers.js';
import {
  allocatorWords,
  classOfVtable,
  mappedByOwner,
  recognisedAllocator,
  typeByStack,
} from '../../src/types/index.js';

function stackOf(kind: 'package' | 'node', ...functions: (string | null)[]): NamedStack {
  const frames = functions.map(
    (name): NamedFrame => ({
      kind: 'native',
      function: name,
      file: null,
      line: null,
      column: null,
      module: '/x.node',
      inlined: false,
      certainty: name === null ? 'none' : 'exact',
      near: null,
      offset: null,
    }),
  );
  const owner = { kind, package: null, module: '/x.node', key: kind };
  return { key: functions.join(), frames, owner } as unknown as NamedStack;
}

const string = 'std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >';

test('containers are known by the functions that allocate for them', (t) => {
  const named = [
    [
      `std::_Rb_tree<int, std::pair<int const, ${string} >, std::_Select1st<int>, std::less<int> >::_M_create_node<int>(int&&)`,
      'std::map<int, std::string> node',
    ],
    [
      'std::_Rb_tree<long, long, std::_Identity<long>, std::less<long> >::_M_get_node()',
      'std::set<long> node',
    ],
    [
      `std::_Hashtable<int, std::pair<int const, Image*>, std::allocator<int>, X>::_M_insert_unique_node(unsigned long)`,
      'std::unordered_map<int, Image*> node',
    ],
    [
      'std::_Hashtable<int, int, std::allocator<int>, X>::_M_rehash(unsigned long)',
      'std::unordered_set<int> buckets',
    ],
    [
      'std::vector<Pixel, std::allocator<Pixel> >::reserve(unsigned long)',
      'std::vector<Pixel> storage',
    ],
    ['void std::vector<int>::_M_realloc_insert<int>(int&&)', 'std::vector<int> storage'],
    [`${string}::_M_create(unsigned long&, unsigned long)`, 'std::string'],
    [
      'std::__1::basic_string<wchar_t, std::__1::char_traits<wchar_t> >::reserve(unsigned long)',
      'std::wstring',
    ],
    ['std::__cxx11::list<int, std::allocator<int> >::push_back(int const&)', 'std::list<int> node'],
    [
      'std::deque<A<1, 2>, std::allocator<A<1, 2> > >::push_back(A<1, 2> const&)',
      'std::deque<A<1, 2>> storage',
    ],
    ['std::shared_ptr<Tile> std::make_shared<Tile, int>(int&&)', 'std::shared_ptr<Tile> object'],
    ['<alloc::string::String as core::clone::Clone>::clone', 'String'],
    ['alloc::vec::Vec<T,A>::reserve', 'Vec<T> storage'],
    ['hashbrown::raw::RawTable<T,A>::reserve_rehash', 'HashMap table'],
    ['operator new(unsigned long)', null],
    ['Image::vector(int)', null],
    [`make_thumbnail(Tile const&, ${string} const&)`, null],
    [`${string} Image::name()`, null],
    [
      'std::vector<std::map<int, int>, std::allocator<std::map<int, int> > >::reserve(unsigned long)',
      'std::vector<std::map<int, int>> storage',
    ],
    ['myst::vector<int>::reserve()', null],
  ] as const;
  for (const [name, type] of named) t.is(containerOf(name), type, name);
});

test('long arguments are left away', (t) => {
  const long = 'A'.repeat(60);
  t.is(
    containerOf(`std::vector<${long}, std::allocator<${long}> >::reserve(unsigned long)`),
    'std::vector storage',
  );
});

test('the container nearest to its user gives the type, and its user none', (t) => {
  t.is(
    typeByStack(
      stackOf(
        'package',
        'malloc',
        'operator new(unsigned long)',
        '__gnu_cxx::new_allocator<int>::allocate(unsigned long)',
        'std::_Vector_base<int, std::allocator<int> >::_M_allocate(unsigned long)',
        'std::vector<int, std::allocator<int> >::reserve(unsigned long)',
        'Image::Image()',
        'std::vector<Image, std::allocator<Image> >::emplace_back<>()',
      ),
    ),
    'std::vector<int> storage',
  );
  t.is(
    typeByStack(stackOf('package', 'malloc', 'Image::Image()', 'std::vector<Image>::x()')),
    null,
  );
  t.is(typeByStack(stackOf('package', null, 'std::vector<int>::reserve()')), null);
  t.is(typeByStack(stackOf('package')), null);
});

test('what Node allocates for itself has a category', (t) => {
  const category = (...names: string[]) => typeByStack(stackOf('node', ...names));
  t.is(category('malloc', 'v8::internal::Zone::Expand(unsigned long)', 'node::Start'), 'V8 zone');
  t.is(
    category('calloc', 'node::NodeArrayBufferAllocator::Allocate(unsigned long)'),
    'backing store',
  );
  t.is(category('malloc', 'v8::internal::MemoryChunk::Initialize()'), 'V8 heap');
  t.is(category('malloc', 'CRYPTO_malloc', 'EVP_MD_CTX_new', 'node::crypto::Hash::New'), 'OpenSSL');
  t.is(category('malloc', 'deflateInit2_', 'node::zlib::X'), 'zlib');
  t.is(category('malloc', 'uv__malloc', 'uv_loop_init'), 'libuv');
  t.is(category('operator new(unsigned long)', 'v8impl::Reference::New'), 'Node-API');
  t.is(category('malloc', 'something_else'), null);
});

test("a vtable's symbol names the class", (t) => {
  t.is(classOfVtable('vtable for shop::Image'), 'shop::Image');
  t.is(classOfVtable('construction vtable for Base<int>-in-shop::Image'), 'shop::Image');
  t.is(classOfVtable('VTT for shop::Image'), null);
  t.is(classOfVtable('shop::images'), null);
});

test('any function name is taken, however odd', (t) => {
  const odd = fc.array(
    fc.constantFrom(
      'std::',
      'vector',
      '<',
      '>',
      ',',
      '(',
      ')',
      '->',
      'map',
      'pair',
      ' ',
      '_Rb_tree',
      '{',
      '"',
      'basic_string',
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(odd, (parts) => {
      const name = parts.join('');
      const type = containerOf(name);
      t.true(type === null || type.length < 120, name);
    }),
    { numRuns: 1000 },
  );
});

test('an allocator inside a file is known by any one of its signs', (t) => {
  const found = (...words: string[]) => allocatorWords.map((word) => words.includes(word));
  t.is(recognisedAllocator(found()), null);
  t.is(recognisedAllocator(found('_rjem_malloc')), 'jemalloc');
  t.is(recognisedAllocator(found('"mimalloc: "')), 'mimalloc');
  t.is(recognisedAllocator(found('tc_malloc')), 'tcmalloc');
});

test('anonymous mappings are added up by who mapped them', (t) => {
  const owner = (key: string) => ({
    kind: 'package' as const,
    package: null,
    module: `/${key}.node`,
    key,
  });
  const mapping = (sizeBytes: number, stackId: number, flags = 0x22) => ({
    address: 0 as never,
    sizeBytes,
    stackId: stackId as never,
    bornNs: 0,
    prot: 3,
    flags,
  });
  const uses = mappedByOwner([mapping(10, 1), mapping(50, 2), mapping(7, 1), mapping(99, 1, 2)], {
    owner: (id) => owner(String(id)),
  });
  t.deepEqual(
    uses.map((use) => [use.module, use.mappingCount, use.sizeBytes]),
    [
      ['/2.node', 1, 50],
      ['/1.node', 2, 17],
    ],
  );
});
