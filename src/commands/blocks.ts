// memprof blocks: every live block, in order of allocation.
import type { LiveSet, Moment, PoolMoment, StackId, TraceModel } from '../model/index.js';
import {
  blockFilter,
  chooseMoment,
  entryName,
  type FilterOptions,
  jsonLines,
  momentText,
  momentTotals,
  processJson,
  stackFilter,
  stackJson,
  threadName,
} from '../query/index.js';
import {
  containerText,
  escapeText,
  formatBytes,
  formatCount,
  formatDuration,
  frameText,
  liveStackIds,
  momentContainers,
  ownerText,
  padText,
  poolsAt,
  shortPlaceOf,
  siteFrame,
  truncateEnd,
  typeAt,
} from '../report/index.js';
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import { stackContext, type TraceCommand } from './context.js';

export interface BlocksOptions extends FilterOptions {
  moment?: Moment['name'];
  limit: number;
  json?: boolean;
}

export async function* blocks(
  command: TraceCommand,
  options: BlocksOptions,
): AsyncGenerator<string> {
  const { model } = command;
  const moment = chooseMoment(model, options.moment);
  const symbols = await command.nameStacks(model, liveStackIds(model));
  const rows = wantedRows(model, moment, symbols, options);
  const shown = rows.slice(0, options.limit);
  const { live } = moment;
  const inPools = poolsAt(model, moment.name);
  const poolRows =
    inPools === null ? [] : wantedRows(model, { ...inPools, atNs: moment.atNs }, symbols, options);
  if (options.json === true) {
    const sites = new SiteNumbers(symbols);
    const numbered = shown.map((row) => ({
      row,
      site: sites.numberOf(live.stackId[row] as StackId),
    }));
    const numberedInPools = poolRows.slice(0, options.limit).map((row) => ({
      row,
      site: sites.numberOf(inPools?.live.stackId[row] as StackId),
    }));
    yield* jsonLines(
      {
        schema: 'memprof.blocks/1',
        process: processJson(model),
        totals: momentTotals(model),
        moment: moment.name,
        blockCount: rows.length,
        poolBlockCount: poolRows.length,
      },
      {
        sites: sites.stacks.map(stackJson),
        blocks: blockObjects(model, moment, numbered),
        poolBlocks:
          inPools === null ? [] : poolBlocks(model, moment.atNs, inPools, numberedInPools),
      },
    );
    return;
  }
  yield* blockTable(command, moment, symbols, rows, shown);
  if (inPools === null || poolRows.length === 0) return;
  yield '';
  yield* blockTable(
    command,
    { ...inPools, atNs: moment.atNs, name: moment.name },
    symbols,
    poolRows,
    poolRows.slice(0, options.limit),
    (row) => inPools.pools[inPools.poolIndex[row]].name,
  );
}

function wantedRows(
  model: TraceModel,
  moment: Pick<Moment, 'live' | 'atNs'>,
  symbols: SymbolizedStacks,
  options: BlocksOptions,
): number[] {
  const { live } = moment;
  const filter = blockFilter(model, moment, options);
  const passes = stackFilter(options);
  const rows: number[] = [];
  for (let row = 0; row < live.count; row++) {
    if (filter !== null && !filter(live, row)) continue;
    if (passes !== null && !passes(symbols.stack(live.stackId[row] as StackId))) continue;
    rows.push(row);
  }
  return rows;
}

