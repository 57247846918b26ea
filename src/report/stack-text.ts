// A stack as lines of text: name left, place right, runs of Node's internals folded.
// Pure; must not import anything that does I/O.
import {
  baseName,
  type NamedFrame,
  type NamedStack,
  type Owner,
  placeText,
  qualifiedName,
  type StackFrame,
  shortenFunction,
} from '../symbols/index.js';
import { escapeText } from './escape.js';
import { plainStyle, type Style } from './style.js';
import { pad, textWidth, truncateEnd, truncateStart } from './table.js';

export interface StackContext {
  isNode: boolean;
  executable: string;
  /** Files below it are shown relative to it. */
  cwd: string;
  /** Of the parts of memprof that run in the traced program. */
  ownFolders?: readonly string[];
  /** What each frame was found to be: thousands of sites share a few hundred frames. */
  plumbingOf?: Map<StackFrame, Plumbing | null>;
}

export function ownerText(owner: Owner): string {
  switch (owner.kind) {
    case 'package': {
      const { name, version } = owner.package as { name: string; version: string | null };
      return escapeText(version === null ? name : `${name} ${version}`);
    }
    case 'node':
      return "Node's runtime";
    case 'memprof':
      return "memprof's own agent";
    case 'module':
      return escapeText(baseName(owner.module ?? ''));
    case 'unknown':
      return '(no stack)';
  }
}

/** Behind a frame that was found by reading code without unwind rows. */
const recoveredMark = ' ~';

/** What stands at the left: the function as far as it is known. */
export function frameText(frame: StackFrame, maxChars = 60): string {
  if (frame.kind === 'marker')
    return frame.marker === 'folded' || frame.marker === 'queued' ? frame.text : `[${frame.text}]`;
  const notes =
    (frame.inlined ? ' (inlined)' : '') + (frame.recovered === true ? recoveredMark : '');
  return escapeText(functionText(frame, maxChars - notes.length)) + notes;
}

/** Further from the symbol than this, the module's offset says more than the symbol. */
const nearBytes = 4096;

function functionText(frame: NamedFrame, maxChars: number): string {
  if (frame.near !== null && frame.near.offsetBytes < nearBytes) {
    return `near ${shortenFunction(frame.near.symbol, maxChars - 12)}+0x${frame.near.offsetBytes.toString(16)}`;
  }
  if (frame.function === null) return placeText(frame);
  return frame.kind === 'native' ? shortenFunction(frame.function, maxChars) : frame.function;
}

/** What stands at the right: file and line, else the module; '' where the left says it already. */
export function placeOf(frame: StackFrame, context: StackContext): string {
  if (frame.kind === 'marker') return '';
  if (frame.file !== null) {
    const file =
      context.cwd.length > 1 && frame.file.startsWith(`${context.cwd}/`)
        ? frame.file.slice(context.cwd.length + 1)
        : frame.file;
    if (frame.line === null) return escapeText(file);
    const mark = frame.lineIs === 'function' ? ' (function)' : '';
    return escapeText(`${file}:${frame.line}${mark}`);
  }
  if (frame.kind === 'builtin') return frame.function === null ? '' : 'V8 builtin';
  if (
    frame.module === null ||
    (frame.function === null && (frame.near === null || frame.near.offsetBytes >= nearBytes))
  )
    return '';
  return escapeText(baseName(frame.module));
}

/** placeOf with the file's name alone: for tables. */
export function shortPlaceOf(frame: StackFrame, context: StackContext): string {
  return baseName(placeOf(frame, context));
}

function isNodeInternal(frame: StackFrame, context: StackContext): boolean {
  if (!context.isNode || frame.kind === 'marker') return false;
  if (frame.kind === 'builtin') return true;
  if (frame.kind === 'js') return frame.file !== null && /^(?:node:|internal\/)/.test(frame.file);
  return frame.module === context.executable || /\/libnode\.so[.\d]*$/.test(frame.module ?? '');
}

/** Start-up code of the C library below main, or below a thread's: part of the internals when they reach down to it. */
export function isStartCode(frame: StackFrame): boolean {
  return (
    frame.kind === 'native' &&
    !frame.inlined &&
    /^(?:_start|__libc_start_(?:main|call_main).*|start_thread|__clone3?|clone3?)$/.test(
      frame.function ?? frame.near?.symbol ?? '',
    )
  );
}

