// Recording: starting the program, draining its rings, writing its trace; and reading traces from
// disk. The edge where the project meets processes, files and clocks.
//
// Must not import: commands/, report/, symbols/.
export {
  type FollowedTrace,
  followTraceFile,
  nativeCodec,
  nativeEncoder,
  readHeapSnapshot,
  readTraceCalls,
  readTraceEvents,
  readTraceFile,
} from './codec.js';
export { type DemandAnswer, demandCheckpoint, headerOfProcess } from './demand.js';
export type { RootStatus } from './ended.js';
export * from './launch.js';
export { nativeLedger } from './native-ledger.js';
export type { PeakWatch, QuestionView, StackParts } from './question-view.js';
export type { QuestionHandler } from './questions.js';
export type { ProcessSummary, RecordedProcess } from './recorded.js';
export { type Session, type SessionOptions, startSession } from './session.js';
