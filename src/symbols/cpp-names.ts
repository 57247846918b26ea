// Demangled C++ (and Rust) names, cut down to what a reader needs. The whole name stays in the frame;
// this is for display and for telling whose code a function is. Pure; imports nothing.

/** "a::b(int)", "a::b() const": no template, no lambda, nothing around it. Most names are like this. */
const plainName = /^([\w:~]+)\([^()]*\)(?: const)?$/;

/**
 * The qualified name alone, without return type, parameters and qualifiers:
 * "void std::vector<int>::push_back(int&&) const" gives "std::vector<int>::push_back".
 */
export function qualifiedName(demangled: string): string {
  const plain = plainName.exec(demangled);
  if (plain !== null) return plain[1];
  const end = parameterStart(demangled);
  const head = demangled.slice(0, end).trimEnd();
  return head.slice(lastTopLevelSpace(head) + 1);
}

/** qualifiedName with the standard library's spellings shortened and deep template arguments left out. */
export function shortenFunction(demangled: string, maxChars = 60): string {
  const suffix = / \[(?:clone )?\.[^\]]*\]/g;
  let name = qualifiedName(tidy(demangled.replace(suffix, '')));
  name = name.replace(/::h[0-9a-f]{16}$/, '');
  if (name.length > maxChars) name = foldTemplates(name);
  return name;
}

const stringType =
  /std::(?:__cxx11::|__1::)?basic_string<char, ?std::(?:__1::)?char_traits<char>, ?std::(?:__1::)?allocator<char> ?>/g;
const defaultArguments =
  /, ?std::(?:allocator|char_traits|less|equal_to|hash|default_delete)<(?:[^<>]|<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*>)*>/g;

function tidy(name: string): string {
  // The patterns are dear, and most names of C have none of this.
  if (!/[:<]/.test(name)) return name;
  return name
    .replace(stringType, 'std::string')
    .replace(/std::__(?:cxx11|1)::/g, 'std::')
    .replace(/\(anonymous namespace\)::/g, '')
    .replace(defaultArguments, '')
    .replace(/\s+>/g, '>');
}

// A bracket of "operator<", "operator()" and "->" does not open or close anything.
function operatorLength(text: string, at: number): number {
  if (
    !text.startsWith('operator', at) ||
    /\w/.test(text[at - 1] ?? '') ||
    /\w/.test(text[at + 8] ?? '')
  )
    return 0;
  const symbol =
    /^operator(?:\(\)|\[\]|<=>|->\*?|<<=?|>>=?|<=?|>=?| (?:new|delete)(?:\[\])?|[^\w\s(<]+)?/.exec(
      text.slice(at),
    );
  return symbol === null ? 0 : symbol[0].length;
}

const letterO = 'o'.charCodeAt(0);

/** Visits each character outside of operators with the bracket depth before it; stops on true. */
function scan(text: string, visit: (at: number, depth: number, char: string) => boolean): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    // Asked of each character of long names.
    const skip = text.charCodeAt(at) === letterO ? operatorLength(text, at) : 0;
    if (skip > 0) {
      at += skip - 1;
      continue;
    }
    const char = text[at];
    if (visit(at, depth, char)) return;
    depth = depthAfter(depth, char, text[at - 1]);
  }
}

function depthAfter(depth: number, char: string, before: string | undefined): number {
  if (char === '<' || char === '(' || char === '[' || char === '{') return depth + 1;
  const closes = (char === '>' && before !== '-') || char === ')' || char === ']' || char === '}';
  return closes ? Math.max(0, depth - 1) : depth;
}

/** Visits each bracket and space outside of operators with the bracket depth before it; stops on true. */
function scanMarks(
  text: string,
  visit: (at: number, depth: number, mark: string) => boolean,
): void {
  // Most of a long name is words, which a regular expression passes over much faster than a loop.
  const marks = /[<>()[\]{} ]|operator/g;
  let depth = 0;
  for (let found = marks.exec(text); found !== null; found = marks.exec(text)) {
    const at = found.index;
    const mark = found[0];
    if (mark.length > 1) {
      marks.lastIndex = at + Math.max(1, operatorLength(text, at));
      continue;
    }
    if (visit(at, depth, mark)) return;
    depth = depthAfter(depth, mark, text[at - 1]);
  }
}

function parameterStart(text: string): number {
  let start = text.length;
  scanMarks(text, (at, depth, char) => {
    if (depth !== 0 || char !== '(') return false;
    // A bracket that begins a component is part of the name: "(anonymous namespace)::f", "f()::{lambda()#1}".
    const close = closingBracket(text, at);
    if (text.startsWith('::', close + 1)) return false;
    start = at;
    return true;
  });
  return start;
}

function closingBracket(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return at;
  }
  return text.length;
}

function lastTopLevelSpace(text: string): number {
  let last = -1;
  scanMarks(text, (at, depth, char) => {
    // "operator<< <char>": the space parts an operator from its template arguments.
    if (char === ' ' && depth === 0 && text[at + 1] !== '<') last = at;
    return false;
  });
  return last;
}

function foldTemplates(name: string): string {
  let folded = '';
  scan(name, (_at, depth, char) => {
    const closes = depth === 1 && (char === '>' || char === ')' || char === '}' || char === ']');
    if (depth === 0 || closes) folded += char;
    else if (depth === 1 && !folded.endsWith('…')) folded += '…';
    return false;
  });
  // scan skips operators whole, and they can only matter at the end of a name.
  const operator = /operator.*$/.exec(name);
  if (operator !== null && operatorLength(name, operator.index) > 0 && !folded.includes('operator'))
    folded += operator[0];
  return folded;
}
