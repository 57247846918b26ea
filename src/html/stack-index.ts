// The stacks of a trace as the page wants them: frames, a tree of calls, sites, and groups of sites that look alike.
// Pure.
import type { StackId, TraceModel } from '../model/index.js';
import {
  alikeStacks,
  frameText,
  isStartCode,
  isUsers,
  ownerText,
  placeOf,
  plumbingOf,
  type StackContext,
} from '../report/index.js';
import { Sequences } from '../sequences.js';
import {
  baseName,
  type NamedStack,
  type Owner,
  type PackageLookup,
  type StackFrame,
  type SymbolizedStacks,
} from '../symbols/index.js';
import { lineOf, looseKey, matchSites, siteKeys } from './match-sites.js';
import type { Packer } from './pack.js';
import { FrameLook, type PackageFacts } from './report-data.js';
import { labelChars, Strings, safeText } from './texts.js';

/** Where a frame's source lies, for who reads sources. */
export interface FramePlace {
  /** Absolute, as the symbols have it. */
  path: string;
  /** As shown. */
  file: string;
  line: number;
}

export class StackIndex {
  readonly strings = new Strings();
  readonly packages: PackageFacts[] = [];
  readonly runtimePackages = new Set<number>();
  /** By stack id; 0: unknown. */
  readonly siteOf: Uint32Array;
  readonly #context: StackContext;
  readonly #packageOf: PackageLookup;
  readonly #packageByKey = new Map<string, number>();
  readonly #frames = new Map<StackFrame, number>();
  #adopted: Map<string, number> | null = null;
  readonly #places: (FramePlace | null)[] = [null];
  readonly #columns = {
    kind: [FrameLook.marker as number],
    name: [0],
    full: [0],
    place: [0],
    package: [0],
    file: [0],
    line: [0],
  };
  /** The call tree: a node is its parent with one more frame. */
  readonly #nodes = new Sequences();
  readonly #siteByKey = new Map<string, number>();
  readonly #sites = { node: [0], group: [0], package: [0] };
  readonly #stacks: (NamedStack | null)[] = [null];
  readonly #groupSite = [0];

  constructor(
    model: TraceModel,
    symbols: SymbolizedStacks,
    stackIds: Iterable<StackId>,
    context: StackContext,
    packageOf: PackageLookup,
  ) {
    this.#context = context;
    this.#packageOf = packageOf;
    this.siteOf = new Uint32Array(model.stacks.count);
    this.#owner({ kind: 'unknown', package: null, module: null, key: 'unknown' });
    const ids = [...new Set(stackIds)];
    const alike = alikeStacks(
      ids.map((id) => symbols.stack(id)),
      context,
    );
    const groupByKey = new Map<number, number>();
    for (const id of ids) {
      const stack = symbols.stack(id);
      let site = this.#siteByKey.get(stack.key);
      if (site === undefined) {
        site = this.#stacks.length;
        this.#siteByKey.set(stack.key, site);
        this.#stacks.push(stack);
        const key = alike.keyOf(stack);
        let group = groupByKey.get(key);
        if (group === undefined) {
          group = this.#groupSite.length;
          groupByKey.set(key, group);
          this.#groupSite.push(site);
        }
        if (alike.shown(key).key === stack.key) this.#groupSite[group] = site;
        this.#sites.node.push(this.#nodeOf(stack));
        this.#sites.group.push(group);
        this.#sites.package.push(this.#owner(stack.owner));
      }
      if (id < this.siteOf.length) this.siteOf[id] = site;
    }
  }

  /**
   * Of another trace: its stacks, among these. Sites are the same where their stacks look alike but for lines, which move
   * between two builds; of several such the lines' order decides. By stack id of that trace; 0: unknown.
   */
  addOther(model: TraceModel, symbols: SymbolizedStacks, stackIds: Iterable<StackId>): Uint32Array {
    const siteOf = new Uint32Array(model.stacks.count);
    const ids = [...stackIds];
    const others = new Map(ids.map((id) => [symbols.stack(id).key, symbols.stack(id)]));
    const keysOf = (stack: NamedStack) => siteKeys(stack, this.#context);
    const shown = this.#groupSite
      .slice(1)
      .map((site): [number, NamedStack] => [site, this.#stacks[site] as NamedStack]);
    const matched = matchSites(shown, [...others], keysOf);
    this.#adoptFrames();
    for (const [key, stack] of others) {
      if (matched.has(key)) continue;
      const site = this.#stacks.length;
      matched.set(key, site);
      this.#stacks.push(stack);
      this.#sites.node.push(this.#nodeOf(stack));
      this.#sites.group.push(this.#groupSite.length);
      this.#sites.package.push(this.#owner(stack.owner));
      this.#groupSite.push(site);
    }
    for (const id of ids)
      if (id < siteOf.length) siteOf[id] = matched.get(symbols.stack(id).key) ?? 0;
    return siteOf;
  }

  /** From now on frames that are new are looked for among the known ones. */
  #adoptFrames(): void {
    this.#adopted = new Map();
    for (const [frame, row] of this.#frames) {
      const key = looseKey(frame);
      if (!this.#adopted.has(key)) this.#adopted.set(key, row);
      this.#adopted.set(`${key}\0${lineOf(frame)}`, row);
    }
  }

  get siteCount(): number {
    return this.#stacks.length;
  }

  /** 0: not one of these stacks. */
  groupOf(stack: NamedStack): number {
    return this.#sites.group[this.#siteByKey.get(stack.key) ?? 0] ?? 0;
  }

  groupOfSite(site: number): number {
    return this.#sites.group[site] ?? 0;
  }

  nodeOf(stack: NamedStack): number {
    const site = this.#siteByKey.get(stack.key) ?? 0;
    return this.#sites.node[site] ?? 0;
  }

  packageOfOwner(owner: Owner): number {
    return this.#owner(owner);
  }

  packageOfSite(site: number): number {
    return this.#sites.package[site] ?? 0;
  }

  /** The lowest stack id of each site; 0 where there is none. */
  stackOfSite(): number[] {
    const stacks = new Array<number>(this.siteCount).fill(0);
    for (let id = this.siteOf.length - 1; id > 0; id--) stacks[this.siteOf[id]!] = id;
    stacks[0] = 0;
    return stacks;
  }

  isUsersSite(site: number): boolean {
    return !this.runtimePackages.has(this.packageOfSite(site));
  }

  /** Places of a group's shown stack, from the allocation outwards; not those of plumbing. */
  placesOfGroup(group: number): FramePlace[] {
    const found: FramePlace[] = [];
    const { kind } = this.#columns;
    const { before: parent, element: frames } = this.#nodes;
    for (let node = this.#sites.node[this.#groupSite[group]!]!; node > 0; node = parent[node]!) {
      const frame = frames[node]!;
      const place = this.#places[frame];
      if (place != null && (kind[frame] === FrameLook.native || kind[frame] === FrameLook.js))
        found.push(place);
    }
    // The tree's leaf is where the stack begins: nodes go from the leaf to the root.
    return found;
  }

  pack(packer: Packer): void {
    const types = {
      kind: 'u8',
      name: 'u32',
      full: 'u32',
      place: 'u32',
      package: 'u16',
      file: 'u32',
      line: 'u32',
    } as const;
    for (const name of Object.keys(types) as (keyof typeof types)[])
      packer.add(`frames.${name}`, types[name], this.#columns[name]);
    packer.add('nodes.parent', 'u32', this.#nodes.before, { isDelta: true });
    packer.add('nodes.frame', 'u32', this.#nodes.element);
    packer.add('sites.node', 'u32', this.#sites.node, { isDelta: true });
    packer.add('sites.group', 'u32', this.#sites.group, { isDelta: true });
    packer.add('sites.package', 'u16', this.#sites.package);
    packer.add('groups.site', 'u32', this.#groupSite, { isDelta: true });
  }

  #nodeOf(stack: NamedStack): number {
    let node = 0;
    const { frames } = stack;
    for (let at = frames.length - 1; at >= 0; at--) {
      const frame = this.#frame(frames[at]!);
      node = this.#nodes.with(node, frame);
    }
    return node;
  }

  #frame(frame: StackFrame): number {
    let row = this.#frames.get(frame);
    if (row === undefined && this.#adopted !== null) {
      const key = looseKey(frame);
      row = this.#adopted.get(`${key}\0${lineOf(frame)}`) ?? this.#adopted.get(key);
      if (row !== undefined) this.#frames.set(frame, row);
    }
    if (row !== undefined) return row;
    row = this.#places.length;
    this.#frames.set(frame, row);
    const { strings } = this;
    const look = this.#look(frame);
    const name = frameText(frame, labelChars);
    const full =
      frame.kind === 'marker' || frame.function === null ? name : safeText(frame.function);
    const placeText = placeOf(frame, this.#context);
    const place = framePlace(frame, placeText);
    this.#places.push(place);
    const columns = this.#columns;
    columns.kind.push(look);
    columns.name.push(strings.id(safeText(name, labelChars + 40)));
    columns.full.push(strings.id(full));
    columns.place.push(strings.id(safeText(placeText, 400)));
    columns.package.push(this.#packageOfFrame(frame, look));
    columns.file.push(place === null ? 0 : strings.id(place.file));
    columns.line.push(place?.line ?? 0);
    return row;
  }

  #look(frame: StackFrame): number {
    if (frame.kind === 'marker') return FrameLook.marker;
    const plumbing = plumbingOf(frame, this.#context);
    if (frame.kind === 'builtin') return FrameLook.builtin;
    if (plumbing === 'node' || (this.#context.isNode && isStartCode(frame))) return FrameLook.node;
    if (plumbing !== null) return FrameLook.standard;
    return frame.kind === 'js' ? FrameLook.js : FrameLook.native;
  }

  #packageOfFrame(frame: StackFrame, look: number): number {
    if (frame.kind === 'marker') return 0;
    if (look === FrameLook.node || look === FrameLook.builtin)
      return this.#owner({ kind: 'node', package: null, module: null, key: 'node' });
    const path = frame.kind === 'js' ? (frame.file ?? '') : (frame.module ?? '');
    if (path === '') return 0;
    if (path.endsWith('.node') || path.includes('/node_modules/')) {
      const found = this.#packageOf(path.replace(/^file:\/\//, ''));
      if (found !== null)
        return this.#owner({
          kind: 'package',
          package: found,
          module: path,
          key: `package ${found.name} ${found.version ?? ''}`,
        });
    }
    if (frame.kind === 'js') return this.#package('program', "the program's scripts", 'module');
    return this.#owner({ kind: 'module', package: null, module: path, key: `module ${path}` });
  }

  #owner(owner: Owner): number {
    const label = owner.kind === 'module' ? baseName(owner.module ?? '') : ownerText(owner);
    const row = this.#package(owner.key, safeText(label, labelChars), owner.kind);
    if (!isUsers(owner)) this.runtimePackages.add(row);
    return row;
  }

  #package(key: string, label: string, kind: PackageFacts['kind']): number {
    let row = this.#packageByKey.get(key);
    if (row === undefined) {
      row = this.packages.length;
      this.#packageByKey.set(key, row);
      this.packages.push({ label, kind });
    }
    return row;
  }
}

function framePlace(frame: StackFrame, placeText: string): FramePlace | null {
  if (frame.kind === 'marker' || frame.file === null || frame.line === null) return null;
  const file = safeText(placeText.replace(/:\d+(?: \(function\))?$/, ''), 400);
  return { path: frame.file, file, line: frame.line };
}
