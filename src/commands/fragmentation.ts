// memprof fragmentation: how the allocator's heaps are filled, which blocks keep pages that are otherwise empty, and
// in words why memory is resident.
import {
  diagnose,
  type Fragmentation,
  fragmentationOf,
  otherAllocator,
  type PinningStack,
} from '../memory/index.js';
import type { Checkpoint } from '../model/index.js';
import {
  allocatorJson,
  checkpointJson,
  chooseCheckpoint,
  jsonLines,
  processJson,
} from '../query/index.js';
import {
  alikeStacks,
  arenaTable,
  formatBytes,
  formatCount,
  formatDuration,
  otherAllocatorText,
  ownerClassOf,
  ownerText,
  type PinningSite,
  pageTable,
  pinningText,
  plainStyle,
  renderHeatMap,
  shellQuote,
  siteText,
  sizeTable,
  v8NotCollectedText,
  verdictLines,
  withGoneSites,
  wrap,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { stackContext, type TraceCommand } from './context.js';
import { explain, withoutMemory } from './rss.js';

export interface FragmentationOptions {
  at?: number;
  limit: number;
  map?: boolean;
  json?: boolean;
}

/** Names cost time: so many stacks that keep most are named, and their sites shown. */
const namedStacks = 2000;
const mapRows = 24;

export async function* fragmentation(
  command: TraceCommand,
  options: FragmentationOptions,
): AsyncGenerator<string> {
  const { model, style, columns } = command;
  const checkpoint = chooseCheckpoint(model, options.at, withoutMemory(model));
  const { explained } = await explain(command, checkpoint);
  const { memory } = checkpoint;
  if (memory === undefined) return;
  const found = fragmentationOf(checkpoint, memory);
  const diagnosed = diagnose(model.checkpoints ?? [], checkpoint, explained, found);
  const stacks = (found.pinning ?? []).slice(0, namedStacks);
  const gone = diagnosed.flatMap((finding) => finding.stacks ?? []);
  const symbols = await command.nameStacks(
    model,
    [...stacks, ...gone].map((one) => one.stackId),
  );
  const findings = diagnosed.map((finding) => withGoneSites(finding, symbols, stackContext(model)));
  const sites = pinningSites(command, checkpoint, symbols, stacks);
  const notes = [
    v8NotCollectedText(checkpoint.v8?.isolates ?? []),
    otherAllocatorText(memory, otherAllocator(model)),
  ].filter((note) => note !== null);
  if (options.json === true) {
    yield* jsonLines(
      {
        schema: 'memprof.fragmentation/1',
        process: processJson(model),
        checkpoint: checkpointJson(checkpoint),
        findings,
        allocator: allocatorJson(model),
        notes,
        arenas: found.arenas,
        pages: found.pages,
        sizes: found.sizes,
        maps: (found.maps ?? []).map((map) => ({ ...map, occupancy: [...map.occupancy] })),
      },
      { pinning: sites },
    );
    return;
  }
  const { number, atNs } = checkpoint;
  yield style.heading(
    `Checkpoint ${number}, after ${formatDuration(atNs)}: ${formatBytes(explained.residentBytes)} resident`,
  );
  yield '';
  yield* verdictLines(
    findings,
    `${command.memprofCommand} leaks ${shellQuote(command.tracePath)}`,
    style,
  );
  for (const note of notes) {
    yield '';
    yield* wrap(note, columns, '', '');
  }
  if (memory.heaps.length === 0) return;
  yield '';
  yield style.strong('Arenas (resident bytes)');
  yield* arenaTable(found, { columns, style, limit: options.limit });
  if (found.pages === null) {
    yield '';
    yield style.faint('Single pages are kept of the last checkpoint only.');
    return;
  }
  yield* details(command, found, sites, options);
}

function* details(
  { columns, style }: TraceCommand,
  found: Fragmentation,
  sites: readonly PinningSite[],
  options: FragmentationOptions,
): Iterable<string> {
  yield '';
  yield style.strong('Resident pages of the heaps');
  yield* pageTable(found.pages ?? [], { columns, style });
  yield '';
  yield style.strong('Live blocks by size');
  yield* sizeTable(found.sizes ?? [], { columns, style });
  if (sites.length > 0) {
    yield '';
    yield style.strong('What keeps pages that are filled below a quarter');
    for (const site of sites.slice(0, options.limit)) yield `  ${pinningText(site)}`;
    const rest = sites.length - options.limit;
    if (rest > 0) yield style.faint(`  ${formatCount(rest)} more sites: --limit all`);
  }
  if (options.map !== true) {
    yield '';
    yield style.faint('As a picture: --map');
    return;
  }
  yield '';
  yield style.strong('Heaps by page: how much of each resident page live blocks fill');
  yield* renderHeatMap(found.maps ?? [], {
    columns: Math.min(columns, 128),
    colours: style !== plainStyle,
    rows: mapRows,
  });
}

/** Stacks that display equal are one site, largest first. */
function pinningSites(
  { model }: TraceCommand,
  checkpoint: Checkpoint,
  symbols: SymbolizedStacks,
  stacks: readonly PinningStack[],
): PinningSite[] {
  const context = stackContext(model);
  const alike = alikeStacks(
    stacks.map((one) => symbols.stack(one.stackId)),
    context,
  );
  const sites = new Map<number, PinningSite>();
  for (const one of stacks) {
    const stack = symbols.stack(one.stackId);
    const key = alike.keyOf(stack);
    const ageNs = checkpoint.atNs - one.oldestBornNs;
    const site = sites.get(key);
    if (site !== undefined) {
      site.blockCount += one.blockCount;
      site.sizeBytes += one.sizeBytes;
      site.pageCount += one.pageCount;
      site.keptBytes += one.keptBytes;
      site.ageNs = Math.max(site.ageNs, ageNs);
      continue;
    }
    sites.set(key, {
      blockCount: one.blockCount,
      sizeBytes: one.sizeBytes,
      pageCount: one.pageCount,
      keptBytes: one.keptBytes,
      ageNs,
      text: siteText(symbols, one.stackId, context),
      package: ownerText(stack.owner),
      className: ownerClassOf(checkpoint, one.rows),
    });
  }
  return [...sites.values()].sort((a, b) => b.keptBytes - a.keptBytes);
}
