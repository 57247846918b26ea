// V8's own names for code, as its JIT events and perf maps spell them:
//
//   JS:~get size file:///app/a b.mjs:1:18     tier mark, function, script, line, column
//   JS:* /app/a.js:2:9                        anonymous function
//   JS:o*loop /app/a.js:3:1                   compiled while it ran (OSR; seen on Node 26)
//   Script:~ /app/a.js:1:1  Eval:~ :1:1       top level of a script, of an eval without a name
//   Builtin:ArrayMap  BytecodeHandler:Wide  RegExp:ab+c
//
// Function names may hold spaces (get size) and so may paths; the script starts at the first text that
// looks like one. The grammar was read off perf maps of Node 20; older spellings (LazyCompile:,
// Function:) and Maglev's and context-specialised marks (+ +' *') are from V8's log.cc.
import { fileURLToPath } from 'node:url';
import { anonymousName } from './frames.js';

export interface V8Name {
  kind: 'js' | 'builtin';
  function: string;
  file: string | null;
  line: number | null;
  column: number | null;
  tier: 'interpreter' | 'sparkplug' | 'maglev' | 'turbofan' | null;
}

const jsTags = new Set(['JS', 'Function', 'LazyCompile', 'Script', 'Eval']);
const scriptStart = / (?=\/|[a-z][a-z0-9+.-]*:[^:\d]|[A-Za-z]:[\\/])/;
const tiers = { '~': 'interpreter', '^': 'sparkplug', '+': 'maglev', '*': 'turbofan' } as const;

export function parseV8Name(rawName: string): V8Name {
  const colon = rawName.indexOf(':');
  const tag = colon < 0 ? '' : rawName.slice(0, colon);
  const rest = colon < 0 ? rawName : rawName.slice(colon + 1);
  if (jsTags.has(tag)) return parseJs(tag, rest);
  // "Builtin:X" is X to a reader; other kinds of generated code keep their kind in the name.
  const name = tag === 'Builtin' ? rest : rawName;
  return {
    kind: 'builtin',
    function: name || anonymousName,
    file: null,
    line: null,
    column: null,
    tier: null,
  };
}

function parseJs(tag: string, text: string): V8Name {
  const mark = /^o?([~^+*])'?/.exec(text);
  const tier = mark === null ? null : tiers[mark[1] as keyof typeof tiers];
  const body = mark === null ? text : text.slice(mark[0].length);
  const place = /:(\d+)(?::(\d+))?$/.exec(body);
  const named = place === null ? body : body.slice(0, place.index);
  const line = place === null ? null : Number(place[1]);
  const column = place?.[2] === undefined ? null : Number(place[2]);
  const [name, script] = splitScript(named, place !== null);
  return {
    kind: 'js',
    function:
      name ||
      (tag === 'Script' ? '(script)' : tag === 'Eval' && script === '' ? '(eval)' : anonymousName),
    file: script === '' ? null : toPath(script),
    line,
    column,
    tier,
  };
}

function splitScript(text: string, hasPlace: boolean): [string, string] {
  // The place follows the script's name at once, so text without one has no script either.
  if (!hasPlace) return [text.trim(), ''];
  const start = scriptStart.exec(text);
  if (start !== null) return [text.slice(0, start.index), text.slice(start.index + 1)];
  const space = text.lastIndexOf(' ');
  return space < 0 ? [text, ''] : [text.slice(0, space), text.slice(space + 1)];
}

function toPath(script: string): string {
  if (!script.startsWith('file://')) return script;
  try {
    return fileURLToPath(script);
  } catch {
    // Not a local file after all (file://host/x): the URL is the honest name.
    return script;
  }
}
