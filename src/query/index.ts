// Questions to a trace that both the commands and the library ask: opening it, naming what is in it from
// this machine's files, choosing moments and checkpoints, filtering, and the objects of the JSON outputs.
//
// Must not import commands/, library/, exporters/; must not print (what is to be said goes to a stream or a
// function that it is given).

export { type AtMark, replayAt } from './at-mark.js';
export { checkpointJson, chooseCheckpoint, type WithoutCheckpoint } from './checkpoints.js';
export { nameData } from './data-names.js';
export { entryName, entryNames } from './entries.js';
export { blockFilter, type FilterOptions, type Range, stackFilter, threadName } from './filters.js';
export {
  addonJson,
  allocatorJson,
  bySize,
  frameJson,
  fullSiteJson,
  jsonLines,
  momentTotals,
  processJson,
  resourceSiteJson,
  siteJson,
  stackJson,
} from './json.js';
export { type LeakObject, leakNames, leakObjects } from './leak-objects.js';
export { type MarkedMoment, markedMoment, momentNames } from './marked-moments.js';
export { chooseMoment, momentText } from './moments.js';
export { type NameStacks, type StackNamer, stackNamer } from './naming.js';
export {
  cutText,
  noEvents,
  type OpenedTrace,
  openTraceFile,
  ownFolders,
  stackContext,
} from './opened.js';
export { packageFiles } from './package-files.js';
export {
  type FindSymbols,
  mappingStackIds,
  type PrivateAllocator,
  privateAllocatorJson,
  privateAllocators,
} from './private-allocators.js';
export { type NameData, nameRoots, type RetainersOf } from './root-names.js';
export { readSourceFile } from './script-files.js';
export { SymbolCache, symbolCacheFolder } from './symbol-cache.js';
