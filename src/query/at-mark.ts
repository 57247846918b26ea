// What a process held at a mark: the ledger, rebuilt from the trace's events up to the mark's very place.
import { Recording } from '../ledger/index.js';
import type { LiveSet, StackTotals } from '../model/index.js';
import { nativeLedger, readTraceEvents } from '../record/index.js';

export interface AtMark {
  atNs: number;
  live: LiveSet;
  /** Of everything up to the mark. */
  stackTotals: StackTotals;
}

/** By index in the model's marks. Reads the events once, and no further than the last of these marks. */
export function replayAt(tracePath: string, markIndices: Iterable<number>): Map<number, AtMark> {
  const wanted = new Set(markIndices);
  const found = new Map<number, AtMark>();
  if (wanted.size === 0) return found;
  const recording = new Recording(nativeLedger);
  let nsPerTick = 1;
  recording.onMark = (tick, index) => {
    if (!wanted.has(index)) return;
    found.set(index, {
      atNs: tick * nsPerTick,
      live: recording.ledger.snapshot(nsPerTick),
      stackTotals: recording.ledger.stackTotals(0),
    });
  };
  for (const { batch, nsPerTick: now } of readTraceEvents(tracePath)) {
    nsPerTick = now;
    recording.consume(batch);
    if (found.size === wanted.size) break;
  }
  return found;
}
