// Names for what blocks are held by: symbols of globals, functions of stack frames, retainers of objects.
import type { CheckpointDetail, StackId, StackTable } from '../model/index.js';
import type { DataName, RootNames } from '../report/index.js';
import { classOfVtable } from '../types/index.js';
import type { PathFrame, PathRoot } from '../verdicts/index.js';
import type { OpenedTrace } from './opened.js';

/** Symbols of data, by ELF virtual address; null where none holds the address. */
export type NameData = (
  path: string,
  buildId: string,
  addresses: Float64Array,
) => Promise<(DataName | null)[]>;

/** Retainers of an object by its id in a checkpoint's heap snapshot, nearest first; null: not known. */
export type RetainersOf = (snapshotId: number) => readonly string[] | null;

export async function nameRoots(
  command: OpenedTrace,
  detail: CheckpointDetail | null,
  roots: Iterable<PathRoot>,
  firstWords: Iterable<number> = [],
): Promise<RootNames> {
  const all = [...roots];
  const classes = await nameClasses(command, firstWords);
  const data = await nameGlobals(command, all);
  const frames = await nameFrames(command, all);
  return {
    data: (root) => (root.kind === 'global' ? (data.get(root.address) ?? null) : null),
    frame: (root) =>
      root.kind === 'stack' && root.frame !== null ? (frames(root.frame) ?? null) : null,
    classOf: (word) => classes.get(word) ?? null,
    retainers(ownerRow) {
      const id = detail?.owners.snapshotId[ownerRow] ?? 0;
      return id === 0 ? null : (command.retainersOf?.(id) ?? null);
    },
  };
}

/** Classes of objects, by what their first words point to. */
async function nameClasses(
  command: OpenedTrace,
  firstWords: Iterable<number>,
): Promise<Map<number, string>> {
  const { modules } = command.model;
  const byModule = new Map<number, Set<number>>();
  for (const word of new Set(firstWords)) {
    // Of two that lay there one after the other, the later.
    const module = modules.findLast((one) => word >= one.low && word < one.high);
    if (word !== 0 && module !== undefined) addTo(byModule, module.id, word);
  }
  const classes = new Map<number, string>();
  for (const [word, name] of await nameAddresses(command, byModule)) {
    const className = name === null ? null : classOfVtable(name.symbol);
    if (className !== null) classes.set(word, className);
  }
  return classes;
}

function nameGlobals(
  command: OpenedTrace,
  roots: readonly PathRoot[],
): Promise<Map<number, DataName | null>> {
  const byModule = new Map<number, Set<number>>();
  for (const root of roots)
    if (root.kind === 'global') addTo(byModule, root.moduleId, root.address);
  return nameAddresses(command, byModule);
}

function addTo(byModule: Map<number, Set<number>>, moduleId: number, address: number): void {
  const addresses = byModule.get(moduleId);
  if (addresses === undefined) byModule.set(moduleId, new Set([address]));
  else addresses.add(address);
}

async function nameAddresses(
  { model, nameData }: OpenedTrace,
  byModule: ReadonlyMap<number, ReadonlySet<number>>,
): Promise<Map<number, DataName | null>> {
  const named = new Map<number, DataName | null>();
  for (const [id, addresses] of byModule) {
    const module = model.modules.find((one) => one.id === id);
    if (module === undefined) continue;
    const list = [...addresses];
    const relative = Float64Array.from(list, (address) => address - module.base);
    const names = await nameData(module.path, module.buildId, relative);
    for (const [at, address] of list.entries()) named.set(address, names[at]);
  }
  return named;
}

/** A frame alone is a stack of one: named as all stacks are. */
async function nameFrames({ model, nameStacks }: OpenedTrace, roots: readonly PathRoot[]) {
  const frames: PathFrame[] = [];
  const ids = new Map<string, StackId>();
  for (const root of roots) {
    if (root.kind !== 'stack' || root.frame === null || ids.has(frameKey(root.frame))) continue;
    ids.set(frameKey(root.frame), (model.stacks.count + frames.length) as StackId);
    frames.push(root.frame);
  }
  if (frames.length === 0) return () => undefined;
  const stacks = withFrames(model.stacks, frames);
  const symbols = await nameStacks({ ...model, stacks }, ids.values());
  return (frame: PathFrame) => {
    const id = ids.get(frameKey(frame));
    return id === undefined ? undefined : symbols.stack(id).frames[0];
  };
}

const frameKey = ({ kind, index, offset }: PathFrame): string => `${kind} ${index} ${offset}`;

function withFrames(stacks: StackTable, frames: readonly PathFrame[]): StackTable {
  const count = stacks.count + frames.length;
  const longer: StackTable = {
    count,
    parent: new Uint32Array(count),
    kind: new Uint8Array(count),
    index: new Uint32Array(count),
    offset: new Float64Array(count),
  };
  for (const column of ['parent', 'kind', 'index', 'offset'] as const)
    longer[column].set(stacks[column].subarray(0, stacks.count));
  for (const [at, frame] of frames.entries()) {
    longer.kind[stacks.count + at] = frame.kind;
    longer.index[stacks.count + at] = frame.index;
    longer.offset[stacks.count + at] = frame.offset;
  }
  return longer;
}
