// Puts a report's data together. Pure: what needs files (events, symbols, package.json, sources) comes in.
import type { EventBatch } from '../ledger/index.js';
import type { Moment, StackId, TraceModel } from '../model/index.js';
import {
  checkpointDoubts,
  classRows,
  classText,
  describeEnd,
  type Explained,
  isUsers,
  type LeakReport,
  lossLines,
  type NapiAddon,
  ownerText,
  type RootNames,
  resourceName,
  resourceValueText,
  type StackContext,
  scanText,
} from '../report/index.js';
import type { Owner, SymbolizedStacks } from '../symbols/index.js';
import { packBlocks, type WayToHold, whyPaths } from './checkpoint-blocks.js';
import { findingsOf } from './findings.js';
import type { RunningTotals } from './growing-cells.js';
import { memoryFacts, memoryFindings } from './memory-facts.js';
import { missingFrom } from './missing.js';
import { Packer } from './pack.js';
import {
  type ComparedFacts,
  columnTables,
  type LiveFacts,
  type NapiFacts,
  type NapiKind,
  type ReportHead,
  reportSchema,
  type SourceFacts,
} from './report-data.js';
import { collectSources, type ReadSource } from './sources.js';
import type { StackIndex } from './stack-index.js';
import type { SumTable } from './sum-table.js';
import { safeText } from './texts.js';
import {
  bucketRadix,
  cellsOfMoment,
  sizeRadix,
  type TimeCells,
  type TimeCellsOptions,
  threadRadix,
  timeCells,
} from './time-cells.js';

export interface ReportInput {
  model: TraceModel;
  traceName: string;
  memprofVersion: string;
  index: StackIndex;
  symbols: SymbolizedStacks;
  context: StackContext;
  /** null: the trace has no events. */
  batches: Iterable<{ batch: EventBatch; nsPerTick: number }> | null;
  leaks: LeakReport | null;
  ways: readonly WayToHold[];
  names: RootNames;
  napi: readonly NapiAddon[];
  readSource: ReadSource;
  /** Facts for the reader, from whoever made the trace or read it. */
  warnings: readonly string[];
  /** Owners of the stacks of memoryStackIds() of each checkpoint; without it resident memory is not explained. */
  ownerOf?: (id: StackId) => Owner;
  /** An earlier trace to compare with. */
  before?: { model: TraceModel; traceName: string; symbols: SymbolizedStacks };
  bucketCount?: number;
  mostCells?: number;
  /** For pages that are fed while the program runs. */
  live?: Omit<LiveFacts, 'stackOfSite'>;
  /** Summed up already; else the events are. */
  summed?: { time: TimeCells; totals: RunningTotals };
}

const usualBuckets = 192;
/** About 2 MiB in the file. */
const usualMostCells = 350_000;

