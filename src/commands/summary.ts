// memprof summary: what one process allocated and held, by package and by entry point.
import type { PoolLedger, TraceModel } from '../model/index.js';
import {
  allocatorJson,
  checkpointJson,
  entryNames,
  jsonLines,
  momentTotals,
  processJson,
} from '../query/index.js';
import {
  collectOwners,
  formatCount,
  liveStackIds,
  lossLines,
  poolSums,
  renderSummary,
  renderTable,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import type { TraceCommand } from './context.js';

export async function* summary(
  command: TraceCommand,
  options: { json?: boolean },
): AsyncGenerator<string> {
  const { model } = command;
  const symbols = await command.nameStacks(model, liveStackIds(model));
  if (options.json === true) {
    yield* summaryJson(model, symbols);
    return;
  }
  yield* renderSummary(model, symbols, { columns: command.columns, style: command.style });
  const rows = entryCounts(model).map(([name, count]) => [name, formatCount(count)]);
  if (rows.length > 0) {
    yield '';
    yield command.style.heading('Calls');
    yield* renderTable(
      [
        { title: '', align: 'left' },
        { title: '', align: 'right' },
      ],
      rows,
      { columns: command.columns, indent: 2, titles: false },
    );
  }
  const unnamed = symbols.modules.filter((module) => module.reason !== 'ok');
  if (unnamed.length > 0) {
    yield '';
    yield command.style.heading('Modules without symbols');
    yield* renderTable(
      [
        { title: '', align: 'left', flexible: true },
        { title: '', align: 'left' },
      ],
      unnamed.map((module) => [module.path, reasons[module.reason]]),
      { columns: command.columns, indent: 2, titles: false },
    );
  }
}

const reasons = {
  ok: '',
  missing: 'the file is not there',
  changed: 'the file has changed since',
  'not-elf': 'not an ELF file',
  'no-symbols': 'it has none',
};

const lastPools = (pools: PoolLedger) => pools.beforeTeardown ?? pools.atEnd;

/** Most frequent first. */
function entryCounts(model: TraceModel): [string, number][] {
  const counts: [string, number][] = [];
  model.totals.eventCounts.forEach((count, type) => {
    const name = entryNames.get(type);
    if (count > 0 && name !== undefined) counts.push([name, count]);
  });
  return counts.sort((a, b) => b[1] - a[1]);
}

function summaryJson(model: TraceModel, symbols: SymbolizedStacks): Iterable<string> {
  const { totals } = model;
  return jsonLines(
    {
      schema: 'memprof.summary/1',
      process: processJson(model),
      allocator: allocatorJson(model),
      totals: momentTotals(model),
      allocated: { blockCount: totals.allocationCount, sizeBytes: totals.allocatedBytes },
      released: { blockCount: totals.releaseCount, sizeBytes: totals.releasedBytes },
      peak: { blockCount: totals.peakBlockCount, sizeBytes: totals.peakBytes, atNs: totals.peakNs },
      pools: model.pools === undefined ? [] : poolSums(model.pools, lastPools(model.pools)),
      calls: Object.fromEntries(entryCounts(model)),
      checkpoints: (model.checkpoints ?? []).map(checkpointJson),
      losses: model.losses,
      warnings: lossLines(model),
      complete: model.complete,
    },
    {
      packages: collectOwners(model, symbols).map((one) => ({
        owner: one.owner.kind,
        package: one.owner.package,
        module: one.owner.kind === 'module' ? one.owner.module : null,
        beforeTeardown: one.beforeTeardown,
        atEnd: one.atEnd,
      })),
      modules: symbols.modules,
    },
  );
}
