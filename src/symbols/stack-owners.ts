// The owner of each of many stacks. Most are settled by modules alone; only where code of node itself is
// met, its function's name is asked for (owners.ts says why), all such addresses at once. So the owners of
// thousands of stacks cost a few hundred names instead of all.
// Pure but for the injected resolver.
import type { ModuleInfo, StackId, TraceModel } from '../model/index.js';
import { isCppRuntimeName, isNodeProcess, type Owner, OwnerFinder } from './owners.js';
import type { PackageLookup } from './packages.js';
import { batchSize, type FrameResolver, Quality } from './resolver.js';
import { StackCursor } from './stack-cursor.js';

export interface StackOwners {
  /** Of any stack that was asked for; others are a programming error and throw. */
  owner(id: StackId): Owner;
}

export async function stackOwners(
  model: TraceModel,
  stackIds: Iterable<StackId>,
  resolver: FrameResolver,
  packageOf: PackageLookup,
  /** What was found out before, which is not asked for again. */
  knownFunctions: RuntimeFunctions = new RuntimeFunctions(),
): Promise<StackOwners> {
  const owners: (Owner | undefined)[] = [];
  const functions = new AskedFunctions(resolver, knownFunctions);
  const modules = new Map(model.modules.map((module) => [module.id, module]));
  const frames = new StackCursor(model.stacks, modules, (module, address) =>
    functions.has(module, address),
  );
  const finder = new OwnerFinder(isNodeProcess(model.process), packageOf);
  let waiting = [...new Set(stackIds)];
  while (waiting.length > 0) {
    const left: StackId[] = [];
    for (const id of waiting) {
      frames.start(id);
      const owner = finder.find(frames);
      if (owner === null) left.push(id);
      else owners[id] = owner;
    }
    // Each round names the frame at which each of them waits, so it ends with the deepest stack.
    await functions.resolveAsked();
    waiting = left;
  }
  return {
    owner(id) {
      const found = owners[id];
      if (found === undefined) throw new RangeError(`the owner of stack ${id} was not looked for`);
      return found;
    },
  };
}

/** Which addresses of which files are in functions of the C++ library: answers that stay. */
export class RuntimeFunctions {
  readonly #byFile = new Map<string, Map<number, boolean>>();

  of({ buildId, path }: ModuleInfo): Map<number, boolean> {
    const file = `${buildId} ${path}`;
    let known = this.#byFile.get(file);
    if (known === undefined) this.#byFile.set(file, (known = new Map()));
    return known;
  }
}

/** The same for one model's modules, with what is still to be found out. */
class AskedFunctions {
  readonly #resolver: FrameResolver;
  readonly #files: RuntimeFunctions;
  readonly #known = new Map<ModuleInfo, Map<number, boolean>>();
  readonly #asked = new Map<ModuleInfo, Set<number>>();

  constructor(resolver: FrameResolver, files: RuntimeFunctions) {
    this.#resolver = resolver;
    this.#files = files;
  }

  /** null: not known yet, but after resolveAsked(). */
  has(module: ModuleInfo, address: number): boolean | null {
    const known = this.#ofModule(module).get(address);
    if (known !== undefined) return known;
    const asked = this.#asked.get(module);
    if (asked === undefined) this.#asked.set(module, new Set([address]));
    else asked.add(address);
    return null;
  }

  async resolveAsked(): Promise<void> {
    for (const [module, asked] of this.#asked) {
      const known = this.#ofModule(module);
      const all = Float64Array.from(asked);
      for (let from = 0; from < all.length; from += batchSize) {
        const addresses = all.slice(from, from + batchSize);
        const { quality, functionName, start } = await this.#resolver.resolve(
          module.path,
          module.buildId,
          addresses,
        );
        for (const [at, address] of addresses.entries()) {
          // The function itself, not what was inlined into it; and no guess.
          const isNamed = quality[at] >= Quality.symbol && start[at + 1] > start[at];
          const name = isNamed ? functionName[start[at + 1] - 1] : null;
          known.set(address, name !== null && isCppRuntimeName(name));
        }
      }
    }
    this.#asked.clear();
  }

  #ofModule(module: ModuleInfo): Map<number, boolean> {
    let known = this.#known.get(module);
    if (known === undefined) this.#known.set(module, (known = this.#files.of(module)));
    return known;
  }
}
