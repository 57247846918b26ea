// Sentences about a process: how it ended, and what could not be recorded. Pure.
import { otherAllocator } from '../memory/index.js';
import { FrameKind, Marker, type ProcessInfo, type TraceModel } from '../model/index.js';
import { isServingLibrary } from '../symbols/index.js';
import { allocatorLossText } from './allocator.js';
import { misuseLines } from './pools.js';
import { formatBytes, formatCount, formatDuration } from './units.js';

export function describeEnd(process: ProcessInfo): string {
  const { how, code, signal } = process.ended;
  const status = code === null ? '' : ` with status ${code}`;
  switch (how) {
    case 'exit':
      return `ended${status}`;
    case 'process.exit':
      return `ended through process.exit()${status} (Node skips parts of its teardown)`;
    case 'uncaught-exception':
      return `ended by an uncaught exception${status}`;
    case '_exit':
      return `ended through _exit()${status} (no exit handlers ran)`;
    case 'quick_exit':
      return `ended through quick_exit()${status}`;
    case 'signal':
      return `was killed by ${signal ?? 'a signal'}`;
    case 'exec':
      return 'was replaced by another program (exec)';
    case 'still-running':
      return 'is still running: recorded up to here';
    case 'unknown':
      return 'ended in an unknown way';
  }
}

const plural = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/**
 * Whether a cut stack holds a frame that is not the executable's own. V8 recurses deeper than any
 * limit while it reads Node's snapshot: every run on Node 20 has such a stack, and a warning that is
 * always there would teach people to ignore warnings.
 */
function isCutOutsideExecutable(model: TraceModel): boolean {
  const { stacks, stackTotals, modules, codes, losses } = model;
  const own = new Set(
    modules
      .filter((each) => each.isExecutable || each.isShim || isServingLibrary(each.path))
      .map((each) => each.id),
  );
  const isCut = new Uint8Array(stacks.count);
  const isForeign = new Uint8Array(stacks.count);
  let foundCount = 0;
  // A parent's id is below its child's: before the first marker nothing is cut.
  const first = stacks.kind.indexOf(FrameKind.marker);
  if (first < 0) return true;
  for (let id = first; id < stacks.count; id++) {
    const parent = stacks.parent[id];
    const kind = stacks.kind[id];
    if (kind === FrameKind.marker && stacks.index[id] === Marker.cut) {
      isCut[id] = 1;
      continue;
    }
    if (isCut[parent] === 0) continue;
    isCut[id] = 1;
    const isNative =
      kind === FrameKind.native ||
      kind === FrameKind.nativePc ||
      kind === FrameKind.nativeRecovered;
    const isNodes =
      kind === FrameKind.builtin ||
      kind === FrameKind.v8Unnamed ||
      (isNative && own.has(stacks.index[id])) ||
      (!isNative && /\bnode:/.test(codes[stacks.index[id]]?.rawName ?? ''));
    isForeign[id] = isForeign[parent] === 1 || !isNodes ? 1 : 0;
    if (stackTotals.allocationCount[id] === 0) continue;
    if (isForeign[id] === 1) return true;
    // Mostly all of them came early, and a million nodes after them.
    if ((foundCount += stackTotals.allocationCount[id]) >= losses.cutStackCount) return false;
  }
  return foundCount === 0;
}

/** One sentence for each kind of loss that is not zero; `brief` leaves out what concerns nobody's code. */
export function lossLines(model: TraceModel, detail: 'all' | 'brief' = 'all'): string[] {
  const { losses } = model;
  const lines: string[] = [];
  const say = (count: number, text: () => string) => {
    if (count > 0) lines.push(text());
  };
  const allocator = otherAllocator(model);
  const unseen = allocator === null ? null : allocatorLossText(allocator);
  if (unseen !== null) lines.push(unseen);
  say(
    losses.lostEventCount,
    () =>
      `${plural(losses.lostEventCount, 'event')} could not be recorded: lifetimes of the blocks they touched are unknown`,
  );
  say(
    losses.untracedThreadCount,
    () => `${plural(losses.untracedThreadCount, 'thread')} could not be recorded`,
  );
  say(
    losses.nestedEventCount,
    () =>
      `${plural(losses.nestedEventCount, 'event')} of signal handlers that interrupted the recorder are without a stack`,
  );
  say(
    losses.cutStackCount > 0 && (detail === 'all' || isCutOutsideExecutable(model))
      ? losses.cutStackCount
      : 0,
    () => `${plural(losses.cutStackCount, 'stack')} cut at the depth limit (--depth, at most 256)`,
  );
  say(
    losses.fullTableStackCount,
    () => `${plural(losses.fullTableStackCount, 'stack')} not kept: the stack table was full`,
  );
  say(
    losses.doubleAllocationCount,
    () =>
      `${plural(losses.doubleAllocationCount, 'allocation')} at an address that was live: a release was missed`,
  );
  say(
    losses.unknownReleaseCount,
    () =>
      `${plural(losses.unknownReleaseCount, 'release')} of memory ${unseen === null ? 'allocated before recording began' : 'whose allocation was not recorded'}`,
  );
  say(
    losses.bootstrapBytes,
    () =>
      `${formatBytes(losses.bootstrapBytes)} given out while the program was loading are not recorded`,
  );
  say(
    losses.ringWaitCount,
    () =>
      `the program waited ${plural(losses.ringWaitCount, 'time')} for the recorder, ${formatDuration(losses.ringWaitNs)} in all; nothing was lost by it`,
  );
  const stopped = {
    'reader-gone': 'the recorder was gone',
    detached: 'the recorder detached',
    'no-space': 'there was no space for more records',
  };
  if (losses.stoppedEarly !== null)
    lines.push(`recording stopped before the program's end: ${stopped[losses.stoppedEarly]}`);
  if (!model.complete)
    lines.push('the trace ends before its last part: numbers are as of the last whole part');
  lines.push(...misuseLines(model));
  return lines;
}
