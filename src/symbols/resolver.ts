// What symbolize needs from outside to name native code. src/native's Symbolizer is one; a test's
// table is another. Must not import anything.

/** Frames of one module's addresses, flattened: address i owns frames [start[i], start[i + 1]). */
export interface ResolvedModule {
  found: boolean;
  reason: 'ok' | 'missing' | 'changed' | 'not-elf' | 'no-symbols';
  hasDebugInfo: boolean;
  /** Innermost inlined frame first. */
  start: Uint32Array;
  functionName: (string | null)[];
  file: (string | null)[];
  /** 0: not known. */
  line: Uint32Array;
  column: Uint32Array;
  inlined: boolean[];
  /** Per address: one of Quality. */
  quality: Uint8Array;
  /** Per address: bytes from the symbol's start. */
  symbolOffset: Float64Array;
}

export const Quality = { none: 0, nearestExport: 1, symbol: 2, debugInfo: 3 } as const;

/** Addresses per call of the resolver: large enough to pay for the call, small enough for progress. */
export const batchSize = 4096;

export interface FrameResolver {
  /** Addresses are ELF virtual addresses, return addresses lowered by one already. */
  resolve(path: string, expectedBuildId: string, addresses: Float64Array): Promise<ResolvedModule>;
}

/** Names nothing: every native frame is shown as module and offset. */
export const noSymbols: FrameResolver = {
  resolve: (_path, _buildId, addresses) =>
    Promise.resolve({
      found: false,
      reason: 'missing',
      hasDebugInfo: false,
      start: new Uint32Array(addresses.length + 1),
      functionName: [],
      file: [],
      line: new Uint32Array(0),
      column: new Uint32Array(0),
      inlined: [],
      quality: new Uint8Array(addresses.length),
      symbolOffset: new Float64Array(addresses.length),
    }),
};
