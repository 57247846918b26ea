// V8's heap snapshots: read (streamed, columnar), asked who retains an object, and written with native
// memory added. The format is V8's own (v8/src/profiler/heap-snapshot-generator.cc): flat arrays of
// numbers whose meaning `snapshot.meta` gives.
//
// Pure: must not import fs, process, clocks, or any folder but errors.

export { HeapSnapshotParser } from './parser.js';
export { describeRetainers, type Retainer, RetainerTree } from './retainers.js';
export { type EdgeFields, type HeapSnapshot, type NodeFields, nodeText } from './snapshot.js';
export { type NativeAdditions, writeHeapSnapshot } from './writer.js';