/** Sites in order of first mention. */
class SiteNumbers {
  readonly stacks: NamedStack[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #symbols: SymbolizedStacks;

  constructor(symbols: SymbolizedStacks) {
    this.#symbols = symbols;
  }

  numberOf(id: StackId): number {
    const stack = this.#symbols.stack(id);
    let number = this.#numbers.get(stack.key);
    if (number === undefined) {
      number = this.stacks.length;
      this.#numbers.set(stack.key, number);
      this.stacks.push(stack);
    }
    return number;
  }
}

function* blockObjects(
  model: TraceModel,
  moment: Moment,
  rows: readonly { row: number; site: number }[],
): Iterable<unknown> {
  const { live } = moment;
  const inPools = poolsAt(model, moment.name);
  const containers = inPools === null ? null : momentContainers(live, inPools);
  for (const { row, site } of rows) {
    yield {
      ...blockObject(model, moment.atNs, live, row),
      entry: entryName(live.entry[row]),
      memoryOfPool: containers?.get(row) ?? null,
      site,
    };
  }
}

function* poolBlocks(
  model: TraceModel,
  atNs: number,
  { live, pools, poolIndex }: PoolMoment,
  rows: readonly { row: number; site: number }[],
): Iterable<unknown> {
  for (const { row, site } of rows)
    yield { ...blockObject(model, atNs, live, row), pool: pools[poolIndex[row]].name, site };
}

function blockObject(model: TraceModel, atNs: number, live: LiveSet, row: number) {
  return {
    address: `0x${live.address[row].toString(16)}`,
    sizeBytes: live.sizeBytes[row],
    ageNs: atNs - live.bornNs[row],
    thread: threadOf(model, live, row),
    type: typeAt(live, row),
    isIgnored: live.announced?.isIgnored[row] === 1,
  };
}

function threadOf(model: TraceModel, live: LiveSet, row: number): string {
  const thread = model.threads[live.threadIndex[row]];
  return thread === undefined ? 'unknown' : threadName(thread, model);
}

function* blockTable(
  command: TraceCommand,
  moment: Moment,
  symbols: SymbolizedStacks,
  rows: readonly number[],
  shown: readonly number[],
  poolOf?: (row: number) => string,
): Iterable<string> {
  const { model, style, columns } = command;
  const { live } = moment;
  const context = stackContext(model);
  const bytes = rows.reduce((sum, row) => sum + live.sizeBytes[row], 0);
  const inPools = poolOf === undefined ? '' : ' in pools, inside the memory above,';
  yield style.heading(
    `${formatCount(rows.length)} blocks, ${formatBytes(bytes)}${inPools} ${momentText(moment, model)}`,
  );
  if (rows.length === 0) return;
  yield '';
  // Fixed widths: there may be millions of rows, so none waits for the last one.
  yield style.faint(
    `${padText('address', 14, 'left')} ${padText('size', 10, 'right')} ${padText('age', 9, 'right')}  ${padText('thread', 10, 'left')} ${padText(poolOf === undefined ? 'entry' : 'pool', 8, 'left')} where`,
  );
  const where = new Map<string, string>();
  const room = Math.max(20, columns - 57);
  const pools = poolOf === undefined ? poolsAt(model, moment.name) : null;
  const containers = pools === null ? null : momentContainers(live, pools);
  for (const row of shown) {
    const stack = symbols.stack(live.stackId[row] as StackId);
    let text = where.get(stack.key);
    if (text === undefined) where.set(stack.key, (text = whereText(stack)));
    const cells = [
      padText(`0x${live.address[row].toString(16)}`, 14, 'left'),
      style.bytes(padText(formatBytes(live.sizeBytes[row]), 10, 'right')),
      `${padText(formatDuration(moment.atNs - live.bornNs[row]), 9, 'right')} `,
      padText(truncateEnd(escapeText(threadOf(model, live, row)), 10), 10, 'left'),
      padText(
        truncateEnd(poolOf === undefined ? entryName(live.entry[row]) : escapeText(poolOf(row)), 8),
        8,
        'left',
      ),
      truncateEnd(`${noteOf(row)}${text}`, room),
    ];
    yield cells.join(' ').trimEnd();
  }
  if (rows.length > shown.length)
    yield style.faint(`${formatCount(rows.length - shown.length)} more: --limit all`);

  /** What the program said of the block. */
  function noteOf(row: number): string {
    const type = typeAt(live, row);
    const container = containers?.get(row);
    if (container !== undefined) return `[${containerText(container)}] `;
    const ignored = live.announced?.isIgnored[row] === 1 ? '[ignored] ' : '';
    return type === null ? ignored : `${ignored}${escapeText(type)}: `;
  }

  function whereText(stack: NamedStack): string {
    const frame = siteFrame(stack, context);
    if (frame === null) return ownerText(stack.owner);
    const place = shortPlaceOf(frame, context);
    return truncateEnd(
      place === '' ? frameText(frame, room) : `${frameText(frame, room)} ${place}`,
      room,
    );
  }
}
