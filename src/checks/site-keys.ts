// Which stacks are one site before anything has a name: naming costs seconds, and judging is done after every round.
// Two stacks of one call differ in how V8 happened to run the JavaScript between them. Pure.
import {
  type CodeInfo,
  FrameKind,
  Marker,
  type ModuleInfo,
  type StackTable,
} from '../model/index.js';
import { isNodeModule, parseV8Name } from '../symbols/index.js';

/** What stacks are made of, as far as it is known now. */
export interface StackParts {
  stacks: StackTable;
  modules: readonly ModuleInfo[];
  codes: readonly CodeInfo[];
  isNode: boolean;
  /** Folders of memprof/testing: what called it is the test runner's, and is other for the first call than later. */
  ownFolders: readonly string[];
}

const ours = '';
/** Of Node's own code that many frames at the leaf tell what allocated; those above depend on V8's tiers. */
const mostRuntimeFrames = 4;

export class SiteKeys {
  readonly #sites = new Map<number, string>();
  readonly #leaves = new Map<number, string>();
  readonly #functions = new Map<number, string | null>();
  #parts: StackParts;
  #modules = new Map<number, ModuleInfo>();
  #codes = new Map<number, string>();

  constructor(parts: StackParts) {
    this.#parts = parts;
    this.refresh(parts);
  }

  /** Sees what is new; what was answered stays. */
  refresh(parts: StackParts): void {
    this.#parts = parts;
    this.#modules = new Map(parts.modules.map((one) => [one.id, one]));
    this.#codes = new Map(parts.codes.map((one) => [one.id, one.rawName]));
  }

  /** Equal for stacks that are one site. `isRuntime`: Node's own frames at the leaf count. */
  siteOf(stackId: number, isRuntime: boolean): string {
    return remembered(this.#sites, stackId, () => this.#tokens(stackId, isRuntime).join('\n'));
  }

  /** Equal for stacks with the same allocating call, whoever called it. */
  leafOf(stackId: number, isRuntime: boolean): string {
    return remembered(this.#leaves, stackId, () => {
      const tokens = this.#tokens(stackId, isRuntime);
      const native = tokens.findIndex((token) => !token.startsWith('native '));
      const leaf = native < 0 ? tokens : tokens.slice(0, native);
      return (isRuntime ? leaf : leaf.slice(0, this.#callsOfLibraries(leaf) + 1)).join('\n');
    });
  }

  /** Whether the stack's outer part is the other stack. */
  isBelow(stackId: number, outer: number): boolean {
    const { parent, count } = this.#parts.stacks;
    for (let node = stackId; node > 0 && node < count; node = parent[node])
      if (node === outer) return true;
    return false;
  }

  #callsOfLibraries(leaf: readonly string[]): number {
    const first = leaf.findIndex((token) => token.startsWith('native addon '));
    return first < 0 ? leaf.length : first;
  }

  #tokens(stackId: number, isRuntime: boolean): string[] {
    const { stacks } = this.#parts;
    const { parent, kind, index, offset, count } = stacks;
    const tokens: string[] = [];
    let runtimeLeft = isRuntime ? mostRuntimeFrames : 0;
    for (let node = stackId; node > 0 && node < count; node = parent[node]) {
      switch (kind[node]) {
        case FrameKind.native:
        case FrameKind.nativePc:
        case FrameKind.nativeRecovered: {
          const module = this.#modules.get(index[node]);
          if (module?.isShim === true) break;
          const isNodes = module !== undefined && this.#parts.isNode && isNodeModule(module);
          if (isNodes && runtimeLeft-- <= 0) break;
          const whose = module?.path.endsWith('.node') === true ? 'addon ' : '';
          tokens.push(`native ${whose}${index[node]}+${offset[node]}`);
          break;
        }
        case FrameKind.jsBytecode:
        case FrameKind.jsCode: {
          runtimeLeft = 0;
          const token = this.#function(index[node]);
          if (token === ours) return tokens;
          if (token !== null) tokens.push(`js ${token}`);
          break;
        }
        case FrameKind.marker:
          tokens.push(index[node] === Marker.queued ? 'queued' : `marker ${index[node]}`);
          break;
      }
    }
    return tokens;
  }

  /** null: Node's own. A function, whatever line of it calls and however it was compiled. */
  #function(codeId: number): string | null {
    return remembered(this.#functions, codeId, () => {
      const rawName = this.#codes.get(codeId);
      if (rawName === undefined) return `code ${codeId}`;
      const { function: name, file, line, column } = parseV8Name(rawName);
      if (this.#parts.ownFolders.some((folder) => file?.startsWith(`${folder}/`))) return ours;
      return /^(?:node:|internal\/)/.test(file ?? '') ? null : `${name} ${file}:${line}:${column}`;
    });
  }
}

function remembered<Value>(map: Map<number, Value>, key: number, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
