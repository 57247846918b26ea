// Names the stacks that somebody asks for, module by module, each distinct address once.
// Pure but for the injected resolver; must not import anything that does I/O.
import {
  FrameKind,
  Marker,
  type ModuleInfo,
  type StackId,
  type TraceModel,
} from '../model/index.js';
import { CallPlaces, type CodePlace } from './code-lines.js';
import { frameKey, markerFrame, type NamedFrame, type StackFrame } from './frames.js';
import { baseName, isNodeProcess, type Owner, type OwnerFrame, ownerOf } from './owners.js';
import { noPackages, type PackageLookup } from './packages.js';
import type { FrameResolver, ResolvedModule } from './resolver.js';
import { type IsTransformed, noSourceMaps, type SourceMaps, scriptFrame } from './script-frames.js';
import { parseV8Name } from './v8-names.js';

export interface NamedStack {
  /** Leaf first; the shim's own frames at the leaf are left out. */
  readonly frames: readonly StackFrame[];
  readonly owner: Owner;
  /** Equal for stacks that display equal: those are one site. */
  readonly key: string;
}

/** What is known about a module's symbols, for the user who misses names. */
export interface ModuleSymbols {
  path: string;
  reason: ResolvedModule['reason'];
  hasDebugInfo: boolean;
}

export interface SymbolizedStacks {
  /** Any stack that was asked for; others are a programming error and throw. */
  stack(id: StackId): NamedStack;
  has(id: StackId): boolean;
  readonly modules: readonly ModuleSymbols[];
}

export interface SymbolizeOptions {
  packageOf?: PackageLookup;
  sourceMaps?: SourceMaps;
  onProgress?: (doneModules: number, totalModules: number, modulePath: string) => void;
}

// Addresses per call of the resolver: large enough to pay for the call, small enough for progress.
const batchSize = 4096;

export async function symbolize(
  model: TraceModel,
  stackIds: Iterable<StackId>,
  resolver: FrameResolver,
  options: SymbolizeOptions = {},
): Promise<SymbolizedStacks> {
  const wanted = [...new Set(stackIds)];
  const nodes = reachableNodes(model, wanted);
  const namer = new FrameNamer(model, options.sourceMaps ?? noSourceMaps);
  await namer.resolveNative(nodes, resolver, options.onProgress);
  const stacks = new Map<StackId, NamedStack>();
  const isNode = isNodeProcess(model.process);
  const packageOf = memoize(options.packageOf ?? noPackages);
  for (const id of wanted) stacks.set(id, namer.stack(id, isNode, packageOf));
  return {
    stack(id) {
      const found = stacks.get(id);
      if (found === undefined) throw new RangeError(`stack ${id} was not symbolized`);
      return found;
    },
    has: (id) => stacks.has(id),
    modules: namer.modules,
  };
}

function reachableNodes(model: TraceModel, wanted: readonly StackId[]): number[] {
  const { parent, count } = model.stacks;
  const seen = new Uint8Array(count);
  const nodes: number[] = [];
  for (const id of wanted) {
    // A damaged trace may name a stack that is not there: it is shown as an empty stack.
    for (let node: number = id; node > 0 && node < count && seen[node] === 0; node = parent[node]) {
      seen[node] = 1;
      nodes.push(node);
    }
  }
  return nodes;
}

function memoize(lookup: PackageLookup): PackageLookup {
  const known = new Map<string, ReturnType<PackageLookup>>();
  return (path) => {
    let found = known.get(path);
    if (found === undefined) {
      found = lookup(path);
      known.set(path, found);
    }
    return found;
  };
}

/** Display frames of one raw frame: several where calls were inlined. Ids make site keys cheap. */
interface Named {
  frames: readonly StackFrame[];
  ids: string;
  functionName: string | null;
}

