// The call tree of live memory: from the root down, or inverted from the allocating function up.
// Pure; must not import anything that does I/O.
import type { StackFrame } from '../symbols/index.js';
import type { Site } from './sites.js';
import { frameText, placeOf, type StackContext } from './stack-text.js';
import { plainStyle, type Style } from './style.js';
import { pad, truncateEnd } from './table.js';
import { formatBytes, formatCount, formatPercent } from './units.js';

export interface TreeNode {
  /** null: the root of the tree. */
  frame: StackFrame | null;
  sizeBytes: number;
  blockCount: number;
  /** Of stacks that end here. */
  selfBytes: number;
  /** Largest first. */
  children: TreeNode[];
}

export function buildTree(
  sites: readonly Site[],
  options: { inverted: boolean; fold?: (frames: readonly StackFrame[]) => readonly StackFrame[] },
): TreeNode {
  const root = emptyNode(null);
  const childrenOf = new Map<TreeNode, Map<StackFrame, TreeNode>>();
  for (const site of sites) {
    const leafFirst = options.fold?.(site.stack.frames) ?? site.stack.frames;
    const frames = options.inverted ? leafFirst : [...leafFirst].reverse();
    let node = root;
    addTo(node, site);
    for (const frame of frames) {
      let children = childrenOf.get(node);
      if (children === undefined) childrenOf.set(node, (children = new Map()));
      // Frames that display equal are one object (symbolize interns them).
      let child = children.get(frame);
      if (child === undefined) {
        children.set(frame, (child = emptyNode(frame)));
        node.children.push(child);
      }
      node = child;
      addTo(node, site);
    }
    node.selfBytes += site.live.sizeBytes;
  }
  sortTree(root);
  return root;
}

const emptyNode = (frame: StackFrame | null): TreeNode => ({
  frame,
  sizeBytes: 0,
  blockCount: 0,
  selfBytes: 0,
  children: [],
});

function addTo(node: TreeNode, site: Site): void {
  node.sizeBytes += site.live.sizeBytes;
  node.blockCount += site.live.blockCount;
}

function sortTree(root: TreeNode): void {
  // Not recursive: 256 frames and their inlined calls are deep, and hostile traces deeper.
  const open = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    node.children.sort((a, b) => b.sizeBytes - a.sizeBytes || b.blockCount - a.blockCount);
    open.push(...node.children);
  }
}

/** Chains of single calls stand in one column; only forks indent. Nodes below minShare of all are summed up. */
export function renderTree(
  root: TreeNode,
  context: StackContext,
  options: { columns: number; minShare: number; style?: Style },
): string[] {
  const style = options.style ?? plainStyle;
  const lines: string[] = [];
  const smallest = root.sizeBytes * options.minShare;
  const amount = (node: { sizeBytes: number; blockCount: number }) =>
    `${style.bytes(pad(formatBytes(node.sizeBytes), 10, 'right'))} ${pad(formatPercent(node.sizeBytes, root.sizeBytes), 6, 'right')} ${pad(formatCount(node.blockCount), 9, 'right')}`;
  const room = (indent: number) => Math.max(20, options.columns - 29 - indent);
  const open: { node: TreeNode; indent: number }[] = [{ node: root, indent: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, indent } = next;
    lines.push(
      `${amount(node)}  ${' '.repeat(indent)}${label(node, context, room(indent), style)}`,
    );
    const shown = node.children.filter((child) => child.sizeBytes >= smallest);
    const hidden = node.children.filter((child) => child.sizeBytes < smallest);
    // Deep forks would run off the screen: the indent stops growing there.
    const childIndent = Math.min(
      node.children.length > 1 || node.frame === null ? indent + 2 : indent,
      30,
    );
    for (const child of [...shown].reverse()) open.push({ node: child, indent: childIndent });
    if (hidden.length > 0) {
      const rest = hidden.reduce(
        (sum, child) => ({
          sizeBytes: sum.sizeBytes + child.sizeBytes,
          blockCount: sum.blockCount + child.blockCount,
        }),
        { sizeBytes: 0, blockCount: 0 },
      );
      const text = `... ${hidden.length} smaller`;
      open.splice(open.length - shown.length, 0, {
        node: {
          ...rest,
          frame: { kind: 'marker', marker: 'folded', text },
          selfBytes: 0,
          children: [],
        },
        indent: childIndent,
      });
    }
  }
  return lines;
}

function label(node: TreeNode, context: StackContext, room: number, style: Style): string {
  if (node.frame === null) return style.strong('all');
  if (node.frame.kind === 'marker' && node.frame.marker === 'folded')
    return style.faint(node.frame.text);
  const name = frameText(node.frame, room);
  const place = placeOf(node.frame, context);
  const text = truncateEnd(name, room);
  const left = room - [...text].length - 2;
  const painted =
    node.frame.kind === 'js'
      ? style.js(text)
      : node.frame.kind === 'builtin'
        ? style.faint(text)
        : text;
  return place === '' || left < 8
    ? painted
    : `${painted}  ${style.faint(truncateEnd(place, left))}`;
}
