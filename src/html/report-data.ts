// What a report's page is given: the head as JSON, and the names of its columns (see pack.ts).
//
// Must not import anything but the model, which runs in browsers as well: the page uses it, too. All texts are escaped already (no control or
// reordering characters) and cut to a length, but may hold anything else: they are text, never markup.

import { type TimelinePart, timelineParts } from '../model/index.js';

export { type TimelinePart, timelineParts, verdicts } from '../model/index.js';

export const reportSchema = 'memprof.report/1';

/** Kinds of frames in the column frames.kind. */
export const FrameLook = { native: 0, js: 1, node: 2, builtin: 3, standard: 4, marker: 5 } as const;

export type EdgeKind = 'time' | 'start' | 'peak' | 'teardown' | 'checkpoint' | 'mark' | 'end';

/** Between two edges lies a bucket of time. What happened in it is known together only; edges are exact. */
export interface Edge {
  atNs: number;
  kind: EdgeKind;
  /** '' but for marks and checkpoints. */
  text: string;
}

export interface PackageFacts {
  label: string;
  kind: 'package' | 'node' | 'memprof' | 'module' | 'unknown';
}

export type ViewName = 'overview' | 'timeline' | 'flame' | 'sites' | 'owners' | 'memory' | 'napi';
export type Measure = 'live' | 'peak' | 'total' | 'temporary' | 'lost';

export interface ReportFinding {
  level: 'bad' | 'warning' | 'note';
  /** One line: the facts with their units. */
  title: string;
  details: string[];
  /** What proves it. */
  view: ViewName;
  measure: Measure;
  /** Row of the column groups, to open; null: none. */
  group: number | null;
  /** Row of packages, to filter by; null: none. */
  packageIndex: number | null;
}

export interface WhyHop {
  /** "0x5581... +0x10" */
  place: string;
  sizeBytes: number;
  text: string;
}

/** Blocks of a group that are held, or lost, in the same way. */
export interface WhyPath {
  group: number;
  blockCount: number;
  sizeBytes: number;
  verdict: number;
  type: string;
  text: string;
  hops: WhyHop[];
  /** Further hops between those shown. */
  hiddenHops: number;
  root: string;
}

export interface ClassFacts {
  name: string;
  objectCount: number;
  blockCount: number;
  sizeBytes: number;
  jsBytes: number | null;
}

export interface NapiKind {
  kind: string;
  createdCount: number;
  releasedCount: number;
  finalizedCount: number;
  tornDownCount: number;
  outstandingCount: number;
  /** With its unit; '' where it has none. */
  value: string;
}

export interface NapiSite extends NapiKind {
  className: string;
  /** Row of nodes; 0: no stack. */
  node: number;
}

export interface NapiFacts {
  packageIndex: number;
  label: string;
  holdsBytes: number | null;
  tellsBytes: number;
  findings: string[];
  kinds: NapiKind[];
  sites: NapiSite[];
}

export interface CheckpointFacts {
  number: number;
  atNs: number;
  reason: string;
  liveBytes: number;
  liveCount: number;
  /** What it cost and where it is in doubt. */
  notes: string[];
}

/** Lines of a source file around those that stacks name. */
export interface SourceFacts {
  /** As shown in frames.place, without the line. */
  file: string;
  firstLine: number;
  lines: string[];
}

/** An earlier trace that this one is compared with: what was live in it at its own moment. */
export interface ComparedFacts {
  traceName: string;
  momentText: string;
  sizeBytes: number;
  blockCount: number;
}

export interface MemoryRow {
  name: string;
  residentBytes: number;
  sizeBytes: number;
  count: number;
}

/** A part of resident memory; those of a checkpoint add up to all of it. */
export interface MemoryPartFacts {
  kind: string;
  label: string;
  residentBytes: number;
  sizeBytes: number | null;
  count: number;
  /** Largest first; not all of them where there are many. */
  rows: MemoryRow[];
  hiddenRows: { count: number; residentBytes: number };
}

