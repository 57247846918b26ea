// Resident memory for the report: at each checkpoint as a sum with its verdict, over time, and the heaps' pages of the
// last checkpoint. The figures are those of memprof rss and memprof fragmentation. Pure.
import {
  allocatorMappings,
  diagnose,
  explainMemory,
  type Fragmentation,
  fragmentationOf,
  type MemoryFinding,
  type MemoryPart,
  mallocBlocks,
  otherAllocator,
  type PinningStack,
  type V8Summary,
  v8Summary,
} from '../memory/index.js';
import {
  type Checkpoint,
  type MemoryPicture,
  type MemoryTimeline,
  type StackId,
  type TraceModel,
  timelineParts,
} from '../model/index.js';
import {
  collectedText,
  inOrder,
  measuredText,
  noMemoryText,
  otherAllocatorText,
  ownerClassOf,
  ownerText,
  pageClassTexts,
  partText,
  partTitles,
  peakText,
  type StackContext,
  timelineRows,
  v8NotCollectedText,
  verdictWords,
  withGoneSites,
} from '../report/index.js';
import { isNodeProcess, type Owner, type SymbolizedStacks } from '../symbols/index.js';
import { packPages } from './memory-map.js';
import type { Packer } from './pack.js';
import {
  columnTables,
  type MemoryAtCheckpoint,
  type MemoryFacts,
  type MemoryPartFacts,
  type PinningFacts,
  type ReportFinding,
  type TimelineFacts,
} from './report-data.js';
import type { StackIndex } from './stack-index.js';
import { safeText } from './texts.js';

const mostCheckpoints = 60;
const mostRows = 40;
/** Of checkpoints before the last. */
const fewRows = 12;
const mostArenas = 130;
const mostPinning = 300;
const timelineRowCount = 24;

export interface MemoryInput {
  model: TraceModel;
  index: StackIndex;
  traceName: string;
  /** Of the stacks of memoryStackIds(); absent: nobody asked, and nothing is explained. */
  ownerOf?: (id: StackId) => Owner;
  live?: { isRunning: boolean };
  symbols: SymbolizedStacks;
  context: StackContext;
}

/** Adds the tables "resident", "parts" and "pages". */
export function memoryFacts(packer: Packer, input: MemoryInput): MemoryFacts {
  const { model, ownerOf } = input;
  const all = model.checkpoints ?? [];
  const telling = ownerOf === undefined ? [] : all.filter(({ memory }) => memory !== undefined);
  const shown = evenly(telling, mostCheckpoints);
  const checkpoints = shown.map((one) =>
    atCheckpoint(packer, input, one, one === telling.at(-1), ownerOf as (id: StackId) => Owner),
  );
  if (!checkpoints.some(({ map }) => map !== null))
    for (const name of columnTables.pages) packer.add(`pages.${name}`, 'u8', []);
  return {
    checkpoints,
    hiddenCheckpointCount: telling.length - shown.length,
    missing: telling.length > 0 ? '' : whyMissing(all, input.live?.isRunning === true),
    timeline: timelineFacts(packer, model.timeline),
  };
}

function whyMissing(checkpoints: readonly Checkpoint[], isRunning: boolean): string {
  const last = checkpoints.at(-1);
  if (isRunning) return 'The program is running: where its memory goes is known when it has ended.';
  if (last === undefined)
    return 'No checkpoint was taken: what resident memory consists of is not known. memprof-run takes one before a Node program ends; --checkpoint 30s takes more of them.';
  const text = noMemoryText(last);
  return safeText(`${text[0]?.toUpperCase() ?? ''}${text.slice(1)}.`, 500);
}

/** Some of many, the last among them. */
function evenly<Item>(items: readonly Item[], most: number): Item[] {
  const step = Math.max(1, Math.ceil(items.length / most));
  return items.filter((_one, at) => (items.length - 1 - at) % step === 0);
}

