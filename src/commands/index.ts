// The commands: one file each. They read traces and package.json files, ask the native symbolizer, and
// hand back lines of text; only bin/ writes to the standard streams.
//
// Must not import interpose/ or agent/.

import { parsePlainWords } from './plain-words.js';
import type * as Program from './program.js';
import type * as RunProgram from './run-program.js';
import { runWords } from './run-words.js';

// Loaded when called: a program to be recorded should not wait for the commands on traces.
export const memprofProgram: typeof Program.memprofProgram = async (...args) =>
  (await import('./program.js')).memprofProgram(...args);
export const memprofRunProgram: typeof RunProgram.memprofRunProgram = async (argv) => {
  const plain = parsePlainWords(argv);
  return plain === null
    ? (await import('./run-program.js')).memprofRunProgram(argv)
    : runWords(plain.program, plain.options);
};
