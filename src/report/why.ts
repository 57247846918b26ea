// Why a block is still there: the way from it to its root, and the blocks of a site by the ways they go. Pure.
import {
  type Checkpoint,
  type CheckpointDetail,
  Reach,
  type StackId,
  type TraceModel,
} from '../model/index.js';
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import { typeByStack } from '../types/index.js';
import { type BlockPath, findRoots, leadersOf, pathOf } from '../verdicts/index.js';
import { escapeText } from './escape.js';
import { amountText, shortenType } from './leaks-text.js';
import type { Amount } from './live-sums.js';
import { typeAt } from './pools.js';
import {
  frameText,
  ownerText,
  type StackContext,
  shortPlaceOf,
  siteFrame,
  stackLines,
} from './stack-text.js';
import type { Style } from './style.js';
import { type Column, renderTable } from './table.js';
import { formatBytes, formatCount } from './units.js';
import { addressText, orphanText, type RootNames, rootText, verdictText } from './verdict-words.js';
import { wrap } from './wrap.js';

/** A checkpoint with its blocks. */
export interface Explained {
  model: TraceModel;
  checkpoint: Checkpoint;
  detail: CheckpointDetail;
}

/** Blocks whose ways to their root look the same, as one of them shows. */
export interface PathGroup {
  row: number;
  amount: Amount;
}

/** Further sites than these on its way do not tell a block apart, nor does what lies behind so many hops. */
const toldApartHops = 8;
const mostHops = 64;

/** Most bytes first. */
export function groupPaths(
  { detail }: Explained,
  rows: readonly number[],
  symbols: SymbolizedStacks,
): PathGroup[] {
  const { live, reachability } = detail;
  const head = reachability === null ? null : findRoots(reachability.referrerBlock).head;
  const siteOf = siteNumbers(detail, symbols);
  const groups = new Map<string, PathGroup>();
  for (const row of rows) {
    const shape = shapeOf(detail, row, head, siteOf);
    let group = groups.get(shape);
    if (group === undefined)
      groups.set(shape, (group = { row, amount: { blockCount: 0, sizeBytes: 0 } }));
    group.amount.blockCount++;
    group.amount.sizeBytes += live.sizeBytes[row];
  }
  return [...groups.values()].sort(
    (a, b) => b.amount.sizeBytes - a.amount.sizeBytes || b.amount.blockCount - a.amount.blockCount,
  );
}

/** Equal for blocks whose stacks display equal. */
function siteNumbers(detail: CheckpointDetail, symbols: SymbolizedStacks): (row: number) => number {
  const byKey = new Map<NamedStack['key'], number>();
  const byStack = new Map<number, number>();
  return (row) => {
    const stackId = detail.live.stackId[row];
    let site = byStack.get(stackId);
    if (site === undefined) {
      const { key } = symbols.stack(stackId as StackId);
      site = byKey.get(key) ?? byKey.size;
      byKey.set(key, site);
      byStack.set(stackId, site);
    }
    return site;
  };
}

function shapeOf(
  detail: CheckpointDetail,
  row: number,
  head: Int32Array | null,
  siteOf: (row: number) => number,
): string {
  const { live, reachability, owners, ownerRow } = detail;
  const parts: (string | number)[] = [detail.verdict[row], siteOf(row)];
  let at = row;
  for (
    let hop = 0;
    parts.length < toldApartHops && hop < mostHops && reachability !== null;
    hop++
  ) {
    const holder = reachability.referrerBlock[at];
    if (holder < 0 || holder >= live.count) break;
    // Neither how far down a list nor where in an array makes another way.
    const site = siteOf(holder);
    if (parts.at(-1) !== site || hop === 0) parts.push(site);
    at = holder;
  }
  const top = head === null ? row : head[row];
  const owner = ownerRow[row];
  if (owner >= 0) parts.push(owners.classNames[owners.classIndex[owner]] ?? '');
  else if (reachability !== null && top >= 0 && reachability.reach[top] < Reach.lost)
    parts.push(reachability.reach[top], reachability.root[top], isFixed(detail, top));
  return parts.join(' ');
}

/** Of a global the address counts, of a stack's slot it is chance. */
function isFixed({ reachability }: CheckpointDetail, row: number): number {
  return reachability?.reach[row] === Reach.global ? reachability.referrer[row] : 0;
}

/** One sentence: what holds the block, or why nothing does. */
export function whyText(
  { model, checkpoint, detail }: Explained,
  row: number,
  path: BlockPath,
  names: RootNames,
  context: StackContext,
): string {
  const orphan = detail.orphans.find((one) => one.block === row);
  const leader = leadersOf(detail)[row];
  const root = () => rootText(path.root, detail, model, names, context);
  const isStillPointedTo = path.root.kind !== 'nothing' && path.root.kind !== 'unknown';
  switch (detail.verdict[row]) {
    case 'orphaned': {
      const sentence = `orphaned: ${orphanText(orphan?.className ?? '', orphan?.lastSeen ?? 0, checkpoint.number)}`;
      return isStillPointedTo ? `${sentence}; still pointed to by ${root()}` : sentence;
    }
    case 'pending':
      return 'pending: its object was collected, its finalizer waits to run';
    case 'lost':
      return 'lost: nothing points to it';
    case 'lost-indirect': {
      if (leader < 0) return 'lost: only lost blocks point to it';
      const { address, sizeBytes } = detail.live;
      const first = `${addressText(address[leader])} (${formatBytes(sizeBytes[leader])})`;
      const why = detail.orphans.find((one) => one.block === leader);
      return why === undefined
        ? `lost with ${first}, to which nothing points`
        : `lost behind ${first}: ${orphanText(why.className, why.lastSeen, checkpoint.number)}`;
    }
    case 'unknown':
      return 'not known: the checkpoint was not scanned';
    default:
      return `held by ${root()}`;
  }
}