function atCheckpoint(
  packer: Packer,
  input: MemoryInput,
  checkpoint: Checkpoint,
  isLast: boolean,
  ownerOf: (id: StackId) => Owner,
): MemoryAtCheckpoint {
  const { model } = input;
  const memory = checkpoint.memory as MemoryPicture;
  const explained = explainMemory({
    checkpoint,
    modules: model.modules,
    isNode: isNodeProcess(model.process),
    allocator: allocatorMappings(model),
    ownerOf,
    nameOf: ownerText,
  });
  if (explained === null) throw new TypeError('a checkpoint with memory was not explained');
  const found = fragmentationOf(checkpoint, memory);
  const notes = [
    otherAllocatorText(memory, otherAllocator(model)),
    v8NotCollectedText(checkpoint.v8?.isolates ?? []),
    explained.note,
  ].filter((one) => one !== null);
  const pinning = found.pinning === null ? null : pinningFacts(input, checkpoint, found.pinning);
  return {
    number: checkpoint.number,
    atNs: checkpoint.atNs,
    residentBytes: explained.residentBytes,
    swappedBytes: explained.swappedBytes,
    heap:
      checkpoint.heap === null
        ? null
        : { usedBytes: checkpoint.heap.usedBytes, totalBytes: checkpoint.heap.totalBytes },
    parts: inOrder(explained.parts).map((part) => partFacts(part, isLast ? mostRows : fewRows)),
    verdicts: diagnose(model.checkpoints ?? [], checkpoint, explained, found).map((finding) => ({
      verdict: finding.verdict,
      level: levels[finding.verdict],
      ...verdictWords(
        withGoneSites(finding, input.symbols, input.context),
        `memprof leaks ${safeText(input.traceName, 200)}`,
      ),
    })),
    v8: v8Facts(v8Summary(checkpoint, explained)),
    arenas: found.arenas.slice(0, mostArenas).map(({ arena, isMain, ...use }) => ({
      name: isMain ? 'main' : arena.toString(16),
      residentBytes: use.residentBytes,
      liveAskedBytes: use.liveAskedBytes,
      liveBlockCount: use.liveBlockCount,
      cachedBytes: use.cachedBytes,
      freeBytes: use.freeBytes,
      topBytes: use.topBytes,
      largestFreeBytes: use.largestFreeBytes,
      trimmableBytes: use.trimmableBytes,
    })),
    hiddenArenaCount: Math.max(0, found.arenas.length - mostArenas),
    pages: pageFacts(found),
    sizes: found.sizes,
    pinning: pinning?.slice(0, mostPinning) ?? null,
    hiddenPinning: restOf(pinning?.slice(mostPinning) ?? []),
    map: isLast ? mapOf(packer, input, checkpoint, found) : null,
    notes: notes.map((text) => safeText(text, 500)),
  };
}

function v8Facts(v8: V8Summary | null): MemoryAtCheckpoint['v8'] {
  if (v8 === null) return null;
  const { collected } = v8;
  return {
    spaces: v8.spaces
      .filter(({ committedBytes, usedBytes }) => committedBytes > 0 || usedBytes > 0)
      .map((space) => ({ ...space, name: safeText(space.name, 80) })),
    total: v8.total,
    texts: [measuredText(v8), ...(collected === null ? [] : [collectedText(collected)])],
  };
}

const levels: Readonly<Record<MemoryFinding['verdict'], ReportFinding['level']>> = {
  leak: 'bad',
  growth: 'warning',
  fragmentation: 'warning',
  retention: 'note',
  'not-collecting': 'warning',
  'v8-heap': 'note',
  cache: 'note',
};

function pageFacts({ pages }: Fragmentation): MemoryAtCheckpoint['pages'] {
  if (pages === null) return null;
  return pages.map(({ pageCount, liveBytes }, at) => ({
    text: pageClassTexts[at] ?? '',
    pageCount,
    liveBytes,
  }));
}

function mapOf(
  packer: Packer,
  { index }: MemoryInput,
  { detail, atNs }: Checkpoint,
  { maps }: Fragmentation,
): MemoryAtCheckpoint['map'] {
  if (detail === null || maps === null) return null;
  return packPages(packer, { live: mallocBlocks(detail), maps, atNs, index });
}