class FrameNamer {
  readonly modules: ModuleSymbols[] = [];
  readonly #model: TraceModel;
  readonly #callPlaces: CallPlaces;
  readonly #sourceMaps: SourceMaps;
  readonly #isTransformed: IsTransformed;
  readonly #moduleById = new Map<number, ModuleInfo>();
  readonly #codeNames = new Map<number, string>();
  readonly #byRawFrame = new Map<string, Named>();
  readonly #interned = new Map<string, { id: number; frame: StackFrame }>();
  /** Stacks share most of their nodes; a node's name does not depend on the stack. */
  readonly #byNode: (Named | undefined)[];
  readonly #recovered = new Map<StackFrame, StackFrame>();

  constructor(model: TraceModel, sourceMaps: SourceMaps) {
    this.#model = model;
    this.#byNode = new Array<Named | undefined>(model.stacks.count);
    this.#callPlaces = new CallPlaces(model);
    this.#sourceMaps = sourceMaps;
    this.#isTransformed = transformedScripts(model, sourceMaps);
    for (const module of model.modules) this.#moduleById.set(module.id, module);
    for (const code of model.codes) this.#codeNames.set(code.id, code.rawName);
  }

  async resolveNative(
    nodes: readonly number[],
    resolver: FrameResolver,
    onProgress: SymbolizeOptions['onProgress'],
  ): Promise<void> {
    const perModule = new Map<number, Set<string>>();
    const { kind, index, offset } = this.#model.stacks;
    for (const node of nodes) {
      if (!isNative(kind[node])) continue;
      const module = this.#moduleById.get(index[node]);
      if (module === undefined || module.isShim) continue;
      let addresses = perModule.get(module.id);
      if (addresses === undefined) perModule.set(module.id, (addresses = new Set()));
      addresses.add(nativeKey(kind[node], offset[node]));
    }
    let done = 0;
    for (const [moduleId, addresses] of perModule) {
      const module = this.#moduleById.get(moduleId) as ModuleInfo;
      onProgress?.(done++, perModule.size, module.path);
      await this.#resolveModule(module, [...addresses], resolver);
    }
    onProgress?.(done, perModule.size, '');
  }

