// From a TraceModel to named stacks: functions, files, lines, inlined frames, and the package that a
// stack's memory belongs to.
//
// Pure: must not import fs, child_process, the native addon, record/, commands/ or report/. What needs
// the outside (debug information, package.json files) comes in as a FrameResolver and a PackageLookup.
export { type NamedFrame, type MarkerFrame, type StackFrame, type NativeCertainty, anonymousName } from './frames.js';
export { type FrameResolver, type ResolvedModule, noSymbols } from './resolver.js';
export { type V8Name, parseV8Name } from './v8-names.js';
export { qualifiedName, shortenFunction } from './cpp-names.js';
export { type PackageLookup, type PackageRef, type ReadPackage, nearestPackage, noPackages } from './packages.js';
export { type Owner, type OwnerKind, baseName, isNodeProcess } from './owners.js';
export {
  type NamedStack,
  type SymbolizedStacks,
  type SymbolizeOptions,
  type ModuleSymbols,
  placeText,
  symbolize,
} from './symbolize.js';
