// Modules that this machine has no symbols of, and debuginfod's.

import type { ResolvedModule, Symbolizer } from '../native/index.js';
import type { Debuginfod } from './debuginfod.js';

/** A FrameResolver that also says which files it read. */
export interface ModuleResolver {
  resolve(path: string, expectedBuildId: string, addresses: Float64Array): Promise<ResolvedModule>;
}

/** Asks debuginfod for modules that this machine has neither symbols nor debug info of. */
export function withDebuginfod(symbolizer: Symbolizer, debuginfod: Debuginfod): ModuleResolver {
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
