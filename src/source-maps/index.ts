// From places in generated JavaScript to the places in the files that people wrote: source maps, inline
// and external, as a comment `//# sourceMappingURL=` at a script's end names them.
//
// Pure: must not import fs, url or anything that does I/O. Files come in through SourceFiles. Maps come
// from outside and may be anything: nothing here throws on them, and their size is bounded.

export { type MapProblem, type OriginalPlace, type PlaceInScript, SourceMapper } from './mapper.js';
export type { SourceFile, SourceFiles } from './source-files.js';
