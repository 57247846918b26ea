// What changed between two traces, or between two moments of one, site by site, across rebuilds.
//
// How sites are matched: identity.ts (what a site is called), lines.ts (the same functions at other lines),
// likeness.ts (other functions). Every site of both sides is in exactly one change, so changes add up.
//
// Pure. Must not import: fs, process, clocks, console, record/, native/, query/, commands/.
export {
  type Change,
  changes,
  type DiffReport,
  type DiffTotals,
  diffSides,
  growthOf,
  noAmount,
  type SiteChange,
  totalsOf,
} from './diff.js';
export type { MatchedBy } from './lines.js';
export {
  type AmountsByStack,
  allocatedAmounts,
  type DiffSide,
  liveAmounts,
  talliedAmounts,
} from './sides.js';
