// The symbolizer of a run: this machine's files, what was resolved before, and debuginfod.

import type { Symbolizer } from '../native/index.js';
import type { FrameResolver } from '../symbols/index.js';
import type { Debuginfod } from './debuginfod.js';

/** Asks debuginfod for modules that this machine has neither symbols nor debug info of. */
export function withDebuginfod(symbolizer: Symbolizer, debuginfod: Debuginfod): FrameResolver {
  const asked = new Set<string>();
  return {
    async resolve(path, expectedBuildId, addresses) {
      const own = await symbolizer.resolve(path, expectedBuildId, addresses);
      const isKnown = own.hasSymbols || own.hasDebugInfo;
      if (isKnown || expectedBuildId === '' || asked.has(expectedBuildId)) return own;
      asked.add(expectedBuildId);
      const file = await debuginfod.debugFile(expectedBuildId);
      if (file === null) return own;
      symbolizer.useDebugFile(expectedBuildId, file);
      return symbolizer.resolve(path, expectedBuildId, addresses);
    },
  };
}
