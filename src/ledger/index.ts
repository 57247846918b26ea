// The ledger: what is live, what was allocated where, and everything else that a process's events
// say. Pure: it is fed batches and answers with the model's columns.
//
// Must not import: fs, process, clocks, console; of this project only model/ and ranges.
export {
  EventBatch,
  EventType,
  ExitKind,
  MarkKind,
  maxRareWords,
  ResourceEnd,
  recordWords,
  Teardown,
  threadLimit,
  tickLimit,
} from './events.js';
export { type LedgerHost, State } from './host.js';
export { Ledger } from './ledger.js';
export { Mappings } from './mappings.js';
export type { PeakWatch } from './peaks.js';
export {
  type ExitFacts,
  type RecordedParts,
  Recording,
  scaleTimes,
  type ThreadFacts,
} from './recording.js';
export { type NewResource, ResourceBook } from './resources.js';
export { StackTableBuilder } from './stacks.js';
