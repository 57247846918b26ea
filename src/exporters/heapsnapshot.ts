// A heap snapshot for Chrome DevTools and memlab in which native blocks stand beside JavaScript objects. A
// block hangs from the object that owns it, or from the block that points to it; what no object owns hangs
// from three nodes of our own under the root, so that all native memory is there and can be summed up.
import { type HeapSnapshot, RetainerTree, writeHeapSnapshot } from '../heap/index.js';
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
  'Native memory of Node itself',
  'Native memory that nothing holds (lost)',
] as const;

class Builder {
  private readonly snapshot: HeapSnapshot;
  private readonly detail: CheckpointDetail;
  private readonly nameOf: NativeNaming;
  private readonly objectNode: (ownerRow: number) => number;

  constructor(snapshot: HeapSnapshot, detail: CheckpointDetail, nameOf: NativeNaming) {
    this.snapshot = snapshot;
    this.detail = detail;
    this.nameOf = nameOf;
    const tree = new RetainerTree(snapshot);
    this.objectNode = (row) => {
      const id = detail.owners.snapshotId[row] ?? 0;
      return id === 0 ? -1 : tree.nodeOf(id);
    };
  }

  additions() {
    const { live } = this.detail;
    const { nodeCount } = this.snapshot;
    const blocks: { name: string; sizeBytes: number }[] = groups.map((name) => ({
      name,
      sizeBytes: 0,
    }));
    const edges: Edge[] = groups.map((name, to) => ({ from: 0, to, name }));
    const first = blocks.length;
    for (let row = 0; row < live.count; row++) {
      blocks.push({
        name: this.nameOf(live.stackId[row] as StackId, row),
        sizeBytes: live.sizeBytes[row]!,
      });
      const held = this.holderOf(row);
      edges.push({
        from:
          held.node >= 0
            ? held.node
            : nodeCount + (held.block >= 0 ? first + held.block : held.group),
        to: first + row,
        name: held.name,
      });
    }
    return { blocks, edges };
  }

  private holderOf(row: number): { node: number; block: number; group: number; name: string } {
    const { reachability, verdict } = this.detail;
    const group = groupOf(verdict[row]!);
    if (reachability === null) return { node: -1, block: -1, group, name: 'native' };
    const referrer = reachability.referrerBlock[row]!;
    if (referrer >= 0)
      return { node: -1, block: referrer, group, name: this.offsetIn(referrer, row) };
    const isOwned = reachability.reach[row] === Reach.owner;
    const node = isOwned ? this.objectNode(reachability.root[row]!) : -1;
    return { node, block: -1, group, name: 'native' };
  }

  /** Where in the referring block the pointer lies. */
  private offsetIn(referrer: number, row: number): string {
    const { reachability, live } = this.detail;
    return `+${reachability!.referrer[row]! - live.address[referrer]!}`;
  }
}

function groupOf(verdict: Verdict): number {
  if (verdict === 'lost' || verdict === 'lost-indirect' || verdict === 'orphaned') return 2;
  return verdict === 'runtime' ? 1 : 0;
}
