// Looks at a process from outside while it is recorded: resident bytes often, what they consist of rarely. The kernel's
// files alone are read, so the program itself does nothing for it.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { clockMs } from '../clock.js';
import {
  isMemprofFile,
  type Mapping,
  type MemoryTimeline,
  type ModuleInfo,
  type TimelinePart,
  timelineParts,
} from '../model/index.js';
import { apart } from '../ranges.js';
import type { StackClasses } from './checkpoints.js';
import { parseAreas } from './memory-picture.js';
import { SampleColumns } from './sample-columns.js';
import { type KnownSpan, sumParts } from './timeline-parts.js';

export interface TimelineHost {
  pid: number;
  isRunning(): boolean;
  /** null: whose mappings are whose is not known yet, or never will be. */
  classes(): StackClasses | null;
  isNode(): boolean;
  mappings(): readonly Mapping[];
  modules(): readonly ModuleInfo[];
}

/** Of the ledger, as of the drain before; `lagNs`: so long ago. */
export interface LiveNow {
  atNs: number;
  lagNs: number;
  liveBytes: number;
  liveCount: number;
  /** More has come than the ledger knows: mappings, too. */
  isBehind: boolean;
}

const sampleCapacity = 512;
const firstDistanceMs = 20;
const partsCapacity = 128;
const firstPartsDistanceMs = 1000;
/** Parts take at most one part in this many of the time. */
const partsShare = 200;
/** Until then a process may not have said that it is Node, and V8's mappings would count as somebody's. */
const partsPatienceMs = 300;
/** How much later they are taken because the recording lags behind. */
const behindPatienceMs = 2000;
const peakDistanceMs = 100;
const mapAnonymous = 0x20;
const pageKib = 4;

const sampleNames = ['atNs', 'residentBytes', 'liveBytes', 'liveCount', 'lagNs'] as const;
const partNames = [...sampleNames, ...timelineParts] as const;

export class Timeline {
  private readonly host: TimelineHost;
  private readonly samples = new SampleColumns(sampleNames, sampleCapacity, firstDistanceMs);
  private readonly parts = new SampleColumns<(typeof partNames)[number]>(
    partNames,
    partsCapacity,
    firstPartsDistanceMs,
  );
  private readonly cost: MemoryTimeline['cost'] = {
    sampleCount: 0,
    sampleNs: 0,
    partsCount: 0,
    partsNs: 0,
  };
  private readonly text = new Uint8Array(256);
  private readonly startMs = clockMs();
  /** /proc/<pid>/statm, kept open: it stays the same process's when the pid is given to another. null: not yet. */
  private statm: number | null = null;
  private isOver = false;
  private peakBytes = 0;
  private peakAskedNs = 0;
  private nextPeakMs = 0;
  private partsDueMs: number | null = null;
  private sampledBytes = 0;
  private sampledNs = 0;

  constructor(host: TimelineHost) {
    this.host = host;
  }

  /** Takes what is due. `now` is asked for only then. */
  look(nowMs: number, now: () => LiveNow): void {
    if (this.isOver) return;
    const areSamplesDue = this.samples.isDue(nowMs);
    const arePartsDue = this.parts.isDue(nowMs) && this.mayTellParts(nowMs);
    if (!areSamplesDue && !arePartsDue) return;
    const live = now();
    if (areSamplesDue) this.sample(nowMs, live);
    if (!arePartsDue || this.isOver) return;
    // Mappings that the ledger does not know yet would be nobody's. A reader that never catches up looks all the same.
    this.partsDueMs ??= nowMs;
    if (live.isBehind && nowMs - this.partsDueMs < behindPatienceMs) return;
    this.partsDueMs = null;
    this.sampleParts(nowMs, live);
  }

  /** The process is about to end: its high-water mark goes with it. */
  lastWords(atNs: number): void {
    if (!this.isOver) this.askPeak(atNs);
  }

  /** Looks no more. `lastNs`: what was seen later was another image of the process; null: nothing was. */
  close(lastNs: number | null): void {
    this.isOver = true;
    if (this.statm !== null) closeSync(this.statm);
    this.statm = null;
    if (lastNs === null) return;
    for (const columns of [this.samples, this.parts])
      while ((columns.lastOf('atNs') ?? 0) > lastNs) columns.dropLast();
  }

