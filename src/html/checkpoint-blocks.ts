// The blocks of the last checkpoint: summed up by site, birth, verdict, type and class of the owner; and what holds
// them. Pure.
import {
  type CheckpointDetail,
  Reach,
  type StackId,
  type Verdict,
  verdicts,
} from '../model/index.js';
import {
  addressText,
  blockType,
  classText,
  type Explained,
  groupPaths,
  type PathGroup,
  type RootNames,
  rootText,
  type StackContext,
  siteText,
  whyText,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { typeByStack } from '../types/index.js';
import { pathOf } from '../verdicts/index.js';
import type { Packer } from './pack.js';
import type { Edge, WhyPath } from './report-data.js';
import type { StackIndex } from './stack-index.js';
import { SumTable } from './sum-table.js';
import { safeText } from './texts.js';
import { siteKey, sizeClass, sizeRadix, threadRadix } from './time-cells.js';

const mostKinds = 1 << 15;
/** More blocks than these are not asked what holds them. */
export const mostExplainedBlocks = 300_000;
const mostWhys = 400;
const waysOfGroup = 3;
const shownHops = 12;

/** Whose a block is was told while recording by modules alone; with names some of Node's are an addon's. */
export function verdictOf(detail: CheckpointDetail, row: number, isUsers: boolean): Verdict {
  const verdict = detail.verdict[row]!;
  if (verdict !== 'runtime' || !isUsers) return verdict;
  const reach = detail.reachability?.reach[row];
  return reach === Reach.owner || reach === Reach.v8 ? 'held-by-js' : 'held-by-native';
}

/** Blocks of pools come behind: their bytes are in these. */
const ownRowCount = ({ live, pools }: CheckpointDetail): number => pools?.firstRow ?? live.count;

export interface BlockNames {
  types: string[];
  classes: string[];
}

/** Adds the table "blocks". */
export function packBlocks(
  packer: Packer,
  explained: Explained,
  index: StackIndex,
  symbols: SymbolizedStacks,
  names: RootNames,
  edges: readonly Edge[],
  threadOf: (threadIndex: number) => number,
): BlockNames {
  const { detail, checkpoint } = explained;
  const { live, owners, ownerRow } = detail;
  const types = new Numbered();
  const classes = new Numbered();
  const kinds = new Map<string, number>();
  const kindColumns: [number, number, number][] = [];
  const typeOfStack = new Map<number, string | null>();
  const table = new SumTable();
  const bucketOf = bucketFinder(edges, checkpoint.number);
  const rowCount = ownRowCount(detail);
  const { announced } = live;
  for (let row = 0; row < rowCount; row++) {
    const stackId = live.stackId[row]!;
    const site = index.siteOf[stackId] ?? 0;
    const verdict = verdicts.indexOf(verdictOf(detail, row, index.isUsersSite(site)));
    const word = detail.reachability?.firstWord[row] ?? 0;
    const told = announced?.typeIndex[row] ?? 0;
    let type = told > 0 ? (announced?.typeNames[told - 1] ?? null) : null;
    if (type === null && word !== 0) type = names.classOf(word);
    if (type === null) {
      let known = typeOfStack.get(stackId);
      if (known === undefined)
        typeOfStack.set(stackId, (known = typeByStack(symbols.stack(stackId as StackId))));
      type = known;
    }
    const owner = ownerRow[row]!;
    const className =
      owner < 0 ? null : classText(owners.classNames[owners.classIndex[owner]!] ?? '');
    const key = `${verdict} ${types.of(type)} ${classes.of(className)}`;
    let kind = kinds.get(key);
    if (kind === undefined) {
      // Beyond all measure: the rest is counted without its class and type.
      kind = kindColumns.length < mostKinds ? kindColumns.length : 0;
      kinds.set(key, kind);
      if (kind === kindColumns.length)
        kindColumns.push([verdict, types.of(type), classes.of(className)]);
    }
    table.add(
      siteKey(site, threadOf(live.threadIndex[row]!)),
      (bucketOf(live.bornNs[row]!) * sizeRadix + sizeClass(live.sizeBytes[row]!)) * mostKinds +
        kind,
      1,
      live.sizeBytes[row]!,
    );
  }
  const order = table.sorted();
  const column = (pick: (row: number) => number) => Float64Array.from(order, pick);
  const kindAt = (row: number) => kindColumns[(table.low[row]! >>> 0) % mostKinds]!;
  const rest = (row: number) => Math.floor((table.low[row]! >>> 0) / mostKinds);
  packer.add(
    'blocks.site',
    'u32',
    column((row) => Math.floor(table.high[row]! / threadRadix)),
    {
      isDelta: true,
    },
  );
  packer.add(
    'blocks.thread',
    'u8',
    column((row) => table.high[row]! % threadRadix),
  );
  packer.add(
    'blocks.birth',
    'u16',
    column((row) => Math.floor(rest(row) / sizeRadix)),
  );
  packer.add(
    'blocks.size',
    'u8',
    column((row) => rest(row) % sizeRadix),
  );
  packer.add(
    'blocks.verdict',
    'u8',
    column((row) => kindAt(row)[0]),
  );
  packer.add(
    'blocks.type',
    'u16',
    column((row) => kindAt(row)[1]),
  );
  packer.add(
    'blocks.class',
    'u16',
    column((row) => kindAt(row)[2]),
  );
  packer.add(
    'blocks.count',
    'f64',
    column((row) => table.blockCount[row]!),
  );
  packer.add(
    'blocks.bytes',
    'f64',
    column((row) => table.sizeBytes[row]!),
  );
  return { types: types.all, classes: classes.all };
}

class Numbered {
  readonly all: string[] = [''];
  readonly #ids = new Map<string, number>();

  of(text: string | null): number {
    if (text === null) return 0;
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.all.length < 65_535 ? this.all.length : 0;
      this.#ids.set(text, id);
      if (id !== 0) this.all.push(safeText(text, 300));
    }
    return id;
  }
}