/** The frame that names a site in one line: the first that is not the C or C++ library serving its caller. */
export function siteFrame(stack: NamedStack, context: StackContext): StackFrame | null {
  const own = stack.frames.find(
    (frame) =>
      frame.kind !== 'marker' &&
      frame.module !== null &&
      frame.module === stack.owner.module &&
      !isLibraryCode(frame),
  );
  if (own !== undefined) return own;
  const js = stack.frames.find((frame) => frame.kind === 'js' && !isNodeInternal(frame, context));
  return js ?? stack.frames[0] ?? null;
}

/** A site in one line: its function and the file's name with the line. */
export function whereText(stack: NamedStack, context: StackContext): string {
  const frame = siteFrame(stack, context);
  if (frame === null) return '[empty stack]';
  const place = shortPlaceOf(frame, context);
  const name = frameText(frame, 40).replace(/ \(inlined\)$/, '');
  return place === '' ? name : `${name} ${place}`;
}

function isLibraryCode(frame: NamedFrame): boolean {
  return (
    frame.function !== null &&
    // Most names can be told without taking them apart.
    /std::|__gnu_cxx::|operator /.test(frame.function) &&
    /^(?:std::|__gnu_cxx::|operator (?:new|delete))/.test(qualifiedName(frame.function))
  );
}

/** Code that carries calls for others and says little where memory goes: runs of it are folded. */
export const plumbing = {
  node: "Node's internals",
  library: 'the standard library',
  addonApi: 'node-addon-api',
  runner: 'the test runner',
} as const;
type Plumbing = keyof typeof plumbing;

export function plumbingOf(frame: StackFrame, context: StackContext): Plumbing | null {
  context.plumbingOf ??= new Map();
  let kind = context.plumbingOf.get(frame);
  if (kind === undefined) context.plumbingOf.set(frame, (kind = findPlumbing(frame, context)));
  return kind;
}

const testRunner =
  /\/node_modules\/(?:ava|jest(?:-[\w-]+)?|@jest\/[\w-]+|vitest|@vitest\/[\w-]+|vite-node|mocha|tinypool|emittery|memprof)\//;

/** What calls a test's function, memprof's own part of it included. */
function isTestRunner(file: string, { ownFolders = [] }: StackContext): boolean {
  return testRunner.test(file) || ownFolders.some((folder) => file.startsWith(`${folder}/`));
}

function findPlumbing(frame: StackFrame, context: StackContext): Plumbing | null {
  if (frame.kind === 'marker') return null;
  if (frame.kind === 'js' && isTestRunner(frame.file ?? '', context)) return 'runner';
  if (isNodeInternal(frame, context) && !(frame.kind === 'native' && isLibraryCode(frame)))
    return 'node';
  if (frame.kind !== 'native') return null;
  if (/\/node-addon-api\/napi[\w-]*\.h$/.test(frame.file ?? '')) return 'addonApi';
  // std:: is Rust's, too; its other crates are told by where they were built.
  return isLibraryCode(frame) || /\/library\/(?:core|alloc|std)\/src\//.test(frame.file ?? '')
    ? 'library'
    : null;
}

export type StackLine = { frame: StackFrame } | { frame: null; foldedCount: number; text: string };

type LineVisitor = (first: StackFrame, kind: Plumbing | null, frameCount: number) => void;

/** Of each line its first frame, its kind of plumbing, and how many frames it stands for: two and more are folded. */
export function eachLine(
  frames: readonly StackFrame[],
  context: StackContext,
  visit: LineVisitor,
): void {
  const lines = new Lines(context, visit);
  for (const frame of frames) lines.take(frame);
  lines.end();
}

/** The same of frames that come one by one, from the leaf. */
export class Lines {
  readonly #context: StackContext;
  readonly #visit: LineVisitor;
  /** Of the frames that may not be all of their line; none: null. */
  #kind: Plumbing | null = null;
  #first: StackFrame | null = null;
  #last: StackFrame | null = null;
  #count = 0;

  constructor(context: StackContext, visit: LineVisitor) {
    this.#context = context;
    this.#visit = visit;
  }

