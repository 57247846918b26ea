// A trace as users of the library have it.
import { ExitCode, MemprofError } from '../errors.js';
import type {
  Block,
  BlockOptions,
  CheckpointFacts,
  EventBatch,
  Filters,
  LeakOptions,
  Leaks,
  MarkFacts,
  ModuleFacts,
  MomentFacts,
  NapiAddon,
  OwnerClass,
  PackageMemory,
  ProcessFacts,
  Site,
  SiteOptions,
  Stack,
  ThreadFacts,
  Trace,
  TraceTotals,
  TreeNode,
  TreeOptions,
  Verdict,
} from '../library/index.js';
import type { LiveSet, Moment, StackId, TraceModel } from '../model/index.js';
import {
  addonJson,
  blockFilter,
  bySize,
  checkpointJson,
  chooseCheckpoint,
  chooseMoment,
  cutText,
  entryName,
  fullSiteJson,
  leakObjects,
  momentTotals,
  noEvents,
  type OpenedTrace,
  openTraceFile,
  processJson,
  resourceSiteJson,
  stackFilter,
  stackJson,
  threadName,
} from '../query/index.js';
import { readTraceEvents } from '../record/index.js';
import {
  buildTree,
  checkpointStackIds,
  classRows,
  collectNapi,
  collectOwners,
  collectSites,
  everyStack,
  isToActOn,
  liveStackIds,
  resourceStackIds,
} from '../report/index.js';
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import { EventColumns } from './events.js';

import { plainTree } from './tree.js';

export function openTrace(path: string): Trace {
  return new OpenTrace(path);
}

class OpenTrace implements Trace {
  readonly path: string;
  readonly formatVersion: number;
  readonly process: ProcessFacts;
  readonly totals: TraceTotals;
  readonly losses: Trace['losses'];
  readonly complete: boolean;
  readonly hasEvents: boolean;
  readonly warnings: string[] = [];
  readonly moments: MomentFacts[];
  readonly threads: ThreadFacts[];
  readonly modules: ModuleFacts[];
  readonly marks: MarkFacts[];
  readonly checkpoints: CheckpointFacts[];
  /** null: closed. */
  #opened: OpenedTrace | null;

  constructor(path: string) {
    const opened = openTraceFile(path, (sentence) => this.warnings.push(sentence));
    const { model } = opened;
    this.#opened = opened;
    this.path = path;
    this.formatVersion = model.formatVersion;
    this.process = processJson(model);
    const { eventCounts: _calls, ...totals } = model.totals;
    this.totals = totals;
    this.losses = { ...model.losses };
    this.complete = model.complete;
    this.hasEvents = model.hasEvents;
    const cut = cutText(opened);
    if (cut !== null) this.warnings.push(cut);
    this.moments = momentsOf(model);
    this.threads = model.threads.map((one) => ({ ...one }));
    this.modules = model.modules.map(
      ({ path, buildId, base, low, high, loadedNs, unloadedNs }) => ({
        path,
        buildId,
        base,
        low,
        high,
        loadedNs,
        unloadedNs,
      }),
    );
    this.marks = model.marks.map(({ kind, atNs, text }) => ({ kind, atNs, text }));
    this.checkpoints = (model.checkpoints ?? []).map(checkpointJson);
  }

  async packages(): Promise<PackageMemory[]> {
    const { model, nameStacks } = this.#open();
    const symbols = await nameStacks(model, liveStackIds(model));
    return collectOwners(model, symbols).map(({ owner, beforeTeardown, atEnd }) => ({
      owner: owner.kind,
      package: owner.package,
      module: owner.kind === 'module' ? owner.module : null,
      beforeTeardown,
      atEnd,
    }));
  }

  async sites(options: SiteOptions = {}): Promise<Site[]> {
    const { model, nameStacks } = this.#open();
    const moment = chooseMoment(model, options.moment);
    const all = options.all === true;
    const filter = blockFilter(model, moment, options);
    if (all && filter !== null)
      throw new MemprofError(
        'ERR_MEMPROF_USAGE',
        'sites({ all: true }) has sites without a live block, which have no thread, size or age. Leave one or the other out',
        ExitCode.usage,
      );
    // Totals over the run take in stacks without a live block.
    const symbols = await nameStacks(model, liveStackIds(model, true));
    const passes = stackFilter(options) ?? (() => true);
    return collectSites(model, symbols, moment, { all, ...(filter === null ? {} : { filter }) })
      .filter((site) => passes(site.stack))
      .sort(bySize)
      .map((site) => fullSiteJson(site, model, moment));
  }

  async *blocks(options: BlockOptions = {}): AsyncGenerator<Block, void, undefined> {
    const { model, nameStacks } = this.#open();
    const { live, atNs, verdict } = liveAt(model, options.moment);
    const filter = blockFilter(model, { atNs }, options);
    const passes = stackFilter(options);
    const isNamed = passes !== null || options.names !== false;
    const ids = isNamed ? new Set(live.stackId.subarray(0, live.count)) : [];
    const symbols = await nameStacks(model, ids as Iterable<StackId>);
    const stackOf = new Stacks(symbols, passes);
    for (let row = 0; row < live.count; row++) {
      if (filter !== null && !filter(live, row)) continue;
      const stackId = live.stackId[row] as StackId;
      const stack = isNamed ? stackOf.stack(stackId) : null;
      if (isNamed && stack === null) continue;
      const thread = model.threads[live.threadIndex[row]!];
      yield {
        address: live.address[row]!,
        sizeBytes: live.sizeBytes[row]!,
        bornNs: live.bornNs[row]!,
        ageNs: atNs - live.bornNs[row]!,
        thread: thread === undefined ? 'unknown' : threadName(thread, model),
        entry: entryName(live.entry[row]!),
        stackId,
        stack: options.names === false ? null : stack,
        ...(verdict === null ? {} : { verdict: verdict[row]! }),
      };
    }
  }

