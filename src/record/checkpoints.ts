// The checkpoints of one process: at each mark hands the live blocks to the scanner, waits for its answer
// while everything else goes on, and judges.
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clockMs } from '../clock.js';
import { MemprofError } from '../errors.js';
import type {
  Checkpoint,
  CheckpointPools,
  CollectedBlocks,
  LiveSet,
  Mapping,
  MemoryPicture,
  OwnerTable,
  Reachability,
  V8Picture,
} from '../model/index.js';
import * as native from '../native/index.js';
import { BlockIndex, flagsForScan, judge, nest, OwnerMemory } from '../verdicts/index.js';
import { BlocksFile, type ScannedRange } from './checkpoint-blocks.js';
import { CheckpointFile, noOwners } from './checkpoint-header.js';
import { rehearseCheckpoints } from './checkpoint-rehearsal.js';
import { BlockFlag, CheckpointHeader, RangeKind, ScanState } from './checkpoint-wire.js';
import { parseAreas, readPicture } from './memory-picture.js';
import { rowsByAddress } from './sort-addresses.js';
import { pageBytes } from './wire.js';

const regionCapacity = 1 << 14;
const framesOfThread = 128;
const maxThreads = 1 << 10;
/** So long the end of a recording waits for a scanner that is at work. */
const patienceMs = 30_000;
/** Between the file's making and the scanner's birth lies the stop of the threads. */
const birthPatienceMs = 2_000;

/** What the modules of a stack say of its blocks and mappings. */
export interface StackClasses {
  refresh(): void;
  of(stackId: number): { isRuntime: boolean; isOurs: boolean; isAllocator: boolean };
}

export interface CheckpointHost {
  folder: string;
  /** Of the process's files: "p<pid>.<generation>". */
  name: string;
  /** null: nobody can tell; then no block is the runtime's. */
  classes(): StackClasses | null;
  isNode(): boolean;
  /** The allocator's memory holds blocks of the program's that nobody recorded. */
  hasUnrecordedBlocks(): boolean;
  isRunning(): boolean;
  /** Live blocks; behind them those of pools, if there are any. */
  live(): { live: LiveSet; pools: CheckpointPools | null };
  /** Says whether a range lies in what the process's own code has mapped now, or in a module. */
  memory(): (address: number, sizeBytes: number) => boolean;
  mappings(): Mapping[];
  /** What went since V8 was made to collect; null: it was not. */
  collected(): CollectedBlocks | null;
  resources(
    live: LiveSet,
    index: BlockIndex,
  ): Pick<Parameters<typeof judge>[0], 'outstanding' | 'ended'>;
  /** V8's heap snapshot that goes with a checkpoint, if its file is there. */
  keepHeapSnapshot(number: number, path: string): Promise<void>;
}

/** A checkpoint whose scan is under way. */
interface Waiting {
  number: number;
  tick: number;
  live: LiveSet;
  /** Of `live`, lowest address first. */
  rows: Uint32Array;
  index: BlockIndex;
  pools: CheckpointPools | null;
  flags: Uint8Array;
  resources: ReturnType<CheckpointHost['resources']>;
  mappings: Mapping[];
  collected: CollectedBlocks | null;
  /** `mapped` null: what lies behind its first page was copied out, and it is no longer mapped. */
  header: { file: CheckpointFile; mapped: ArrayBuffer | null };
  blocks: BlocksFile | null;
  /** Why there will be no answer. */
  failure: string | null;
  sinceMs: number;
  scanner: { pid: number; startTime: number | null } | null;
  /** Who waits for its judgement, or for its being given up. */
  onOver: (() => void)[];
}

interface Taken {
  tick: number;
  checkpoint: Checkpoint;
}

export class Checkpoints {
  /** What went wrong, for the report. */
  readonly warnings: string[] = [];
  private readonly host: CheckpointHost;
  private readonly memory = new OwnerMemory();
  private readonly waiting: Waiting[] = [];
  private readonly taken: Taken[] = [];
  private isPrepared = false;
  private isClosed = false;

  constructor(host: CheckpointHost) {
    this.host = host;
  }

  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** In order; times in ns. */
  list(nsPerTick: number): Checkpoint[] {
    return this.taken.map((taken) => inNs(taken, nsPerTick));
  }

  /** Resolves when it is judged, with times in ns; rejects where there is none of that number. */
  async whenJudged(number: number, nsPerTick: number): Promise<Checkpoint> {
    const waiting = this.waiting.find((each) => each.number === number);
    if (waiting !== undefined)
      await new Promise<void>((resolve) => {
        waiting.onOver.push(resolve);
      });
    const taken = this.taken.findLast(({ checkpoint }) => checkpoint.number === number);
    if (taken === undefined)
      throw new MemprofError(
        'ERR_MEMPROF_NO_CHECKPOINT',
        `there is no checkpoint ${number} of this process`,
      );
    return inNs(taken, nsPerTick);
  }

