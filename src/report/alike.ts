// Which stacks are one to a reader: those that differ only in V8's ways to a call, or in how exactly
// V8 knew the call's line. Pure.
import type { NamedStack, StackFrame } from '../symbols/index.js';
import { Sequences } from './sequences.js';
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
  /** The place in each of these functions; null where only the function is known. */
  calls: (number | null)[];
}

/**
 * A function that V8 compiles in the middle of a run loses the lines of its calls (Sparkplug and
 * Maglev have none), so one call site comes as several stacks. A stack without such a line joins the
 * one stack that is otherwise equal and has it; where several have different ones, it stays apart.
 */
export function alikeStacks(stacks: Iterable<NamedStack>, context: StackContext): Alike {
  const lookOf = looks(context);
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
  for (const group of byScopes.values()) if (group.length > 1) join(group, joined);
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

function join(group: readonly Look[], joined: Map<number, number>): void {
  const unknown = (look: Look) => look.calls.filter((call) => call === null).length;
  const exactFirst = [...group].sort((a, b) => unknown(a) - unknown(b) || a.key - b.key);
  const kept: Look[] = [];
  for (const look of exactFirst) {
    const fits = kept.filter((other) =>
      look.calls.every((call, at) => call === null || call === other.calls[at]),
    );
    if (fits.length === 1) joined.set(look.key, fits[0].key);
    else kept.push(look);
  }
}

function looks(context: StackContext): (stack: NamedStack) => Look {
  const ids = new Map<StackFrame | string, number>();
  const idOf = (what: StackFrame | string): number => {
    let id = ids.get(what);
    if (id === undefined) ids.set(what, (id = ids.size));
    return id;
  };
  const sequences = new Sequences();
  return (stack) => {
    let key = sequences.with(Sequences.empty, idOf(stack.owner.key));
    let scopes = key;
    const calls: (number | null)[] = [];
    eachLine(stack.frames, context, (frame, kind, frameCount) => {
      // A lone frame of Node's internals or of a test runner is plumbing as well.
      const isPlumbing = kind !== null && (frameCount >= 2 || kind === 'node' || kind === 'runner');
      const id = idOf(isPlumbing ? plumbing[kind] : frame);
      const scope = !isPlumbing && frame.kind === 'js' ? frame.scope : undefined;
      key = sequences.with(key, id);
      scopes = sequences.with(scopes, scope === undefined ? id : idOf(scope));
      if (scope !== undefined) calls.push('lineIs' in frame && frame.lineIs === 'call' ? id : null);
    });
    return { stack, key, scopes, calls };
  };
}
