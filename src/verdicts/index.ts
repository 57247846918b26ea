// Verdicts: whose is each live block at a checkpoint, and does anything still hold it. Joins the scan's
// answers, the objects that JavaScript has, and what addons got from Node-API.
//
// How record/ calls it, once a checkpoint, in order of their numbers:
//
//   const memory = new OwnerMemory();                        // one a process
//   const { tallies, classes, detail } = judge({
//     number,                                                // the checkpoint's
//     live: ledger.snapshot(1), nsPerTick: 1,                // ticks, or scaled times with their factor
//     flags,                                                 // a byte a row of live: BlockFlag, as given to the scanner
//     owners, ownersComplete,                                // OwnerTable; whether all isolates answered
//     reachability,                                          // null: not scanned
//     pendingFinalizerCount,
//     outstanding, ended,                                    // the resource ledger as of the mark
//   }, memory);
//
// `detail` is a CheckpointDetail as it stands: its live set's stackId says whom a block belongs to (what Node
// allocated for a Node-API call is the addon's), the other columns are those that were given.
//
// Pure. Must not import: fs, process, clocks, console; of this project only model/.
export { BlockIndex } from './block-index.js';
export { findRoots, type Roots } from './chains.js';
export { type BlockGrowth, growthOf, type StackVerdict } from './growth.js';
export {
  BlockFlag,
  type EndedResources,
  flagsForScan,
  type JudgeInput,
  type Judgement,
  judge,
} from './judge.js';
export { leadersOf } from './leaders.js';
export { type Nesting, nest } from './nesting.js';
export { OwnerMemory } from './owner-memory.js';
export { type BlockPath, type PathFrame, type PathHop, type PathRoot, pathOf } from './paths.js';
