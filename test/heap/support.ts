// Small heap snapshots drawn as text, one edge a line: "Map -internal:table-> table", types in brackets.
import { type HeapSnapshot, HeapSnapshotParser } from '../../src/heap/index.js';

const nodeTypes = ['hidden', 'array', 'string', 'object', 'code', 'closure', 'synthetic', 'native'];
const edgeTypes = ['context', 'element', 'property', 'internal', 'hidden', 'shortcut', 'weak'];

/** `[synthetic] root` sets a type; without one a node is an object. The first node is the root. */
export function draw(text: string): HeapSnapshot {
  return parse(snapshotJson(text));
}

export function parse(json: string): HeapSnapshot {
  const parser = new HeapSnapshotParser();
  parser.push(new TextEncoder().encode(json));
  return parser.finish();
}

export function snapshotJson(text: string): string {
  const strings: string[] = ['<dummy>'];
  const stringOf = (word: string): number => {
    const at = strings.indexOf(word);
    return at >= 0 ? at : strings.push(word) - 1;
  };
  const nodes: { type: string; name: string; edges: [string, string, number][] }[] = [];
  const byLabel = new Map<string, number>();
  const nodeOf = (label: string): number => {
    const match = /^(?:\[(?<type>[\w ]+)\] )?(?<name>[^#]*)(?:#\d+)?$/.exec(label.trim());
    const name = match?.groups?.['name'] ?? label;
    const key = label.trim().replace(/^\[[\w ]+\] /, '');
    const known = byLabel.get(key);
    if (known !== undefined) return known;
    byLabel.set(key, nodes.length);
    nodes.push({ type: match?.groups?.['type'] ?? 'object', name, edges: [] });
    return nodes.length - 1;
  };
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [from, edge, to] = line.split(/ -(.*)-> /) as [string, string, string];
    const at = nodeOf(from);
    const [type, name] = edge.split(':') as [string, string];
    nodes[at]!.edges.push([type, name, nodeOf(to)]);
  }
  const edgeName = (type: string, name: string): number =>
    type === 'element' || type === 'hidden' ? Number(name) : stringOf(name);
  const edges = nodes.flatMap((node) =>
    node.edges.flatMap(([type, name, to]) => [
      edgeTypes.indexOf(type),
      edgeName(type, name),
      to * 6,
    ]),
  );
  const rows = nodes.flatMap((node, at) => [
    nodeTypes.indexOf(node.type),
    stringOf(node.name),
    2 * at + 1,
    16,
    node.edges.length,
    0,
  ]);
  const meta = {
    node_fields: ['type', 'name', 'id', 'self_size', 'edge_count', 'trace_node_id'],
    node_types: [nodeTypes, 'string', 'number', 'number', 'number', 'number'],
    edge_fields: ['type', 'name_or_index', 'to_node'],
    edge_types: [edgeTypes, 'string_or_number', 'node'],
  };
  return JSON.stringify({
    snapshot: { meta, node_count: nodes.length, edge_count: edges.length / 3 },
    nodes: rows,
    edges,
    samples: [],
    locations: [0, 1, 2, 3],
    strings,
  });
}

export function nodeNamed(snapshot: HeapSnapshot, name: string): number {
  const { nodes, nodeFields, strings, nodeCount } = snapshot;
  for (let node = 0; node < nodeCount; node++)
    if (strings[nodes[node * nodeFields.width + nodeFields.name]!] === name) return node;
  throw new Error(`no node ${name}`);
}