  /** Some will come soon, and somebody will wait for them. */
  prepare(): void {
    if (this.isPrepared || this.taken.length > 0) return;
    this.isPrepared = true;
    rehearseCheckpoints(
      this.host,
      (live, pools) => this.flagsOf(live, pools),
      () => this.isClosed,
    ).catch((error: unknown) => {
      this.warnings.push(`checkpoints could not be prepared: ${messageOf(error)}`);
    });
  }

  /** The mark of a checkpoint has come: everything before it is in the ledger, nothing after it. */
  begin(tick: number, number: number): void {
    const { host } = this;
    const path = this.pathOf(number);
    let buffer: ArrayBuffer;
    let file: CheckpointFile;
    try {
      buffer = native.mapShared(path);
    } catch (error) {
      this.warnings.push(`checkpoint ${number} cannot be read: ${messageOf(error)}`);
      return;
    }
    try {
      file = new CheckpointFile(buffer);
    } catch (error) {
      native.unmap(buffer);
      this.warnings.push(`checkpoint ${number} is not used: ${messageOf(error)}`);
      return;
    }
    const { live, pools } = host.live();
    const nesting = pools === null ? null : nest(live, pools.firstRow, host.memory());
    const rows = nesting?.order ?? rowsByAddress(live.address);
    const index = new BlockIndex(live, rows, nesting?.parent);
    const resources = host.resources(live, index);
    const waiting: Waiting = {
      number,
      tick,
      live,
      rows,
      index,
      pools,
      flags: flagsForScan(live, this.flagsOf(live, pools), resources.outstanding),
      resources,
      mappings: host.mappings(),
      collected: host.collected(),
      header: { file, mapped: buffer },
      blocks: null,
      failure: null,
      sinceMs: clockMs(),
      scanner: null,
      onOver: [],
    };
    this.waiting.push(waiting);
    try {
      waiting.blocks = this.handOver(waiting);
    } catch (error) {
      waiting.failure = `the live blocks could not be handed to the scanner: ${messageOf(error)}`;
    }
  }

  /** Takes answers that have come. Cheap when none has. */
  async poll(): Promise<void> {
    while (this.waiting.length > 0) {
      const [first] = this.waiting as [Waiting];
      if (!this.isOver(first)) return;
      this.waiting.shift();
      await this.finish(first);
    }
  }

  /** For a process that is gone: what is not there now will not come. */
  giveUp(): void {
    this.isClosed = true;
    for (const waiting of this.waiting) waiting.failure ??= 'memprof did not wait for its end';
  }

  /** Forgets everything; scanners see that and end. */
  abandon(): void {
    this.isClosed = true;
    for (const waiting of this.waiting.splice(0)) {
      this.release(waiting);
      for (const resume of waiting.onOver) resume();
    }
  }

  private isOver(waiting: Waiting): boolean {
    const { file } = waiting.header;
    const state = file.field(CheckpointHeader.scanState);
    if (waiting.failure !== null || state === ScanState.done) return true;
    if (state === ScanState.failed || state === ScanState.none) {
      const errno = file.field(CheckpointHeader.scanError);
      const name = errno === 0 ? '' : ` (errno ${errno})`;
      waiting.failure =
        file.field(CheckpointHeader.scannerPid) === 0
          ? `the process could not be copied${name}`
          : `the scan failed${name}`;
      return true;
    }
    const waitedMs = clockMs() - waiting.sinceMs;
    const pid = file.field(CheckpointHeader.scannerPid);
    if (pid === 0) {
      // Its own process stands still until then, or was killed in between.
      if (waitedMs > birthPatienceMs && !this.host.isRunning())
        waiting.failure = 'the process ended before it was copied';
    } else {
      waiting.scanner ??= { pid, startTime: native.processStartTime(pid) };
      const { startTime } = waiting.scanner;
      if (startTime === null || native.processStartTime(pid) !== startTime) {
        // Between the two looks it may have finished.
        if (file.field(CheckpointHeader.scanState) === ScanState.done) return true;
        waiting.failure = 'the scanner was ended before it was done';
      } else if (waitedMs > patienceMs && !this.host.isRunning()) {
        waiting.failure = `the scan was not done after ${patienceMs / 1000} s`;
      }
    }
    return waiting.failure !== null;
  }

