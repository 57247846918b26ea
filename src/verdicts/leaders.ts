// Which block a block that is lost with others hangs from. Pure.
import type { CheckpointDetail } from '../model/index.js';
import { findRoots } from './chains.js';

/**
 * Of each block: the row of the nearest block before it, on its path, that is lost, orphaned or pending; itself
 * where it is one; -1 where it is none and hangs from none.
 */
export function leadersOf(detail: Pick<CheckpointDetail, 'verdict' | 'reachability'>): Int32Array {
  const { verdict, reachability } = detail;
  const leader = new Int32Array(verdict.length).fill(-1);
  const leads = (row: number) =>
    verdict[row] === 'lost' || verdict[row] === 'orphaned' || verdict[row] === 'pending';
  for (let row = 0; row < leader.length; row++) if (leads(row)) leader[row] = row;
  if (reachability === null) return leader;
  const { referrerBlock } = reachability;
  for (const row of findRoots(referrerBlock).order) {
    if (verdict[row] !== 'lost-indirect') continue;
    const holder = referrerBlock[row];
    if (holder >= 0 && holder < leader.length) leader[row] = leader[holder];
  }
  return leader;
}