export interface MemoryVerdictFacts {
  verdict: string;
  level: ReportFinding['level'];
  title: string;
  facts: string[];
  remedies: string[];
}

export interface ArenaFacts {
  name: string;
  residentBytes: number;
  liveAskedBytes: number;
  liveBlockCount: number;
  cachedBytes: number;
  freeBytes: number;
  topBytes: number;
  largestFreeBytes: number;
  trimmableBytes: number;
}

/** Blocks that keep pages which are otherwise nearly empty. */
export interface PinningFacts {
  /** Row of the column groups. */
  group: number;
  packageIndex: number;
  blockCount: number;
  sizeBytes: number;
  pageCount: number;
  keptBytes: number;
  /** Of the oldest block. */
  ageNs: number;
  /** The class of JavaScript objects that own them; '' where none does. */
  className: string;
}

interface V8SpaceSum {
  usedBytes: number;
  committedBytes: number;
  physicalBytes: number;
  availableBytes: number;
}

export interface V8Facts {
  spaces: (V8SpaceSum & { name: string })[];
  total: V8SpaceSum;
  /** How that fits what is resident, and what went when V8 was made to collect. */
  texts: string[];
}

/** Resident memory at a checkpoint, as memprof rss and memprof fragmentation have it. */
export interface MemoryAtCheckpoint {
  number: number;
  atNs: number;
  residentBytes: number;
  swappedBytes: number;
  heap: { usedBytes: number; totalBytes: number } | null;
  /** By space, as V8 says; null: not recorded. */
  v8: V8Facts | null;
  parts: MemoryPartFacts[];
  verdicts: MemoryVerdictFacts[];
  arenas: ArenaFacts[];
  hiddenArenaCount: number;
  /** The four are null where single pages are not known. */
  pages: { text: string; pageCount: number; liveBytes: number }[] | null;
  sizes:
    | {
        upToBytes: number;
        blockCount: number;
        sizeBytes: number;
        pageCount: number;
        liveBytes: number;
      }[]
    | null;
  pinning: PinningFacts[] | null;
  hiddenPinning: { count: number; keptBytes: number };
  map: MapFacts | null;
  /** What cannot be said of this checkpoint, and why. */
  notes: string[];
}

/** How the table `pages` is cut into heaps, one after another. */
export interface MapFacts {
  pagesOfCell: number;
  heaps: {
    low: number;
    high: number;
    arena: string;
    cellCount: number;
    residentPages: number;
    /** Of these: nothing lives there; below a quarter. */
    emptyPages: number;
    sparsePages: number;
  }[];
}

export interface MemoryFacts {
  /** Those that say what memory consists of, in order. */
  checkpoints: MemoryAtCheckpoint[];
  /** Left out to keep the file small. */
  hiddenCheckpointCount: number;
  /** Why there are none; '' where there are some. */
  missing: string;
  timeline: TimelineFacts | null;
}

/** What stands in the tables `resident` and `parts`, in words and rows. */
export interface TimelineFacts {
  peakText: string;
  parts: { key: TimelinePart; title: string }[];
  rows: {
    atNs: number;
    residentBytes: number;
    liveBytes: number;
    liveCount: number;
    /** In the order of `parts`; null: nobody looked. */
    parts: number[] | null;
  }[];
}

/** Of data that a page got while the program ran. */
export interface LiveFacts {
  /** false: the program has ended, and these are the data of the finished report. */
  isRunning: boolean;
  /** Of what was recorded so far, how much is in these data: 0 to 1. */
  readShare: number;
  /** false: native functions are shown as module and offset, their names are being looked up. */
  areNamed: boolean;
  /** Row of sites to a stack of it: finds a site again in other data of the same program. */
  stackOfSite: number[];
  tracePath: string;
}

