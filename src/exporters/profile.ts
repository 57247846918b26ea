// The input of all formats that show sums by stack. Pure.
import type { ProcessInfo, StackId, TraceModel } from '../model/index.js';
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import type { Measure, StackSums } from './measures.js';

/** One measure of every stack of a profile. */
export interface Series {
  measure: Measure;
  blockCount: Float64Array;
  /** null: only counted. */
  sizeBytes: Float64Array | null;
}

export interface StackProfile {
  process: ProcessInfo;
  modules: TraceModel['modules'];
  /** Since the process's start: when it looked like this. */
  atNs: number;
  /** Different ones; those that display equal are one. */
  stacks: readonly NamedStack[];
  /** The first is the one to show first. */
  series: readonly Series[];
}

/** Stacks that have something of any of the sums. */
export function stackIdsOf(sums: readonly StackSums[]): StackId[] {
  const ids = new Set<number>();
  for (const { blockCount } of sums)
    for (let id = 0; id < blockCount.length; id++) if (blockCount[id] !== 0) ids.add(id);
  return [...ids] as StackId[];
}

export function collectProfile(
  model: TraceModel,
  symbols: SymbolizedStacks,
  sums: readonly StackSums[],
  atNs: number,
): StackProfile {
  const rows = new Map<string, number>();
  const stacks: NamedStack[] = [];
  const ids = stackIdsOf(sums);
  const rowOf = ids.map((id) => {
    const stack = symbols.stack(id);
    let row = rows.get(stack.key);
    if (row === undefined) {
      row = stacks.push(stack) - 1;
      rows.set(stack.key, row);
    }
    return row;
  });
  const added = (column: Float64Array): Float64Array => {
    const sum = new Float64Array(stacks.length);
    for (const [at, id] of ids.entries()) sum[rowOf[at]!]! += column[id] ?? 0;
    return sum;
  };
  return {
    process: model.process,
    modules: model.modules,
    atNs,
    stacks,
    series: sums.map(({ measure, blockCount, sizeBytes }) => ({
      measure,
      blockCount: added(blockCount),
      sizeBytes: sizeBytes === null ? null : added(sizeBytes),
    })),
  };
}

export const total = (column: Float64Array): number => column.reduce((sum, one) => sum + one, 0);

/** The bytes of the first measure, or its blocks where only those are known. */
export function mainColumn({ series }: StackProfile): {
  unit: 'bytes' | 'blocks';
  column: Float64Array;
} {
  const { sizeBytes, blockCount } = series[0] as Series;
  return sizeBytes === null
    ? { unit: 'blocks', column: blockCount }
    : { unit: 'bytes', column: sizeBytes };
}

/** "node app.js" */
export const commandOf = ({ argv, executable }: ProcessInfo): string =>
  argv.length === 0 ? executable : argv.join(' ');
