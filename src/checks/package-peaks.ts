// The most memory that each package had at one moment, exactly, from the events. Pure.
import { type EventBatch, EventType } from '../ledger/index.js';

/**
 * @param groupOf the number of the group that a stack's blocks are counted to; -1: none
 * @returns by group
 */
export function peaksOf(
  batches: Iterable<EventBatch>,
  groupOf: (stackId: number) => number,
  groupCount: number,
): Float64Array {
  const live = new Float64Array(groupCount);
  const peak = new Float64Array(groupCount);
  const blocks = new Map<number, { group: number; sizeBytes: number }>();
  const add = (group: number, sizeBytes: number) => {
    live[group] += sizeBytes;
    if (live[group] > peak[group]) peak[group] = live[group];
  };
  for (const batch of batches) {
    for (let row = 0; row < batch.count; row++) {
      const type = batch.type[row];
      if (type >= EventType.free && type <= EventType.freeLast) {
        const address = batch.address(row);
        const block = blocks.get(address);
        if (block === undefined) continue;
        blocks.delete(address);
        live[block.group] -= block.sizeBytes;
        continue;
      }
      const isPair = type >= EventType.pair && type <= EventType.pairLast;
      if (!isPair && type > EventType.allocLast) continue;
      const group = groupOf(batch.stackId[row]);
      const address = batch.address(row);
      // A release that was missed: the block cannot live where another begins.
      const before = isPair ? undefined : blocks.get(address);
      if (before !== undefined) {
        live[before.group] -= before.sizeBytes;
        blocks.delete(address);
      }
      if (group < 0) continue;
      const sizeBytes = batch.sizeBytes(row);
      add(group, sizeBytes);
      if (isPair) live[group] -= sizeBytes;
      else blocks.set(address, { group, sizeBytes });
    }
  }
  return peak;
}
