// Takes the live blocks through all that a checkpoint does with them in the reader, for nothing, while the
// program is busy with something else.
//
// Why: in a reader that has done it for the first time a checkpoint takes 140 ms of CPU, in one that has
// done it three times 10 ms. A test that takes ten would wait for it.
import { setImmediate as turn } from 'node:timers/promises';
import { type CheckpointPools, type LiveSet, Reach } from '../model/index.js';
import { BlockIndex, flagsForScan, judge, nest, OwnerMemory } from '../verdicts/index.js';
import { BlocksFile } from './checkpoint-blocks.js';
import { noOwners } from './checkpoint-header.js';
import type { CheckpointHost } from './checkpoints.js';
import { rowsByAddress } from './sort-addresses.js';

const rounds = 3;

/** `isOver`: the recording is closed, nothing may be asked of the host any more. */
export async function rehearseCheckpoints(
  host: CheckpointHost,
  flagsOf: (live: LiveSet, pools: CheckpointPools | null) => Uint8Array,
  isOver: () => boolean,
): Promise<void> {
  const memory = new OwnerMemory();
  for (let round = 0; round < rounds; round++) {
    // After each part the rings want to be looked at.
    await turn();
    if (isOver()) return;
    const { live, pools } = host.live();
    const flags = flagsOf(live, pools);
    await turn();
    if (isOver()) return;
    const nesting = pools === null ? null : nest(live, pools.firstRow, host.memory());
    const rows = nesting?.order ?? rowsByAddress(live.address);
    const index = new BlockIndex(live, rows, nesting?.parent);
    const resources = host.resources(live, index);
    const file = new BlocksFile({
      live,
      rows,
      flags: flagsForScan(live, flags, resources.outstanding),
      ranges: [],
      regionCapacity: 0,
      frameCapacity: 0,
    });
    const buffer = new ArrayBuffer(file.sizeBytes);
    file.write(buffer);
    const reachability = file.read(buffer);
    for (let row = 0; row < live.count; row++) {
      reachability.reach[row] = row % (Reach.lostIndirect + 1);
      reachability.referrerBlock[row] = row % 3 === 0 ? -1 : row - 1;
    }
    await turn();
    if (isOver()) return;
    judge(
      {
        number: round + 1,
        live,
        index,
        nsPerTick: 1,
        flags,
        owners: noOwners(),
        ownersComplete: true,
        reachability,
        pendingFinalizerCount: 0,
        ...(pools === null ? {} : { pools }),
        ...resources,
      },
      memory,
    );
  }
}