  async #resolveModule(
    module: ModuleInfo,
    rawKeys: readonly string[],
    resolver: FrameResolver,
  ): Promise<void> {
    if (module.isVdso) {
      // The kernel's own page: no file on disk holds it.
      for (const raw of rawKeys) this.#nameNative(module, raw, null, 0);
      return;
    }
    for (let from = 0; from < rawKeys.length; from += batchSize) {
      const batch = rawKeys.slice(from, from + batchSize);
      const addresses = Float64Array.from(batch, lookupAddress);
      const resolved = await resolver.resolve(module.path, module.buildId, addresses);
      if (from === 0) {
        this.modules.push({
          path: module.path,
          reason: resolved.reason,
          hasDebugInfo: resolved.hasDebugInfo,
        });
      }
      for (const [at, raw] of batch.entries()) this.#nameNative(module, raw, resolved, at);
    }
  }

  #nameNative(module: ModuleInfo, raw: string, resolved: ResolvedModule | null, at: number): void {
    const frames = nativeFrames(module, Number(raw.slice(2)), resolved, at);
    this.#keep(`${module.id} ${raw}`, frames);
  }

  #keep(rawKey: string, frames: readonly StackFrame[]): Named {
    const interned = frames.map((frame) => this.#intern(frame));
    const outer = frames[frames.length - 1];
    const named = {
      frames: interned.map((one) => one.frame),
      ids: interned.map((one) => one.id.toString(36)).join(' '),
      functionName: outer === undefined || outer.kind === 'marker' ? null : outer.function,
    };
    this.#byRawFrame.set(rawKey, named);
    return named;
  }

  #intern(frame: StackFrame): { id: number; frame: StackFrame } {
    const key = frameKey(frame);
    let known = this.#interned.get(key);
    if (known === undefined) this.#interned.set(key, (known = { id: this.#interned.size, frame }));
    return known;
  }

  stack(id: StackId, isNode: boolean, packageOf: PackageLookup): NamedStack {
    const { parent, kind, count } = this.#model.stacks;
    const frames: StackFrame[] = [];
    const ids: string[] = [];
    const raw: OwnerFrame[] = [];
    let frameCount = 0;
    let isRecovered = false;
    for (let node: number = id; node > 0 && node < count; node = parent[node]) {
      const module = this.#moduleOf(node);
      frameCount++;
      if (module?.isShim === true && frames.length === 0) continue;
      const named = this.#named(node, module, frameCount - 1);
      for (const frame of named.frames)
        frames.push(isRecovered ? this.#markRecovered(frame) : frame);
      isRecovered = kind[node] === FrameKind.nativeRecovered;
      ids.push(named.ids);
      raw.push({ kind: kind[node], module, functionName: named.functionName });
    }
    const owner = ownerOf(raw, isNode, packageOf);
    return { frames, owner, key: `${owner.key}\0${ids.join(' ')}` };
  }

  #markRecovered(frame: StackFrame): StackFrame {
    let marked = this.#recovered.get(frame);
    if (marked === undefined) this.#recovered.set(frame, (marked = markRecovered(frame)));
    return marked;
  }

  #moduleOf(node: number): ModuleInfo | null {
    const { kind, index } = this.#model.stacks;
    if (!isNative(kind[node])) return null;
    return this.#moduleById.get(index[node]) ?? null;
  }

  #named(node: number, module: ModuleInfo | null, frameCount: number): Named {
    let named = this.#byNode[node];
    if (named === undefined) this.#byNode[node] = named = this.#nameNode(node, module, frameCount);
    return named;
  }

  #nameNode(node: number, module: ModuleInfo | null, frameCount: number): Named {
    const { kind, index, offset } = this.#model.stacks;
    switch (kind[node]) {
      case FrameKind.native:
      case FrameKind.nativePc:
      case FrameKind.nativeRecovered: {
        if (module === null)
          return this.#once(`lost ${index[node]} ${offset[node]}`, () => bareAddress(null, null));
        const raw = `${module.id} ${nativeKey(kind[node], offset[node])}`;
        return (
          this.#byRawFrame.get(raw) ?? this.#keep(raw, [bareAddress(module.path, offset[node])])
        );
      }
      case FrameKind.jsBytecode:
      case FrameKind.jsCode:
      case FrameKind.builtin:
        return this.#code(index[node], offset[node]);
      case FrameKind.marker:
        return this.#once(
          `marker ${index[node]} ${index[node] === Marker.cut ? frameCount : ''}`,
          () => markerFrame(index[node], frameCount),
        );
      case FrameKind.v8Unnamed:
        // Every address of it would be a site of its own, and none says more than this.
        return this.#once('v8', () => builtinFrame(null));
      default:
        return this.#once(`bare ${offset[node]}`, () => bareAddress(null, offset[node]));
    }
  }

  /** Offsets without a line of their own share the function's frame. */
  #code(codeId: number, offset: number): Named {
    const call = this.#callPlaces.find(codeId, offset);
    const key = `code ${codeId}${call === null ? '' : ` ${call.line}:${call.column}`}`;
    return this.#once(key, () =>
      codeFrame(this.#codeNames.get(codeId), call, this.#sourceMaps, this.#isTransformed),
    );
  }

  #once(key: string, make: () => StackFrame): Named {
    return this.#byRawFrame.get(key) ?? this.#keep(key, [make()]);
  }
}

function isNative(kind: number): boolean {
  return (
    kind === FrameKind.native || kind === FrameKind.nativePc || kind === FrameKind.nativeRecovered
  );
}

/** What a native frame's name depends on. */
function nativeKey(kind: number, offset: number): string {
  return `${kind === FrameKind.nativePc ? kind : FrameKind.native} ${offset}`;
}

