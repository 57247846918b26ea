// Who keeps a JavaScript object alive, from the heap snapshot that a trace may hold of its last checkpoint.
import { describeRetainers, HeapSnapshotParser, RetainerTree } from '../heap/index.js';
import type { TraceModel } from '../model/index.js';
import { readHeapSnapshot } from '../record/index.js';
import type { RetainersOf } from './root-names.js';

/** Reads the snapshot when it is asked for the first time: it may be large. */
export function retainersIn(tracePath: string, model: TraceModel): RetainersOf {
  let tree: RetainerTree | null | undefined;
  return (snapshotId) => {
    if (tree === undefined) tree = treeOf(tracePath, model);
    const node = tree?.nodeOf(snapshotId) ?? -1;
    return tree === null || node < 0 ? null : describeRetainers(tree, node);
  };
}

function treeOf(tracePath: string, model: TraceModel): RetainerTree | null {
  const last = model.checkpoints?.at(-1);
  if (last === undefined) return null;
  const parser = new HeapSnapshotParser();
  let isThere = false;
  for (const piece of readHeapSnapshot(tracePath, last.number)) {
    isThere = true;
    parser.push(piece);
  }
  return isThere ? new RetainerTree(parser.finish()) : null;
}
