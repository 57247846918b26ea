// A trace as tables for databases and spreadsheets: its blocks, its events, its stacks. Rows come in batches of
// columns, so a table of any length passes through. Pure.
import { type EventBatch, EventType } from '../ledger/index.js';
import type { Moment, StackId, TraceModel } from '../model/index.js';
import { ownerText } from '../report/index.js';
import type { NamedStack, StackFrame, SymbolizedStacks } from '../symbols/index.js';
import { frameName, framePlace } from './frames.js';
import type { TimedBatch } from './replay.js';

export type ColumnType = 'integer' | 'text';

export interface TableColumn {
  name: string;
  type: ColumnType;
}

/** Values by column, all of one length; null: not known. */
export type TableBatch = readonly (readonly (number | string | null)[])[];

export interface Table {
  columns: readonly TableColumn[];
  batches: Iterable<TableBatch>;
}

export interface TableNames {
  entryName(type: number): string;
  threadName(threadIndex: number): string;
}

export type RowKind = 'blocks' | 'events' | 'stacks';

const rowsPerBatch = 1 << 16;
const integer = (name: string): TableColumn => ({ name, type: 'integer' });
const text = (name: string): TableColumn => ({ name, type: 'text' });

const stackColumns = [
  text('package'),
  text('function'),
  text('file'),
  integer('line'),
  text('module'),
];

/** One row a live block, with the place that allocated it; stacksTable has the rest of its stack. */
export function blocksTable(
  model: TraceModel,
  moment: Moment,
  symbols: SymbolizedStacks,
  names: TableNames,
): Table {
  const { live, atNs } = moment;
  const cellsOf = stackCells(symbols);
  return {
    columns: [
      integer('address'),
      integer('size_bytes'),
      integer('born_ns'),
      integer('age_ns'),
      text('thread'),
      text('entry'),
      integer('stack_id'),
      ...stackColumns,
    ],
    batches: inBatches(live.count, (row) => {
      const id = live.stackId[row]! < model.stacks.count ? live.stackId[row]! : 0;
      return [
        live.address[row]!,
        live.sizeBytes[row]!,
        Math.round(live.bornNs[row]!),
        Math.round(atNs - live.bornNs[row]!),
        names.threadName(live.threadIndex[row]!),
        names.entryName(live.entry[row]!),
        id,
        ...cellsOf(id as StackId),
      ];
    }),
  };
}

/** One row a stack that allocated: what the stack ids of events mean. */
export function stacksTable(model: TraceModel, symbols: SymbolizedStacks): Table {
  const totals = model.stackTotals;
  const ids = [...totals.allocationCount.keys()].filter((id) => totals.allocationCount[id]! > 0);
  const cellsOf = stackCells(symbols);
  return {
    columns: [
      integer('stack_id'),
      integer('allocations'),
      integer('allocated_bytes'),
      integer('temporary'),
      integer('live_blocks'),
      integer('live_bytes'),
      ...stackColumns,
      text('stack'),
    ],
    batches: inBatches(ids.length, (row) => {
      const id = ids[row]!;
      return [
        id,
        totals.allocationCount[id]!,
        totals.allocatedBytes[id]!,
        totals.temporaryCount[id]!,
        totals.liveCount[id]!,
        totals.liveBytes[id]!,
        ...cellsOf(id as StackId),
        symbols
          .stack(id as StackId)
          .frames.map(frameLine)
          .join('\n'),
      ];
    }),
  };
}

/** One row an allocation or release, in order. */
export function eventsTable(batches: Iterable<TimedBatch>, names: TableNames): Table {
  return {
    columns: [
      text('event'),
      integer('serial'),
      integer('time_ns'),
      text('thread'),
      text('entry'),
      integer('address'),
      integer('size_bytes'),
      integer('stack_id'),
    ],
    batches: eventBatches(batches, names),
  };
}

function* eventBatches(batches: Iterable<TimedBatch>, names: TableNames): Generator<TableBatch> {
  let nextSerial = 0;
  for (const { batch, nsPerTick } of batches) {
    const columns: (number | string | null)[][] = Array.from({ length: 8 }, () => []);
    const push = (
      event: string,
      serial: number | null,
      row: number,
      entry: number,
      tick: number,
    ) => {
      const isKnown = serial !== null;
      const cells = [
        event,
        serial,
        Math.round(tick * nsPerTick),
        names.threadName(batch.threadIndex[row]!),
        names.entryName(entry),
        batch.address(row),
        isKnown ? batch.sizeBytes(row) : null,
        isKnown ? batch.stackId[row]! : null,
      ];
      for (const [at, cell] of cells.entries()) columns[at]!.push(cell);
    };
    for (let row = 0; row < batch.count; row++) nextSerial = pushRow(batch, row, nextSerial, push);
    if (columns[0]!.length > 0) yield columns;
  }
}

function pushRow(
  batch: EventBatch,
  row: number,
  nextSerial: number,
  push: (event: string, serial: number | null, row: number, entry: number, tick: number) => void,
): number {
  const type = batch.type[row]!;
  if (type > EventType.freeLast && type < EventType.pair) return nextSerial;
  if (type > EventType.allocLast && type < EventType.pair) {
    const age = batch.age[row]!;
    push('release', age < 0 ? null : nextSerial - 1 - age, row, type, batch.tick(row));
    return nextSerial;
  }
  const isPair = type >= EventType.pair;
  push('allocation', nextSerial, row, isPair ? type - EventType.pair : type, batch.tick(row));
  if (isPair) push('release', nextSerial, row, EventType.free, batch.endTick(row));
  return nextSerial + 1;
}

function* inBatches(
  rowCount: number,
  cellsOf: (row: number) => readonly (number | string | null)[],
): Generator<TableBatch> {
  for (let from = 0; from < rowCount; from += rowsPerBatch) {
    const columns: (number | string | null)[][] = [];
    const end = Math.min(rowCount, from + rowsPerBatch);
    for (let row = from; row < end; row++) {
      for (const [at, cell] of cellsOf(row).entries()) {
        const column = columns[at];
        if (column === undefined) columns.push([cell]);
        else column.push(cell);
      }
    }
    yield columns;
  }
}

function stackCells(symbols: SymbolizedStacks) {
  const known = new Map<string, readonly (number | string | null)[]>();
  return (id: StackId) => {
    const stack = symbols.stack(id);
    let cells = known.get(stack.key);
    if (cells === undefined) known.set(stack.key, (cells = cellsOfStack(stack)));
    return cells;
  };
}

function cellsOfStack(stack: NamedStack): readonly (number | string | null)[] {
  const { owner, frames } = stack;
  const site = frames.find((frame) => isOwn(frame, owner.module)) ?? frames[0];
  const known = site === undefined || site.kind === 'marker' ? null : site;
  return [
    owner.package === null ? owner.kind : ownerText(owner),
    site === undefined ? null : frameName(site),
    known?.file ?? null,
    known?.line ?? null,
    owner.module,
  ];
}

const isOwn = (frame: StackFrame, module: string | null): boolean =>
  frame.kind !== 'marker' && module !== null && frame.module === module;

function frameLine(frame: StackFrame): string {
  const place = framePlace(frame);
  return place === '' ? frameName(frame) : `${frameName(frame)} (${place})`;
}
