// The part of interpose/wire.h that is about checkpoints, in TypeScript; tested as wire.ts is.

export const CheckpointHeader = {
  magic: 0,
  abi: 8,
  headerBytes: 12,
  number: 16,
  reason: 20,
  scanState: 24,
  scannerPid: 28,
  scanError: 32,
  ownerState: 36,
  threadCount: 40,
  stoppedCount: 44,
  ownerCount: 48,
  stringBytes: 52,
  ownersOffset: 56,
  stringsOffset: 64,
  collectNs: 72,
  ownersNs: 80,
  pauseNs: 88,
  forkNs: 96,
  scanNs: 104,
  scannedBytes: 112,
  skippedBytes: 120,
  heapUsedBytes: 128,
  heapTotalBytes: 136,
  externalBytes: 144,
  uncollectedCount: 152,
  isolateCount: 160,
  spaceCount: 164,
  isolatesOffset: 168,
  spacesOffset: 176,
} as const;

export const HeapFigures = {
  totalBytes: 0,
  executableBytes: 8,
  physicalBytes: 16,
  availableBytes: 24,
  usedBytes: 32,
  limitBytes: 40,
  mallocedBytes: 48,
  peakMallocedBytes: 56,
  externalBytes: 64,
  toldBytes: 72,
  contextCount: 80,
  detachedContextCount: 88,
  handleBytes: 96,
  usedHandleBytes: 104,
} as const;

export const IsolateRow = {
  before: 0,
  after: 112,
  isolate: 224,
  flags: 228,
  spaceCount: 232,
} as const;

export const SpaceRow = {
  name: 0,
  committedBytes: 40,
  usedBytes: 48,
  availableBytes: 56,
  physicalBytes: 64,
} as const;

export const OwnerRow = {
  address: 0,
  sizeBytes: 8,
  snapshotId: 16,
  object: 24,
  className: 28,
  kind: 32,
  isolate: 36,
} as const;

export const BlocksHeader = {
  magic: 0,
  abi: 8,
  headerBytes: 12,
  blockCount: 16,
  rangeCount: 20,
  addressOffset: 24,
  sizeOffset: 32,
  flagOffset: 40,
  rangeOffset: 48,
  reachOffset: 56,
  referrerOffset: 64,
  referrerBlockOffset: 72,
  insideOffset: 80,
  rootOffset: 88,
  firstWordOffset: 96,
  regionOffset: 104,
  frameOffset: 112,
  regionCapacity: 120,
  frameCapacity: 124,
  regionCount: 128,
  frameCount: 132,
} as const;

export const ScanRange = {
  address: 0,
  sizeBytes: 8,
  kind: 16,
} as const;

export const ScanRegion = {
  low: 0,
  high: 8,
  reach: 16,
  id: 20,
} as const;

export const ScanFrame = {
  low: 0,
  frame: 8,
  tid: 16,
} as const;

export const PictureHeader = {
  magic: 0,
  abi: 8,
  headerBytes: 12,
  heapCount: 16,
  rangeCount: 20,
  heapOffset: 24,
  rangeOffset: 32,
  fileBytes: 40,
  mappedCount: 48,
  mappedAskedBytes: 56,
  mappedBytes: 64,
  mappedResidentBytes: 72,
  mappedAskedResidentBytes: 80,
  strayCount: 88,
  strayBytes: 96,
  strayResidentBytes: 104,
  ownOffset: 112,
  ownCount: 120,
} as const;

export const HeapRow = {
  low: 0,
  high: 8,
  arena: 16,
  flags: 24,
  count: 32,
  bytes: 88,
  resident: 144,
  liveAskedBytes: 200,
  liveAskedResidentBytes: 208,
  largestFreeBytes: 216,
  trimmableBytes: 224,
} as const;

export const PageRange = { low: 0, high: 8, bitOffset: 16 } as const;
export const WalkFlag = { main: 1, whole: 2, last: 4 } as const;

export const heapRowBytes = 232;
export const pageRangeBytes = 24;
export const isolateRowBytes = 240;
export const spaceRowBytes = 72;
export const ownerRowBytes = 40;
export const scanRangeBytes = 24;
export const scanRegionBytes = 24;
export const scanFrameBytes = 24;

export const CheckpointReason = { exit: 1, program: 2, demand: 3, interval: 4, signal: 5 } as const;
export const ScanState = { waiting: 0, running: 1, done: 2, failed: 3, none: 4 } as const;
export const IsolateFlag = { main: 1, collected: 2 } as const;
export const OwnersState = { none: 0, complete: 1, partial: 2, failed: 3 } as const;
export const BlockFlag = { runtime: 1, ours: 2, pool: 4 } as const;
export const RangeKind = { mapping: 1, v8: 2, allocator: 3 } as const;
