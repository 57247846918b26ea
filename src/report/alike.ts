// Which stacks are one to a reader: those that differ only in V8's ways to a call, or in how exactly
// V8 knew the call's line. Pure.
import { Sequences } from '../sequences.js';
import type { NamedStack, StackFrame } from '../symbols/index.js';
import { eachLine, Lines, plumbing, type StackContext } from './stack-text.js';

export interface Alike {
  /** Equal for stacks that are one. */
  keyOf(stack: NamedStack): number;
  /** The stack to show for a key: the one whose lines say most. */
  shown(key: number): NamedStack;
  /** False for a stack that joined another which has a line that it lacks. */
  isWhole(stack: NamedStack): boolean;
}

/** What a stack shows, in three degrees. */
interface Look {
  stack: NamedStack;
  /** Everything. */
  key: number;
  /** With its JavaScript functions in place of their lines. */
  scopes: number;
}

/** The place in each of its JavaScript functions; null where only the function is known. */
type Calls = (StackFrame | null)[];

/**
 * A function that V8 compiles in the middle of a run loses the lines of its calls (Sparkplug and
 * Maglev have none), so one call site comes as several stacks. A stack without such a line joins the
 * one stack that is otherwise equal and has it; where several have different ones, it stays apart.
 */
export function alikeStacks(stacks: Iterable<NamedStack>, context: StackContext): Alike {
  const lookOf = looks(context);
  const callsOf = calls(context);
  // By what the stacks' frames are: a site is asked for once for each moment.
  const known = new Map<string, Look>();
  const byKey = new Map<number, Look>();
  const byScopes = new Map<number, Look[]>();
  for (const stack of stacks) {
    if (known.has(stack.key)) continue;
    const look = lookOf(stack);
    known.set(stack.key, look);
    if (byKey.has(look.key)) continue;
    byKey.set(look.key, look);
    const group = byScopes.get(look.scopes);
    if (group === undefined) byScopes.set(look.scopes, [look]);
    else group.push(look);
  }
  const joined = new Map<number, number>();
  for (const group of byScopes.values()) if (group.length > 1) join(group, callsOf, joined);
  const keyOf = (stack: NamedStack) => (known.get(stack.key) ?? lookOf(stack)).key;
  return {
    keyOf(stack) {
      const key = keyOf(stack);
      return joined.get(key) ?? key;
    },
    isWhole: (stack) => !joined.has(keyOf(stack)),
    shown: (key) => (byKey.get(key) as Look).stack,
  };
}

function join(
  group: readonly Look[],
  callsOf: (stack: NamedStack) => Calls,
  joined: Map<number, number>,
): void {
  const exactFirst = group
    .map((look) => {
      const calls = callsOf(look.stack);
      return { look, calls, unknown: calls.filter((call) => call === null).length };
    })
    .sort((a, b) => a.unknown - b.unknown || a.look.key - b.look.key);
  const kept: typeof exactFirst = [];
  for (const one of exactFirst) {
    const fits = kept.filter((other) =>
      one.calls.every((call, at) => call === null || call === other.calls[at]),
    );
    if (fits.length === 1) joined.set(one.look.key, fits[0].look.key);
    else kept.push(one);
  }
}

/** A lone frame of Node's internals or of a test runner is plumbing as well. */
const isPlumbing = (kind: keyof typeof plumbing, frameCount: number): boolean =>
  frameCount >= 2 || kind === 'node' || kind === 'runner';

