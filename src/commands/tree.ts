// memprof tree: live memory as a call tree.
import type { Moment } from '../model/index.js';
import {
  blockFilter,
  chooseMoment,
  type FilterOptions,
  frameJson,
  jsonLines,
  momentText,
  momentTotals,
  processJson,
  stackFilter,
} from '../query/index.js';
import {
  buildTree,
  collectSites,
  foldFrames,
  liveStackIds,
  renderTree,
  type TreeNode,
} from '../report/index.js';
import { stackContext, type TraceCommand } from './context.js';

export interface TreeOptions extends FilterOptions {
  inverted?: boolean;
  moment?: Moment['name'];
  minPercent: number;
  /** Else runs of Node's internals and of the standard library are one line. */
  allFrames?: boolean;
  json?: boolean;
}

export async function* tree(command: TraceCommand, options: TreeOptions): AsyncGenerator<string> {
  const { model } = command;
  const moment = chooseMoment(model, options.moment);
  const symbols = await command.nameStacks(model, liveStackIds(model));
  const filter = blockFilter(model, moment, options);
  const passes = stackFilter(options);
  const found = collectSites(model, symbols, moment, filter === null ? {} : { filter }).filter(
    (site) => passes === null || passes(site.stack),
  );
  const inverted = options.inverted === true;
  const full = options.json === true || options.allFrames === true;
  const root = buildTree(
    found,
    full ? { inverted } : { inverted, fold: foldFrames(stackContext(model)) },
  );
  if (options.json === true) {
    yield* jsonLines(
      {
        schema: 'memprof.tree/1',
        process: processJson(model),
        totals: momentTotals(model),
        moment: moment.name,
        inverted,
      },
      { nodes: flatten(root) },
    );
    return;
  }
  yield command.style.heading(
    `Call tree of memory ${momentText(moment, model)}${inverted ? ', from the allocating function' : ''}`,
  );
  yield command.style.faint('     bytes      %    blocks');
  yield* renderTree(root, stackContext(model), {
    columns: command.columns,
    minShare: options.minPercent / 100,
    style: command.style,
  });
}

/** Parents before children, by index: deep trees stay flat, as the stack table is. */
function* flatten(root: TreeNode): Iterable<unknown> {
  const queue: { node: TreeNode; parent: number | null }[] = [{ node: root, parent: null }];
  for (let at = 0; at < queue.length; at++) {
    const { node, parent } = queue[at];
    const { frame } = node;
    yield {
      parent,
      sizeBytes: node.sizeBytes,
      blockCount: node.blockCount,
      selfBytes: node.selfBytes,
      frame: frame === null || frame.kind === 'marker' ? null : frameJson(frame),
      marker: frame?.kind === 'marker' ? frame.text : null,
    };
    for (const child of node.children) queue.push({ node: child, parent: at });
  }
}
