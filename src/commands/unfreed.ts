// memprof unfreed: what was live before Node's teardown, and what was never freed; site by site.
import type { Moment, TraceModel } from '../model/index.js';
import {
  blockFilter,
  bySize,
  chooseMoment,
  type FilterOptions,
  jsonLines,
  momentText,
  momentTotals,
  processJson,
  siteJson,
  stackFilter,
} from '../query/index.js';
import {
  alikeStacks,
  collectSites,
  formatBytes,
  formatCount,
  formatPercent,
  liveStackIds,
  mergeSites,
  ownerText,
  placedText,
  type Site,
  stackLines,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { stackContext, type TraceCommand } from './context.js';
import { apartFromRuntime, runtimeText } from './sites.js';

export interface UnfreedOptions extends FilterOptions {
  moment?: Moment['name'];
  limit: number;
  json?: boolean;
}

export async function* unfreed(
  command: TraceCommand,
  options: UnfreedOptions,
): AsyncGenerator<string> {
  const { model } = command;
  const moments =
    options.moment === undefined ? bothMoments(model) : [chooseMoment(model, options.moment)];
  const symbols = await command.nameStacks(model, liveStackIds(model));
  if (options.json === true) {
    yield* jsonLines(
      {
        schema: 'memprof.unfreed/1',
        process: processJson(model),
        totals: momentTotals(model),
        complete: model.complete,
      },
      { sites: jsonSites(model, symbols, moments, options) },
    );
    return;
  }
  for (const [at, moment] of moments.entries()) {
    if (at > 0) yield '';
    yield* momentLines(command, moment, sitesAt(model, symbols, moment, options), options);
  }
}

const bothMoments = (model: TraceModel): Moment[] =>
  model.beforeTeardown === null ? [model.atEnd] : [model.beforeTeardown, model.atEnd];

function sitesAt(
  model: TraceModel,
  symbols: SymbolizedStacks,
  moment: Moment,
  options: FilterOptions,
): Site[] {
  const filter = blockFilter(model, moment, options);
  const passes = stackFilter(options);
  const found = collectSites(model, symbols, moment, filter === null ? {} : { filter });
  return found.filter((site) => passes === null || passes(site.stack)).sort(bySize);
}

/** All sites, whatever --limit says: a machine wants the whole. */
function* jsonSites(
  model: TraceModel,
  symbols: SymbolizedStacks,
  moments: readonly Moment[],
  options: FilterOptions,
): Iterable<unknown> {
  for (const moment of moments) {
    for (const site of sitesAt(model, symbols, moment, options))
      yield { moment: moment.name, ...siteJson(site, model) };
  }
}

function* momentLines(
  command: TraceCommand,
  moment: Moment,
  found: readonly Site[],
  options: UnfreedOptions,
): Iterable<string> {
  const { model, style, columns } = command;
  const context = stackContext(model);
  const sum = (sites: readonly Site[]) =>
    sites.reduce((total, site) => total + site.live.sizeBytes, 0);
  const count = (sites: readonly Site[]) =>
    formatCount(sites.reduce((total, site) => total + site.live.blockCount, 0));
  const total = sum(found);
  const { own, runtime } = apartFromRuntime(
    mergeSites(
      found,
      alikeStacks(
        found.map((site) => site.stack),
        context,
      ),
    ),
    options,
  );
  own.sort(bySize);
  const title = momentText(moment, model);
  yield style.heading(
    `${title[0].toUpperCase()}${title.slice(1)}: ${formatBytes(total)} in ${count(found)} blocks`,
  );
  if (runtime.length > 0)
    yield style.faint(
      `  of it ${runtimeText(runtime)}: ${formatBytes(sum(runtime))} in ${count(runtime)} blocks (--package node shows its sites)`,
    );
  for (const [at, site] of own.slice(0, options.limit).entries()) {
    yield '';
    const amount = `${String(at + 1).padStart(2)}. ${formatBytes(site.live.sizeBytes)} in ${formatCount(site.live.blockCount)} ${site.live.blockCount === 1 ? 'block' : 'blocks'} (${formatPercent(site.live.sizeBytes, total)})`;
    yield `${style.strong(amount)}  ${style.bytes(ownerText(site.stack.owner))}`;
    yield* stackLines(site.stack, context, { columns, indent: 4, style });
    const placed = placedText(site);
    if (placed !== '') yield `    ${style.faint(placed)}`;
  }
  const rest = own.slice(options.limit);
  if (rest.length > 0) {
    yield '';
    yield style.faint(
      `${formatCount(rest.length)} more sites hold ${formatBytes(sum(rest))} in ${count(rest)} blocks: --limit all`,
    );
  }
}
