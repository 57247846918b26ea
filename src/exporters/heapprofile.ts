// The sampling heap profile of Chrome DevTools (.heapprofile): the call tree with the bytes of each node's
// own. Fields and their bases as in the protocol's HeapProfiler.SamplingHeapProfile. Pure.
import type { StackFrame } from '../symbols/index.js';
import { frameFile, frameName } from './frames.js';
import { jsonArray } from './json-text.js';
import { mainColumn, type StackProfile } from './profile.js';

interface Node {
  id: number;
  frame: StackFrame | null;
  selfSize: number;
  children: Map<StackFrame, Node>;
}

export function* heapProfile(profile: StackProfile): Generator<string> {
  const { column } = mainColumn(profile);
  let nodeCount = 0;
  const nodeOf = (frame: StackFrame | null): Node => ({
    id: ++nodeCount,
    frame,
    selfSize: 0,
    children: new Map(),
  });
  const root = nodeOf(null);
  const samples: { size: number; nodeId: number; ordinal: number }[] = [];
  for (const [row, { frames }] of profile.stacks.entries()) {
    if (column[row] === 0) continue;
    let node = root;
    for (let at = frames.length - 1; at >= 0; at--) {
      const frame = frames[at]!;
      let child = node.children.get(frame);
      if (child === undefined) node.children.set(frame, (child = nodeOf(frame)));
      node = child;
    }
    node.selfSize += column[row]!;
    samples.push({ size: column[row]!, nodeId: node.id, ordinal: samples.length + 1 });
  }
  yield '{"head":';
  yield* treeText(root);
  yield ',"samples":';
  yield* jsonArray(samples);
  yield '}';
}

/** Not recursive: stacks may be deeper than JavaScript's own. */
function* treeText(root: Node): Generator<string> {
  const open: { node: Node; next: Iterator<Node>; isFirst: boolean }[] = [];
  const enter = (node: Node): string => {
    open.push({ node, next: node.children.values(), isFirst: true });
    return `{"callFrame":${JSON.stringify(callFrame(node.frame))},"selfSize":${node.selfSize},"id":${node.id},"children":[`;
  };
  let text = enter(root);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const next = top.next.next();
    if (next.done === true) {
      open.pop();
      text += ']}';
    } else {
      text += top.isFirst ? '' : ',\n';
      top.isFirst = false;
      text += enter(next.value);
    }
    if (text.length < 1 << 16) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** Lines and columns count from 0 in this format; -1: not known. */
function callFrame(frame: StackFrame | null) {
  const place = frame === null || frame.kind === 'marker' ? null : frame;
  return {
    functionName: frame === null ? '(root)' : frameName(frame),
    scriptId: '0',
    url: (frame === null ? null : frameFile(frame)) ?? '',
    lineNumber: (place?.line ?? 0) - 1,
    columnNumber: (place?.column ?? 0) - 1,
  };
}
