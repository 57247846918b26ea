// memprof sites: where memory was allocated, a row a site.
import { ExitCode, MemprofError } from '../errors.js';
import type { Moment } from '../model/index.js';
import {
  blockFilter,
  bySize,
  chooseMoment,
  type FilterOptions,
  fullSiteJson,
  jsonLines,
  momentText,
  momentTotals,
  processJson,
  stackFilter,
  stackJson,
} from '../query/index.js';
import {
  alikeStacks,
  type Column,
  collectPoolSites,
  collectSites,
  escapeText,
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  isUsers,
  liveStackIds,
  mergeSites,
  ownerText,
  type PoolSite,
  placedText,
  poolsAt,
  renderTable,
  type Site,
  stackLines,
  whereText,
} from '../report/index.js';
import { stackContext, type TraceCommand } from './context.js';

export const siteSorts = [
  'bytes',
  'blocks',
  'allocated',
  'allocations',
  'temporary',
  'age',
] as const;
export type SiteSort = (typeof siteSorts)[number];

export interface SitesOptions extends FilterOptions {
  sort: SiteSort;
  moment?: Moment['name'];
  limit: number;
  stacks?: boolean;
  json?: boolean;
}

const ofWholeRun = new Set<SiteSort>(['allocated', 'allocations', 'temporary']);

export async function* sites(command: TraceCommand, options: SitesOptions): AsyncGenerator<string> {
  const { model } = command;
  const moment = chooseMoment(model, options.moment);
  const all = ofWholeRun.has(options.sort);
  const filter = blockFilter(model, moment, options);
  if (all && filter !== null) {
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      `--sort ${options.sort} counts calls over the whole run, which have no thread, size or age. Sort by bytes, blocks or age, or leave --thread, --size and --age out`,
      ExitCode.usage,
    );
  }
  // Totals over the run need every stack's name; live bytes only those of live blocks.
  const symbols = await command.nameStacks(
    model,
    liveStackIds(model, all || options.json === true),
  );
  const passes = stackFilter(options);
  const found = collectSites(model, symbols, moment, {
    all,
    ...(filter === null ? {} : { filter }),
  }).filter((site) => passes === null || passes(site.stack));
  found.sort((a, b) => compare(a, b, options.sort));
  const pools = poolsAt(model, moment.name);
  const poolSites =
    pools === null || model.pools === undefined
      ? []
      : collectPoolSites(model.pools, pools, symbols, filter ?? undefined).filter(
          (site) => passes === null || passes(site.stack),
        );
  if (options.json === true) {
    const shown = found.slice(0, options.limit);
    yield* jsonLines(
      {
        schema: 'memprof.sites/1',
        process: processJson(model),
        totals: momentTotals(model),
        moment: moment.name,
        sort: options.sort,
        siteCount: found.length,
      },
      {
        sites: shown.map((site) => fullSiteJson(site, model, moment)),
        poolSites: poolSites.map(({ stack, live, ...site }) => ({
          ...site,
          ...live,
          ...stackJson(stack),
        })),
      },
    );
    return;
  }
  // A reader wants places, not V8's ways to them; a machine gets every stack as it is.
  const { own, runtime } = apartFromRuntime(
    mergeSites(
      found,
      alikeStacks(
        found.map((site) => site.stack),
        stackContext(model),
      ),
    ),
    options,
  );
  own.sort((a, b) => compare(a, b, options.sort));
  yield* siteTable(command, moment, own, runtime, options);
  if (poolSites.length > 0) yield* poolSiteTable(command, poolSites, options);
}

export function runtimeText(runtime: readonly Site[]): string {
  return runtime.some((site) => site.stack.owner.kind === 'memprof')
    ? "Node's runtime with memprof's agent"
    : "Node's runtime";
}

/** Node's own sites are thousands and nobody's bug: they are summed up unless the filters ask for some of them. */
export function apartFromRuntime(
  found: readonly Site[],
  filters: FilterOptions,
): { own: Site[]; runtime: Site[] } {
  const asked =
    filters.package !== undefined || filters.module !== undefined || filters.function !== undefined;
  const isRuntime = (site: Site) => !asked && !isUsers(site.stack.owner);
  return { own: found.filter((site) => !isRuntime(site)), runtime: found.filter(isRuntime) };
}

function compare(a: Site, b: Site, sort: SiteSort): number {
  const by = {
    bytes: () => 0,
    blocks: () => b.live.blockCount - a.live.blockCount,
    allocated: () => b.allocatedBytes - a.allocatedBytes,
    allocations: () => b.allocationCount - a.allocationCount,
    temporary: () => b.temporaryCount - a.temporaryCount,
    age: () => a.oldestBornNs - b.oldestBornNs,
  };
  return by[sort]() || bySize(a, b);
}

