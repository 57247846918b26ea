// interpose/wire.h in TypeScript: offsets in bytes, numbers as they are there. test/record/wire.test.ts
// compares every one of them with what the header's own dump program prints. Record types and mark
// kinds are in ledger/, frame kinds and markers in model/: compared there too.

export const wireAbi = 10;
export const pageBytes = 4096;
export const stackChunkNodes = 65536;
export const stackNodeBytes = 16;
export const maxFrames = 256;
export const maxQuestionBytes = 1 << 20;

export const Magic = {
  session: 0x5331464f52504d45n,
  process: 0x5031464f52504d45n,
  ring: 0x5231464f52504d45n,
  checkpoint: 0x4b31464f52504d45n,
  blocks: 0x4231464f52504d45n,
  picture: 0x4d31464f52504d45n,
} as const;

export const SessionHeader = {
  magic: 0,
  abi: 8,
  headerBytes: 12,
  readerPid: 16,
  flags: 20,
  firstRingBytes: 24,
  ringBytes: 28,
  metaBytes: 32,
  maxFrames: 36,
  sampleBytes: 40,
  untracedProcesses: 48,
  untracedReason: 52,
  untracedErrno: 56,
} as const;

export const SessionFlag = { checkpointExit: 2, retainers: 4 } as const;
export const Untraced = { none: 0, noSpace: 1, open: 2, abi: 3 } as const;

export const ProcessHeader = {
  magic: 0,
  abi: 8,
  headerBytes: 12,
  pid: 16,
  generation: 20,
  ppid: 24,
  state: 28,
  stopReason: 32,
  clockMode: 36,
  clockBase: 40,
  startRealtimeNs: 48,
  startMonotonicNs: 56,
  ringCount: 64,
  stackChunkCount: 68,
  stackNodeCount: 72,
  moduleCount: 76,
  codeCount: 80,
  metaOffset: 84,
  metaBytes: 88,
  maxFrames: 92,
  waitCount: 96,
  waitNs: 104,
  lostEvents: 112,
  untracedThreads: 120,
  nestedEvents: 128,
  cutStacks: 136,
  fullTableStacks: 144,
  stackCount: 152,
  rowMissCount: 160,
  reusedFrames: 168,
  bootstrapBytes: 176,
  realMalloc: 184,
  boundMalloc: 192,
  boundNew: 200,
  metaHead: 256,
  metaTail: 320,
  readerState: 384,
  readerPid: 388,
  checkpointWanted: 392,
  checkpointServed: 396,
  checkpointCount: 400,
  checkpointReason: 404,
  barrierCount: 408,
} as const;

export const State = { starting: 0, recording: 1, stopped: 2 } as const;
export const StopReason = { none: 0, readerGone: 1, detached: 2, noSpace: 3 } as const;
export const ClockMode = { tsc: 0, ticket: 1 } as const;
export const ReaderState = { none: 0, attached: 1, detached: 2 } as const;

export const RingHeader = {
  magic: 0,
  abi: 8,
  ringIndex: 12,
  dataOffset: 16,
  dataBytes: 20,
  head: 64,
  busy: 68,
  tail: 128,
} as const;

export const StackNode = { frame: 0, parent: 8, depth: 12 } as const;

export const MetaType = {
  process: 1,
  module: 2,
  moduleGone: 3,
  code: 4,
  text: 5,
  agent: 6,
  codeLines: 7,
} as const;
export const ModuleFlag = { executable: 1, vdso: 2, shim: 4 } as const;
export const CodeKind = { bytecode: 1, jit: 2, builtin: 3, other: 4 } as const;

/** Two 32-bit halves, low first, as one number: exact up to 2^53. */
export function readUint64(words: Uint32Array, byteOffset: number): number {
  const at = byteOffset >>> 2;
  return words[at + 1]! * 2 ** 32 + words[at]!;
}