/** The report's data, as the page unpacks them. */
export function buildReport(input: ReportInput): Uint8Array {
  const { model, index } = input;
  const packer = new Packer();
  const threads = threadRows(model);
  const options = {
    siteOf: index.siteOf,
    threadOf: (threadIndex: number) => Math.min(threadIndex, threads.length - 1),
    bucketCount: input.bucketCount ?? usualBuckets,
    mostCells: input.mostCells ?? usualMostCells,
  };
  const time = input.summed?.time ?? timeOf(input, options);
  packTime(packer, time);
  const checkpoint = model.checkpoints?.at(-1) ?? null;
  const explained: Explained | null =
    checkpoint === null || checkpoint.detail === null
      ? null
      : { model, checkpoint, detail: checkpoint.detail };
  let blockNames = { types: [''], classes: [''] };
  if (explained !== null)
    blockNames = packBlocks(
      packer,
      explained,
      index,
      input.symbols,
      input.names,
      time.edges,
      options.threadOf,
    );
  else for (const name of columnTables.blocks) packer.add(`blocks.${name}`, 'u8', []);
  const napi = input.napi.map((addon) => napiFacts(addon, index));
  const isRunning = input.live?.isRunning === true;
  const memory = memoryFacts(packer, input);
  const findings = isRunning ? [] : findingsOf(input);
  // Worst first: notes on memory come behind what leaks and before what only passed.
  const memoryFound = isRunning ? [] : memoryFindings(memory, findings);
  const notes = findings.findIndex(({ level }) => level === 'note');
  findings.splice(notes < 0 ? findings.length : notes, 0, ...memoryFound);
  const whys =
    explained === null
      ? []
      : whyPaths(explained, input.ways, index, input.symbols, input.names, input.context);
  const sources = sourcesOf(input, time, [
    ...findings.map((one) => one.group ?? 0),
    ...(memory.checkpoints.at(-1)?.pinning ?? []).slice(0, 10).map(({ group }) => group),
  ]);
  const compared = packBefore(packer, input);
  index.pack(packer);
  const moment = model.beforeTeardown ?? model.atEnd;
  const teardownEdge = time.edges.findLastIndex((edge) => edge.kind === 'teardown');
  const head: ReportHead = {
    schema: reportSchema,
    memprofVersion: input.memprofVersion,
    traceName: safeText(input.traceName, 300),
    command: safeText(model.process.argv.join(' ') || model.process.executable, 600),
    pid: model.process.pid,
    nodeVersion:
      model.process.nodeVersion === null ? null : safeText(model.process.nodeVersion, 40),
    startRealtimeMs: model.process.startRealtimeMs,
    durationNs: model.process.durationNs,
    ended: isRunning ? 'is running' : describeEnd(model.process),
    isEndedWell: isRunning || isEndedWell(model),
    hasEvents: input.batches !== null || input.summed !== undefined,
    isComplete: model.complete,
    totals: {
      ...totalsOf(model, moment),
      ...input.summed?.totals,
      ...(isRunning ? { momentText: 'now' } : {}),
    },
    edges: time.edges.map((edge) => ({ ...edge, text: safeText(edge.text, 120) })),
    defaultEndEdge: teardownEdge < 0 ? time.edges.length - 1 : teardownEdge,
    peakEdge: time.edges.findIndex((edge) => edge.kind === 'peak'),
    packages: index.packages,
    threads,
    runtimePackages: [...index.runtimePackages],
    strings: index.strings.all,
    classes: blockNames.classes,
    types: blockNames.types,
    losses: lossLines(model),
    missing: missingFrom(input, explained),
    findings,
    checkpoints: (model.checkpoints ?? []).map((one) => ({
      number: one.number,
      atNs: one.atNs,
      reason: one.reason,
      liveBytes: one.liveBytes,
      liveCount: one.liveCount,
      notes: [scanText(one), ...checkpointDoubts(one)].map((text) => safeText(text, 500)),
    })),
    verdictCheckpoint: checkpoint?.number ?? null,
    hasVerdicts: explained !== null && checkpoint?.scanFailure === null,
    classTable:
      checkpoint === null
        ? []
        : classRows(checkpoint)
            .slice(0, 5000)
            .map(({ className, ...row }) => ({
              ...row,
              name: safeText(classText(className), 300),
            })),
    whys,
    napi,
    memory,
    sources,
    coarseness: time.coarseness,
    compared,
    ...(input.live === undefined
      ? {}
      : { live: { ...input.live, stackOfSite: index.stackOfSite() } }),
  };
  return packer.finish(head);
}

function timeOf({ model, batches }: ReportInput, options: TimeCellsOptions): TimeCells {
  return batches === null ? cellsOfMoment(model, options) : timeCells(model, batches, options);
}

function packBefore(packer: Packer, { before, index }: ReportInput): ComparedFacts | null {
  const sums = new Map<number, { count: number; bytes: number }>();
  const total = { count: 0, bytes: 0 };
  if (before !== undefined) {
    const { live } = before.model.beforeTeardown ?? before.model.atEnd;
    const ids = new Set(live.stackId) as Set<StackId>;
    const siteOf = index.addOther(before.model, before.symbols, ids);
    for (let row = 0; row < live.count; row++) {
      const site = siteOf[live.stackId[row]!] ?? 0;
      const sum = sums.get(site) ?? { count: 0, bytes: 0 };
      for (const into of [sum, total]) {
        into.count++;
        into.bytes += live.sizeBytes[row]!;
      }
      sums.set(site, sum);
    }
  }
  const rows = [...sums].sort((a, b) => a[0] - b[0]);
  const column = (pick: (row: (typeof rows)[number]) => number) => rows.map(pick);
  packer.add(
    'before.site',
    'u32',
    column(([site]) => site),
    { isDelta: true },
  );
  packer.add(
    'before.count',
    'f64',
    column(([, sum]) => sum.count),
  );
  packer.add(
    'before.bytes',
    'f64',
    column(([, sum]) => sum.bytes),
  );
  if (before === undefined) return null;
  const { model, traceName } = before;
  return {
    traceName: safeText(traceName, 300),
    momentText: momentName(model, model.beforeTeardown ?? model.atEnd),
    sizeBytes: total.bytes,
    blockCount: total.count,
  };
}

function isEndedWell(model: TraceModel): boolean {
  const { how, code } = model.process.ended;
  return how !== 'signal' && how !== 'uncaught-exception' && how !== 'unknown' && (code ?? 0) === 0;
}

/** One row a thread, as long as there are few; else the last row stands for all further ones. */
function threadRows(model: TraceModel): string[] {
  const rows = model.threads.map((thread) =>
    thread.tid === model.process.pid
      ? 'main'
      : safeText(thread.name === '' ? `tid ${thread.tid}` : `${thread.name} (${thread.tid})`, 80),
  );
  if (rows.length === 0) return ['main'];
  if (rows.length <= threadRadix) return rows;
  return [...rows.slice(0, threadRadix - 1), `${rows.length - threadRadix + 1} more threads`];
}