export interface ReportHead {
  schema: typeof reportSchema;
  memprofVersion: string;
  traceName: string;
  command: string;
  pid: number;
  nodeVersion: string | null;
  startRealtimeMs: number;
  durationNs: number;
  /** "ended with status 0" */
  ended: string;
  isEndedWell: boolean;
  hasEvents: boolean;
  isComplete: boolean;
  totals: {
    allocationCount: number;
    allocatedBytes: number;
    releaseCount: number;
    temporaryCount: number;
    peakBytes: number;
    peakBlockCount: number;
    peakNs: number;
    liveBytes: number;
    liveCount: number;
    /** Of the moment that the live numbers are of. */
    momentText: string;
    endBytes: number;
    endCount: number;
  };
  edges: Edge[];
  /** Row of edges where the default range ends; where the peak was, -1 unknown. */
  defaultEndEdge: number;
  peakEdge: number;
  packages: PackageFacts[];
  threads: string[];
  /** Row of packages whose memory is nobody's to act on: Node, memprof. */
  runtimePackages: number[];
  strings: string[];
  /** Object classes and C++ types, row 0: not known. */
  classes: string[];
  types: string[];
  losses: string[];
  /** What the trace lacks, so that the page shows less. */
  missing: string[];
  findings: ReportFinding[];
  checkpoints: CheckpointFacts[];
  /** Number of the checkpoint that verdicts are of; null: none. */
  verdictCheckpoint: number | null;
  hasVerdicts: boolean;
  classTable: ClassFacts[];
  whys: WhyPath[];
  napi: NapiFacts[];
  memory: MemoryFacts;
  sources: SourceFacts[];
  /** What follows is so much coarser than asked for, to keep the file small: 1, 2, 4, ... */
  coarseness: number;
  /** null: the report is of one trace; else the table `before` has rows. */
  compared: ComparedFacts | null;
  /** Absent in files. */
  live?: LiveFacts;
}

/**
 * Columns, by table:
 * - frames: kind (FrameLook), name, full, place (strings), package (packages), file (strings), line.
 *   Row 0 is the root.
 * - nodes: parent (row of nodes, smaller), frame. Row 0 is the root.
 * - sites: node, group, package. One row a different stack.
 * - groups: site (the one whose stack is shown). Stacks that look alike to a reader are one group.
 * - cells: site, thread, birth, death, size, count, bytes. Blocks by bucket of birth and of death (the number
 *   of buckets: never) and class of size (blocks of up to 2^size bytes).
 * - temporary: site, thread, bucket, count, bytes. Blocks freed by the next event of their thread.
 * - lives: site, thread, life, count, bytes. Freed blocks by the time they lived: less than 10^(life/2) ns.
 * - blocks: site, thread, birth, size, verdict, type, class, count, bytes. What was live at the checkpoint.
 * - before: site, count, bytes. What was live in the trace that this one is compared with.
 * - series: maxBytes, of live memory, a row a bucket.
 * - collections: count, pause (ns). Garbage collections of V8, a row a bucket; none: the trace has no events.
 * - resident: at (ns), bytes, live, lag (ns, of what was live). Memory over time, as seen from outside.
 * - parts: at, bytes, and what these consist of. Rarer.
 * - pages: occupancy (255: none is resident; else 1/250 of the resident ones, 0 only where nothing lives), age (of the
 *   oldest block: less than 10^(age/2) ns; 0: no block), package (row of packages + 1; 0: no block). A row a cell of the
 *   heaps' map at the last checkpoint.
 */
export const columnTables = {
  frames: ['kind', 'name', 'full', 'place', 'package', 'file', 'line'],
  nodes: ['parent', 'frame'],
  sites: ['node', 'group', 'package'],
  groups: ['site'],
  cells: ['site', 'thread', 'birth', 'death', 'size', 'count', 'bytes'],
  temporary: ['site', 'thread', 'bucket', 'count', 'bytes'],
  lives: ['site', 'thread', 'life', 'count', 'bytes'],
  blocks: ['site', 'thread', 'birth', 'size', 'verdict', 'type', 'class', 'count', 'bytes'],
  before: ['site', 'count', 'bytes'],
  series: ['maxBytes'],
  collections: ['count', 'pause'],
  resident: ['at', 'bytes', 'live', 'lag'],
  parts: ['at', 'bytes', ...timelineParts],
  pages: ['occupancy', 'age', 'package'],
} as const;