  async tree(options: TreeOptions = {}): Promise<TreeNode> {
    const { model, nameStacks } = this.#open();
    const moment = chooseMoment(model, options.moment);
    const symbols = await nameStacks(model, liveStackIds(model));
    const filter = blockFilter(model, moment, options);
    const passes = stackFilter(options) ?? (() => true);
    const sites = collectSites(model, symbols, moment, filter === null ? {} : { filter });
    return plainTree(
      buildTree(
        sites.filter((site) => passes(site.stack)),
        { inverted: options.inverted === true },
      ),
    );
  }

  owners(options: { at?: number } = {}): OwnerClass[] {
    return classRows(chooseCheckpoint(this.#open().model, options.at));
  }

  async leaks(options: LeakOptions = {}): Promise<Leaks> {
    const opened = this.#open();
    const { model } = opened;
    const checkpoint = chooseCheckpoint(model, options.at);
    const passes = stackFilter(options) ?? (() => true);
    const symbols = await opened.nameStacks(model, checkpointStackIds(model.checkpoints ?? []));
    const { report, sites } = await leakObjects(
      opened,
      symbols,
      checkpoint,
      (site) => passes(site.stack) && (options.all === true || isToActOn(site)),
    );
    return {
      checkpoint: checkpointJson(checkpoint),
      checkpointCount: report.checkpointCount,
      totals: Object.fromEntries(report.users),
      runtimeTotals: Object.fromEntries(report.runtime),
      sites,
    };
  }

  async napi(options: Pick<Filters, 'package' | 'module' | 'function'> = {}): Promise<NapiAddon[]> {
    const { model, nameStacks } = this.#open();
    const ids = new Set([...resourceStackIds(model), ...liveStackIds(model)]);
    const symbols = await nameStacks(model, ids);
    const passes = stackFilter(options) ?? (() => true);
    return collectNapi(model, symbols, everyStack)
      .map((addon) => ({
        ...addonJson(addon),
        sites: addon.sites.filter((site) => passes(site.stack)).map(resourceSiteJson),
      }))
      .filter((addon) => addon.sites.length > 0);
  }

  async stacks(stackIds: Iterable<number>): Promise<Map<number, Stack>> {
    const { model, nameStacks } = this.#open();
    const ids = [...new Set(stackIds)] as StackId[];
    const symbols = await nameStacks(model, ids);
    return new Map(ids.map((id) => [id, stackJson(symbols.stack(id))]));
  }

  events(): Generator<EventBatch, void, undefined> {
    const { model, tracePath } = this.#open();
    if (!model.hasEvents) throw noEvents(tracePath);
    return batchesOf(tracePath);
  }

  entryName(entry: number): string {
    return entryName(entry);
  }

  close(): void {
    this.#opened = null;
  }

  #open(): OpenedTrace {
    if (this.#opened === null)
      throw new MemprofError(
        'ERR_MEMPROF_CLOSED',
        `${this.path} was closed. Ask before close(), or open it again`,
      );
    return this.#opened;
  }
}

function* batchesOf(path: string): Generator<EventBatch, void, undefined> {
  const columns = new EventColumns();
  for (const { batch, nsPerTick } of readTraceEvents(path)) yield columns.next(batch, nsPerTick);
}

function momentsOf(model: TraceModel): MomentFacts[] {
  const { beforeTeardown, atEnd } = momentTotals(model);
  const facts = (moment: Moment, amount: typeof atEnd): MomentFacts => ({
    name: moment.name,
    atNs: moment.atNs,
    ...amount,
  });
  const last = facts(model.atEnd, atEnd);
  return model.beforeTeardown === null || beforeTeardown === null
    ? [last]
    : [facts(model.beforeTeardown, beforeTeardown), last];
}

function liveAt(
  model: TraceModel,
  moment: BlockOptions['moment'],
): { live: LiveSet; atNs: number; verdict: readonly Verdict[] | null } {
  if (moment !== 'last-checkpoint') return { ...chooseMoment(model, moment), verdict: null };
  const checkpoint = chooseCheckpoint(model, undefined);
  if (checkpoint.detail === null)
    throw new MemprofError(
      'ERR_MEMPROF_NO_CHECKPOINT',
      `the trace was cut before the blocks of checkpoint ${checkpoint.number} were in it. leaks() knows its sums by site`,
    );
  const { live, verdict, pools } = checkpoint.detail;
  // Blocks of pools lie in those before them.
  const count = pools?.firstRow ?? live.count;
  return { live: { ...live, count }, atNs: checkpoint.atNs, verdict };
}

/** One object a stack, however many blocks it has. */
class Stacks {
  readonly #symbols: SymbolizedStacks;
  readonly #passes: ((stack: NamedStack) => boolean) | null;
  readonly #made = new Map<StackId, Stack | null>();

  constructor(symbols: SymbolizedStacks, passes: ((stack: NamedStack) => boolean) | null) {
    this.#symbols = symbols;
    this.#passes = passes;
  }

  /** null: it does not pass. */
  stack(id: StackId): Stack | null {
    let made = this.#made.get(id);
    if (made === undefined) {
      const named = this.#symbols.stack(id);
      made = this.#passes === null || this.#passes(named) ? stackJson(named) : null;
      this.#made.set(id, made);
    }
    return made;
  }
}
