// Standard containers by their member functions: libstdc++, libc++ and Rust's. Pure.
import { qualifiedName } from '../symbols/index.js';

/** "std::map node" with its arguments where they are short; null: no container's function. */
export function containerOf(functionName: string): string | null {
  // Whose member it is, not what it takes or gives back.
  const name = qualifiedName(functionName)
    .replaceAll('std::__cxx11::', 'std::')
    .replaceAll(/std::__(?:1|ndk1|cxx1998|debug)::/g, 'std::');
  for (const [pattern, type] of patterns) {
    const found = pattern.exec(name);
    if (found === null) continue;
    const rest = name.slice(found.index + found[0].length);
    return type(argumentsOf(rest));
  }
  return null;
}

type Describe = (args: readonly string[]) => string;

const fixed =
  (text: string): Describe =>
  () =>
    text;
const of =
  (container: string, count: number, part = ''): Describe =>
  (args) => {
    const shown = args.slice(0, count).map(shortType);
    const inner = shown.length === count && shown.join(', ').length <= longestArguments;
    return `${container}${inner ? `<${shown.join(', ')}>` : ''}${part}`;
  };

const longestArguments = 48;

/** A set's tree holds its keys, a map's holds pairs. */
const tree: Describe = ([key, value]) =>
  value !== undefined && value !== key
    ? of('std::map', 2, ' node')([key, mappedOf(value)])
    : of('std::set', 1, ' node')(key === undefined ? [] : [key]);
const hashed =
  (part: string): Describe =>
  ([key, value]) =>
    value !== undefined && value !== key
      ? of('std::unordered_map', 2, part)([key, mappedOf(value)])
      : of('std::unordered_set', 1, part)(key === undefined ? [] : [key]);

/** Each pattern ends where the template's arguments begin. */
const patterns: readonly (readonly [RegExp, Describe])[] = [
  [/^std::_Rb_tree(?=<)/, tree],
  [/^std::(?:multi)?map(?=<)/, of('std::map', 2, ' node')],
  [/^std::(?:multi)?set(?=<)/, of('std::set', 1, ' node')],
  [/^std::_Hashtable(?=<.*::_M_(?:rehash|allocate_buckets))/, hashed(' buckets')],
  [/^std::_Hashtable(?=<)/, hashed(' node')],
  [/^std::__detail::_Hashtable_alloc<.*_M_allocate_buckets/, fixed('hash table buckets')],
  [/^std::__detail::_Hashtable_alloc</, fixed('hash table node')],
  [/^std::unordered_(?:multi)?map(?=<)/, of('std::unordered_map', 2, ' node')],
  [/^std::unordered_(?:multi)?set(?=<)/, of('std::unordered_set', 1, ' node')],
  [/^std::(?:_Vector_base|vector)(?=<)/, of('std::vector', 1, ' storage')],
  [/^std::(?:_Deque_base|deque)(?=<)/, of('std::deque', 1, ' storage')],
  [/^std::(?:_List_base|list)(?=<)/, of('std::list', 1, ' node')],
  [/^std::(?:_Fwd_list_base|forward_list)(?=<)/, of('std::forward_list', 1, ' node')],
  [/^std::basic_string<char32_t\b/, fixed('std::u32string')],
  [/^std::basic_string<char16_t\b/, fixed('std::u16string')],
  [/^std::basic_string<wchar_t\b/, fixed('std::wstring')],
  [/^std::basic_string</, fixed('std::string')],
  [/^std::string::_Rep\b/, fixed('std::string')],
  [/^std::make_shared(?=<)/, of('std::shared_ptr', 1, ' object')],
  [/^std::(?:__shared_ptr|shared_ptr)(?=<)/, of('std::shared_ptr', 1, ' object')],
  [/^std::__shared_count</, fixed('std::shared_ptr control block')],
  [/^std::(?:make_unique|__detail::__unique_ptr_t)(?=<)/, ([type]) => shortType(type ?? 'object')],
  [/^std::_Function_base::_Base_manager</, fixed('std::function target')],
  [/^<?alloc::string::String\b/, fixed('String')],
  [/^<?hashbrown::/, fixed('HashMap table')],
  [/^<?alloc::collections::btree::/, fixed('BTreeMap node')],
  [/^<?alloc::sync::Arc(?=<)/, of('Arc', 1)],
  [/^<?alloc::rc::Rc(?=<)/, of('Rc', 1)],
  [/^<?alloc::vec::Vec(?=<)/, of('Vec', 1, ' storage')],
  [/^<?alloc::raw_vec::/, fixed('Vec storage')],
  [/^<?alloc::boxed::Box(?=<)/, of('Box', 1)],
];

/** The arguments of the template that begins the text; [] where it begins none or does not end. */
function argumentsOf(text: string): string[] {
  if (!text.startsWith('<')) return [];
  const found: string[] = [];
  let depth = 0;
  let start = 1;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '<' || char === '(' || char === '[' || char === '{') depth++;
    else if (char === '>' && text[at - 1] === '-') continue;
    else if (char === '>' || char === ')' || char === ']' || char === '}') {
      depth--;
      if (depth === 0) {
        found.push(text.slice(start, at).trim());
        return found;
      }
    } else if (char === ',' && depth === 1) {
      found.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return [];
}

/** V of "std::pair<K const, V>". */
function mappedOf(value: string): string {
  const pair = /^std::pair(?=<)/.exec(value);
  return pair === null ? value : (argumentsOf(value.slice(pair[0].length))[1] ?? value);
}

function shortType(type: string): string {
  return /^std::basic_string<char\b/.test(type) ? 'std::string' : type;
}