function partFacts(part: MemoryPart, most: number): MemoryPartFacts {
  const rows = part.rows.filter(({ residentBytes }) => residentBytes !== 0);
  const hidden = rows.slice(most);
  return {
    kind: part.kind,
    label: partText(part.kind),
    residentBytes: part.residentBytes,
    sizeBytes: part.sizeBytes,
    count: part.count,
    rows: rows.slice(0, most).map((row) => ({ ...row, name: safeText(row.name, 300) })),
    hiddenRows: {
      count: hidden.length,
      residentBytes: hidden.reduce((sum, row) => sum + row.residentBytes, 0),
    },
  };
}

/** Stacks that look alike are one site. */
function pinningFacts(
  { index }: MemoryInput,
  checkpoint: Checkpoint,
  stacks: readonly PinningStack[],
): PinningFacts[] {
  const sites = new Map<number, PinningFacts>();
  for (const stack of stacks) {
    const site = index.siteOf[stack.stackId] ?? 0;
    const group = index.groupOfSite(site);
    const ageNs = checkpoint.atNs - stack.oldestBornNs;
    const known = sites.get(group);
    if (known === undefined) {
      sites.set(group, {
        group,
        packageIndex: index.packageOfSite(site),
        blockCount: stack.blockCount,
        sizeBytes: stack.sizeBytes,
        pageCount: stack.pageCount,
        keptBytes: stack.keptBytes,
        ageNs,
        className: safeText(ownerClassOf(checkpoint, stack.rows), 300),
      });
      continue;
    }
    known.blockCount += stack.blockCount;
    known.sizeBytes += stack.sizeBytes;
    known.pageCount += stack.pageCount;
    known.keptBytes += stack.keptBytes;
    known.ageNs = Math.max(known.ageNs, ageNs);
  }
  return [...sites.values()].sort((a, b) => b.keptBytes - a.keptBytes);
}

const restOf = (rows: readonly PinningFacts[]) => ({
  count: rows.length,
  keptBytes: rows.reduce((sum, row) => sum + row.keptBytes, 0),
});

function timelineFacts(packer: Packer, timeline: MemoryTimeline | undefined): TimelineFacts | null {
  const { samples, parts } = timeline ?? { samples: undefined, parts: undefined };
  const whole = (column: Float64Array | undefined) =>
    Float64Array.from(column ?? [], (value) => Math.max(0, Math.round(value)));
  packer.add('resident.at', 'f64', whole(samples?.atNs), { isDelta: true });
  packer.add('resident.bytes', 'f64', whole(samples?.residentBytes), { isDelta: true });
  packer.add('resident.live', 'f64', whole(samples?.liveBytes), { isDelta: true });
  packer.add('resident.lag', 'f64', whole(samples?.lagNs));
  packer.add('parts.at', 'f64', whole(parts?.atNs), { isDelta: true });
  packer.add('parts.bytes', 'f64', whole(parts?.residentBytes), { isDelta: true });
  for (const part of timelineParts)
    packer.add(`parts.${part}`, 'f64', whole(parts?.[part]), { isDelta: true });
  if (timeline === undefined || samples === undefined || parts === undefined) return null;
  const shown = timelineParts.filter((part) => parts[part].some((value) => value > 0));
  return {
    peakText: peakText(timeline),
    parts: shown.map((key) => ({ key, title: partTitles[key] })),
    rows: timelineRows(timeline, timelineRowCount).map(({ parts: sums, ...row }) => ({
      ...row,
      parts: sums === null ? null : shown.map((key) => sums[key]),
    })),
  };
}

/** What the overview says of memory: leaks are said there site by site. */
export function memoryFindings(
  { checkpoints }: MemoryFacts,
  found: readonly ReportFinding[],
): ReportFinding[] {
  const isGrowing = found.some(({ level }) => level !== 'note');
  return (checkpoints.at(-1)?.verdicts ?? [])
    .filter(
      ({ verdict }) =>
        verdict !== 'leak' && verdict !== 'cache' && (verdict !== 'growth' || !isGrowing),
    )
    .map(({ level, title, facts }) => ({
      level,
      title,
      details: facts,
      view: 'memory',
      measure: 'live',
      group: null,
      packageIndex: null,
    }));
}
