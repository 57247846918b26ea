// A stack as lines of text: name left, place right, runs of Node's internals folded.
// Pure; must not import anything that does I/O.
import {
  type NamedFrame,
  type NamedStack,
  type Owner,
  type StackFrame,
  baseName,
  placeText,
  shortenFunction,
} from '../symbols/index.js';
import { escapeText } from './escape.js';
import { type Style, plainStyle } from './style.js';
import { pad, textWidth, truncateEnd, truncateStart } from './table.js';

export interface StackContext {
  isNode: boolean;
  executable: string;
  /** Files below it are shown relative to it. */
  cwd: string;
}

export function ownerText(owner: Owner): string {
  switch (owner.kind) {
    case 'package': {
      const { name, version } = owner.package as { name: string; version: string | null };
      return escapeText(version === null ? name : `${name} ${version}`);
    }
    case 'node':
      return "Node's runtime";
    case 'module':
      return escapeText(baseName(owner.module ?? ''));
    case 'unknown':
      return '(no stack)';
  }
}

/** What stands at the left: the function as far as it is known. */
export function frameText(frame: StackFrame, maxChars = 60): string {
  if (frame.kind === 'marker') return `[${frame.text}]`;
  const inlined = frame.inlined ? ' (inlined)' : '';
  return escapeText(functionText(frame, maxChars - inlined.length)) + inlined;
}

function functionText(frame: NamedFrame, maxChars: number): string {
  if (frame.near !== null) {
    return `near ${shortenFunction(frame.near.symbol, maxChars - 12)}+0x${frame.near.offsetBytes.toString(16)}`;
  }
  if (frame.function === null) return placeText(frame);
  return frame.kind === 'native' ? shortenFunction(frame.function, maxChars) : frame.function;
}

/** What stands at the right: file and line, else the module; '' where the left says it already. */
export function placeOf(frame: StackFrame, context: StackContext): string {
  if (frame.kind === 'marker') return '';
  if (frame.file !== null) {
    const file = context.cwd.length > 1 && frame.file.startsWith(`${context.cwd}/`) ? frame.file.slice(context.cwd.length + 1) : frame.file;
    return escapeText(frame.line === null ? file : `${file}:${frame.line}`);
  }
  if (frame.kind === 'builtin') return frame.function === null ? '' : 'V8 builtin';
  if (frame.module === null || (frame.function === null && frame.near === null)) return '';
  return escapeText(baseName(frame.module));
}

function isNodeInternal(frame: StackFrame, context: StackContext): boolean {
  if (!context.isNode || frame.kind === 'marker') return false;
  if (frame.kind === 'builtin') return true;
  if (frame.kind === 'js') return frame.file !== null && /^(?:node:|internal\/)/.test(frame.file);
  return frame.module === context.executable || /\/libnode\.so[.\d]*$/.test(frame.module ?? '');
}

// Start-up code of the C library below main: part of the internals when they reach down to it.
function isStartCode(frame: StackFrame): boolean {
  return frame.kind === 'native' && !frame.inlined && /^(?:_start|__libc_start_(?:main|call_main).*)$/.test(frame.function ?? frame.near?.symbol ?? '');
}

/** The frame that names a site in one line: the first that is not the C or C++ library serving its caller. */
export function siteFrame(stack: NamedStack, context: StackContext): StackFrame | null {
  const own = stack.frames.find((frame) => frame.kind !== 'marker' && frame.module !== null && frame.module === stack.owner.module && !isLibraryCode(frame));
  if (own !== undefined) return own;
  const js = stack.frames.find((frame) => frame.kind === 'js' && !isNodeInternal(frame, context));
  return js ?? stack.frames[0] ?? null;
}

function isLibraryCode(frame: NamedFrame): boolean {
  return frame.function !== null && /^(?:std::|__gnu_cxx::|operator (?:new|delete))/.test(shortenFunction(frame.function));
}

export type StackLine = { frame: StackFrame; foldedCount: 0 } | { frame: null; foldedCount: number; text: string };

/** Folds runs of two and more internal frames, and the middle of what is still longer than maxLines. */
export function foldStack(frames: readonly StackFrame[], context: StackContext, maxLines: number): StackLine[] {
  const lines: StackLine[] = [];
  for (let at = 0; at < frames.length; ) {
    let end = at;
    while (end < frames.length && (isNodeInternal(frames[end], context) || (end > at && isStartCode(frames[end])))) end++;
    if (end - at >= 2) {
      lines.push({ frame: null, foldedCount: end - at, text: `... ${end - at} frames of Node's internals` });
      at = end;
    } else {
      lines.push({ frame: frames[at], foldedCount: 0 });
      at++;
    }
  }
  if (lines.length <= maxLines) return lines;
  // The leaf says what allocated and the root whose request it was; the leaf matters more.
  const tail = Math.floor(maxLines / 4);
  const head = maxLines - 1 - tail;
  const hidden = lines.slice(head, lines.length - tail);
  const count = hidden.reduce((sum, line) => sum + (line.frame === null ? line.foldedCount : 1), 0);
  return [...lines.slice(0, head), { frame: null, foldedCount: count, text: `... ${count} more frames` }, ...lines.slice(lines.length - tail)];
}

export function stackLines(
  stack: NamedStack,
  context: StackContext,
  options: { columns: number; indent: number; maxLines?: number; style?: Style },
): string[] {
  const style = options.style ?? plainStyle;
  const room = Math.max(30, options.columns - options.indent);
  const margin = ' '.repeat(options.indent);
  const lines = foldStack(stack.frames, context, options.maxLines ?? Number.POSITIVE_INFINITY);
  if (lines.length === 0) return [`${margin}${style.faint('[empty stack]')}`];
  const nameRoom = Math.floor(room * 0.55);
  const shown = lines.map((line) =>
    line.frame === null
      ? { name: line.text, place: '', frame: null }
      : { name: frameText(line.frame, nameRoom), place: placeOf(line.frame, context), frame: line.frame },
  );
  // Long names do not push every place to the right.
  const nameWidth = Math.min(nameRoom, Math.max(...shown.map((one) => (one.place === '' ? 0 : textWidth(one.name)))));
  return shown.map(({ name, place, frame }) => {
    if (place === '') return margin + (frame === null ? style.faint(name) : paintName(frame, truncateEnd(name, room), style));
    const left = pad(truncateEnd(name, nameWidth), nameWidth, 'left');
    return `${margin}${paintName(frame, left, style)}  ${style.faint(truncateStart(place, room - nameWidth - 2))}`.trimEnd();
  });
}

function paintName(frame: StackFrame | null, text: string, style: Style): string {
  if (frame === null || frame.kind === 'builtin') return style.faint(text);
  if (frame.kind === 'marker') return style.warning(text);
  return frame.kind === 'js' ? style.js(text) : text;
}