  take(frame: StackFrame): void {
    if (!this.begins(frame)) {
      this.#last = frame;
      this.#count++;
      return;
    }
    this.end();
    const kind = plumbingOf(frame, this.#context);
    if (kind === null) {
      this.#visit(frame, null, 1);
      return;
    }
    this.#kind = kind;
    this.#first = this.#last = frame;
    this.#count = 1;
  }

  /** Whether the frame would begin a line. The lines from there on depend on it and on the frames above it alone. */
  begins(frame: StackFrame): boolean {
    const open = this.#kind;
    if (open === null) return true;
    const kind = plumbingOf(frame, this.#context);
    if (kind === open) return false;
    // What carries a test runner's own calls is no more to anybody than its code.
    if (open === 'runner' && kind === 'node') return false;
    return !((open === 'node' || open === 'runner') && isStartCode(frame));
  }

  /** Visits the line that is open: no frame follows that would continue it. */
  end(): void {
    const kind = this.#kind;
    if (kind === null) return;
    this.#kind = null;
    const count = this.#count;
    // Its outermost frame is the call that the user's code made: std::map<...>::operator[] says something.
    const isSplit = kind === 'library' && count >= 2;
    this.#visit(this.#first as StackFrame, kind, isSplit ? count - 1 : count);
    if (isSplit) this.#visit(this.#last as StackFrame, kind, 1);
  }
}

/** Folds runs of two and more frames of one kind of plumbing. */
export function foldPlumbing(frames: readonly StackFrame[], context: StackContext): StackLine[] {
  const lines: StackLine[] = [];
  eachLine(frames, context, (frame, kind, frameCount) => {
    const isFolded = kind !== null && frameCount >= 2;
    lines.push(
      isFolded ? { frame: null, foldedCount: frameCount, text: plumbing[kind] } : { frame },
    );
  });
  return lines;
}

/** For trees: each run of plumbing becomes one marker, the same object for the same kind. */
export function foldFrames(context: StackContext): (frames: readonly StackFrame[]) => StackFrame[] {
  const markers = new Map<string, StackFrame>();
  const markerOf = (text: string): StackFrame => {
    let marker = markers.get(text);
    if (marker === undefined)
      markers.set(text, (marker = { kind: 'marker', marker: 'folded', text: `... ${text}` }));
    return marker;
  };
  return (frames) =>
    foldPlumbing(frames, context).map((line) => {
      if (line.frame === null) return markerOf(line.text);
      return plumbingOf(line.frame, context) === 'node' ? markerOf(plumbing.node) : line.frame;
    });
}

/** Folds plumbing, and the middle of what is still longer than maxLines. */
export function foldStack(
  frames: readonly StackFrame[],
  context: StackContext,
  maxLines: number,
): StackLine[] {
  const lines = foldPlumbing(frames, context);
  if (lines.length <= maxLines) return lines;
  // The leaf says what allocated and the root whose request it was; the leaf matters more.
  const tail = Math.floor(maxLines / 3);
  const head = maxLines - 1 - tail;
  const hidden = lines.slice(head, lines.length - tail);
  const count = hidden.reduce((sum, line) => sum + (line.frame === null ? line.foldedCount : 1), 0);
  return [
    ...lines.slice(0, head),
    { frame: null, foldedCount: count, text: '' },
    ...lines.slice(lines.length - tail),
  ];
}

function foldedText(line: { foldedCount: number; text: string }): string {
  return line.text === ''
    ? `... ${line.foldedCount} more frames`
    : `... ${line.foldedCount} frames of ${line.text}`;
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
      ? { name: foldedText(line), place: '', frame: null }
      : {
          name: frameText(line.frame, nameRoom),
          place: placeOf(line.frame, context),
          frame: line.frame,
        },
  );
  // Long names do not push every place to the right.
  const nameWidth = Math.min(
    nameRoom,
    Math.max(...shown.map((one) => (one.place === '' ? 0 : textWidth(one.name)))),
  );
  return shown.map(({ name, place, frame }) => {
    if (place === '')
      return (
        margin +
        (frame === null ? style.faint(name) : paintName(frame, truncateEnd(name, room), style))
      );
    const left = pad(truncateEnd(name, nameWidth), nameWidth, 'left');
    return `${margin}${paintName(frame, left, style)}  ${style.faint(truncateStart(place, room - nameWidth - 2))}`.trimEnd();
  });
}

function paintName(frame: StackFrame | null, text: string, style: Style): string {
  if (frame === null || frame.kind === 'builtin') return style.faint(text);
  if (frame.kind === 'marker') return style.warning(text);
  return frame.kind === 'js' ? style.js(text) : text;
}
