// valgrind's files have mangled C++ names, findings demangled ones. A mangled pattern is turned into one for the
// qualified name: parameters, template arguments, tags and Rust's hashes are not compared. Pure.
import { qualifiedName } from '../symbols/index.js';

/** "std::vector<int>::push_back(int&&)" gives "std::vector::push_back"; `cut` stands for the arguments. */
export function pathOfName(demangled: string, cut = ''): string {
  const tagless = qualifiedName(demangled)
    .replace(/\[abi:\w+\]/g, '')
    .replace(/::h[0-9a-f]{16}$/, '');
  // An operator's own brackets are no template's: nothing behind it is cut.
  const operator = /(?:^|::)operator\b/.exec(tagless)?.index ?? tagless.length;
  let path = '';
  let depth = 0;
  for (const char of tagless.slice(0, operator)) {
    if (char === '<') path += depth++ === 0 ? cut : '';
    else if (char === '>') depth = Math.max(0, depth - 1);
    else if (depth === 0) path += char;
  }
  return path + tagless.slice(operator);
}

const operators: Readonly<Record<string, string>> = {
  nw: 'operator new',
  na: 'operator new[]',
  dl: 'operator delete',
  da: 'operator delete[]',
  cl: 'operator()',
  ix: 'operator[]',
  aS: 'operator=',
  ls: 'operator<<',
  rs: 'operator>>',
  eq: 'operator==',
  pl: 'operator+',
  mi: 'operator-',
  pt: 'operator->',
};
const standard: Readonly<Record<string, string>> = {
  St: 'std',
  Sa: 'std::allocator',
  Ss: 'std::*string*',
  Sb: 'std::*basic_string',
  Si: 'std::*istream',
  So: 'std::*ostream',
};

/** A glob for pathOfName; null: not a mangled C++ name, or one that cannot be told from its start. */
export function globOfMangled(pattern: string): string | null {
  if (!pattern.startsWith('_Z')) return null;
  const wild = pattern.search(/[*?]/);
  const fixed = wild < 0 ? pattern : pattern.slice(0, wild);
  const { parts, isWhole } = new Components(fixed).read(wild >= 0);
  if (parts.length === 0) return null;
  return parts.join('::') + (isWhole ? '' : '*');
}

/** Reads the name of an encoding: <nested-name>, <unscoped-name>; what it does not know ends it. */
class Components {
  readonly #text: string;
  #at = 2;

  constructor(text: string) {
    this.#text = text;
  }

  read(isCut: boolean): { parts: string[]; isWhole: boolean } {
    const isNested = this.#take('N');
    if (isNested) while (/[KVrRO]/.test(this.#peek(1)) && this.#peek(1) !== '') this.#at++;
    const parts: string[] = [];
    for (;;) {
      if (this.#at >= this.#text.length) return { parts, isWhole: !isCut && !isNested };
      if (isNested && this.#take('E')) return { parts: withoutHash(parts), isWhole: true };
      if (this.#peek(1) === 'I') {
        if (!this.#skipArguments()) return { parts, isWhole: false };
        if (!isNested) return { parts, isWhole: true };
        continue;
      }
      const part = this.#part(parts.at(-1));
      if (part === null) return { parts, isWhole: false };
      if (part.text !== '') parts.push(part.text);
      if (part.isCut) return { parts, isWhole: false };
      const isPrefix = part.text === 'std' || this.#peek(1) === 'B' || this.#peek(1) === 'I';
      // What follows an unscoped name are parameters.
      if (!isNested && !isPrefix) return { parts, isWhole: true };
    }
  }

  #part(before: string | undefined): { text: string; isCut: boolean } | null {
    this.#take('L');
    const digits = /^\d+/.exec(this.#text.slice(this.#at))?.[0];
    if (digits !== undefined) {
      const start = this.#at + digits.length;
      const text = this.#text.slice(start, start + Number(digits));
      this.#at = start + Number(digits);
      return {
        text: text.startsWith('_GLOBAL__N') ? '(anonymous namespace)' : text,
        isCut: this.#at > this.#text.length,
      };
    }
    // An ABI tag: of the name, but not shown as one.
    if (this.#take('B')) return this.#part(before) === null ? null : { text: '', isCut: false };
    const code = this.#peek(2);
    const known = standard[code] ?? operators[code];
    if (known !== undefined) {
      this.#at += 2;
      return { text: known, isCut: false };
    }
    const isStructor = /^[CD]\d$/.test(code);
    if (!isStructor || before === undefined) return null;
    this.#at += 2;
    const own = before.slice(before.lastIndexOf(':') + 1);
    return { text: code.startsWith('D') ? `~${own}` : own, isCut: false };
  }

  /** From I to its E. What lies between is only counted: names by their length, what nests by its letters. */
  #skipArguments(): boolean {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const rest = this.#text.slice(this.#at);
      const digits = /^\d+/.exec(rest)?.[0];
      const pair = /^(?:S[tabsiod]|S[0-9A-Z]*_|T[0-9]*_|D[a-z])/.exec(rest)?.[0];
      if (digits !== undefined) this.#at += digits.length + Number(digits);
      else if (pair !== undefined) this.#at += pair.length;
      else {
        const char = rest[0];
        this.#at++;
        if (/[INXLJF]/.test(char)) depth++;
        else if (char === 'E' && --depth === 0) return true;
      }
    }
    return false;
  }

  #peek(length: number): string {
    return this.#text.slice(this.#at, this.#at + length);
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
}

function withoutHash(parts: string[]): string[] {
  return /^h[0-9a-f]{16}$/.test(parts.at(-1) ?? '') ? parts.slice(0, -1) : parts;
}
