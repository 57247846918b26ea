// What the scanner has to know of a block or a mapping, by the modules of its stack alone: whether Node
// allocated it for itself, whether memprof did, and whether a private allocator mapped it. Of function names
// it needs one thing (owners.ts says why): which code of node is the C++ library's that node exports.
// Pure but for the injected look-up.
import type { ModuleInfo, StackId, StackTable } from '../model/index.js';
import { baseName, type Owner, OwnerFinder } from './owners.js';
import type { PackageLookup } from './packages.js';
import { StackCursor } from './stack-cursor.js';

export interface StackClass {
  /** Node's own. */
  isRuntime: boolean;
  /** memprof's own agent. */
  isOurs: boolean;
  /** The innermost module is an allocator that takes its memory from the system by itself. */
  isAllocator: boolean;
}

/** Starts and ends in turn of what a file exports under mangled names with these prefixes. */
export type ExportedRanges = (path: string, prefixes: readonly string[]) => Float64Array;

/** std::, __gnu_cxx::, operator new and delete. */
const cppRuntimePrefixes = [
  '_ZNSt',
  '_ZNKSt',
  '_ZSt',
  '_ZN9__gnu_cxx',
  '_ZNK9__gnu_cxx',
  '_Znw',
  '_Zna',
  '_Zdl',
  '_Zda',
];

const nobody: StackClass = { isRuntime: false, isOurs: false, isAllocator: false };
const unknownOwner: Owner = { kind: 'unknown', package: null, module: null, key: 'unknown' };
const allocatorName = /(?:jemalloc|mimalloc|tcmalloc)/;

/** Answers for stacks of one process while it is recorded: `stacks` and `modules` may grow between two calls. */
export class BlockClassifier {
  readonly #known: (StackClass | undefined)[] = [];
  readonly #stacks: () => StackTable;
  readonly #modules: () => readonly ModuleInfo[];
  readonly #finder: OwnerFinder;
  readonly #cppRuntime: CppRuntime;
  #byId = new Map<number, ModuleInfo>();

  constructor(
    stacks: () => StackTable,
    modules: () => readonly ModuleInfo[],
    isNode: boolean,
    exportedRanges: ExportedRanges,
    // For of() it does not matter whose package it is; that it is one does.
    packageOf: PackageLookup = () => ({ name: '', version: null }),
  ) {
    this.#stacks = stacks;
    this.#modules = modules;
    this.#cppRuntime = new CppRuntime(exportedRanges);
    this.#finder = new OwnerFinder(isNode, packageOf);
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

  /** Its packages are those of the constructor's packageOf. Not remembered. */
  ownerOf(stackId: number): Owner {
    const frames = this.#cursor();
    frames.start(stackId as StackId);
    return this.#finder.find(frames) ?? unknownOwner;
  }

  #cursor(): StackCursor {
    return new StackCursor(this.#stacks(), this.#byId, (module, address) =>
      this.#cppRuntime.holds(module.path, address),
    );
  }

  #find(stackId: number): StackClass {
    const frames = this.#cursor();
    frames.start(stackId as StackId);
    const owner = this.#finder.find(frames);
    if (owner === null) return nobody;
    frames.start(stackId as StackId);
    const leaf = firstModule(frames);
    return {
      isRuntime: owner.kind === 'node',
      isOurs: owner.kind === 'memprof',
      isAllocator: leaf !== null && allocatorName.test(baseName(leaf.path)),
    };
  }
}

/** The C++ library's code in each image, asked for once an image. */
class CppRuntime {
  readonly #exportedRanges: ExportedRanges;
  readonly #byPath = new Map<string, Float64Array>();

  constructor(exportedRanges: ExportedRanges) {
    this.#exportedRanges = exportedRanges;
  }

  holds(path: string, address: number): boolean {
    let ranges = this.#byPath.get(path);
    if (ranges === undefined) {
      ranges = this.#exportedRanges(path, cppRuntimePrefixes);
      this.#byPath.set(path, ranges);
    }
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    // Behind a start and before its end: an odd number of bounds lies below.
    return low % 2 === 1;
  }
}

function firstModule(frames: StackCursor): ModuleInfo | null {
  while (frames.next()) {
    if (frames.module !== null && !frames.module.isShim) return frames.module;
  }
  return null;
}
