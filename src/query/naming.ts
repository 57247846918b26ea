// Symbols for a model, from this machine's files.
import { realpathSync } from 'node:fs';
import type { StackId, TraceModel } from '../model/index.js';
import { inspectExecutable, Symbolizer } from '../native/index.js';
import { escapeText } from '../report/index.js';
import {
  RuntimeFunctions,
  type StackOwners,
  type SymbolizedStacks,
  stackOwners,
  symbolize,
} from '../symbols/index.js';
import type { TextOutput } from '../text-output.js';
import { Debuginfod, debuginfodOptions } from './debuginfod.js';
import { packageFiles } from './package-files.js';
import { progressOn } from './progress.js';
import { mapProblemText, sourceMapperFor } from './script-files.js';
import { SymbolCache, symbolCacheFolder } from './symbol-cache.js';
import { withDebuginfod } from './symbol-sources.js';

export type NameStacks = (
  model: TraceModel,
  stackIds: Iterable<StackId>,
  /** Where known already. */
  owners?: StackOwners,
) => Promise<SymbolizedStacks>;

export interface StackNamer {
  nameStacks: NameStacks;
  /** Much cheaper than names. */
  findOwners(model: TraceModel, stackIds: Iterable<StackId>): Promise<StackOwners>;
  /** For names that nobody will see; what there is to say is said when they are asked for again. null: they may cost much. */
  quietly(): Pick<StackNamer, 'nameStacks' | 'findOwners'> | null;
  /** Opens a program, or the Node that probably runs a script, on another thread of low priority. */
  warm(programFile: string): void;
}

/**
 * One symbolizer for all models of a run: they share most modules. `output` gets a line of progress if it is
 * a terminal, and what is to be said about missing names; a function gets the sentences alone.
 */
export function stackNamer(output: TextOutput | ((sentence: string) => void)): StackNamer {
  const say =
    typeof output === 'function'
      ? output
      : (sentence: string) => output.write(`memprof: ${escapeText(sentence)}\n`);
  const symbolizer = new Symbolizer({});
  const options = debuginfodOptions(process.env);
  const debuginfod = options === null ? null : new Debuginfod(options);
  const uncached = debuginfod === null ? symbolizer : withDebuginfod(symbolizer, debuginfod);
  const cacheFolder = symbolCacheFolder(process.env);
  const cache = cacheFolder === null ? null : new SymbolCache(uncached, cacheFolder);
  const resolver = cache ?? uncached;
  const packageOf = packageFiles();
  const told = new Set<string>();
  const functions = new RuntimeFunctions();
  const findOwners: StackNamer['findOwners'] = (model, stackIds) =>
    stackOwners(model, stackIds, resolver, packageOf, functions);
  return {
    warm(programFile) {
      try {
        const { kind, shebang } = inspectExecutable(programFile);
        const isNodes = shebang?.some((word) => /(?:^|\/)node$/.test(word)) === true;
        if (kind !== 'elf' && !isNodes) return;
        const path = realpathSync(kind === 'elf' ? programFile : process.execPath);
        const { buildId } = inspectExecutable(path);
        // What fails now will fail again, and be told, when names are asked for.
        const open = () =>
          symbolizer.resolve(path, buildId ?? '', new Float64Array()).catch(() => undefined);
        // Where names are known, most runs need no others, and opening Node's takes 20 ms and as many MiB.
        if (cache === null) void open();
        else void cache.warm(path, buildId ?? '').then((isKnown) => (isKnown ? undefined : open()));
      } catch {
        // Gone, or not for us to read: names will be missing, which the report says.
      }
    },
    findOwners,
    quietly() {
      // A server may be slow, and what is wrong with it is told once.
      if (debuginfod !== null) return null;
      return {
        findOwners,
        async nameStacks(model, stackIds, owners) {
          const sourceMaps = sourceMapperFor(model);
          const known = owners === undefined ? {} : { owners };
          return symbolize(model, stackIds, resolver, { ...known, packageOf, sourceMaps });
        },
      };
    },
    async nameStacks(model, stackIds, owners) {
      const progress =
        typeof output === 'function'
          ? { say() {}, end() {} }
          : progressOn(output, 'memprof: reading symbols');
      const sourceMaps = sourceMapperFor(model);
      let named: SymbolizedStacks;
      try {
        named = await symbolize(model, stackIds, resolver, {
          ...(owners === undefined ? {} : { owners }),
          packageOf,
          sourceMaps,
          onProgress: progress.say,
        });
      } finally {
        progress.end();
        await cache?.save();
        for (const problem of sourceMaps.problems) {
          const text = mapProblemText(problem);
          if (text !== null) say(text);
        }
        for (const warning of debuginfod?.warnings.splice(0) ?? []) say(warning);
      }
      for (const { path, reason } of named.modules) {
        if (reason !== 'changed' || told.has(path)) continue;
        told.add(path);
        // Who rebuilds an addon and reads an older trace would take offsets for all that is known.
        say(
          `${path} is not the file that ran: its functions have no names here. A report that was written before the file changed keeps them`,
        );
      }
      return named;
    },
  };
}
