// From a trace to other tools' files, one file a format.
//
// Pure: must not import fs, process, clocks, record/ or commands/.

export { heapSnapshotWithNative, type NativeNaming } from './heapsnapshot.js';
