// Drains all rings of one process: fence, then copy, in the order that the horizon in wire.h needs.
import * as os from 'node:os';
import { clockMs } from '../clock.js';
import type { ProcessMemory } from './process-memory.js';
import type { RingReader } from './ring-reader.js';

/** Above this, only rings that hold up the order are drained: their producers wait instead. */
const maxStagedBytes = 64 << 20;
/** ... unless one holds it up for long: its thread may wait for a lock that a waiting producer holds. */
const maxStagedBytesWhenStuck = Math.min(4 * 2 ** 30, os.totalmem() / 8);

/** What the drain needs of a process. */
export type DrainedMemory = Pick<
  ProcessMemory,
  'pid' | 'hasSteadyClock' | 'fence' | 'addNewRings' | 'warnings'
>;

export interface DrainLimits {
  stagedBytes: number;
  stagedBytesWhenStuck: number;
}

export class RingDrain {
  readonly rings: RingReader[] = [];
  private readonly memory: DrainedMemory;
  private readonly limits: DrainLimits;

  constructor(
    memory: DrainedMemory,
    limits: DrainLimits = {
      stagedBytes: maxStagedBytes,
      stagedBytesWhenStuck: maxStagedBytesWhenStuck,
    },
  ) {
    this.memory = memory;
    this.limits = limits;
  }

  /**
   * @param isFinal the process writes no more
   * @returns how many words came, and the tick below which a ring that was idle publishes nothing
   */
  drain(isFinal: boolean, nowMs = clockMs()): { words: number; now: number } {
    const { rings } = this;
    let now = Infinity;
    let words = 0;
    if (!isFinal) {
      if (this.memory.hasSteadyClock) {
        now = this.memory.fence();
      } else {
        // Tickets are given out in order: whoever is idle after the fence takes a later one than any
        // that was published before it.
        for (const ring of rings) words += ring.drain(nowMs);
        now = rings.reduce((last, ring) => Math.max(last, ring.lastStagedTick()), 0) + 1;
        this.memory.fence();
      }
    }
    this.memory.addNewRings(rings);
    let stagedBytes = 0;
    for (const ring of rings) stagedBytes += 4 * ring.stagedHalves;
    const isFull = stagedBytes > this.limits.stagedBytes && !this.mayStageMore(stagedBytes, nowMs);
    for (const ring of rings) {
      if (isFull && ring.stagedHalves > 0) ring.skip();
      else words += ring.drain(nowMs);
    }
    return { words, now };
  }

  private mayStageMore(stagedBytes: number, nowMs: number): boolean {
    const stuck = this.rings.find((ring) => ring.stagedHalves === 0 && ring.isStuck(nowMs));
    if (stuck === undefined) return false;
    if (stagedBytes <= this.limits.stagedBytesWhenStuck) return true;
    this.memory.warnings.add(
      `process ${this.memory.pid}: the thread of ring ${stuck.index} stood within one allocation while ${Math.round(stagedBytes / 2 ** 20)} MiB of later events of other threads waited for it; these threads had to wait, too`,
    );
    return false;
  }
}
