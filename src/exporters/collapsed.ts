// Folded stacks, as flamegraph.pl and inferno read them: "root;caller;leaf 4096", a line a stack. Pure.
import { escapeText } from '../report/index.js';
import type { StackFrame } from '../symbols/index.js';
import { frameName, framePlace } from './frames.js';
import { mainColumn, type StackProfile } from './profile.js';

/** The format has no escapes, so they are ours: backslash, `;` and what would break a line. */
export const collapsedName = (name: string): string =>
  escapeText(name.replaceAll('\\', '\\\\').replaceAll(';', '\\x3b'));

/** With the place behind it; `_[i]` says that the call was inlined, as perf's scripts do. */
function collapsedFrame(frame: StackFrame): string {
  const place = framePlace(frame);
  const name = frameName(frame);
  const text = collapsedName(place === '' ? name : `${name} (${place})`);
  return frame.kind !== 'marker' && frame.inlined ? `${text}_[i]` : text;
}

export function* collapsedStacks(profile: StackProfile): Generator<string> {
  const { column } = mainColumn(profile);
  const texts = new Map<StackFrame, string>();
  const textOf = (frame: StackFrame): string => {
    let text = texts.get(frame);
    if (text === undefined) texts.set(frame, (text = collapsedFrame(frame)));
    return text;
  };
  for (const [row, stack] of profile.stacks.entries()) {
    if (column[row] === 0) continue;
    const frames = stack.frames.map(textOf).reverse();
    yield `${frames.length === 0 ? '[no stack]' : frames.join(';')} ${column[row]}\n`;
  }
}
