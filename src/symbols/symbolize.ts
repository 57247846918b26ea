// Names the stacks that somebody asks for, module by module, each distinct address once.
// Pure but for the injected resolver; must not import anything that does I/O.
import {
  FrameKind,
  Marker,
  type ModuleInfo,
  type StackId,
  type TraceModel,
} from '../model/index.js';
import { Sequences } from '../sequences.js';
import { isNativeKind } from './addresses.js';
import { CallPlaces, type CodePlace } from './code-lines.js';
import { frameKey, markerFrame, type NamedFrame, type StackFrame } from './frames.js';
import {
  addressOf,
  bareAddress,
  builtinFrame,
  markRecovered,
  nativeFrames,
  nativeKey,
  offsetOf,
} from './native-frames.js';
import type { Owner } from './owners.js';
import { noPackages, type PackageLookup } from './packages.js';
import { batchSize, type FrameResolver, type ResolvedModule } from './resolver.js';
import { type IsTransformed, noSourceMaps, type SourceMaps, scriptFrame } from './script-frames.js';
import { type StackOwners, stackOwners } from './stack-owners.js';
import { parseV8Name } from './v8-names.js';

export interface NamedStack {
  /** Leaf first; the shim's own frames at the leaf are left out. */
  readonly frames: readonly StackFrame[];
  readonly owner: Owner;
  /** Equal for stacks that display equal: those are one site. */
  readonly key: string;
  /**
   * The frames node by node from the leaf, until `visit` answers false. `rest` is equal for equal frames from there to the
   * root, whatever the stack. Absent where stacks share nothing.
   */
  walk?(visit: (frames: readonly StackFrame[], rest: number) => boolean): void;
}

/** What is known about a module's symbols, for the user who misses names. */
export interface ModuleSymbols {
  path: string;
  reason: ResolvedModule['reason'];
  hasDebugInfo: boolean;
}

export interface SymbolizedStacks extends StackOwners {
  /** Any stack that was asked for; others are a programming error and throw. */
  stack(id: StackId): NamedStack;
  has(id: StackId): boolean;
  readonly modules: readonly ModuleSymbols[];
}

export interface SymbolizeOptions {
  /** Where the owners are known already, perhaps those of more stacks. */
  owners?: StackOwners;
  packageOf?: PackageLookup;
  sourceMaps?: SourceMaps;
  onProgress?: (doneModules: number, totalModules: number, modulePath: string) => void;
}