function looks(context: StackContext): (stack: NamedStack) => Look {
  const ids = new Map<StackFrame | string, number>();
  const idOf = (what: StackFrame | string): number => {
    let id = ids.get(what);
    if (id === undefined) ids.set(what, (id = ids.size));
    return id;
  };
  const sequences = new Sequences();
  // The lines of the stack at hand, up to where they are known.
  const shown: number[] = [];
  const scopeOf: number[] = [];
  let lineCount = 0;
  const lines = new Lines(context, (frame, kind, frameCount) => {
    const isFolded = kind !== null && isPlumbing(kind, frameCount);
    const id = idOf(isFolded ? plumbing[kind] : frame);
    const scope = !isFolded && frame.kind === 'js' ? frame.scope : undefined;
    shown[lineCount] = id;
    scopeOf[lineCount++] = scope === undefined ? id : idOf(scope);
  });
  const restsOf = new Map<string, Rests>();
  return (stack) => {
    let rests = restsOf.get(stack.owner.key);
    // From the root, where stacks are alike: from the leaf tsc's 157,000 sites took 400 MiB of steps.
    if (rests === undefined)
      restsOf.set(stack.owner.key, (rests = new Rests(sequences, idOf(stack.owner.key))));
    lineCount = 0;
    const known = takeLines(stack, lines, rests, () => lineCount);
    return { stack, ...rests.with(known, shown, scopeOf, lineCount) };
  };
}

/** Takes lines from the leaf on; returns what is known of the rest, if anything is. */
function takeLines(stack: NamedStack, lines: Lines, rests: Rests, lineCount: () => number): number {
  let known = 0;
  rests.begin();
  if (stack.walk === undefined) {
    for (const frame of stack.frames) lines.take(frame);
  } else {
    stack.walk((frames, rest) => {
      if (frames.length > 0 && lines.begins(frames[0])) {
        lines.end();
        known = rests.known(rest, lineCount());
        if (known !== 0) return false;
      }
      for (const frame of frames) lines.take(frame);
      return true;
    });
  }
  lines.end();
  return known;
}

/**
 * Sequences of lines from the root to where a line begins, for stacks of one owner, by the frames from there on: stacks
 * share most of them.
 */
class Rests {
  readonly #sequences: Sequences;
  readonly #rowOf = new Map<number, number>();
  /** By row: all that is shown, and with functions in place of their lines. The first is the empty stack's. */
  readonly #key: number[];
  readonly #scopes: number[];
  /** Of the stack at hand: where lines begin that are not known, and the numbers of their frames. */
  readonly #lines: number[] = [];
  readonly #rests: number[] = [];
  #count = 0;

  constructor(sequences: Sequences, owner: number) {
    this.#sequences = sequences;
    const empty = sequences.with(Sequences.empty, owner);
    this.#key = [empty];
    this.#scopes = [empty];
  }

  begin(): void {
    this.#count = 0;
  }

  /** The row of these frames; 0: they will have one, when their lines are known. */
  known(rest: number, line: number): number {
    const row = this.#rowOf.get(rest);
    if (row !== undefined) return row;
    this.#lines[this.#count] = line;
    this.#rests[this.#count++] = rest;
    return 0;
  }

  /** `lineCount` lines, from the leaf, and behind them those of a row. */
  with(
    row: number,
    shown: readonly number[],
    scopeOf: readonly number[],
    lineCount: number,
  ): { key: number; scopes: number } {
    let key = this.#key[row];
    let scopes = this.#scopes[row];
    let count = this.#count;
    for (let at = lineCount - 1; at >= 0; at--) {
      key = this.#sequences.with(key, shown[at]!);
      scopes = this.#sequences.with(scopes, scopeOf[at]!);
      if (count === 0 || this.#lines[count - 1] !== at) continue;
      const rest = this.#rests[--count];
      // What begins at a leaf is rarely met again.
      if (at === 0) continue;
      this.#rowOf.set(rest, this.#key.push(key) - 1);
      this.#scopes.push(scopes);
    }
    return { key, scopes };
  }
}

/** Asked for of those few stacks that are equal but for their calls' lines. */
function calls(context: StackContext): (stack: NamedStack) => Calls {
  return (stack) => {
    const found: Calls = [];
    eachLine(stack.frames, context, (frame, kind, frameCount) => {
      if (kind !== null && isPlumbing(kind, frameCount)) return;
      if (frame.kind !== 'js' || frame.scope === undefined) return;
      found.push('lineIs' in frame && frame.lineIs === 'call' ? frame : null);
    });
    return found;
  };
}
