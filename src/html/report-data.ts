// What a report's page is given: the head as JSON, and the names of its columns (see pack.ts).
//
// Must not import anything but types: the page uses it, too. All texts are escaped already (no control or
// reordering characters) and cut to a length, but may hold anything else: they are text, never markup.

export const reportSchema = 'memprof.report/1';

/** Kinds of frames in the column frames.kind. */
export const FrameLook = { native: 0, js: 1, node: 2, builtin: 3, library: 4, marker: 5 } as const;

export const verdicts = [
  'unknown',
  'lost',
  'lost-indirect',
  'orphaned',
  'pending',
  'held-by-js',
  'held-by-native',
  'runtime',
  'ignored',
] as const;

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

export type ViewName = 'overview' | 'timeline' | 'flame' | 'sites' | 'owners' | 'napi';
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
  sources: SourceFacts[];
  /** What follows is so much coarser than asked for, to keep the file small: 1, 2, 4, ... */
  coarseness: number;
  /** null: the report is of one trace; else the table `before` has rows. */
  compared: ComparedFacts | null;
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
} as const;
