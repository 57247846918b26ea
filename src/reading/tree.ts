// The call tree as plain objects. Pure.
import type { TreeNode } from '../library/index.js';
import { frameJson } from '../query/index.js';
import type { TreeNode as NamedNode } from '../report/index.js';

/** Not recursive: stacks may be deeper than JavaScript's own. */
export function plainTree(root: NamedNode): TreeNode {
  const made = plainNode(root);
  const open: [NamedNode, TreeNode][] = [[root, made]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [named, plain] = next;
    for (const child of named.children) {
      const made = plainNode(child);
      plain.children.push(made);
      open.push([child, made]);
    }
  }
  return made;
}

function plainNode({ frame, blockCount, sizeBytes, selfBytes }: NamedNode): TreeNode {
  const isFrame = frame !== null && frame.kind !== 'marker';
  return {
    frame: isFrame ? frameJson(frame) : null,
    marker: frame?.kind === 'marker' ? frame.text : null,
    blockCount,
    sizeBytes,
    selfBytes,
    children: [],
  };
}
