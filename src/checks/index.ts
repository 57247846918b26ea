// Checks: is there a leak? What tests and whole runs ask, judged from rounds, checkpoints and budgets.
//
// Pure. Must not import: fs, process, clocks, console, record/, native/, commands/.
export {
  budgetFindings,
  liveByPackage,
  type PackageBudget,
  type PackageUse,
  packageAt,
  unseenBudgets,
} from './budgets.js';
export { type CheckSummary, checkLines } from './check-text.js';
export type { CheckFinding, FindingFrame, FindingRule } from './finding.js';
export { type FindingFacts, findingColumns, findingOf, packageNameOf } from './findings.js';
export { type Holding, holdingsOf } from './holdings.js';
export type { Levels } from './increments.js';
export { leakFindings, leakStackIds } from './leak-findings.js';
export { type BalanceRow, leakText } from './leak-text.js';
export {
  defaultMaxRounds,
  defaultRounds,
  type Judgement,
  LeakWatch,
  type LeakWatchOptions,
} from './leak-watch.js';
export { type Begun, Watches } from './overlap.js';
export { peaksOf } from './package-peaks.js';
export type {
  AskAgainCode,
  ErrorAnswer,
  FinishAnswer,
  Question,
  RoundAnswer,
  TrackSite,
  TrackStats,
  WaitCode,
  WatchOptions,
} from './protocol.js';
export { SiteKeys } from './site-keys.js';
export {
  doubtOf,
  hasSubject,
  lastScanned,
  passedOverTexts,
  processes,
  type Unjudged,
  unjudgedTexts,
} from './unjudged.js';
export {
  findRunFaults,
  growthCheckpoints,
  type JudgedProcess,
  type RunFaults,
  type RunFinding,
  type SiteRule,
} from './whole-run.js';
