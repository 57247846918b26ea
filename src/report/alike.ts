// Which stacks are one to a reader: those that differ only in V8's ways to a call, or in how exactly
// V8 knew the call's line. Pure.
import { Sequences } from '../sequences.js';
import type { NamedStack, StackFrame } from '../symbols/index.js';
import { eachLine, plumbing, type StackContext } from './stack-text.js';

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
  const shown: number[] = [];
  const scopeOf: number[] = [];
  return (stack) => {
    let lineCount = 0;
    eachLine(stack.frames, context, (frame, kind, frameCount) => {
      const isFolded = kind !== null && isPlumbing(kind, frameCount);
      const id = idOf(isFolded ? plumbing[kind] : frame);
      const scope = !isFolded && frame.kind === 'js' ? frame.scope : undefined;
      shown[lineCount] = id;
      scopeOf[lineCount++] = scope === undefined ? id : idOf(scope);
    });
    // From the root, where stacks are alike: from the leaf tsc's 157,000 sites took 400 MiB of steps.
    let key = sequences.with(Sequences.empty, idOf(stack.owner.key));
    let scopes = key;
    for (let at = lineCount - 1; at >= 0; at--) {
      key = sequences.with(key, shown[at]!);
      scopes = sequences.with(scopes, scopeOf[at]!);
    }
    return { stack, key, scopes };
  };
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