export interface WhyDrawing {
  columns: number;
  style: Style;
  context: StackContext;
  names: RootNames;
  symbols: SymbolizedStacks;
}

export function* renderWhy(
  explained: Explained,
  group: PathGroup,
  drawing: WhyDrawing,
): Iterable<string> {
  const { detail } = explained;
  const { columns, style, context, names, symbols } = drawing;
  const { row, amount } = group;
  const path = pathOf(detail, row);
  const { live } = detail;
  const type = blockType(explained, row, symbols, names);
  const kind = type === null ? '' : ` ${escapeText(shortenType(type))},`;
  const block = `${addressText(live.address[row])}: ${formatBytes(live.sizeBytes[row])},${kind} ${verdictText[detail.verdict[row]]}`;
  const others =
    amount.blockCount === 1 ? '' : `  (one of ${amountText(amount)} that are reached the same way)`;
  yield* wrap(`${block}${others}`, columns, '', '  ').map(style.strong);
  yield* wrap(whyText(explained, row, path, names, context), columns, '  ', '    ');
  if (path.hops.length > 1) {
    yield '';
    yield* pathLines(explained, path, drawing);
  }
  yield '';
  const stack = symbols.stack(live.stackId[row] as StackId);
  yield style.faint(`  allocated by ${ownerText(stack.owner)}`);
  yield* stackLines(stack, context, { columns, indent: 4, style });
}

/** A C++ class or a container's part; null: not known. */
export function blockType(
  { detail }: Explained,
  row: number,
  symbols: SymbolizedStacks,
  names: RootNames,
): string | null {
  const announced = typeAt(detail.live, row);
  if (announced !== null) return announced;
  const word = detail.reachability?.firstWord[row] ?? 0;
  const named = word === 0 ? null : names.classOf(word);
  return named ?? typeByStack(symbols.stack(detail.live.stackId[row] as StackId));
}

const headHops = 8;
const tailHops = 3;

/** First words of the block and of those on its way that are shown. */
export function wordsOnPath({ detail }: Explained, path: BlockPath): number[] {
  const { reachability } = detail;
  if (reachability === null) return [];
  const { hops } = path;
  return [...hops.slice(0, headHops + 1), ...hops.slice(-tailHops)]
    .map((hop) => reachability.firstWord[hop.row])
    .filter((word) => word !== 0);
}

function* pathLines(
  explained: Explained,
  path: BlockPath,
  { columns, style, context, names, symbols }: WhyDrawing,
): Iterable<string> {
  const { model, detail } = explained;
  const { hops, root } = path;
  const { live } = detail;
  const rows = hops.slice(1).map((hop, at) => {
    const below = hops[at];
    const to = below.insideBytes === 0 ? '' : `, into +0x${below.insideBytes.toString(16)}`;
    const type = blockType(explained, hop.row, symbols, names);
    const kind = type === null ? '' : `${escapeText(shortenType(type))}, `;
    return [
      `${addressText(live.address[hop.row])}+0x${(below.holderOffset ?? 0).toString(16)}`,
      formatBytes(live.sizeBytes[hop.row]),
      `${kind}${siteText(symbols, live.stackId[hop.row] as StackId, context)}${to}`,
    ];
  });
  const shape: Column[] = [
    { title: '', align: 'left' },
    { title: '', align: 'right', paint: style.bytes },
    { title: '', align: 'left', flexible: true },
  ];
  const lines = renderTable(shape, rows, { columns, indent: 4, titles: false });
  const hidden = lines.length - headHops - tailHops;
  yield style.faint('  pointed to by the word at');
  if (hidden > 1) {
    yield* lines.slice(0, headHops);
    yield style.faint(`    ... ${formatCount(hidden)} blocks more`);
    yield* lines.slice(-tailHops);
  } else {
    yield* lines;
  }
  yield* wrap(rootText(root, detail, model, names, context), columns, '    ', '      ');
}

/** What allocated a block, in one line. */
export function siteText(
  symbols: SymbolizedStacks,
  stackId: StackId,
  context: StackContext,
): string {
  const stack = symbols.stack(stackId);
  const frame = siteFrame(stack, context);
  if (frame === null) return ownerText(stack.owner);
  const place = shortPlaceOf(frame, context);
  return place === '' ? frameText(frame, 60) : `${frameText(frame, 60)} ${place}`;
}
