// From a model and its named stacks to what people read: sites, tables, call trees, the exit report.
//
// Pure: must not import fs, process, child_process, clocks, record/, native/ or commands/. Widths,
// colours and names of commands come in as values; text goes out as strings.

export { type Alike, alikeStacks } from './alike.js';
export { allocatorLossText, allocatorText } from './allocator.js';
export { escapeText, shellQuote } from './escape.js';
export { describeEnd, lossLines } from './facts.js';
export {
  arenaTable,
  type GoneSite,
  otherAllocatorText,
  ownerClassOf,
  type PinningSite,
  pageClassTexts,
  pageTable,
  pinningText,
  sizeTable,
  verdictLines,
  verdictWords,
} from './fragmentation.js';
export { withGoneSites } from './gone-sites.js';
export { cellShares, renderHeatMap } from './heat-map.js';
export { hasFindings } from './leak-summary.js';
export {
  checkpointStackIds,
  collectLeaks,
  everyStack,
  isLeak,
  isToActOn,
  type LeakReport,
  type LeakSite,
  type StackGroups,
} from './leaks.js';
export {
  amountText,
  blocksText,
  doubts as checkpointDoubts,
  ownersLeftOut,
  renderLeaks,
  scanText,
  shownSites,
  siteRemarks,
  siteType,
} from './leaks-text.js';
export { type Amount, addAmounts, type MomentSums, momentSums } from './live-sums.js';
export { inOrder, noMemoryText, partText, renderMemory } from './memory.js';
export {
  collectNapi,
  type Finding,
  type FindingKind,
  type NapiAddon,
  type ResourceCounts,
  type ResourceName,
  type ResourceSite,
  resourceKinds,
  resourceName,
  resourceStackIds,
  resourceValueText,
} from './napi.js';
export { type ClassRow, classRows } from './owners.js';
export {
  collectPoolSites,
  containerText,
  momentContainers,
  type PoolContainer,
  type PoolSite,
  type PoolSum,
  poolSums,
  poolsAt,
  poolText,
  typeAt,
} from './pools.js';
export { type Outcome, type ReplayReport, renderReplay } from './replay.js';
export {
  type BlockFilter,
  collectOwners,
  collectSites,
  isUsers,
  liveStackIds,
  mergeSites,
  momentNamed,
  type OwnerTotals,
  placedText,
  type Site,
  usersStackIds,
} from './sites.js';
export {
  eachLine,
  foldFrames,
  frameText,
  isStartCode,
  ownerText,
  placeOf,
  plumbingOf,
  type StackContext,
  shortPlaceOf,
  siteFrame,
  stackLines,
  whereText,
} from './stack-text.js';
export { colourStyle, plainStyle, type Style } from './style.js';
export {
  type Column,
  pad as padText,
  renderTable,
  textWidth,
  truncateEnd,
  truncateStart,
} from './table.js';
export { type ReportOptions, renderExitReport, renderSummary } from './terminal.js';
export {
  partTitles,
  peakText,
  renderTimeline,
  type TimelineRow,
  timelineRows,
} from './timeline.js';
export { buildTree, renderTree, type TreeNode } from './tree.js';
export { formatBytes, formatCount, formatDuration, formatPercent } from './units.js';
export {
  collectedText,
  measuredText,
  renderV8,
  renderV8AtCheckpoints,
  type V8Moment,
  v8NotCollectedText,
} from './v8-heap.js';
export {
  addressText,
  classText,
  type DataName,
  noRootNames,
  type RootNames,
  rootText,
  threadText,
  verdictText,
} from './verdict-words.js';
export {
  blockType,
  type Explained,
  groupPaths,
  type PathGroup,
  renderWhy,
  siteText,
  whyText,
  wordsOnPath,
} from './why.js';
export { wrap } from './wrap.js';
