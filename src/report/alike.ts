// Which stacks are one to a reader: those that differ only in V8's ways to a call, or in how exactly
// V8 knew the call's line. Pure.
import type { NamedStack, StackFrame } from '../symbols/index.js';
import { foldPlumbing, plumbing, plumbingOf, type StackContext } from './stack-text.js';

export interface Alike {
  /** Equal for stacks that are one. */
  keyOf(stack: NamedStack): string;
  /** The stack to show for a key: the one whose lines say most. */
  shown(key: string): NamedStack;
  /** False for a stack that joined another which has a line that it lacks. */
  isWhole(stack: NamedStack): boolean;
}

/** What a stack shows, in three degrees. */
interface Look {
  stack: NamedStack;
  /** Everything. */
  key: string;
  /** With its JavaScript functions in place of their lines. */
  scopes: string;
  /** The place in each of these functions; null where only the function is known. */
  calls: (string | null)[];
}

/**
 * A function that V8 compiles in the middle of a run loses the lines of its calls (Sparkplug and
 * Maglev have none), so one call site comes as several stacks. A stack without such a line joins the
 * one stack that is otherwise equal and has it; where several have different ones, it stays apart.
 */
export function alikeStacks(stacks: Iterable<NamedStack>, context: StackContext): Alike {
  const lookOf = looks(context);
  const keys = new Map<NamedStack, string>();
  const byKey = new Map<string, Look>();
  const byScopes = new Map<string, Look[]>();
  for (const stack of stacks) {
    const look = lookOf(stack);
    keys.set(stack, look.key);
    if (byKey.has(look.key)) continue;
    byKey.set(look.key, look);
    const group = byScopes.get(look.scopes);
    if (group === undefined) byScopes.set(look.scopes, [look]);
    else group.push(look);
  }
  const joined = new Map<string, string>();
  for (const group of byScopes.values()) if (group.length > 1) join(group, joined);
  return {
    keyOf(stack) {
      const key = keys.get(stack) ?? lookOf(stack).key;
      return joined.get(key) ?? key;
    },
    isWhole: (stack) => !joined.has(keys.get(stack) ?? lookOf(stack).key),
    shown: (key) => (byKey.get(key) as Look).stack,
  };
}

function join(group: readonly Look[], joined: Map<string, string>): void {
  const unknown = (look: Look) => look.calls.filter((call) => call === null).length;
  const exactFirst = [...group].sort((a, b) => unknown(a) - unknown(b) || (a.key < b.key ? -1 : 1));
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
  const idOf = (what: StackFrame | string): string => {
    let id = ids.get(what);
    if (id === undefined) ids.set(what, (id = ids.size));
    return String(id);
  };
  return (stack) => {
    const key: string[] = [stack.owner.key];
    const scopes: string[] = [stack.owner.key];
    const calls: (string | null)[] = [];
    for (const line of foldPlumbing(stack.frames, context)) {
      // A run of one is still plumbing.
      const kind = line.frame === null ? null : plumbingOf(line.frame, context);
      if (line.frame === null || kind === 'node') {
        const text = line.frame === null ? line.text : plumbing.node;
        key.push(text);
        scopes.push(text);
        continue;
      }
      const id = idOf(line.frame);
      key.push(id);
      const scope = line.frame.kind === 'js' ? line.frame.scope : undefined;
      scopes.push(scope === undefined ? id : idOf(scope));
      if (line.frame.kind === 'js' && scope !== undefined)
        calls.push(line.frame.lineIs === 'call' ? id : null);
    }
    return { stack, key: key.join('\0'), scopes: scopes.join('\0'), calls };
  };
}
