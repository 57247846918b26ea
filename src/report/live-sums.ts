// Live blocks by stack, added up once for all that looks at a moment: a program has some ten blocks a stack, and
// the report of its end looks at them in half a dozen ways. Pure.
import type { LiveSet, Moment, StackId, TraceModel } from '../model/index.js';

export interface Amount {
  blockCount: number;
  sizeBytes: number;
}

export function addAmounts(into: Amount, more: Amount): void {
  into.blockCount += more.blockCount;
  into.sizeBytes += more.sizeBytes;
}

/** Columns with a row for each stack that holds a block, in the order of their first blocks. */
export interface LiveSums {
  stackId: StackId[];
  blockCount: number[];
  sizeBytes: number[];
  all: Amount;
}

export interface MomentSums {
  /** null without that moment. */
  beforeTeardown: LiveSums | null;
  atEnd: LiveSums;
}

export function momentSums(model: TraceModel): MomentSums {
  const { stacks, beforeTeardown, atEnd } = model;
  const sums = ({ live }: Moment) => liveSums(live, stacks.count);
  return {
    beforeTeardown: beforeTeardown === null ? null : sums(beforeTeardown),
    atEnd: sums(atEnd),
  };
}

function liveSums(live: LiveSet, stackCount: number): LiveSums {
  const stackId: StackId[] = [];
  const blockCount: number[] = [];
  const bytes: number[] = [];
  // By stack: the row, from 1 on.
  const rowOf = new Uint32Array(stackCount);
  // Of a damaged trace: ids beyond the table.
  const beyond = new Map<number, number>();
  const columns = { ids: live.stackId, sizes: live.sizeBytes };
  let sizeBytes = 0;
  for (let at = 0; at < live.count; at++) {
    const id = columns.ids[at];
    const size = columns.sizes[at];
    let row = id < stackCount ? rowOf[id] : (beyond.get(id) ?? 0);
    if (row === 0) {
      row = stackId.push(id as StackId);
      blockCount.push(0);
      bytes.push(0);
      if (id < stackCount) rowOf[id] = row;
      else beyond.set(id, row);
    }
    blockCount[row - 1]++;
    bytes[row - 1] += size;
    sizeBytes += size;
  }
  return { stackId, blockCount, sizeBytes: bytes, all: { blockCount: live.count, sizeBytes } };
}
