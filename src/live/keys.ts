// What a terminal sends for keys, as far as the view knows them.

export type Key =
  | { kind: 'text'; text: string }
  | {
      kind:
        | 'up'
        | 'down'
        | 'page-up'
        | 'page-down'
        | 'home'
        | 'end'
        | 'enter'
        | 'escape'
        | 'erase'
        | 'interrupt'
        | 'quit'
        | 'suspend'
        | 'redraw';
    };

const sequences: ReadonlyMap<string, Key['kind']> = new Map([
  ['A', 'up'],
  ['B', 'down'],
  ['H', 'home'],
  ['F', 'end'],
  ['1~', 'home'],
  ['4~', 'end'],
  ['5~', 'page-up'],
  ['6~', 'page-down'],
  ['7~', 'home'],
  ['8~', 'end'],
]);

const controls: ReadonlyMap<string, Key['kind']> = new Map([
  ['\r', 'enter'],
  ['\n', 'enter'],
  ['\x7f', 'erase'],
  ['\b', 'erase'],
  ['\x03', 'interrupt'],
  ['\x1c', 'quit'],
  ['\x1a', 'suspend'],
  ['\x0c', 'redraw'],
]);

/** Of one piece of input. Sequences it does not know are passed over, whole. */
export function decodeKeys(input: string): Key[] {
  const keys: Key[] = [];
  for (let at = 0; at < input.length; ) {
    const rest = input.slice(at);
    const sequence = /^\x1b(?:\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|O[\x40-\x7e])/.exec(rest)?.[0];
    if (sequence !== undefined) {
      const kind = sequences.get(sequence.slice(2));
      if (kind !== undefined) keys.push({ kind } as Key);
      at += sequence.length;
      continue;
    }
    const char = String.fromCodePoint(rest.codePointAt(0) as number);
    at += char.length;
    const kind = char === '\x1b' ? 'escape' : controls.get(char);
    if (kind !== undefined) keys.push({ kind } as Key);
    else if (!/[\u0000-\u001f\u0080-\u009f\ud800-\udfff]/.test(char))
      keys.push({ kind: 'text', text: char });
  }
  return keys;
}