function totalsOf(model: TraceModel, moment: Moment): ReportHead['totals'] {
  const sum = ({ live }: Moment) => {
    let bytes = 0;
    for (let row = 0; row < live.count; row++) bytes += live.sizeBytes[row]!;
    return bytes;
  };
  const { totals } = model;
  let temporaryCount = 0;
  for (const count of model.stackTotals.temporaryCount) temporaryCount += count;
  return {
    allocationCount: totals.allocationCount,
    allocatedBytes: totals.allocatedBytes,
    releaseCount: totals.releaseCount,
    temporaryCount,
    peakBytes: totals.peakBytes,
    peakBlockCount: totals.peakBlockCount,
    peakNs: totals.peakNs,
    liveBytes: sum(moment),
    liveCount: moment.live.count,
    momentText: momentName(model, moment),
    endBytes: sum(model.atEnd),
    endCount: model.atEnd.live.count,
  };
}

function momentName(model: TraceModel, moment: Moment): string {
  if (moment.name === 'before-teardown') return "before Node's teardown";
  if (model.process.ended.how === 'still-running') return 'when recording stopped';
  return model.complete ? 'at the end' : 'where the trace was cut';
}

function packTime(packer: Packer, time: TimeCells): void {
  packSums(packer, 'cells', time.cells, (low) => [
    Math.floor(low / (sizeRadix * bucketRadix)),
    Math.floor(low / sizeRadix) % bucketRadix,
    low % sizeRadix,
  ]);
  packSums(packer, 'temporary', time.temporary, (low) => [low]);
  packSums(packer, 'lives', time.lives, (low) => [low]);
  packer.add('series.maxBytes', 'f64', time.maxBytes);
  packer.add('collections.count', 'f64', time.collections.count);
  packer.add('collections.pause', 'f64', time.collections.pauseNs);
}

/** Key columns after site and thread are those of columnTables; the last two are count and bytes. */
function packSums(
  packer: Packer,
  name: 'cells' | 'temporary' | 'lives',
  table: SumTable,
  split: (low: number) => number[],
): void {
  const order = table.sorted();
  const column = (pick: (row: number) => number) => Float64Array.from(order, pick);
  const site = column((row) => Math.floor(table.high[row]! / threadRadix));
  packer.add(`${name}.site`, 'u32', site, { isDelta: true });
  packer.add(
    `${name}.thread`,
    'u8',
    column((row) => table.high[row]! % threadRadix),
  );
  const keys = columnTables[name].slice(2, -2);
  for (const [at, key] of keys.entries())
    packer.add(
      `${name}.${key}`,
      'u16',
      column((row) => split(table.low[row]!)[at]!),
      { isDelta: key === 'birth' || key === 'death' || key === 'bucket' },
    );
  packer.add(
    `${name}.count`,
    'f64',
    column((row) => table.blockCount[row]!),
  );
  packer.add(
    `${name}.bytes`,
    'f64',
    column((row) => table.sizeBytes[row]!),
  );
}

function napiFacts(addon: NapiAddon, index: StackIndex): NapiFacts {
  const kindOf = ({ kind, ...counts }: NapiAddon['kinds'][number]): NapiKind => ({
    kind: resourceName(kind),
    createdCount: counts.createdCount,
    releasedCount: counts.releasedCount,
    finalizedCount: counts.finalizedCount,
    tornDownCount: counts.tornDownCount,
    outstandingCount: counts.outstandingCount,
    value: resourceValueText(kind, counts.outstandingValue),
  });
  const isOwn = isUsers(addon.owner);
  return {
    packageIndex: index.packageOfOwner(addon.owner),
    label: isOwn ? ownerText(addon.owner) : 'an addon whose frame had left the stack',
    holdsBytes: isOwn ? addon.holdsBytes : null,
    tellsBytes: Math.max(0, addon.tellsBytes),
    findings: addon.findings.map((one) => safeText(one.text, 400)),
    kinds: addon.kinds.map(kindOf),
    sites: addon.sites.slice(0, 2000).map((site) => ({
      ...kindOf(site),
      className: safeText(site.className, 300),
      node: index.nodeOf(site.stack),
    })),
  };
}

/** Of the groups that a reader meets first. */
function sourcesOf(
  { index, readSource, model }: ReportInput,
  time: TimeCells,
  first: readonly number[],
): SourceFacts[] {
  const sums = new Map<number, number>();
  const { cells } = time;
  for (let row = 0; row < cells.count; row++) {
    const site = Math.floor(cells.high[row]! / threadRadix);
    if (!index.isUsersSite(site)) continue;
    const group = index.groupOfSite(site);
    const isLive = Math.floor(cells.low[row]! / sizeRadix) % bucketRadix >= time.edges.length - 1;
    // What stays weighs more than what passes.
    const bytes = cells.sizeBytes[row]! * (isLive ? 1 : 0.01);
    sums.set(group, (sums.get(group) ?? 0) + bytes);
  }
  const groups = [...sums].sort((a, b) => b[1] - a[1]).map(([group]) => group);
  return collectSources(
    [...first.filter((group) => group > 0), ...groups].map((group) => index.placesOfGroup(group)),
    readSource,
    model.process.startRealtimeMs,
  );
}
