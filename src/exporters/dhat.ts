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
  const { allocationCount, allocatedBytes } = model.stackTotals;
  // dh_view wants each sequence of frames once: what reads the same is one point.
  const points: Point[] = [];
  const rows = new Map<string, number>();
  const rowOf = new Uint32Array(allocationCount.length);
  for (let id = 0; id < allocationCount.length; id++) {
    if (allocationCount[id] === 0) continue;
    const fs = symbols.stack(id as StackId).frames.map((frame) => frames.numberOf(frame));
    const key = fs.join(' ');
    let row = rows.get(key);
    if (row === undefined) rows.set(key, (row = points.push({ tb: 0, tbk: 0, fs }) - 1));
    rowOf[id] = row;
    const point = points[row] as Point;
    point.tb += allocatedBytes[id]!;
    point.tbk += allocationCount[id]!;
  }
  // Its root is made of the first point, so there is always one.
  if (points.length === 0) points.push({ tb: 0, tbk: 0, fs: [] });
  const lives = batches === null ? null : livesOf(model, batches, rowOf, points.length);
  if (lives !== null)
    for (const [row, point] of points.entries()) Object.assign(point, lives.of(row));
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

function livesOf(
  model: TraceModel,
  batches: Iterable<TimedBatch>,
  rowOf: Uint32Array,
  rowCount: number,
): Lives {
  const lives = new Lives(model, rowOf, rowCount);
  replayBlocks(model, batches, lives);
  return lives;
}

/** By row: a row is one or several stacks. */
class Lives extends PeakWatch {
  readonly #rowOf: Uint32Array;
  readonly #mostBytes: Float64Array;
  readonly #mostCount: Float64Array;
  /** Sum of releases' times less sum of allocations'. */
  readonly #lifetimeUs: Float64Array;
  readonly #endUs: number;

  constructor(model: TraceModel, rowOf: Uint32Array, rowCount: number) {
    super(model, rowCount);
    this.#rowOf = rowOf;
    this.#endUs = microseconds(model.atEnd.atNs);
    this.#mostBytes = new Float64Array(rowCount);
    this.#mostCount = new Float64Array(rowCount);
    this.#lifetimeUs = new Float64Array(rowCount);
  }

  override allocated(stackId: number, sizeBytes: number, timeNs: number): void {
    const row = this.#rowOf[stackId]!;
    super.allocated(row, sizeBytes, timeNs);
    this.#lifetimeUs[row]! -= microseconds(timeNs);
    const [bytes, most] = [this.liveBytes[row]!, this.#mostBytes[row]!];
    const count = this.liveCount[row]!;
    if (bytes < most || (bytes === most && count <= this.#mostCount[row]!)) return;
    this.#mostBytes[row] = bytes;
    this.#mostCount[row] = count;
  }

  override released(stackId: number, sizeBytes: number, timeNs: number): void {
    const row = this.#rowOf[stackId]!;
    super.released(row, sizeBytes, timeNs);
    this.#lifetimeUs[row]! += microseconds(timeNs);
  }

  of(row: number): Omit<Point, 'tb' | 'tbk' | 'fs'> {
    const ebk = this.liveCount[row]!;
    return {
      // Those that live at the end have lived until then.
      tl: Math.max(0, this.#lifetimeUs[row]! + ebk * this.#endUs),
      mb: this.#mostBytes[row]!,
      mbk: this.#mostCount[row]!,
      gb: this.peak?.sizeBytes?.[row] ?? 0,
      gbk: this.peak?.blockCount[row] ?? 0,
      eb: this.liveBytes[row]!,
      ebk,
    };
  }
}

/** "0x0: function (file:line)": the form that other readers of DHAT's files take apart. */
class FrameTable {
  readonly texts = ['[root]'];
  readonly #byFrame = new Map<StackFrame, number>();
  readonly #byText = new Map<string, number>();

  numberOf(frame: StackFrame): number {
    const known = this.#byFrame.get(frame);
    if (known !== undefined) return known;
    const text = frameText(frame);
    const number = this.#byText.get(text) ?? this.texts.push(text) - 1;
    this.#byText.set(text, number);
    this.#byFrame.set(frame, number);
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
