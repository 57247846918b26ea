// A heap snapshot for Chrome DevTools and memlab in which native blocks stand beside JavaScript objects. A
// block hangs from the object that owns it, or from the block that points to it; what no object owns hangs
// from three nodes of our own under the root, so that all native memory is there and can be summed up.
import {
  type HeapSnapshot,
  type NativeAdditions,
  RetainerTree,
  writeHeapSnapshot,
} from '../heap/index.js';
import { type CheckpointDetail, Reach, type StackId, type Verdict } from '../model/index.js';

/** What a block is called: its type, or the place that allocated it. */
export type NativeNaming = (stackId: StackId, row: number) => string;

interface Edge {
  from: number;
  to: number;
  name: string;
}

/** Sizes are what the program asked for. The text comes in pieces. */
export function heapSnapshotWithNative(
  snapshot: HeapSnapshot,
  detail: CheckpointDetail,
  nameOf: NativeNaming,
): Generator<string> {
  const builder = new Builder(snapshot, detail, nameOf);
  return writeHeapSnapshot(snapshot, builder.additions());
}

const groups = [
  'Native memory held by native code',
  'Native memory of Node itself (with what Node’s own estimates stand for)',
  'Native memory that nothing holds (lost)',
] as const;

class Builder {
  private readonly snapshot: HeapSnapshot;
  private readonly detail: CheckpointDetail;
  private readonly nameOf: NativeNaming;
  private readonly tree: RetainerTree;

  constructor(snapshot: HeapSnapshot, detail: CheckpointDetail, nameOf: NativeNaming) {
    this.snapshot = snapshot;
    this.detail = detail;
    this.nameOf = nameOf;
    this.tree = new RetainerTree(snapshot);
  }

  additions(): NativeAdditions {
    const { live } = this.detail;
    const { nodeCount } = this.snapshot;
    const blocks: { name: string; sizeBytes: number }[] = groups.map((name) => ({
      name,
      sizeBytes: 0,
    }));
    const edges: Edge[] = groups.map((name, to) => ({ from: 0, to, name }));
    const nodeOfRow = new Float64Array(live.count);
    const added: number[] = [];
    // Blocks of pools lie in others, whose bytes are counted.
    for (let row = 0; row < blockCountOf(this.detail); row++) {
      const store = this.storeInSnapshot(row);
      nodeOfRow[row] = store >= 0 ? store : nodeCount + blocks.length;
      if (store >= 0) continue;
      added.push(row);
      blocks.push({
        name: this.nameOf(live.stackId[row] as StackId, row),
        sizeBytes: live.sizeBytes[row]!,
      });
    }
    for (const row of added) {
      const { from, name } = this.holderOf(row, nodeOfRow);
      edges.push({ from, to: nodeOfRow[row]! - nodeCount, name });
    }
    return { blocks, edges };
  }

  /** V8 lists the memory of ArrayBuffers by itself: counted once. -1: it does not list this block. */
  private storeInSnapshot(row: number): number {
    const object = this.objectOf(row);
    return object < 0 ? -1 : this.tree.follow(object, 'backing_store');
  }

  /** The JavaScript object that itself owns the block; -1: none does, or the snapshot does not have it. */
  private objectOf(row: number): number {
    const { reachability, owners } = this.detail;
    if (reachability === null || reachability.referrerBlock[row]! >= 0) return -1;
    if (reachability.reach[row] !== Reach.owner) return -1;
    const id = owners.snapshotId[reachability.root[row]!] ?? 0;
    return id === 0 ? -1 : this.tree.nodeOf(id);
  }

  private holderOf(row: number, nodeOfRow: Float64Array): { from: number; name: string } {
    const { reachability, verdict, live } = this.detail;
    const referrer = reachability?.referrerBlock[row] ?? -1;
    if (reachability !== null && referrer >= 0 && referrer < blockCountOf(this.detail))
      return {
        from: nodeOfRow[referrer]!,
        name: `+${reachability.referrer[row]! - live.address[referrer]!}`,
      };
    const object = this.objectOf(row);
    return {
      from: object >= 0 ? object : this.snapshot.nodeCount + groupOf(verdict[row]!),
      name: 'native',
    };
  }
}

const blockCountOf = ({ live, pools }: CheckpointDetail): number => pools?.firstRow ?? live.count;

function groupOf(verdict: Verdict): number {
  if (verdict === 'lost' || verdict === 'lost-indirect' || verdict === 'orphaned') return 2;
  return verdict === 'runtime' ? 1 : 0;
}
