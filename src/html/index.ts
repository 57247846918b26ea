// From a trace's model, named stacks and events to the data of the HTML report, and from these to the file. The page
// itself is src/web, which takes from here only what needs nothing else: report-data, pack, selection, flame.
//
// Pure: must not import fs, process, child_process, clocks, record/, native/ or commands/.
export { buildReport, type ReportInput } from './build.js';
export { type WayToHold, waysOf } from './checkpoint-blocks.js';
export { dataElementId, dataPlace, liveDocument, reportDocument } from './document.js';
export { GrowingCells } from './growing-cells.js';
export { type Unpacked, unpack } from './pack.js';
export { type ReportHead, reportSchema } from './report-data.js';
export type { ReadSource } from './sources.js';
export { StackIndex } from './stack-index.js';
