// The library's reader of traces: implements the types of library/ with the same questions and objects as
// the commands. Bundled by itself; library/ loads it when a trace is opened.
//
// Must not import commands/; must not print.
export { openTrace } from './open-trace.js';