export async function symbolize(
  model: TraceModel,
  stackIds: Iterable<StackId>,
  resolver: FrameResolver,
  options: SymbolizeOptions = {},
): Promise<SymbolizedStacks> {
  const wanted = [...new Set(stackIds)];
  const nodes = reachableNodes(model, wanted);
  const owners =
    options.owners ?? (await stackOwners(model, wanted, resolver, options.packageOf ?? noPackages));
  const namer = new FrameNamer(model, options.sourceMaps ?? noSourceMaps);
  await namer.resolveNative(nodes, resolver, options.onProgress);
  const stacks = new Map<StackId, NamedStack>();
  for (const id of wanted) stacks.set(id, namer.stack(id, owners.owner(id)));
  namer.end();
  return {
    owner: (id) => owners.owner(id),
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

/** Display frames of one raw frame: several where calls were inlined. */
interface Named {
  frames: readonly StackFrame[];
  /** Equal for equal frames. */
  id: number;
}

/** Frames are put together when they are asked for: those of tsc's 157,000 sites would be 12 million. */
class LazyStack implements NamedStack {
  readonly owner: Owner;
  readonly key: string;
  readonly #leaf: number;
  readonly #frames: KeptFrames;

  constructor(owner: Owner, site: number, leaf: number, frames: KeptFrames) {
    this.owner = owner;
    this.key = `${owner.key}\0${site}`;
    this.#leaf = leaf;
    this.#frames = frames;
  }

  get frames(): readonly StackFrame[] {
    return this.#frames.of(this.#leaf);
  }

  walk(visit: NodeVisitor): void {
    this.#frames.walk(this.#leaf, visit);
  }
}

type NodeVisitor = Parameters<NonNullable<NamedStack['walk']>>[0];
type Walk = (leaf: number, visit: NodeVisitor) => void;

/** A power of two. */
const keptStacks = 1024;

/**
 * The frames from a node to the root, of the stacks that were asked for last. Slots, not a Map that is cleared now and then:
 * a table that a Map gave up keeps what it held through all of V8's young collections (300 MiB for tsc's sites).
 */
class KeptFrames {
  readonly walk: Walk;
  readonly #leaves = new Int32Array(keptStacks).fill(-1);
  readonly #frames: (readonly StackFrame[])[] = new Array(keptStacks).fill([]);

  constructor(walk: Walk) {
    this.walk = walk;
  }

  of(leaf: number): readonly StackFrame[] {
    const slot = leaf & (keptStacks - 1);
    if (this.#leaves[slot] !== leaf) {
      this.#leaves[slot] = leaf;
      const frames: StackFrame[] = [];
      this.walk(leaf, (more) => {
        for (const frame of more) frames.push(frame);
        return true;
      });
      this.#frames[slot] = frames;
    }
    return this.#frames[slot]!;
  }
}

/** Values of some nodes. An array with a place for each of a million would be read whole by V8's collector. */
class OfNodes<Value> {
  /** By node, from 1 on. */
  readonly #rows: Uint32Array;
  readonly #values: Value[] = [];

  constructor(nodeCount: number) {
    this.#rows = new Uint32Array(nodeCount);
  }

  get(node: number): Value | undefined {
    const row = this.#rows[node];
    return row > 0 ? this.#values[row - 1] : undefined;
  }

  /** Of a node that has none. */
  add(node: number, value: Value): void {
    this.#rows[node] = this.#values.push(value);
  }
}

class FrameNamer {
  readonly modules: ModuleSymbols[] = [];
  readonly #model: TraceModel;
  #callPlaces: CallPlaces | null = null;
  readonly #sourceMaps: SourceMaps;
  readonly #isTransformed: IsTransformed;
  readonly #moduleById = new Map<number, ModuleInfo>();
  /** Made when first needed: a report may show none of thousands. */
  #codeNames: Map<number, string> | null = null;
  /** By module, then nativeKey. */
  readonly #nativeNames = new Map<number, Map<number, Named>>();
  /** What is not native code, by what its name depends on. */
  readonly #byRawFrame = new Map<string, Named>();
  readonly #interned = new Map<string, { id: number; frame: StackFrame }>();
  /** Stacks share most of their nodes; a node's name does not depend on the stack. */
  readonly #byNode: OfNodes<Named>;
  readonly #recovered = new Map<StackFrame, StackFrame>();
  readonly #namedIds = new Map<string, number>();
  /** The site of each node, once known: equal for nodes from which the way to the root looks equal. */
  #siteOfNode: Uint32Array;
  /** Sites as sequences of names, from the root. */
  #sites = new Sequences();
  readonly #frames = new KeptFrames((leaf, visit) => this.#walk(leaf, visit));

  constructor(model: TraceModel, sourceMaps: SourceMaps) {
    this.#model = model;
    this.#byNode = new OfNodes(model.stacks.count);
    this.#siteOfNode = new Uint32Array(model.stacks.count);
    this.#sourceMaps = sourceMaps;
    this.#isTransformed = transformedScripts(model, sourceMaps);
    for (const module of model.modules) this.#moduleById.set(module.id, module);
  }

  async resolveNative(
    nodes: readonly number[],
    resolver: FrameResolver,
    onProgress: SymbolizeOptions['onProgress'],
  ): Promise<void> {
    const perModule = new Map<number, Set<number>>();
    const { kind, index, offset } = this.#model.stacks;
    for (const node of nodes) {
      if (!isNativeKind(kind[node])) continue;
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
    rawKeys: readonly number[],
    resolver: FrameResolver,
  ): Promise<void> {
    if (module.isVdso) {
      // The kernel's own page: no file on disk holds it.
      for (const raw of rawKeys) this.#nameNative(module, raw, null, 0);
      return;
    }
    for (let from = 0; from < rawKeys.length; from += batchSize) {
      const batch = rawKeys.slice(from, from + batchSize);
      const addresses = Float64Array.from(batch, addressOf);
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

  #nameNative(module: ModuleInfo, raw: number, resolved: ResolvedModule | null, at: number): Named {
    let ofModule = this.#nativeNames.get(module.id);
    if (ofModule === undefined) this.#nativeNames.set(module.id, (ofModule = new Map()));
    const named = this.#name(nativeFrames(module, offsetOf(raw), resolved, at));
    ofModule.set(raw, named);
    return named;
  }

  #name(frames: readonly StackFrame[]): Named {
    const interned = frames.map((frame) => this.#intern(frame));
    const ids = interned.map((one) => one.id).join(' ');
    let id = this.#namedIds.get(ids);
    if (id === undefined) this.#namedIds.set(ids, (id = this.#namedIds.size));
    return { frames: interned.map((one) => one.frame), id };
  }

  #intern(frame: StackFrame): { id: number; frame: StackFrame } {
    const key = frameKey(frame);
    let known = this.#interned.get(key);
    if (known === undefined) this.#interned.set(key, (known = { id: this.#interned.size, frame }));
    return known;
  }

  stack(id: StackId, owner: Owner): NamedStack {
    const leaf = this.#withoutShim(id);
    return new LazyStack(owner, this.#site(id, leaf), leaf, this.#frames);
  }

  /** All stacks are made: what tells them apart is not needed any more. */
  end(): void {
    this.#siteOfNode = new Uint32Array();
    this.#sites = new Sequences();
  }

  /** The first node that is not the shim's own code; a damaged trace may name one that is not there. */
  #withoutShim(id: StackId): number {
    const { parent, count } = this.#model.stacks;
    let node: number = id;
    while (node > 0 && node < count && this.#isShim(node)) node = parent[node];
    return node < count ? node : 0;
  }

  /** Stacks share most of their nodes, so each node is looked at once. */
  #site(id: StackId, leaf: number): number {
    const { parent } = this.#model.stacks;
    let frameCount = 0;
    for (let node: number = id; node !== leaf; node = parent[node]) frameCount++;
    const path: number[] = [];
    let node = leaf;
    for (; node > 0 && this.#siteOfNode[node] === 0; node = parent[node]) {
      if (!this.#isShim(node)) this.#named(node, frameCount);
      frameCount++;
      path.push(node);
    }
    let site = this.#siteOfNode[node];
    for (let at = path.length - 1; at >= 0; at--) {
      if (this.#isShim(path[at])) {
        this.#siteOfNode[path[at]] = site;
        continue;
      }
      site = this.#sites.with(site, (this.#byNode.get(path[at]) as Named).id);
      this.#siteOfNode[path[at]] = site;
    }
    return site;
  }

  #walk(leaf: number, visit: NodeVisitor): void {
    const { parent, kind } = this.#model.stacks;
    let isRecovered = false;
    for (let node = leaf; node > 0; node = parent[node]) {
      if (this.#isShim(node)) continue;
      const { frames } = this.#byNode.get(node) as Named;
      const shown = isRecovered ? frames.map((frame) => this.#markRecovered(frame)) : frames;
      if (!visit(shown, 2 * node + Number(isRecovered))) return;
      isRecovered = kind[node] === FrameKind.nativeRecovered;
    }
  }

  #markRecovered(frame: StackFrame): StackFrame {
    let marked = this.#recovered.get(frame);
    if (marked === undefined) this.#recovered.set(frame, (marked = markRecovered(frame)));
    return marked;
  }

  /** At the leaf the hook; further up what stands between an addon and Node (interpose/napi). */
  #isShim(node: number): boolean {
    return this.#moduleOf(node)?.isShim === true;
  }

  #moduleOf(node: number): ModuleInfo | null {
    const { kind, index } = this.#model.stacks;
    if (!isNativeKind(kind[node])) return null;
    return this.#moduleById.get(index[node]) ?? null;
  }

  #named(node: number, frameCount: number): void {
    if (this.#byNode.get(node) === undefined)
      this.#byNode.add(node, this.#nameNode(node, frameCount));
  }

  #nameNode(node: number, frameCount: number): Named {
    const { kind, index, offset } = this.#model.stacks;
    const module = this.#moduleOf(node);
    switch (kind[node]) {
      case FrameKind.native:
      case FrameKind.nativePc:
      case FrameKind.nativeRecovered: {
        if (module === null)
          return this.#once(`lost ${index[node]} ${offset[node]}`, () => bareAddress(null, null));
        const raw = nativeKey(kind[node], offset[node]);
        return this.#nativeNames.get(module.id)?.get(raw) ?? this.#nameNative(module, raw, null, 0);
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
    this.#callPlaces ??= new CallPlaces(this.#model);
    const call = this.#callPlaces.find(codeId, offset);
    const key = `code ${codeId}${call === null ? '' : ` ${call.line}:${call.column}`}`;
    return this.#once(key, () =>
      codeFrame(this.#codeName(codeId), call, this.#sourceMaps, this.#isTransformed),
    );
  }

  #codeName(codeId: number): string | undefined {
    this.#codeNames ??= new Map(this.#model.codes.map((code) => [code.id, code.rawName]));
    return this.#codeNames.get(codeId);
  }

  #once(key: string, make: () => StackFrame): Named {
    let named = this.#byRawFrame.get(key);
    if (named === undefined) this.#byRawFrame.set(key, (named = this.#name([make()])));
    return named;
  }
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
