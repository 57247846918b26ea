// What the scanner has to know of a block or a mapping, by the modules of its stack alone: whether Node
// allocated it for itself, whether memprof did, and whether a private allocator mapped it. Function names
// would say a little more (owners.ts), but they are not known while the program runs.
// Pure.
import type { ModuleInfo, StackTable } from '../model/index.js';
import { isNativeKind } from './addresses.js';
import { baseName, OwnerFinder, type OwnerFrames } from './owners.js';

export interface StackClass {
  /** Node's own. */
  isRuntime: boolean;
  /** memprof's own agent. */
  isOurs: boolean;
  /** The innermost module is an allocator that takes its memory from the system by itself. */
  isAllocator: boolean;
}

const nobody: StackClass = { isRuntime: false, isOurs: false, isAllocator: false };
const allocatorName = /(?:jemalloc|mimalloc|tcmalloc)/;

/** Answers for stacks of one process while it is recorded: `stacks` and `modules` may grow between two calls. */
export class BlockClassifier {
  readonly #known: (StackClass | undefined)[] = [];
  readonly #stacks: () => StackTable;
  readonly #modules: () => readonly ModuleInfo[];
  readonly #finder: OwnerFinder;
  #byId = new Map<number, ModuleInfo>();

  constructor(stacks: () => StackTable, modules: () => readonly ModuleInfo[], isNode: boolean) {
    this.#stacks = stacks;
    this.#modules = modules;
    // Whose package it is does not matter here; that it is one does.
    this.#finder = new OwnerFinder(isNode, () => ({ name: '', version: null }));
  }

  /** Before the first of many questions: sees what is new. */
  refresh(): void {
    this.#byId = new Map(this.#modules().map((module) => [module.id, module]));
  }

  of(stackId: number): StackClass {
    const known = this.#known[stackId];
    if (known !== undefined) return known;
    const found = this.#find(stackId);
    // One that was not read yet may be another when it is.
    if (stackId < this.#stacks().count) this.#known[stackId] = found;
    return found;
  }

  #find(stackId: number): StackClass {
    const frames = new ModuleCursor(this.#stacks(), this.#byId, stackId);
    const owner = this.#finder.find(frames);
    if (owner === null) return nobody;
    const leaf = firstModule(this.#stacks(), this.#byId, stackId);
    return {
      isRuntime: owner.kind === 'node',
      isOurs: owner.kind === 'memprof',
      isAllocator: leaf !== null && allocatorName.test(baseName(leaf.path)),
    };
  }
}

function firstModule(
  stacks: StackTable,
  modules: ReadonlyMap<number, ModuleInfo>,
  stackId: number,
): ModuleInfo | null {
  const frames = new ModuleCursor(stacks, modules, stackId);
  while (frames.next()) {
    if (frames.module !== null && !frames.module.isShim) return frames.module;
  }
  return null;
}

class ModuleCursor implements OwnerFrames {
  kind = 0;
  module: ModuleInfo | null = null;
  readonly #stacks: StackTable;
  readonly #modules: ReadonlyMap<number, ModuleInfo>;
  #above: number;

  constructor(stacks: StackTable, modules: ReadonlyMap<number, ModuleInfo>, stackId: number) {
    this.#stacks = stacks;
    this.#modules = modules;
    this.#above = stackId;
  }

  next(): boolean {
    const node = this.#above;
    const { count, parent, kind, index } = this.#stacks;
    if (node <= 0 || node >= count) return false;
    this.#above = parent[node]!;
    this.kind = kind[node]!;
    this.module = isNativeKind(this.kind) ? (this.#modules.get(index[node]!) ?? null) : null;
    return true;
  }

  isCppRuntime(): boolean {
    return false;
  }
}