  private async finish(waiting: Waiting): Promise<void> {
    const { file } = waiting.header;
    let reachability: Reachability | null = null;
    let owners: OwnerTable = noOwners();
    const v8 = this.v8Of(waiting);
    try {
      owners = file.owners();
      keepFirstPage(waiting);
      if (waiting.failure === null && waiting.blocks !== null)
        reachability = this.answerOf(waiting.number, waiting.blocks);
    } catch (error) {
      waiting.failure ??= `the scanner's answer cannot be used: ${messageOf(error)}`;
    }
    const memory = this.pictureOf(waiting);
    const checkpoint = {
      ...this.judged(waiting, owners, reachability),
      ...(memory === null ? {} : { memory }),
      ...(v8 === null ? {} : { v8 }),
    };
    const last = this.taken.at(-1)?.checkpoint;
    // Block by block only for the latest: memory must not grow with their number.
    if (last !== undefined) {
      last.detail = null;
      if (last.memory !== undefined) last.memory.pages = null;
    }
    this.taken.push({ tick: waiting.tick, checkpoint });
    this.release(waiting);
    for (const resume of waiting.onOver) resume();
    await this.host.keepHeapSnapshot(waiting.number, `${this.pathOf(waiting.number)}.heapsnapshot`);
  }

  private judged(
    waiting: Waiting,
    owners: OwnerTable,
    reachability: Reachability | null,
  ): Checkpoint {
    const { file } = waiting.header;
    const pendingFinalizerCount = file.wide(CheckpointHeader.uncollectedCount);
    const { pools } = waiting;
    const { tallies, poolTallies, classes, detail } = judge(
      {
        number: waiting.number,
        live: waiting.live,
        index: waiting.index,
        nsPerTick: 1,
        flags: waiting.flags,
        owners,
        ownersComplete: file.ownersState === 'complete',
        reachability,
        pendingFinalizerCount,
        ...(pools === null ? {} : { pools }),
        ...waiting.resources,
      },
      this.memory,
    );
    const liveCount = pools?.firstRow ?? waiting.live.count;
    let liveBytes = 0;
    const { sizeBytes } = waiting.live;
    for (let row = 0; row < liveCount; row++) liveBytes += sizeBytes[row]!;
    return {
      number: waiting.number,
      reason: file.reason,
      atNs: waiting.tick,
      collectNs: file.wide(CheckpointHeader.collectNs),
      ownersNs: file.wide(CheckpointHeader.ownersNs),
      pauseNs: file.wide(CheckpointHeader.pauseNs),
      forkNs: file.wide(CheckpointHeader.forkNs),
      scanNs: file.wide(CheckpointHeader.scanNs),
      scannedBytes: file.wide(CheckpointHeader.scannedBytes),
      skippedBytes: file.wide(CheckpointHeader.skippedBytes),
      threadCount: file.field(CheckpointHeader.threadCount),
      stoppedCount: file.field(CheckpointHeader.stoppedCount),
      owners: file.ownersState,
      scanFailure: waiting.failure,
      heap: file.heap,
      pendingFinalizerCount,
      liveCount,
      liveBytes,
      tallies,
      ...(poolTallies === undefined ? {} : { poolTallies }),
      classes,
      detail,
    };
  }

  /** null: V8 was not asked. */
  private v8Of({ number, header, collected }: Waiting): V8Picture | null {
    try {
      const isolates = header.file.isolates();
      if (isolates.length === 0) return null;
      const isCollected = isolates.some((one) => one.isCollected);
      return { isolates, collected: isCollected ? collected : null };
    } catch (error) {
      this.warnings.push(`V8's heap at checkpoint ${number}: ${messageOf(error)}`);
      return null;
    }
  }

  /** null: nobody could look, or the scan did not come to its end. */
  private pictureOf({ number, mappings, failure }: Waiting): MemoryPicture | null {
    const [path, areasPath] = this.picturePaths(number);
    if (failure !== null || !existsSync(path) || !existsSync(areasPath)) return null;
    try {
      const areas = parseAreas(readFileSync(areasPath, 'utf8'));
      return withMapped(path, (buffer) => ({ areas, ...readPicture(buffer), mappings }));
    } catch (error) {
      this.warnings.push(`what memory consists of at checkpoint ${number}: ${messageOf(error)}`);
      return null;
    }
  }