function* siteTable(
  command: TraceCommand,
  moment: Moment,
  found: readonly Site[],
  runtime: readonly Site[],
  options: SitesOptions,
): Iterable<string> {
  const shown = found.slice(0, options.limit);
  const { model, style, columns } = command;
  const context = stackContext(model);
  const all = ofWholeRun.has(options.sort);
  const byAge = options.sort === 'age';
  const bytesOf = (sites: readonly Site[]) =>
    sites.reduce((total, site) => total + (all ? site.allocatedBytes : site.live.sizeBytes), 0);
  const countOf = (sites: readonly Site[]) =>
    sites.reduce((total, site) => total + (all ? site.allocationCount : site.live.blockCount), 0);
  const totalBytes = bytesOf(found);
  const totalCount = countOf(found);
  const what = all ? 'over the whole run' : momentText(moment, model);
  const unit = all ? 'allocations' : 'blocks';
  yield style.heading(
    `${formatCount(found.length)} sites, ${formatBytes(totalBytes)} in ${formatCount(totalCount)} ${unit} ${what}`,
  );
  if (runtime.length > 0)
    yield style.faint(
      `and ${runtimeText(runtime)}: ${formatBytes(bytesOf(runtime))} in ${formatCount(countOf(runtime))} ${unit} (--package node)`,
    );
  if (shown.length === 0) return;
  yield '';
  const right = (title: string, paint?: (text: string) => string): Column => ({
    title,
    align: 'right',
    ...(paint === undefined ? {} : { paint }),
  });
  const shape: Column[] = all
    ? [right('allocated', style.bytes), right('%'), right('calls'), right('temporary')]
    : [
        right('bytes', style.bytes),
        right('%'),
        right('blocks'),
        ...(byAge ? [right('oldest')] : []),
      ];
  shape.push(
    { title: 'package', align: 'left' },
    { title: 'where', align: 'left', flexible: true },
  );
  const rows = shown.map((site) => [
    ...(all
      ? [
          formatBytes(site.allocatedBytes),
          formatPercent(site.allocatedBytes, totalBytes),
          formatCount(site.allocationCount),
          formatCount(site.temporaryCount),
        ]
      : [
          formatBytes(site.live.sizeBytes),
          formatPercent(site.live.sizeBytes, totalBytes),
          formatCount(site.live.blockCount),
          ...(byAge ? [formatDuration(moment.atNs - site.oldestBornNs)] : []),
        ]),
    shorten(ownerText(site.stack.owner), 20),
    whereText(site.stack, context),
  ]);
  const table = renderTable(shape, rows, { columns, heading: style.faint });
  yield table[0];
  for (const [at, site] of shown.entries()) {
    yield table[at + 1];
    if (options.stacks === true) {
      yield* stackLines(site.stack, context, { columns, indent: 4, style });
      const placed = placedText(site);
      if (placed !== '') yield `    ${style.faint(placed)}`;
      yield '';
    }
  }
  if (found.length > shown.length)
    yield style.faint(`${formatCount(found.length - shown.length)} more: --limit all`);
  if (options.stacks !== true) yield style.faint('With whole stacks: --stacks');
}

/** Not added up with the sites above: their bytes lie in those. */
function* poolSiteTable(
  { model, columns, style }: TraceCommand,
  found: readonly PoolSite[],
  options: SitesOptions,
): Iterable<string> {
  const context = stackContext(model);
  const shown = found.slice(0, options.limit);
  yield '';
  yield style.heading(
    `${formatCount(found.length)} ${found.length === 1 ? 'site' : 'sites'} in pools, inside the memory above`,
  );
  yield '';
  const table = renderTable(
    [
      { title: 'bytes', align: 'right', paint: style.bytes },
      { title: 'blocks', align: 'right' },
      { title: 'pool', align: 'left' },
      { title: 'type', align: 'left' },
      { title: 'where', align: 'left', flexible: true },
    ],
    shown.map(({ live, pool, type, stack }) => [
      formatBytes(live.sizeBytes),
      formatCount(live.blockCount),
      shorten(escapeText(pool), 20),
      shorten(escapeText(type ?? ''), 24),
      whereText(stack, context),
    ]),
    { columns, heading: style.faint },
  );
  yield table[0];
  for (const [at, { stack }] of shown.entries()) {
    yield table[at + 1];
    if (options.stacks !== true) continue;
    yield* stackLines(stack, context, { columns, indent: 4, style });
    yield '';
  }
  if (found.length > shown.length)
    yield style.faint(`${formatCount(found.length - shown.length)} more: --limit all`);
}

const shorten = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`;
