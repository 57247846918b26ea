import type { LedgerHost } from '../../src/ledger/index.js';
import { nativeLedger } from '../../src/record/index.js';

/** Tables in JavaScript's own memory: property tests make hundreds of ledgers. */
export const plainHost: LedgerHost = {
  ...nativeLedger,
  allocate: (sizeBytes) => new ArrayBuffer(sizeBytes),
  release: () => undefined,
};
