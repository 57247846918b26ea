// DHAT's JSON, dhatFileVersion 2, as valgrind's dh_view.html reads it. With events it has lifetimes and maxima
// (bklt), without only how much was allocated. Pure.
import type { StackId, TraceModel } from '../model/index.js';
import type { StackFrame, SymbolizedStacks } from '../symbols/index.js';
import { frameName } from './frames.js';
import { jsonArray, jsonObject, jsonValue } from './json-text.js';
import { commandOf } from './profile.js';
import { PeakWatch, replayBlocks, type TimedBatch } from './replay.js';

/** Blocks that live less, on average, are what dh_view calls short-lived. */
const shortLifetimeUs = 500;

interface Point {
  tb: number;
  tbk: number;
  tl?: number;
  mb?: number;
  mbk?: number;
  gb?: number;
  gbk?: number;
  eb?: number;
  ebk?: number;
  fs: number[];
}

export function* dhatFile(
  model: TraceModel,
  symbols: SymbolizedStacks,
  batches: Iterable<TimedBatch> | null,
): Generator<string> {
  const frames = new FrameTable();
  const lives = batches === null ? null : livesOf(model, batches);
  const { allocationCount, allocatedBytes } = model.stackTotals;
  const points: Point[] = [];
  for (let id = 0; id < allocationCount.length; id++) {
    if (allocationCount[id] === 0) continue;
    const point: Point = {
      tb: allocatedBytes[id]!,
      tbk: allocationCount[id]!,
      ...lives?.of(id),
      fs: symbols.stack(id as StackId).frames.map((frame) => frames.numberOf(frame)),
    };
    points.push(point);
  }
  // dh_view makes its root of the first point, so there is always one.
  if (points.length === 0) points.push({ tb: 0, tbk: 0, ...lives?.of(0), fs: [] });
  yield* jsonObject({
    dhatFileVersion: jsonValue(2),
    mode: jsonValue('memprof'),
    verb: jsonValue('Allocated'),
    bklt: jsonValue(lives !== null),
    bkacc: jsonValue(false),
    tu: jsonValue('µs'),
    Mtu: jsonValue('s'),
    ...(lives === null
      ? {}
      : { tuth: jsonValue(shortLifetimeUs), tg: jsonValue(microseconds(lives.peakNs)) }),
    cmd: jsonValue(commandOf(model.process)),
    pid: jsonValue(model.process.pid),
    te: jsonValue(microseconds(model.atEnd.atNs)),
    pps: jsonArray(points),
    ftbl: jsonArray(frames.texts),
  });
}

const microseconds = (ns: number): number => Math.round(ns / 1000);

function livesOf(model: TraceModel, batches: Iterable<TimedBatch>): Lives {
  const lives = new Lives(model);
  replayBlocks(model, batches, lives);
  return lives;
}

class Lives extends PeakWatch {
  readonly #mostBytes: Float64Array;
  readonly #mostCount: Float64Array;
  /** Sum of releases' times less sum of allocations'. */
  readonly #lifetimeUs: Float64Array;
  readonly #endUs: number;

  constructor(model: TraceModel) {
    super(model);
    this.#endUs = microseconds(model.atEnd.atNs);
    this.#mostBytes = new Float64Array(model.stacks.count);
    this.#mostCount = new Float64Array(model.stacks.count);
    this.#lifetimeUs = new Float64Array(model.stacks.count);
  }

  override allocated(stackId: number, sizeBytes: number, timeNs: number): void {
    super.allocated(stackId, sizeBytes, timeNs);
    this.#lifetimeUs[stackId]! -= microseconds(timeNs);
    const bytes = this.liveBytes[stackId]!;
    const isMore =
      bytes > this.#mostBytes[stackId]! ||
      (bytes === this.#mostBytes[stackId]! && this.liveCount[stackId]! > this.#mostCount[stackId]!);
    if (!isMore) return;
    this.#mostBytes[stackId] = bytes;
    this.#mostCount[stackId] = this.liveCount[stackId]!;
  }

  override released(stackId: number, sizeBytes: number, timeNs: number): void {
    super.released(stackId, sizeBytes, timeNs);
    this.#lifetimeUs[stackId]! += microseconds(timeNs);
  }

  of(id: number): Omit<Point, 'tb' | 'tbk' | 'fs'> {
    const ebk = this.liveCount[id]!;
    return {
      // Those that live at the end have lived until then.
      tl: Math.max(0, this.#lifetimeUs[id]! + ebk * this.#endUs),
      mb: this.#mostBytes[id]!,
      mbk: this.#mostCount[id]!,
      gb: this.peak?.sizeBytes?.[id] ?? 0,
      gbk: this.peak?.blockCount[id] ?? 0,
      eb: this.liveBytes[id]!,
      ebk,
    };
  }
}

/** "0x0: function (file:line)": the form that other readers of DHAT's files take apart. */
class FrameTable {
  readonly texts = ['[root]'];
  readonly #numbers = new Map<StackFrame, number>();

  numberOf(frame: StackFrame): number {
    let number = this.#numbers.get(frame);
    if (number === undefined) {
      number = this.texts.push(frameText(frame)) - 1;
      this.#numbers.set(frame, number);
    }
    return number;
  }
}

function frameText(frame: StackFrame): string {
  if (frame.kind === 'marker') return frameName(frame);
  const address = `0x${(frame.offset ?? 0).toString(16).toUpperCase()}`;
  const line = frame.line === null ? '' : `:${frame.line}`;
  const place =
    frame.file !== null
      ? `(${frame.file}${line})`
      : frame.module === null
        ? ''
        : `(in ${frame.module})`;
  return `${address}: ${frameName(frame)}${place === '' ? '' : ` ${place}`}`;
}
