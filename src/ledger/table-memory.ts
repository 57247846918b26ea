// Where the ledger's large tables lie. They are read at random, so whoever may ask the system for huge
// pages (record/ does) gives the ledger such memory; here it is JavaScript's own.

export interface TableMemory {
  /** Zeroed; at least so many bytes. */
  allocate(sizeBytes: number): ArrayBuffer;
  /** Nothing looks into it any more. */
  release(buffer: ArrayBuffer): void;
}

export const plainMemory: TableMemory = {
  allocate: (sizeBytes) => new ArrayBuffer(sizeBytes),
  release: () => undefined,
};