/** Blocks of the checkpoint were born before its edge. */
function bucketFinder(edges: readonly Edge[], number: number): (bornNs: number) => number {
  const own = edges.findIndex(
    (edge) => edge.kind === 'checkpoint' && edge.text === `checkpoint ${number}`,
  );
  const last = (own > 0 ? own : edges.length - 1) - 1;
  return (bornNs) => {
    let [low, high] = [0, Math.max(0, last)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (edges[middle]!.atNs <= bornNs) low = middle;
      else high = middle - 1;
    }
    return low;
  };
}

export interface WayToHold {
  group: number;
  path: PathGroup;
}

/** The ways in which users' blocks are held or lost, most bytes first, a few of each group. */
export function waysOf(
  explained: Explained,
  index: StackIndex,
  symbols: SymbolizedStacks,
): WayToHold[] {
  const { live } = explained.detail;
  const rows: number[] = [];
  const rowCount = ownRowCount(explained.detail);
  for (let row = 0; row < rowCount && rows.length < mostExplainedBlocks; row++)
    if (index.isUsersSite(index.siteOf[live.stackId[row]!] ?? 0)) rows.push(row);
  const ofGroup = new Map<number, number>();
  const found: WayToHold[] = [];
  for (const path of groupPaths(explained, rows, symbols)) {
    const group = index.groupOfSite(index.siteOf[live.stackId[path.row]!] ?? 0);
    const count = (ofGroup.get(group) ?? 0) + 1;
    if (count > waysOfGroup) continue;
    ofGroup.set(group, count);
    found.push({ group, path });
    if (found.length === mostWhys) break;
  }
  return found;
}

export function whyPaths(
  explained: Explained,
  ways: readonly WayToHold[],
  index: StackIndex,
  symbols: SymbolizedStacks,
  names: RootNames,
  context: StackContext,
): WhyPath[] {
  const { detail, model } = explained;
  const { live } = detail;
  return ways.map(({ group, path: { row, amount } }): WhyPath => {
    const path = pathOf(detail, row);
    const hops = path.hops.slice(1).map((hop, at) => {
      const below = path.hops[at]!;
      const type = blockType(explained, hop.row, symbols, names);
      const site = siteText(symbols, live.stackId[hop.row] as StackId, context);
      const into = below.insideBytes === 0 ? '' : `, into +0x${below.insideBytes.toString(16)}`;
      return {
        place: `${addressText(live.address[hop.row]!)}+0x${(below.holderOffset ?? 0).toString(16)}`,
        sizeBytes: live.sizeBytes[hop.row]!,
        text: safeText(`${type === null ? '' : `${type}, `}${site}${into}`, 300),
      };
    });
    const hiddenHops = Math.max(0, hops.length - shownHops);
    const site = index.siteOf[live.stackId[row]!] ?? 0;
    return {
      group,
      blockCount: amount.blockCount,
      sizeBytes: amount.sizeBytes,
      verdict: verdicts.indexOf(verdictOf(detail, row, index.isUsersSite(site))),
      type: safeText(blockType(explained, row, symbols, names) ?? '', 300),
      text: safeText(whyText(explained, row, path, names, context), 600),
      hops: hiddenHops === 0 ? hops : [...hops.slice(0, shownHops - 3), ...hops.slice(-3)],
      hiddenHops,
      root: safeText(rootText(path.root, detail, model, names, context), 600),
    };
  });
}
