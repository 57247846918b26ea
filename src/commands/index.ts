// The commands: one file each. They read traces and package.json files, ask the native symbolizer, and
// hand back lines of text; only bin/ writes to the standard streams.
//
// Must not import interpose/ or agent/.

export { type Terminal, terminalOf, writeLines } from './output.js';
export { memprofProgram } from './program.js';
export { memprofRunProgram } from './run-program.js';
