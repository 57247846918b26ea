// From a trace to other tools' files, one file a format. docs/exports.md says what each holds.
//
// Pure: must not import fs, process, clocks, record/ or commands/. Files come out in pieces.

export { collapsedStacks } from './collapsed.js';
export { csvFile } from './csv.js';
export { dhatFile } from './dhat.js';
export { firefoxProfile } from './firefox.js';
export { heapProfile } from './heapprofile.js';
export { heapSnapshotWithNative, type NativeNaming } from './heapsnapshot.js';
export { heaptrackFile } from './heaptrack.js';
export {
  allocatedSums,
  liveSums,
  lostSums,
  type Measure,
  type StackSums,
  temporarySums,
} from './measures.js';
export { parquetFile } from './parquet.js';
export { pprofProfile } from './pprof.js';
export { collectProfile, type StackProfile, stackIdsOf } from './profile.js';
export { peakSums, type TimedBatch } from './replay.js';
export { speedscopeFile } from './speedscope.js';
export {
  blocksTable,
  eventsTable,
  type RowKind,
  stacksTable,
  type Table,
} from './tables.js';
