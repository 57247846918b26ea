// Who keeps an object alive: the shortest way from the roots to it, and that way in words.
import {
  edgeText,
  edgeType,
  firstEdges,
  type HeapSnapshot,
  nodeId,
  nodeText,
  nodeType,
  targetOf,
} from './snapshot.js';

const none = 0xffffffff;

/** One step up: this node holds the one before by this edge. */
export interface Retainer {
  node: number;
  /** V8's own word: property, element, context, internal, hidden, shortcut. */
  edgeType: string;
  edgeName: string;
}

/**
 * For every object the edge through which a breadth-first search from the roots met it first, as
 * DevTools measures distance: weak edges hold nothing.
 */
export class RetainerTree {
  readonly snapshot: HeapSnapshot;
  readonly firstEdge: Uint32Array;
  private readonly byEdge: Uint32Array;
  private readonly parent: Uint32Array;
  private nodeById: Map<number, number> | null = null;

  constructor(snapshot: HeapSnapshot) {
    this.snapshot = snapshot;
    this.firstEdge = firstEdges(snapshot);
    this.byEdge = new Uint32Array(snapshot.nodeCount).fill(none);
    this.parent = new Uint32Array(snapshot.nodeCount).fill(none);
    if (snapshot.nodeCount > 0) this.search();
  }

  /** -1: the snapshot has no such object. */
  nodeOf(id: number): number {
    if (this.nodeById === null) {
      this.nodeById = new Map();
      for (let node = 0; node < this.snapshot.nodeCount; node++)
        this.nodeById.set(nodeId(this.snapshot, node), node);
    }
    return this.nodeById.get(id) ?? -1;
  }

  /** From what holds the node itself up to the root; empty: nothing does, but weakly. */
  path(node: number): Retainer[] {
    const path: Retainer[] = [];
    for (let at = node; at !== 0 && this.parent[at] !== none; at = this.parent[at]!) {
      const edge = this.byEdge[at]!;
      path.push({
        node: this.parent[at]!,
        edgeType: edgeType(this.snapshot, edge),
        edgeName: edgeText(this.snapshot, edge),
      });
    }
    return path;
  }

  /** Where a named edge that holds leads; -1: the node has none. */
  follow(node: number, name: string): number {
    const { snapshot, firstEdge } = this;
    for (let edge = firstEdge[node]!; edge < firstEdge[node + 1]!; edge++) {
      if (edgeText(snapshot, edge) === name && edgeType(snapshot, edge) !== 'weak')
        return targetOf(snapshot, edge);
    }
    return -1;
  }

  private readonly due = new Set<number>();

  /** The second time. */
  private isDue(node: number): boolean {
    if (this.due.has(node)) return true;
    this.due.add(node);
    return false;
  }

  private search(): void {
    const { snapshot, firstEdge, parent, byEdge } = this;
    const { edgeFields, edges } = snapshot;
    const weak = edgeFields.types.indexOf('weak');
    const queue = new Uint32Array(snapshot.nodeCount);
    let length = 1;
    parent[0] = 0;
    const later: number[] = [];
    for (let next = 0; next < length || later.length > 0; next++) {
      if (next === length) queue[length++] = later.shift()!;
      const node = queue[next]!;
      // The first is the root; each of these comes only once all others are exhausted.
      if (isPassing(snapshot, node) && !this.isDue(node)) {
        later.push(node);
        continue;
      }
      for (let edge = firstEdge[node]!; edge < firstEdge[node + 1]!; edge++) {
        if (edges[edge * edgeFields.width + edgeFields.type] === weak) continue;
        const to = targetOf(snapshot, edge);
        if (parent[to] !== none) continue;
        parent[to] = node;
        byEdge[to] = edge;
        queue[length++] = to;
      }
    }
  }
}

const passing = new Set(['(Stack roots)', '(Handle scope)', '(Global handles)']);

/** A root that says little: whoever took the snapshot was on the stack, and native code's handles are many. */
function isPassing(snapshot: HeapSnapshot, node: number): boolean {
  return nodeType(snapshot, node) === 'synthetic' && passing.has(nodeText(snapshot, node));
}

