// Symbols for a model, from this machine's files.
import type { StackId, TraceModel } from '../model/index.js';
import { Symbolizer } from '../native/index.js';
import { escapeText } from '../report/index.js';
import { type SymbolizedStacks, symbolize } from '../symbols/index.js';
import { Debuginfod, debuginfodOptions } from './debuginfod.js';
import { packageFiles } from './package-files.js';
import { progressOn } from './progress.js';
import { mapProblemText, sourceMapperFor } from './script-files.js';
import { SymbolCache, symbolCacheFolder } from './symbol-cache.js';
import { withDebuginfod } from './symbol-sources.js';

export type NameStacks = (
  model: TraceModel,
  stackIds: Iterable<StackId>,
) => Promise<SymbolizedStacks>;

/** One symbolizer for all models of a run: they share most modules. */
export function stackNamer(stderr: NodeJS.WriteStream, quiet = false): NameStacks {
  const symbolizer = new Symbolizer({});
  const options = debuginfodOptions(process.env);
  const debuginfod = options === null ? null : new Debuginfod(options);
  const uncached = debuginfod === null ? symbolizer : withDebuginfod(symbolizer, debuginfod);
  const cacheFolder = symbolCacheFolder(process.env);
  const cache = cacheFolder === null ? null : new SymbolCache(uncached, cacheFolder);
  const packageOf = packageFiles();
  return async (model, stackIds) => {
    const progress = progressOn(stderr, 'memprof: reading symbols', quiet);
    const sourceMaps = sourceMapperFor(model);
    try {
      return await symbolize(model, stackIds, cache ?? uncached, {
        packageOf,
        sourceMaps,
        onProgress: progress.say,
      });
    } finally {
      progress.end();
      await cache?.save();
      for (const problem of sourceMaps.problems) {
        const text = mapProblemText(problem);
        if (text !== null && !quiet) stderr.write(`memprof: ${escapeText(text)}\n`);
      }
      for (const warning of debuginfod?.warnings.splice(0) ?? []) {
        stderr.write(`memprof: ${escapeText(warning)}\n`);
      }
    }
  };
}
