// memprof leaks: what is lost, orphaned, or grows; by package and site, worst first.
import type { TraceModel } from '../model/index.js';
import {
  checkpointJson,
  chooseCheckpoint,
  type FilterOptions,
  jsonLines,
  leakNames,
  leakObjects,
  mappingStackIds,
  privateAllocatorJson,
  privateAllocators,
  processJson,
  stackFilter,
} from '../query/index.js';
import {
  alikeStacks,
  checkpointStackIds,
  collectLeaks,
  isToActOn,
  type LeakReport,
  renderLeaks,
  type StackGroups,
  shownSites,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { stackContext, type TraceCommand } from './context.js';

export interface LeaksOptions extends Pick<FilterOptions, 'package' | 'module' | 'function'> {
  at?: number;
  all?: boolean;
  limit: number;
  json?: boolean;
}

export async function* leaks(command: TraceCommand, options: LeaksOptions): AsyncGenerator<string> {
  const { model } = command;
  const checkpoint = chooseCheckpoint(model, options.at);
  const all = options.all === true;
  const checkpoints = model.checkpoints ?? [];
  const stackIds = [...checkpointStackIds(checkpoints), ...mappingStackIds(model)];
  const symbols = await command.nameStacks(model, stackIds);
  const arenas = await privateAllocators(command, symbols);
  const passes = stackFilter(options) ?? (() => true);
  if (options.json === true) {
    const { report, sites } = await leakObjects(
      command,
      symbols,
      checkpoint,
      (site) => passes(site.stack) && (all || isToActOn(site)),
    );
    yield* jsonLines(
      {
        schema: 'memprof.leaks/1',
        process: processJson(model),
        checkpoint: checkpointJson(checkpoint),
        checkpointCount: report.checkpointCount,
        totals: Object.fromEntries(report.users),
        runtimeTotals: Object.fromEntries(report.runtime),
        pools: [...report.pools].map(([name, totals]) => ({
          name,
          totals: Object.fromEntries(totals),
        })),
        privateAllocators: arenas.map(privateAllocatorJson),
        all,
      },
      { sites },
    );
    return;
  }
  const report = readableLeaks(command, symbols, checkpoint.number);
  report.sites = report.sites.filter((site) => passes(site.stack));
  const shown = shownSites(report, all).slice(0, options.limit);
  yield* renderLeaks(model, report, {
    columns: command.columns,
    style: command.style,
    context: stackContext(model),
    names: await leakNames(command, checkpoint.detail, shown),
    limit: options.limit,
    all,
    arenas,
  });
}

/** Of the last checkpoint, for people, with users' stacks alone named. null: there was none. */
export function lastLeaks(model: TraceModel, symbols: SymbolizedStacks): LeakReport | null {
  const last = model.checkpoints?.at(-1);
  return last === undefined ? null : readableLeaks({ model }, symbols, last.number, true);
}

/** As people see it: stacks that look alike are one, and what is lost behind others comes with those. */
export function readableLeaks(
  command: Pick<TraceCommand, 'model'>,
  symbols: SymbolizedStacks,
  number: number,
  usersOnly = false,
): LeakReport {
  const { model } = command;
  const checkpoint = chooseCheckpoint(model, number);
  const checkpoints = model.checkpoints ?? [];
  const alike = alikeStacks(
    checkpointStackIds(checkpoints)
      .filter((id) => symbols.has(id))
      .map((id) => symbols.stack(id)),
    stackContext(model),
  );
  const groups: StackGroups = {
    keyOf: (stack) => String(alike.keyOf(stack)),
    shown: (key) => alike.shown(Number(key)),
  };
  return collectLeaks(checkpoints, checkpoint, symbols, { groups, foldIndirect: true, usersOnly });
}
