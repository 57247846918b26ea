// Batches of a trace's events as users get them: plain columns, pairs as the two events that they are. Pure.
import { EventType, type EventBatch as StoredBatch } from '../ledger/index.js';
import { type EventBatch, EventKind } from '../library/trace.js';

/** Of every allocation in the trace, in order: numbers them. */
export class EventColumns {
  #nextSerial = 0;

  next(stored: StoredBatch, nsPerTick: number): EventBatch {
    const count = countOf(stored);
    const batch: EventBatch = {
      count,
      kind: new Uint8Array(count),
      entry: new Uint8Array(count),
      timeNs: new Float64Array(count),
      threadIndex: new Uint32Array(count),
      address: new Float64Array(count),
      sizeBytes: new Float64Array(count),
      stackId: new Uint32Array(count),
      serial: new Float64Array(count),
    };
    let at = 0;
    for (let row = 0; row < stored.count; row++) {
      const type = stored.type[row]!;
      if (type > EventType.freeLast && type < EventType.pair) continue;
      const isPair = type >= EventType.pair;
      const isRelease = !isPair && type > EventType.allocLast;
      const push = (kind: number, entry: number, tick: number, serial: number): void => {
        batch.kind[at] = kind;
        batch.entry[at] = entry;
        batch.timeNs[at] = tick * nsPerTick;
        batch.threadIndex[at] = stored.threadIndex[row]!;
        batch.address[at] = stored.address(row);
        batch.sizeBytes[at] = stored.sizeBytes(row);
        batch.stackId[at] = stored.stackId[row]!;
        batch.serial[at] = serial;
        at++;
      };
      if (isRelease) {
        const age = stored.age[row]!;
        const serial = age < 0 ? -1 : this.#nextSerial - 1 - age;
        push(EventKind.release, type, stored.tick(row), serial);
        continue;
      }
      const serial = this.#nextSerial++;
      const entry = isPair ? type - EventType.pair : type;
      push(EventKind.allocation, entry, stored.tick(row), serial);
      if (isPair) push(EventKind.release, EventType.free, stored.endTick(row), serial);
    }
    return batch;
  }
}

function countOf(stored: StoredBatch): number {
  let count = 0;
  for (let row = 0; row < stored.count; row++) {
    const type = stored.type[row]!;
    if (type <= EventType.freeLast) count++;
    else if (type >= EventType.pair) count += 2;
  }
  return count;
}
