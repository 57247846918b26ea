// The model's part about memory itself, at a checkpoint: what is resident, and what the allocator's heaps consist
// of. Must not import anything but the model.
import type { Address, Mapping } from './index.js';

/** One line of the kernel's list, as of the checkpoint. */
export interface MemoryArea {
  low: Address;
  high: Address;
  /** 'rw-p' */
  access: string;
  /** '' where it is nobody's file; '[heap]', '[stack]', '[vdso]' as the kernel says. */
  path: string;
  residentBytes: number;
  swappedBytes: number;
}

/** Parts of a heap, as MP_PART_* in interpose/wire.h. Their bytes add up to the heap. */
export const HeapPart = {
  /** The allocator's own descriptions. */
  info: 0,
  /** Live blocks with their headers and rounding. */
  live: 1,
  /** Released, kept by a thread for its next call. */
  tcache: 2,
  fast: 3,
  /** In use for somebody whose call was not recorded. */
  other: 4,
  /** Released, in a bin. */
  free: 5,
  top: 6,
} as const;
export const heapPartCount = 7;

/** One heap of glibc's allocator: the main arena's, or one of up to 64 MiB of another arena. */
export interface HeapPicture {
  low: Address;
  high: Address;
  /** Equal for heaps of one arena. */
  arena: Address;
  isMain: boolean;
  /** Every chunk was understood. Else what lies behind the last one that was, counts as `other`. */
  isWhole: boolean;
  /** By HeapPart: chunks, their bytes, and of these the bytes on resident pages. */
  count: number[];
  bytes: number[];
  residentBytes: number[];
  /** What the program asked for. */
  liveAskedBytes: number;
  liveAskedResidentBytes: number;
  largestFreeBytes: number;
  /** What malloc_trim(0) would give back. */
  trimmableBytes: number;
}

/** Pages of private memory that is no file's. */
export interface PageRange {
  low: Address;
  high: Address;
  /** Bit i, lowest first: page i of 4096 bytes is resident. */
  bits: Uint8Array;
}

export interface BlocksElsewhere {
  blockCount: number;
  askedBytes: number;
  residentBytes: number;
}

export interface MemoryPicture {
  areas: MemoryArea[];
  heaps: HeapPicture[];
  /** Large live blocks with a mapping of their own. */
  mapped: BlocksElsewhere & { bytes: number; askedResidentBytes: number };
  /** Live blocks that glibc did not allocate: another allocator's. */
  stray: BlocksElsewhere;
  /** What the program had mapped by itself. */
  mappings: Mapping[];
  /** memprof's own memory. */
  own: { low: Address; high: Address }[];
  /** Kept of the last checkpoint only. */
  pages: PageRange[] | null;
}

/** What resident memory is sorted into while the program runs: areas of the kernel's list, not pages. */
export const timelineParts = [
  'heapBytes',
  'v8Bytes',
  'mappedBytes',
  'fileBytes',
  'stackBytes',
  'memprofBytes',
  'restBytes',
] as const;
export type TimelinePart = (typeof timelineParts)[number];

/** One column a field, in order of time. */
export interface TimelineSamples {
  count: number;
  /** Nanoseconds since the process's start. */
  atNs: Float64Array;
  residentBytes: Float64Array;
  liveBytes: Float64Array;
  liveCount: Float64Array;
  /** How far the recording lagged behind: what is live is as of so long before `atNs`. */
  lagNs: Float64Array;
}

/** Memory over time, as the recorder looked at the process from outside. */
export interface MemoryTimeline {
  samples: TimelineSamples;
  /** Rarer: what resident memory consisted of. The parts add up to `residentBytes` of the same row. */
  parts: TimelineSamples & Record<TimelinePart, Float64Array>;
  peak: {
    residentBytes: number;
    /** The kernel's own high-water mark, or the largest sample where the kernel could not be asked. */
    source: 'kernel' | 'samples';
    /** As of when the source was last asked: what came later it does not know. */
    askedNs: number;
    /** Of the largest sample, those that were dropped since included. */
    sampledBytes: number;
    sampledNs: number;
  };
  /** All that were taken, also those that were dropped since, and the recorder's time for them. */
  cost: {
    sampleCount: number;
    sampleNs: number;
    partsCount: number;
    partsNs: number;
  };
}

export const pageBytes = 4096;

const ownFile = /\/(?:libmemprof\.so|memprof_agent\.node)$/;
/** Files of a session: rings, the stack table, checkpoints. */
const sessionFile = /\/memprof-[^/]+\/[^/]+(?: \(deleted\))?$/;

/** Whether an area's path is one of memprof's own. */
export const isMemprofFile = (path: string): boolean =>
  ownFile.test(path) || sessionFile.test(path);