  /** null: nobody ever could look. */
  timeline(): MemoryTimeline | null {
    if (this.samples.count === 0) return null;
    const { peakBytes, sampledBytes, sampledNs } = this;
    // What came after the kernel was last asked may be more.
    const isKernels = peakBytes >= sampledBytes;
    return {
      samples: this.samples.table(),
      parts: this.parts.table(),
      peak: {
        residentBytes: isKernels ? peakBytes : sampledBytes,
        source: isKernels ? 'kernel' : 'samples',
        askedNs: isKernels ? this.peakAskedNs : (this.samples.lastOf('atNs') ?? 0),
        sampledBytes,
        sampledNs,
      },
      cost: { ...this.cost },
    };
  }

  private mayTellParts(nowMs: number): boolean {
    return this.host.isNode() || nowMs - this.startMs >= partsPatienceMs;
  }

  private sample(nowMs: number, live: LiveNow): void {
    const residentBytes = this.residentBytes();
    if (residentBytes === 0) return;
    const { atNs, lagNs, liveBytes, liveCount } = live;
    this.samples.add(nowMs, { atNs, residentBytes, liveBytes, liveCount, lagNs });
    if (residentBytes > this.sampledBytes) {
      this.sampledBytes = residentBytes;
      this.sampledNs = atNs;
    }
    if (residentBytes > this.peakBytes && nowMs >= this.nextPeakMs) {
      this.nextPeakMs = nowMs + peakDistanceMs;
      this.askPeak(atNs);
    }
    this.cost.sampleCount++;
    this.cost.sampleNs += Math.round((clockMs() - nowMs) * 1e6);
  }

  /** 0: the process has no memory any more; then nobody looks again. */
  private residentBytes(): number {
    try {
      this.statm ??= openSync(`/proc/${this.host.pid}/statm`, 'r');
      const length = readSync(this.statm, this.text, 0, this.text.length, 0);
      const words = new TextDecoder().decode(this.text.subarray(0, length)).split(' ');
      const residentBytes = Number(words[1]) * pageKib * 1024;
      if (residentBytes > 0) return residentBytes;
    } catch (error) {
      // Gone, or not ours to look at: both are an end of looking, not a fault.
      if (!isSystemError(error)) throw error;
    }
    this.isOver = true;
    return 0;
  }

  private askPeak(atNs: number): void {
    try {
      const status = readFileSync(`/proc/${this.host.pid}/status`, 'latin1');
      const mark = /^VmHWM:\s*(\d+) kB$/m.exec(status);
      if (mark === null || !this.host.isRunning()) return;
      this.peakBytes = Math.max(this.peakBytes, Number(mark[1]) * 1024);
      this.peakAskedNs = atNs;
    } catch (error) {
      if (!isSystemError(error)) throw error;
    }
  }

  private sampleParts(nowMs: number, live: LiveNow): void {
    // The classifier reads node's symbols once: that says nothing of what the next look takes.
    if (this.cost.partsCount === 0) this.known();
    const readMs = clockMs();
    let text: string;
    try {
      text = readFileSync(`/proc/${this.host.pid}/smaps`, 'latin1');
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.parts.postpone(nowMs);
      return;
    }
    const areas = parseAreas(text);
    const residentBytes = areas.reduce((sum, area) => sum + area.residentBytes, 0);
    if (residentBytes > 0 && this.host.isRunning()) {
      const { atNs, lagNs, liveBytes, liveCount } = live;
      const sums = sumParts(areas, this.known());
      const tookMs = clockMs() - readMs;
      this.parts.add(
        readMs + tookMs,
        { atNs, residentBytes, liveBytes, liveCount, lagNs, ...sums },
        tookMs * partsShare,
      );
      this.askPeak(atNs);
    } else {
      this.parts.postpone(nowMs);
    }
    this.cost.partsCount++;
    this.cost.partsNs += Math.round((clockMs() - nowMs) * 1e6);
  }

  private known(): KnownSpan[] {
    const isNode = this.host.isNode();
    // What a process is, is not asked for others: the answer would be kept.
    const classes = isNode ? this.host.classes() : null;
    classes?.refresh();
    const spans: KnownSpan[] = [];
    for (const { address, sizeBytes, stackId, flags } of this.host.mappings()) {
      if ((flags & mapAnonymous) === 0) continue;
      const { isRuntime = false, isOurs = false } = classes?.of(stackId) ?? {};
      const part: TimelinePart = isOurs ? 'memprofBytes' : isRuntime ? 'v8Bytes' : 'mappedBytes';
      spans.push({ low: address, high: address + sizeBytes, part });
    }
    for (const { low, high, path, unloadedNs } of this.host.modules()) {
      if (unloadedNs !== null) continue;
      spans.push({ low, high, part: isMemprofFile(path) ? 'memprofBytes' : 'fileBytes' });
    }
    return apart(spans);
  }
}

const isSystemError = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string';
