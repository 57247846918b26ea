// From a TraceModel to named stacks: functions, files, lines, inlined frames, and the package that a
// stack's memory belongs to.
//
// Pure: must not import fs, child_process, the native addon, record/, commands/ or report/. What needs
// the outside (debug information, package.json files) comes in as a FrameResolver and a PackageLookup.

export { BlockClassifier, type StackClass } from './block-classifier.js';
export { qualifiedName, shortenFunction } from './cpp-names.js';
export {
  anonymousName,
  type MarkerFrame,
  type NamedFrame,
  type NativeCertainty,
  type StackFrame,
} from './frames.js';
export { placeText } from './native-frames.js';
export {
  baseName,
  isNodeModule,
  isNodeProcess,
  isServingLibrary,
  type Owner,
  type OwnerKind,
} from './owners.js';
export {
  nearestPackage,
  noPackages,
  type PackageLookup,
  type PackageRef,
  type ReadPackage,
} from './packages.js';
export { type FrameResolver, noSymbols, type ResolvedModule } from './resolver.js';
export type { SourceMaps } from './script-frames.js';
export { RuntimeFunctions, type StackOwners, stackOwners } from './stack-owners.js';
export {
  type ModuleSymbols,
  type NamedStack,
  type SymbolizedStacks,
  type SymbolizeOptions,
  symbolize,
} from './symbolize.js';
export { parseV8Name, type V8Name } from './v8-names.js';
