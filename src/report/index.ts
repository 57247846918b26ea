// From a model and its named stacks to what people read: sites, tables, call trees, the exit report.
//
// Pure: must not import fs, process, child_process, clocks, record/, native/ or commands/. Widths,
// colours and names of commands come in as values; text goes out as strings.
export { formatBytes, formatCount, formatDuration, formatPercent } from './units.js';
export { escapeText, shellQuote } from './escape.js';
export { type Style, plainStyle, colourStyle } from './style.js';
export { type Column, pad as padText, renderTable, textWidth, truncateEnd, truncateStart } from './table.js';
export { type Amount, type BlockFilter, type OwnerTotals, type Site, addAmounts, collectOwners, collectSites, isUsers, liveStackIds, mergeSites, momentNamed } from './sites.js';
export { type StackContext, alikeKeys, foldFrames, frameText, ownerText, placeOf, shortPlaceOf, siteFrame, stackLines } from './stack-text.js';
export { type TreeNode, buildTree, renderTree } from './tree.js';
export { type ReportOptions, renderExitReport, renderSummary } from './terminal.js';
export { describeEnd, lossLines } from './facts.js';
