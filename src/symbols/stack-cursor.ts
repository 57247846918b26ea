// Walks a stack of the table from the leaf to the root, frame by frame, as ownership looks at it. Pure.
import type { ModuleInfo, StackId, StackTable } from '../model/index.js';
import { isNativeKind, lookupAddress } from './addresses.js';
import type { OwnerFrames } from './owners.js';

/** Whether the code at an image-relative address is the C++ library's; null: not known yet. */
export type CppRuntimeAt = (module: ModuleInfo, address: number) => boolean | null;

export class StackCursor implements OwnerFrames {
  kind = 0;
  module: ModuleInfo | null = null;
  readonly #stacks: StackTable;
  readonly #modules: ReadonlyMap<number, ModuleInfo>;
  readonly #cppRuntimeAt: CppRuntimeAt;
  #node = 0;
  #above = 0;

  constructor(
    stacks: StackTable,
    modules: ReadonlyMap<number, ModuleInfo>,
    cppRuntimeAt: CppRuntimeAt,
  ) {
    this.#stacks = stacks;
    this.#modules = modules;
    this.#cppRuntimeAt = cppRuntimeAt;
  }

  start(id: StackId): void {
    this.#above = id;
  }

  next(): boolean {
    const node = this.#above;
    const { count, parent, kind, index } = this.#stacks;
    // A damaged trace may name a stack that is not there: it is an empty stack.
    if (node <= 0 || node >= count) return false;
    this.#node = node;
    this.#above = parent[node];
    this.kind = kind[node];
    this.module = isNativeKind(this.kind) ? (this.#modules.get(index[node]) ?? null) : null;
    return true;
  }

  isCppRuntime(): boolean | null {
    if (this.module === null) return false;
    return this.#cppRuntimeAt(
      this.module,
      lookupAddress(this.kind, this.#stacks.offset[this.#node]),
    );
  }
}
