// Replay: a recorded program's calls of its allocator as operations for memprof_replay (interpose/replay), and what
// its answers mean.
//
// Pure. Must not import: fs, process, child_process, clocks, console, record/, native/, commands/.
export {
  type Answer,
  type Compared,
  compare,
  type Measured,
  parseAnswer,
  type Recorded,
  recordedAt,
} from './answer.js';
export {
  maxThreads,
  OperationKind,
  OperationWriter,
  type OperationWriterOptions,
  operationBytes,
} from './operations.js';
export { type Setting, settings } from './settings.js';
export { TouchedShares, whole } from './touched.js';