  /** Gives the scanner what it waits for. Not mapped meanwhile: its pages would count as the reader's. */
  private handOver(waiting: Waiting): BlocksFile {
    const threads = Math.min(waiting.header.file.field(CheckpointHeader.threadCount), maxThreads);
    const file = new BlocksFile({
      live: waiting.live,
      rows: waiting.rows,
      flags: waiting.flags,
      ranges: this.ranges(),
      regionCapacity,
      frameCapacity: (threads + 1) * framesOfThread,
    });
    const half = join(this.host.folder, `.tmp.${this.host.name}.k${waiting.number}.b`);
    native.reserveFile(half, file.sizeBytes);
    withMapped(half, (buffer) => file.write(buffer));
    renameSync(half, `${this.pathOf(waiting.number)}.b`);
    return file;
  }

  private answerOf(number: number, blocks: BlocksFile): Reachability {
    return withMapped(`${this.pathOf(number)}.b`, (buffer) => blocks.read(buffer));
  }

  private flagsOf(live: LiveSet, pools: CheckpointPools | null): Uint8Array {
    const flags = new Uint8Array(live.count);
    if (pools !== null) flags.fill(BlockFlag.pool, pools.firstRow);
    const classes = this.host.classes();
    if (classes === null) return flags;
    classes.refresh();
    for (let row = 0; row < live.count; row++) {
      const { isRuntime, isOurs } = classes.of(live.stackId[row]!);
      flags[row] |= (isRuntime ? BlockFlag.runtime : 0) | (isOurs ? BlockFlag.ours : 0);
    }
    return flags;
  }

  /** In a process with V8, what Node's own code mapped is V8's heap, its code, or the like. */
  private ranges(): ScannedRange[] {
    const classes = this.host.classes();
    if (classes === null) return [];
    const isNode = this.host.isNode();
    const isKnown = !this.host.hasUnrecordedBlocks();
    const ranges: ScannedRange[] = [];
    for (const { address, sizeBytes, stackId } of this.host.mappings()) {
      const { isRuntime, isAllocator } = classes.of(stackId);
      // What nobody recorded may point to what was: without these roots that would be called lost.
      if (isAllocator) {
        if (isKnown) ranges.push({ address, sizeBytes, kind: RangeKind.allocator });
      } else if (isRuntime && isNode) ranges.push({ address, sizeBytes, kind: RangeKind.v8 });
    }
    return ranges;
  }

  private picturePaths(number: number): [picture: string, areas: string] {
    const stem = join(this.host.folder, this.host.name);
    return [`${stem}.m${number}`, `${stem}.v${number}`];
  }

  private pathOf(number: number): string {
    return join(this.host.folder, `${this.host.name}.k${number}`);
  }

  /** The scanner, if there still is one, sees that its checkpoint's file is gone. */
  private release({ number, header }: Waiting): void {
    if (header.mapped !== null) native.unmap(header.mapped);
    const own = this.pathOf(number);
    for (const path of [own, `${own}.b`, ...this.picturePaths(number)])
      rmSync(path, { force: true });
  }
}

function withMapped<Found>(path: string, use: (buffer: ArrayBuffer) => Found): Found {
  const buffer = native.mapShared(path);
  try {
    return use(buffer);
  } finally {
    native.unmap(buffer);
  }
}

/** The rest of the file is owners and V8's figures, which have been read: 4 MB of 100,000 objects. */
function keepFirstPage({ header }: Waiting): void {
  const { mapped } = header;
  if (mapped === null) return;
  header.file = new CheckpointFile(mapped.slice(0, pageBytes));
  header.mapped = null;
  native.unmap(mapped);
}

function inNs({ tick, checkpoint }: Taken, nsPerTick: number): Checkpoint {
  return {
    ...checkpoint,
    atNs: tick * nsPerTick,
    ...(checkpoint.memory === undefined
      ? {}
      : { memory: scaledMemory(checkpoint.memory, nsPerTick) }),
    detail: scaled(checkpoint.detail, nsPerTick),
  };
}

function scaled(detail: Checkpoint['detail'], nsPerTick: number): Checkpoint['detail'] {
  if (detail === null) return null;
  const { live } = detail;
  const pools = detail.pools && {
    ...detail.pools,
    pools: detail.pools.pools.map((pool) => ({ ...pool, createdNs: pool.createdNs * nsPerTick })),
  };
  return {
    ...detail,
    live: { ...live, bornNs: live.bornNs.map((ticks) => ticks * nsPerTick) },
    ...(pools === undefined ? {} : { pools }),
  };
}

function scaledMemory(memory: MemoryPicture, nsPerTick: number): MemoryPicture {
  const mappings = memory.mappings.map((one) => ({ ...one, bornNs: one.bornNs * nsPerTick }));
  return { ...memory, mappings };
}

function messageOf(error: unknown): string {
  return error instanceof MemprofError || error instanceof Error ? error.message : String(error);
}
