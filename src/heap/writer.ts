// Writes a heap snapshot with native memory in it: blocks become nodes of type "native" that hang from the
// JavaScript objects which own them, so that retained sizes count them.
import { firstEdges, type HeapSnapshot } from './snapshot.js';

export interface NativeAdditions {
  /** New nodes, in order. Sizes in bytes. */
  blocks: readonly { name: string; sizeBytes: number }[];
  /**
   * Which object holds which block: `from` a node of the snapshot, or nodeCount + index of a block;
   * `to` the index of a block.
   */
  edges: readonly { from: number; to: number; name: string }[];
}

const pieceChars = 1 << 16;

/** The file's text in pieces. */
export function* writeHeapSnapshot(
  snapshot: HeapSnapshot,
  additions: NativeAdditions,
): Generator<string> {
  const writer = new Writer(snapshot, additions);
  yield* writer.pieces();
}

class Writer {
  private readonly snapshot: HeapSnapshot;
  private readonly additions: NativeAdditions;
  private readonly addedStrings: string[] = [];
  private readonly indexOfString = new Map<string, number>();
  /** Added edges by the node that they leave. */
  private readonly added = new Map<number, { to: number; name: string }[]>();

  constructor(snapshot: HeapSnapshot, additions: NativeAdditions) {
    this.snapshot = snapshot;
    this.additions = additions;
    for (const { from, to, name } of additions.edges) {
      const list = this.added.get(from);
      if (list === undefined) this.added.set(from, [{ to, name }]);
      else list.push({ to, name });
    }
  }

  *pieces(): Generator<string> {
    const { snapshot, additions } = this;
    const head = {
      ...snapshot.head,
      node_count: snapshot.nodeCount + additions.blocks.length,
      edge_count: snapshot.edgeCount + additions.edges.length,
    };
    yield `{"snapshot":${JSON.stringify(head)},\n"nodes":[`;
    yield* joined(this.nodeRows());
    yield '],\n"edges":[';
    yield* joined(this.edgeRows());
    yield ']';
    const decoder = new TextDecoder();
    for (const [name, json] of snapshot.rest)
      yield `,\n${JSON.stringify(name)}:${decoder.decode(json)}`;
    yield ',\n"strings":[';
    yield* joined(this.stringRows());
    yield ']}\n';
  }

  private *nodeRows(): Generator<string> {
    const { nodes, nodeFields, nodeCount, large } = this.snapshot;
    const row: number[] = new Array(nodeFields.width).fill(0);
    let greatestId = 0;
    for (let node = 0; node < nodeCount; node++) {
      const at = node * nodeFields.width;
      for (let field = 0; field < nodeFields.width; field++)
        row[field] =
          large.size > 0 ? (large.get(at + field) ?? nodes[at + field]!) : nodes[at + field]!;
      row[nodeFields.edgeCount]! += this.added.get(node)?.length ?? 0;
      greatestId = Math.max(greatestId, row[nodeFields.id]!);
      yield row.join(',');
    }
    // Even, as V8 numbers what is not in its heap.
    let id = greatestId + 2 - (greatestId % 2);
    const type = Math.max(nodeFields.types.indexOf('native'), 0);
    for (const [at, block] of this.additions.blocks.entries()) {
      row.fill(0);
      row[nodeFields.type] = type;
      row[nodeFields.name] = this.stringIndex(block.name);
      row[nodeFields.id] = id;
      row[nodeFields.selfSize] = block.sizeBytes;
      row[nodeFields.edgeCount] = this.added.get(nodeCount + at)?.length ?? 0;
      id += 2;
      yield row.join(',');
    }
  }

  private *edgeRows(): Generator<string> {
    const { edges, edgeFields, nodeFields, nodeCount } = this.snapshot;
    const first = firstEdges(this.snapshot);
    const internal = Math.max(edgeFields.types.indexOf('internal'), 0);
    const row: number[] = new Array(edgeFields.width).fill(0);
    const total = nodeCount + this.additions.blocks.length;
    for (let node = 0; node < total; node++) {
      if (node < nodeCount) {
        for (let edge = first[node]!; edge < first[node + 1]!; edge++) {
          const at = edge * edgeFields.width;
          yield edges.subarray(at, at + edgeFields.width).join(',');
        }
      }
      for (const { to, name } of this.added.get(node) ?? []) {
        row.fill(0);
        row[edgeFields.type] = internal;
        row[edgeFields.nameOrIndex] = this.stringIndex(name);
        row[edgeFields.toNode] = (nodeCount + to) * nodeFields.width;
        yield row.join(',');
      }
    }
  }

  private *stringRows(): Generator<string> {
    for (const text of this.snapshot.strings) yield JSON.stringify(text);
    for (const text of this.addedStrings) yield JSON.stringify(text);
  }

  private stringIndex(text: string): number {
    let index = this.indexOfString.get(text);
    if (index === undefined) {
      index = this.snapshot.strings.length + this.addedStrings.length;
      this.addedStrings.push(text);
      this.indexOfString.set(text, index);
    }
    return index;
  }
}

function* joined(rows: Iterable<string>): Generator<string> {
  let piece = '';
  let isFirst = true;
  for (const row of rows) {
    piece += isFirst ? row : `,\n${row}`;
    isFirst = false;
    if (piece.length < pieceChars) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}