/** Asks once for each script, with all the functions that V8 named in it. */
function transformedScripts(model: TraceModel, sourceMaps: SourceMaps): IsTransformed {
  const known = new Map<string, boolean>();
  let functionsOf: Map<string, { line: number; column: number }[]> | null = null;
  return (file) => {
    let answer = known.get(file);
    if (answer !== undefined) return answer;
    if (functionsOf === null) {
      functionsOf = new Map();
      for (const code of model.codes) {
        if (code.kind !== 'bytecode') continue;
        const { file: script, line, column } = parseV8Name(code.rawName);
        if (script === null || line === null || column === null) continue;
        const places = functionsOf.get(script);
        if (places === undefined) functionsOf.set(script, [{ line, column }]);
        else places.push({ line, column });
      }
    }
    answer = sourceMaps.isTransformed(file, functionsOf.get(file) ?? []);
    known.set(file, answer);
    return answer;
  };
}

/** A return address is the instruction after the call, which may belong to another line or function. */
function lookupAddress(raw: string): number {
  const offset = Number(raw.slice(2));
  return raw.startsWith(`${FrameKind.nativePc} `) || offset === 0 ? offset : offset - 1;
}

const builtinSymbol = /^Builtins_(\w+)$/;

function nativeFrames(
  module: ModuleInfo,
  offset: number,
  resolved: ResolvedModule | null,
  at: number,
): StackFrame[] {
  const quality = resolved === null ? 0 : resolved.quality[at];
  if (resolved === null || quality === 0 || resolved.start[at] === resolved.start[at + 1]) {
    return [bareAddress(module.path, offset)];
  }
  const first = resolved.start[at];
  if (quality === 1) {
    const symbol = resolved.functionName[first];
    const frame = bareAddress(module.path, offset);
    if (symbol === null) return [frame];
    return [
      { ...frame, certainty: 'near', near: { symbol, offsetBytes: resolved.symbolOffset[at] } },
    ];
  }
  const frames: StackFrame[] = [];
  for (let row = first; row < resolved.start[at + 1]; row++) {
    const name = resolved.functionName[row];
    const builtin = name === null ? null : builtinSymbol.exec(name);
    if (builtin !== null && !resolved.inlined[row]) {
      frames.push(builtinFrame(builtin[1], module.path));
      continue;
    }
    frames.push({
      kind: 'native',
      function: name,
      file: resolved.file[row],
      line: resolved.line[row] === 0 ? null : resolved.line[row],
      column: resolved.column[row] === 0 ? null : resolved.column[row],
      module: module.path,
      inlined: resolved.inlined[row],
      certainty: name === null ? 'none' : 'exact',
      near: null,
      offset: name === null ? offset : null,
    });
  }
  return frames;
}

function markRecovered(frame: StackFrame): StackFrame {
  return frame.kind === 'marker' ? frame : { ...frame, recovered: true };
}

function bareAddress(module: string | null, offset: number | null): NamedFrame {
  return {
    kind: 'native',
    function: null,
    file: null,
    line: null,
    column: null,
    module,
    inlined: false,
    certainty: 'none',
    near: null,
    offset,
  };
}

function builtinFrame(name: string | null, module: string | null = null): NamedFrame {
  return {
    ...bareAddress(module, null),
    kind: 'builtin',
    function: name,
    certainty: name === null ? 'none' : 'exact',
  };
}

function codeFrame(
  rawName: string | undefined,
  call: CodePlace | null,
  sourceMaps: SourceMaps,
  isTransformed: IsTransformed,
): NamedFrame {
  if (rawName === undefined) return builtinFrame(null);
  const name = parseV8Name(rawName);
  if (name.kind === 'js') return scriptFrame(name, call, sourceMaps, isTransformed);
  return {
    kind: name.kind,
    function: name.function,
    file: name.file,
    line: name.line,
    column: name.column,
    module: null,
    inlined: false,
    certainty: 'exact',
    near: null,
    offset: null,
  };
}

/** "libfoo.so+0x1234", "0x7f00 (no module)": where a frame is when its function is not known. */
export function placeText(frame: NamedFrame): string {
  if (frame.kind === 'builtin') return "V8's code, from before its names were announced";
  if (frame.offset === null) return frame.module === null ? '(unknown)' : baseName(frame.module);
  const hex = `0x${frame.offset.toString(16)}`;
  return frame.module === null ? `${hex} (no module)` : `${baseName(frame.module)}+${hex}`;
}
