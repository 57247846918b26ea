// What the ledger takes from the native part: its loop, and huge pages for its tables, given back as soon as a
// table has grown out of them.
//
// Why huge: with a million live blocks almost every look-up missed the TLB; huge pages took 40 % off it. And a
// table of 1 GiB is 512 page faults instead of 262,144.
import { type LedgerHost, State } from '../ledger/index.js';
import * as native from '../native/index.js';

const hugePageBytes = 2 << 20;

export const nativeLedger: LedgerHost = {
  allocate(sizeBytes) {
    if (sizeBytes < hugePageBytes) return new ArrayBuffer(sizeBytes);
    return native.mapMemory(sizeBytes);
  },
  release(buffer) {
    if (buffer.byteLength >= hugePageBytes) native.unmap(buffer);
  },
  consumeBlocks: (batch, start, tables) =>
    native.consumeBlocks(
      batch.memory,
      start,
      batch.count,
      tables.slots,
      tables.rowOfStack,
      tables.stackSums,
      tables.lastOfThread,
      tables.state,
    ),
  liveBlocks: (tables, nsPerTick, into) =>
    native.liveBlocks(tables.slots, tables.stackSums, nsPerTick, into),
  stackTotals: (tables, into) =>
    native.stackTotals(tables.stackSums, tables.state[State.rowLimit]!, into),
  moveLive: native.moveLive,
  purgeReleased: native.purgeReleased,
};