/**
 * The path in words, nearest first: "entry of Map", "variable cache of /app/cache.js", "property x of
 * Config". What is only V8's own storage (hash tables, backing arrays, contexts) is folded into the
 * object that it belongs to.
 */
export function describeRetainers(tree: RetainerTree, node: number): string[] {
  const { snapshot } = tree;
  const words: string[] = [];
  // How many of them, from the nearest, are needed if the module behind them is known.
  let said = 0;
  const path = tree.path(node);
  for (let at = 0; at < path.length; at++) {
    const { node: holder, edgeType: type, edgeName } = path[at]!;
    const above = path[at + 1];
    if (nodeType(snapshot, holder) === 'synthetic') {
      words.push(rootText(nodeText(snapshot, holder)));
      break;
    }
    if (isCollectionTable(snapshot, holder, above)) {
      said = words.push(`entry of ${nodeText(snapshot, above!.node)}`);
      at++;
    } else if (isElements(snapshot, holder, above)) {
      said = words.push(`element ${edgeName} of ${nameOf(snapshot, above!.node)}`);
      at++;
    } else if (type === 'context') {
      words.push(`variable ${edgeName} of ${scopeOf(tree, holder)}`);
    } else if (type === 'property') {
      words.push(`property ${edgeName} of ${nameOf(snapshot, holder)}`);
    } else if (type === 'element') {
      words.push(`element ${edgeName} of ${nameOf(snapshot, holder)}`);
    } else if (type !== 'shortcut') {
      words.push(`${edgeName === '' ? 'held' : edgeName} of ${nameOf(snapshot, holder)}`);
    }
    if (type !== 'internal' && type !== 'hidden') said = words.length;
    const file = moduleFile(tree, holder);
    if (file !== null) {
      words.length = said;
      words.push(`module ${file}`);
      break;
    }
  }
  return words;
}

function rootText(name: string): string {
  if (name === '(Global handles)') return 'a strong handle of native code';
  if (name === '(Stack roots)' || name === '(Handle scope)') return 'running code';
  return name === '' ? 'the root' : name;
}

const collections = new Set(['Map', 'Set', 'WeakMap', 'WeakSet']);

function isCollectionTable(
  snapshot: HeapSnapshot,
  holder: number,
  above: Retainer | undefined,
): boolean {
  return (
    above !== undefined &&
    above.edgeName === 'table' &&
    collections.has(nodeText(snapshot, above.node)) &&
    nodeType(snapshot, holder) !== 'object'
  );
}

function isElements(snapshot: HeapSnapshot, holder: number, above: Retainer | undefined): boolean {
  return (
    above !== undefined &&
    (above.edgeName === 'elements' || above.edgeName === 'properties') &&
    nodeType(snapshot, holder) === 'array'
  );
}

function nameOf(snapshot: HeapSnapshot, node: number): string {
  const type = nodeType(snapshot, node);
  const text = nodeText(snapshot, node);
  if (type === 'closure') return `function ${text === '' ? '(anonymous)' : text}`;
  return text === '' ? `(${type})` : text;
}

/** The function or file that a context belongs to, as far as the snapshot tells. */
function scopeOf(tree: RetainerTree, context: number): string {
  const scope = tree.follow(context, 'scope_info');
  const named = scope < 0 ? -1 : tree.follow(scope, 'function_name');
  const text = named < 0 ? '' : nodeText(tree.snapshot, named);
  if (text !== '') return `function ${text}`;
  const own = nameOf(tree.snapshot, context);
  return own === 'system / Context' ? 'a scope' : own;
}

/** The file of a CommonJS module's object, the URL of an ES module's. */
const fileProperties: ReadonlyMap<string, string> = new Map([
  ['Module', 'filename'],
  ['ModuleWrap', 'url'],
]);

function moduleFile(tree: RetainerTree, node: number): string | null {
  const property = fileProperties.get(nodeText(tree.snapshot, node));
  if (property === undefined) return null;
  const file = tree.follow(node, property);
  if (file < 0 || !/string$/.test(nodeType(tree.snapshot, file))) return null;
  return nodeText(tree.snapshot, file);
}
