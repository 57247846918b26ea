// What a program imports from 'memprof': asking for a checkpoint of itself, and opening traces.
//
// Must not import anything of the project but errors and paths: it runs in the traced program. What opens
// traces is loaded when somebody opens one.
import { MemprofError } from '../errors.js';
import { agentAddonPath } from '../paths.js';

export { MemprofError } from '../errors.js';
export { openTrace } from './open-trace.js';
export * from './trace.js';

interface AgentAddon {
  /** -1: not under memprof-run; 0: not now. */
  checkpoint(name: string): number;
}

/** Which checkpoint it was. */
export interface CheckpointTaken {
  /** From 1; as `memprof leaks` and `memprof owners` number them. */
  number: number;
}

// Kept from before the program could replace them.
const { setImmediate: later } = globalThis;
const attempts = 100;

/**
 * Collects garbage, runs what finalizers are due, and records who holds which native memory now. Resolves
 * when it is taken. `name` marks the moment in the trace. Without memprof-run it throws a MemprofError with
 * the code ERR_MEMPROF_NOT_LOADED.
 */
export async function checkpoint(name = ''): Promise<CheckpointTaken> {
  const addon = loadAddon();
  for (let attempt = 0; attempt < attempts; attempt++) {
    // From the event loop: with no JavaScript on the stack finalizers may run, and locals of the caller's
    // callers keep nothing alive.
    await new Promise<void>((resolve) => later(resolve));
    const number = addon.checkpoint(String(name));
    if (number > 0) return { number };
    if (number < 0) throw notLoaded();
  }
  throw new MemprofError(
    'ERR_MEMPROF_NOT_TAKEN',
    'the checkpoint could not be taken: no room for its file, or memprof-run has ended. Try again, or look at what memprof-run says',
  );
}

function loadAddon(): AgentAddon {
  const holder = { exports: {} as AgentAddon };
  try {
    process.dlopen(holder, agentAddonPath);
  } catch {
    // Not built, or addons are forbidden: then there is no agent either.
    throw notLoaded();
  }
  return holder.exports;
}

function notLoaded(): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_NOT_LOADED',
    'memprof is not loaded in this process. Start the program with: memprof-run node app.js',
  );
}
