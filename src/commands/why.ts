// memprof why: what holds a block, or a site's blocks, and why nobody freed what nothing holds.
import { ExitCode, MemprofError } from '../errors.js';
import type { StackId } from '../model/index.js';
import {
  checkpointJson,
  chooseCheckpoint,
  jsonLines,
  nameRoots,
  processJson,
  stackFilter,
  stackJson,
} from '../query/index.js';
import {
  addressText,
  blockType,
  checkpointStackIds,
  type Explained,
  formatCount,
  groupPaths,
  type PathGroup,
  type RootNames,
  renderWhy,
  rootText,
  shownSites,
  siteText,
  whyText,
  wordsOnPath,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { BlockIndex, nest, pathOf } from '../verdicts/index.js';
import { stackContext, type TraceCommand } from './context.js';
import { readableLeaks } from './leaks.js';

export interface WhyOptions {
  limit: number;
  json?: boolean;
}

export async function* why(
  command: TraceCommand,
  options: WhyOptions,
  question: string,
): AsyncGenerator<string> {
  const { model, columns, style } = command;
  const explained = explainedBy(command);
  const { checkpoint, detail } = explained;
  const symbols = await command.nameStacks(model, checkpointStackIds(model.checkpoints ?? []));
  const groups = groupPaths(explained, rowsAsked(explained, symbols, question), symbols);
  const shown = groups.slice(0, options.limit);
  const paths = shown.map(({ row }) => pathOf(detail, row));
  const names = await nameRoots(
    command,
    detail,
    paths.map((path) => path.root),
    paths.flatMap((path) => wordsOnPath(explained, path)),
  );
  const context = stackContext(model);
  if (options.json === true) {
    yield* jsonLines(
      {
        schema: 'memprof.why/1',
        process: processJson(model),
        checkpoint: checkpointJson(checkpoint),
        question,
        groupCount: groups.length,
      },
      { groups: shown.map((group) => whyJson(command, explained, group, symbols, names)) },
    );
    return;
  }
  for (const [at, group] of shown.entries()) {
    if (at > 0) yield '';
    yield* renderWhy(explained, group, { columns, style, context, names, symbols });
  }
  const rest = groups.length - shown.length;
  if (rest > 0) {
    yield '';
    yield style.faint(
      `${formatCount(rest)} more ${rest === 1 ? 'way' : 'ways'} to blocks of it: --limit all`,
    );
  }
}

function explainedBy({ model }: TraceCommand): Explained {
  const checkpoint = chooseCheckpoint(model, undefined);
  const { detail } = checkpoint;
  if (detail === null) {
    throw new MemprofError(
      'ERR_MEMPROF_NO_BLOCKS',
      `the blocks of checkpoint ${checkpoint.number} are not in the trace: it was cut before they were written`,
      ExitCode.failed,
    );
  }
  return { model, checkpoint, detail };
}

/** An address is 0x...; a number is a site's in `memprof leaks`; other text is part of a function's name. */
function rowsAsked(explained: Explained, symbols: SymbolizedStacks, question: string): number[] {
  const { model, checkpoint, detail } = explained;
  if (/^0x[0-9a-f]{1,16}$/i.test(question)) {
    const { live, pools } = detail;
    const nesting = pools && nest(live, pools.firstRow, () => true);
    const row = new BlockIndex(live, nesting?.order, nesting?.parent).rowAt(Number(question));
    if (row >= 0) return [row];
    throw notFound(`no block was live at ${question} at checkpoint ${checkpoint.number}`);
  }
  if (/^\d{1,9}$/.test(question)) {
    const sites = shownSites(readableLeaks({ model }, symbols, checkpoint.number), false);
    const site = sites[Number(question) - 1];
    if (site !== undefined) return site.rows;
    throw notFound(
      `memprof leaks lists ${formatCount(sites.length)} sites, so there is no site ${question}. An address is written 0x...`,
    );
  }
  const passes = stackFilter({ function: question }) ?? (() => false);
  const rows: number[] = [];
  for (let row = 0; row < detail.live.count; row++)
    if (passes(symbols.stack(detail.live.stackId[row] as StackId))) rows.push(row);
  if (rows.length > 0) return rows;
  throw notFound(
    `no live block has a function with "${question}" in its stack. Give an address (0x...), a site's number in memprof leaks, or part of a function's name`,
  );
}

const notFound = (message: string) =>
  new MemprofError('ERR_MEMPROF_NO_BLOCK', message, ExitCode.failed);

function whyJson(
  { model }: TraceCommand,
  explained: Explained,
  { row, amount }: PathGroup,
  symbols: SymbolizedStacks,
  names: RootNames,
) {
  const { detail } = explained;
  const { live, verdict } = detail;
  const context = stackContext(model);
  const path = pathOf(detail, row);
  const { owner: memoryOf, ...stack } = stackJson(symbols.stack(live.stackId[row] as StackId));
  return {
    ...amount,
    address: addressText(live.address[row]),
    blockBytes: live.sizeBytes[row],
    verdict: verdict[row],
    type: blockType(explained, row, symbols, names),
    text: whyText(explained, row, path, names, context),
    /** From what points to the block up to what a root holds. */
    path: path.hops.slice(1).map((hop, at) => ({
      address: addressText(live.address[hop.row]),
      sizeBytes: live.sizeBytes[hop.row],
      verdict: verdict[hop.row],
      type: blockType(explained, hop.row, symbols, names),
      pointerOffset: path.hops[at].holderOffset ?? 0,
      insideBytes: path.hops[at].insideBytes,
      site: siteText(symbols, live.stackId[hop.row] as StackId, context),
    })),
    root: { kind: path.root.kind, text: rootText(path.root, detail, model, names, context) },
    memoryOf,
    ...stack,
  };
}
