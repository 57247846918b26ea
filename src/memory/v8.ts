// V8's heap at a checkpoint: its spaces against what is resident of it, and what went when V8 was made to collect.
// Pure.
import type { Checkpoint, V8Isolate, V8Space } from '../model/index.js';
import type { ExplainedMemory } from './explain.js';

export interface V8Summary {
  isolates: V8Isolate[];
  /** Of all isolates, by name, in V8's order. */
  spaces: V8Space[];
  total: Omit<V8Space, 'name'>;
  /** Measured: pages of the mappings that Node made. They add up: used, committed and unused, beside its spaces. */
  resident: {
    bytes: number;
    /** Of `bytes`, what the program may execute. */
    codeBytes: number;
    usedBytes: number;
    /** What V8 says is there, less what it uses. */
    unusedBytes: number;
    /** The rest: tables of V8's, embedded code, what Node mapped for itself. Below 0: V8 counts pages that are not there. */
    besideBytes: number;
  };
  collected: V8Collected | null;
}

/** What memprof's making V8 collect gave back. */
export interface V8Collected {
  /** Of the process; 0: unknown. */
  residentBeforeBytes: number;
  residentAfterBytes: number;
  /** Native blocks: live before, released since, allocated since and still there. They add up to what is live. */
  beforeBytes: number;
  beforeCount: number;
  goneBytes: number;
  goneCount: number;
  cameBytes: number;
  /** Their objects are gone, and their finalizers wait. */
  pendingBytes: number;
  /** Of what has gone, what V8 had been told of; null: unknown. */
  toldGoneBytes: number | null;
  /** Of what has gone or waits, at least so much V8 had not been told of; null: unknown. */
  untoldBytes: number | null;
  /** V8's own heap: used before, and after. */
  usedBeforeBytes: number;
  usedAfterBytes: number;
}

/** null: not recorded. */
export function v8Summary(checkpoint: Checkpoint, explained: ExplainedMemory): V8Summary | null {
  const { v8 } = checkpoint;
  if (v8 === undefined) return null;
  const spaces = new Map<string, V8Space>();
  const total = { committedBytes: 0, usedBytes: 0, availableBytes: 0, physicalBytes: 0 };
  for (const space of v8.isolates.flatMap((isolate) => isolate.spaces)) {
    const { name } = space;
    let sum = spaces.get(name);
    if (sum === undefined)
      spaces.set(
        name,
        (sum = { name, committedBytes: 0, usedBytes: 0, availableBytes: 0, physicalBytes: 0 }),
      );
    addSpace(sum, space);
    addSpace(total, space);
  }
  const residentOf = (kind: string) =>
    explained.parts.find((part) => part.kind === kind)?.residentBytes ?? 0;
  const codeBytes = residentOf('v8-code');
  const bytes = residentOf('v8-heap') + codeBytes;
  return {
    isolates: v8.isolates,
    spaces: [...spaces.values()],
    total,
    resident: {
      bytes,
      codeBytes,
      usedBytes: total.usedBytes,
      unusedBytes: total.physicalBytes - total.usedBytes,
      besideBytes: bytes - total.physicalBytes,
    },
    collected: collectedOf(checkpoint, explained),
  };
}

function addSpace(sum: Omit<V8Space, 'name'>, space: V8Space): void {
  sum.committedBytes += space.committedBytes;
  sum.usedBytes += space.usedBytes;
  sum.availableBytes += space.availableBytes;
  sum.physicalBytes += space.physicalBytes;
}

function collectedOf(checkpoint: Checkpoint, explained: ExplainedMemory): V8Collected | null {
  const collected = checkpoint.v8?.collected ?? null;
  if (collected === null) return null;
  const isolates = (checkpoint.v8?.isolates ?? []).filter((isolate) => isolate.isCollected);
  const sum = (of: (isolate: V8Isolate) => number) =>
    isolates.reduce((total, isolate) => total + of(isolate), 0);
  const isTold = isolates.every(
    ({ before, after }) => before.toldBytes !== null && after.toldBytes !== null,
  );
  const toldBefore = sum(({ before }) => before.toldBytes ?? 0);
  const toldAfter = sum(({ after }) => after.toldBytes ?? 0);
  const toldGoneBytes = isTold ? Math.max(0, toldBefore - toldAfter) : null;
  const pendingBytes = checkpoint.tallies.reduce(
    (total, tally) => (tally.verdict === 'pending' ? total + tally.sizeBytes : total),
    0,
  );
  const { goneBytes, goneCount, beforeBytes, beforeCount, residentBeforeBytes } = collected;
  return {
    residentBeforeBytes,
    residentAfterBytes: explained.residentBytes,
    beforeBytes,
    beforeCount,
    goneBytes,
    goneCount,
    cameBytes: checkpoint.liveBytes - beforeBytes + goneBytes,
    pendingBytes,
    toldGoneBytes,
    // What waits is still among what V8 was told of, if it was.
    untoldBytes:
      toldGoneBytes === null
        ? null
        : Math.max(0, goneBytes - toldGoneBytes) + Math.max(0, pendingBytes - toldAfter),
    usedBeforeBytes: sum(({ before }) => before.usedBytes),
    usedAfterBytes: sum(({ after }) => after.usedBytes),
  };
}
