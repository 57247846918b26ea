// How much of the machine nobody uses: for work that can wait, and is better done while the program runs than after
// its end.
import { readFileSync } from 'node:fs';
import { clockMs } from '../clock.js';

/** Linux counts in these, whatever the kernel's own tick. */
const ticksPerSecond = 100;

export class IdleCores {
  #ticks = idleTicks();
  #atMs = clockMs();

  /** Cores that were idle since the last call, on average; 0: all were busy, or nobody can tell. */
  sinceLastLook(): number {
    const ticks = idleTicks();
    const nowMs = clockMs();
    const seconds = (nowMs - this.#atMs) / 1000;
    const idle = ticks === null || this.#ticks === null ? 0 : ticks - this.#ticks;
    this.#ticks = ticks;
    this.#atMs = nowMs;
    return seconds > 0 ? idle / ticksPerSecond / seconds : 0;
  }
}

/** Of all cores since the machine's start. */
function idleTicks(): number | null {
  try {
    const [, , , , idle] = readFileSync('/proc/stat', 'latin1').split(/\s+/, 5);
    const ticks = Number(idle);
    return Number.isFinite(ticks) ? ticks : null;
  } catch {
    // No /proc, or not for us: then nothing is done ahead.
    return null;
  }
}
