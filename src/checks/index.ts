// Checks: is there a leak? What tests and whole runs ask, judged from rounds, checkpoints and budgets.
//
// Pure. Must not import: fs, process, clocks, console, record/, native/, commands/.
export type { CheckFinding, FindingFrame, FindingRule } from './finding.js';
export { type FindingFacts, findingColumns, findingOf, packageNameOf } from './findings.js';
export { type Begun, Watches } from './overlap.js';
export type {
  ErrorAnswer,
  FinishAnswer,
  Question,
  RoundAnswer,
  TrackSite,
  TrackStats,
  WaitCode,
  WatchOptions,
} from './protocol.js';
