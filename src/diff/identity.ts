// What a stack is called across rebuilds: functions in order, and apart from them the lines. Never an address.
//
// Left out are frames that come and go with how V8 and the compiler ran the same code: Node's internals, the
// C++ library, node-addon-api. Node's own sites keep Node's internals, which say what they are. Pure.
import { isUsers, plumbingOf, type StackContext } from '../report/index.js';
import { baseName, type NamedFrame, type NamedStack, type StackFrame } from '../symbols/index.js';

export interface Identity {
  /** Package by its name, module by its file's name: versions and folders change. */
  owner: string;
  /** Function and module or file of each frame, leaf first; numbers of a FrameNames. */
  names: readonly number[];
  /** Line of each frame, columns behind the point; null: not known. */
  lines: readonly (number | null)[];
}

/** Names of frames as numbers, shared by both sides of a comparison. */
export class FrameNames {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #homes = new Map<string, number>();
  /** Where the function lies: frames may only be renamed within it. */
  readonly #home: number[] = [];
  readonly #isKnown: boolean[] = [];

  idOf(name: string, home: string, isKnown: boolean): number {
    const key = `${home}\0${name}`;
    const found = this.#ids.get(key);
    if (found !== undefined) return found;
    const homeId = this.#homeId(home);
    const id = this.#ids.size;
    this.#ids.set(key, id);
    this.#texts[id] = key;
    this.#home[id] = homeId;
    this.#isKnown[id] = isKnown;
    return id;
  }

  /** Numbers depend on which side came first; texts do not. */
  textOf(id: number): string {
    return this.#texts[id];
  }

  /** Both are names of functions, in one file or module. */
  haveOneHome(a: number, b: number): boolean {
    return this.#home[a] === this.#home[b] && this.#isKnown[a] && this.#isKnown[b];
  }

  #homeId(home: string): number {
    let id = this.#homes.get(home);
    if (id === undefined) this.#homes.set(home, (id = this.#homes.size));
    return id;
  }
}

/** Reads the stacks of one trace. */
export function identifier(
  names: FrameNames,
  context: StackContext,
): (stack: NamedStack) => Identity {
  // Thousands of stacks share a few hundred frames.
  const known = new Map<StackFrame, number>();
  const idOf = (frame: StackFrame): number => {
    let id = known.get(frame);
    if (id === undefined) known.set(frame, (id = frameId(frame, names, context.cwd)));
    return id;
  };
  return (stack) => {
    const frames = tellingFrames(stack, context);
    return {
      owner: ownerName(stack),
      names: frames.map(idOf),
      lines: frames.map(lineOf),
    };
  };
}

function tellingFrames(stack: NamedStack, context: StackContext): StackFrame[] {
  const real = stack.frames.filter((frame) => frame.kind !== 'marker' || frame.marker === 'queued');
  const isOfUsers = isUsers(stack.owner);
  const telling = real.filter((frame) => {
    const kind = plumbingOf(frame, context);
    return kind === null || (kind === 'node' && !isOfUsers);
  });
  return telling.every((frame) => frame.kind === 'marker') ? real : telling;
}

function ownerName({ owner }: NamedStack): string {
  switch (owner.kind) {
    case 'package':
      return `package ${owner.package?.name ?? ''}`;
    case 'module':
      return `module ${baseName(owner.module ?? '')}`;
    default:
      return owner.kind;
  }
}

function lineOf(frame: StackFrame): number | null {
  if (frame.kind === 'marker' || frame.line === null || frame.lineIs === 'function') return null;
  // Two calls on one line are two places.
  return frame.line + Math.min(frame.column ?? 0, 9999) / 10_000;
}

function frameId(frame: StackFrame, names: FrameNames, cwd: string): number {
  if (frame.kind === 'marker') return names.idOf(frame.marker, 'marker', false);
  if (frame.kind === 'native') {
    const home = frame.module === null ? 'no module' : baseName(frame.module);
    const name = nativeName(frame);
    return names.idOf(name ?? '?', home, name !== null);
  }
  const name = frame.function;
  const home = frame.file === null ? frame.kind : scriptName(frame.file, cwd);
  // Every file may have several without a name: one is not another renamed.
  return names.idOf(name ?? '?', home, name !== null && name !== '(anonymous)');
}

/** Further away the nearest symbol says nothing, as in report/stack-text.ts. */
const nearBytes = 4096;

/** null: only an address is known, which says nothing in another build. */
function nativeName(frame: NamedFrame): string | null {
  if (frame.function !== null) return stableName(frame.function);
  if (frame.near !== null && frame.near.offsetBytes < nearBytes)
    return `near ${stableName(frame.near.symbol)}`;
  return null;
}

/** Without what compilers add to a name: [clone .constprop.0], Rust's hash. */
const stableName = (name: string): string =>
  name.replace(/ \[(?:clone )?\.[^\]]*\]/g, '').replace(/::h[0-9a-f]{16}$/, '');

/** Relative to what moves with a checkout. */
function scriptName(file: string, cwd: string): string {
  const path = file.replace(/^file:\/\//, '');
  const packages = path.lastIndexOf('/node_modules/');
  if (packages >= 0) return path.slice(packages + 1);
  return cwd.length > 1 && path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;
}
