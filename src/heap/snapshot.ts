// A heap snapshot in memory: V8's own flat arrays, with the places of the fields.
import { MemprofError } from '../errors.js';

export interface NodeFields {
  /** Numbers a node. */
  width: number;
  type: number;
  name: number;
  id: number;
  selfSize: number;
  edgeCount: number;
  types: readonly string[];
}

export interface EdgeFields {
  width: number;
  type: number;
  nameOrIndex: number;
  toNode: number;
  types: readonly string[];
}

export interface HeapSnapshot {
  /** The JSON of the "snapshot" section. */
  head: Record<string, unknown>;
  nodeFields: NodeFields;
  edgeFields: EdgeFields;
  nodeCount: number;
  edgeCount: number;
  nodes: Uint32Array;
  edges: Uint32Array;
  /** Values of `nodes` that need more than 32 bits, by index; there the array holds 2^32 - 1. */
  large: ReadonlyMap<number, number>;
  strings: string[];
  /** The other sections as they stood, in order: samples, locations, ... */
  rest: readonly (readonly [name: string, json: Uint8Array])[];
}

export function damaged(what: string): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_HEAP_SNAPSHOT',
    `not a heap snapshot that V8 wrote: ${what}. Take it anew`,
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function words(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw damaged(`its ${what} are missing`);
  return value;
}

function typesOf(meta: Record<string, unknown>, name: string): string[] {
  const all = meta[name];
  return words(Array.isArray(all) ? all[0] : null, name);
}

function place(fields: readonly string[], name: string): number {
  const at = fields.indexOf(name);
  if (at < 0) throw damaged(`it has no field ${name}`);
  return at;
}

export function fieldsOf(head: unknown): { nodeFields: NodeFields; edgeFields: EdgeFields } {
  const meta = isRecord(head) ? head['meta'] : null;
  if (!isRecord(meta)) throw damaged('its meta section is missing');
  const ofNode = words(meta['node_fields'], 'node_fields');
  const ofEdge = words(meta['edge_fields'], 'edge_fields');
  return {
    nodeFields: {
      width: ofNode.length,
      type: place(ofNode, 'type'),
      name: place(ofNode, 'name'),
      id: place(ofNode, 'id'),
      selfSize: place(ofNode, 'self_size'),
      edgeCount: place(ofNode, 'edge_count'),
      types: typesOf(meta, 'node_types'),
    },
    edgeFields: {
      width: ofEdge.length,
      type: place(ofEdge, 'type'),
      nameOrIndex: place(ofEdge, 'name_or_index'),
      toNode: place(ofEdge, 'to_node'),
      types: typesOf(meta, 'edge_types'),
    },
  };
}

export function nodeText({ strings, nodes, nodeFields }: HeapSnapshot, node: number): string {
  return strings[nodes[node * nodeFields.width + nodeFields.name]!] ?? '';
}

export function nodeType({ nodes, nodeFields }: HeapSnapshot, node: number): string {
  return nodeFields.types[nodes[node * nodeFields.width + nodeFields.type]!] ?? '';
}

export function nodeId({ nodes, nodeFields, large }: HeapSnapshot, node: number): number {
  const at = node * nodeFields.width + nodeFields.id;
  return large.get(at) ?? nodes[at]!;
}

/** Where each node's edges begin, counted in edges; one more entry at the end. */
export function firstEdges(snapshot: HeapSnapshot): Uint32Array {
  const { nodes, nodeFields, nodeCount, edgeCount } = snapshot;
  const first = new Uint32Array(nodeCount + 1);
  let at = 0;
  for (let node = 0; node < nodeCount; node++) {
    first[node] = at;
    at += nodes[node * nodeFields.width + nodeFields.edgeCount]!;
  }
  if (at !== edgeCount) throw damaged(`its nodes have ${at} edges, and it has ${edgeCount}`);
  first[nodeCount] = at;
  return first;
}

/** What an edge is called: a property's name, a variable's, an index. */
export function edgeText({ edges, edgeFields, strings }: HeapSnapshot, edge: number): string {
  const type = edgeType({ edges, edgeFields }, edge);
  const name = edges[edge * edgeFields.width + edgeFields.nameOrIndex]!;
  return type === 'element' || type === 'hidden' ? String(name) : (strings[name] ?? '');
}

export function edgeType(
  { edges, edgeFields }: Pick<HeapSnapshot, 'edges' | 'edgeFields'>,
  edge: number,
): string {
  return edgeFields.types[edges[edge * edgeFields.width + edgeFields.type]!] ?? '';
}

/** The node that an edge leads to. */
export function targetOf(
  { edges, edgeFields, nodeFields }: Pick<HeapSnapshot, 'edges' | 'edgeFields' | 'nodeFields'>,
  edge: number,
): number {
  return edges[edge * edgeFields.width + edgeFields.toNode]! / nodeFields.width;
}
