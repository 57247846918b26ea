// heaptrack's data file as heaptrack_interpret writes it (KDE/heaptrack, src/analyze/accumulatedtracedata.cpp
// reads it), file format 2: lines of text, numbers in hex, all indexes from 1. Pure.
import type { StackId, TraceModel } from '../model/index.js';
import { escapeText } from '../report/index.js';
import type { StackFrame, SymbolizedStacks } from '../symbols/index.js';
import { callsOf, frameName } from './frames.js';
import { commandOf } from './profile.js';
import { BlockReplay, type TimedBatch } from './replay.js';

const version = 0x010400;
const fileVersion = 2;
const pageBytes = 4096;
/** heaptrack's own timer. */
const timeStepMs = 10;
const pieceChars = 1 << 16;

export function* heaptrackFile(
  model: TraceModel,
  symbols: SymbolizedStacks,
  batches: Iterable<TimedBatch>,
): Generator<string> {
  const writer = new HeaptrackWriter(symbols);
  writer.line(`v ${hex(version)} ${hex(fileVersion)}`);
  writer.line(`X ${escapeText(commandOf(model.process))}`);
  writer.line(`I ${hex(pageBytes)} 0`);
  const replay = new BlockReplay(model);
  for (const batch of batches) {
    replay.take(batch, writer);
    if (writer.length >= pieceChars) yield writer.take();
  }
  writer.time(model.atEnd.atNs);
  yield writer.take();
}

const hex = (value: number): string => value.toString(16);

class HeaptrackWriter {
  readonly #symbols: SymbolizedStacks;
  readonly #strings = new Map<string, number>();
  readonly #pointers = new Map<string, number>();
  /** By parent and instruction pointer. */
  readonly #traces = new Map<string, number>();
  readonly #traceOfStack = new Map<number, number>();
  /** By stack, then size. */
  readonly #allocations = new Map<number, Map<number, number>>();
  readonly #frameKeys = new Map<StackFrame, number>();
  #allocationCount = 0;
  #timeMs = 0;
  #lines: string[] = [];
  length = 0;

  constructor(symbols: SymbolizedStacks) {
    this.#symbols = symbols;
  }

  line(text: string): void {
    this.#lines.push(text);
    this.length += text.length + 1;
  }

  take(): string {
    const text = this.#lines.map((line) => `${line}\n`).join('');
    this.#lines = [];
    this.length = 0;
    return text;
  }

  time(timeNs: number): void {
    const timeMs = Math.floor(timeNs / 1e6);
    if (timeMs < this.#timeMs + timeStepMs) return;
    this.#timeMs = timeMs;
    this.line(`c ${hex(timeMs)}`);
  }

  allocated(stackId: number, sizeBytes: number, timeNs: number): void {
    this.time(timeNs);
    const index = this.#allocation(stackId, sizeBytes);
    this.line(`+ ${hex(index)}`);
  }

  released(stackId: number, sizeBytes: number, timeNs: number): void {
    this.time(timeNs);
    const index = this.#allocation(stackId, sizeBytes);
    this.line(`- ${hex(index)}`);
  }

  /** These alone count from 0. */
  #allocation(stackId: number, sizeBytes: number): number {
    let bySize = this.#allocations.get(stackId);
    if (bySize === undefined) this.#allocations.set(stackId, (bySize = new Map()));
    let index = bySize.get(sizeBytes);
    if (index === undefined) {
      index = this.#allocationCount++;
      bySize.set(sizeBytes, index);
      this.line(`a ${hex(sizeBytes)} ${hex(this.#trace(stackId))}`);
    }
    return index;
  }

  #trace(stackId: number): number {
    const known = this.#traceOfStack.get(stackId);
    if (known !== undefined) return known;
    const { frames } = this.#symbols.stack(stackId as StackId);
    const calls = callsOf(frames);
    let trace = 0;
    for (let at = calls.length - 1; at >= 0; at--)
      trace = this.#child(trace, this.#pointer(calls[at]!));
    if (trace === 0) trace = this.#child(0, this.#pointer([noStack]));
    this.#traceOfStack.set(stackId, trace);
    return trace;
  }

  #child(parent: number, pointer: number): number {
    const key = `${parent} ${pointer}`;
    let trace = this.#traces.get(key);
    if (trace === undefined) {
      this.#traces.set(key, (trace = this.#traces.size + 1));
      this.line(`t ${hex(pointer)} ${hex(parent)}`);
    }
    return trace;
  }

  /** A call with what was inlined into it, innermost first. */
  #pointer(frames: readonly StackFrame[]): number {
    const key = frames.map((frame) => this.#frameKey(frame)).join(' ');
    let pointer = this.#pointers.get(key);
    if (pointer !== undefined) return pointer;
    const parts = frames.map((frame) => {
      const file = frame.kind === 'marker' ? null : frame.file;
      const line = frame.kind === 'marker' ? null : frame.line;
      return `${hex(this.#string(frameName(frame)))} ${hex(this.#string(file))} ${hex(line ?? 0)}`;
    });
    const outer = frames.at(-1) as StackFrame;
    const module = outer.kind === 'marker' ? null : outer.module;
    const moduleString = this.#string(module ?? (outer.kind === 'js' ? 'JavaScript' : null));
    this.#pointers.set(key, (pointer = this.#pointers.size + 1));
    // Frames with a name need no address; each has one of its own, for they may be told apart by it.
    this.line(`i ${hex(pointer)} ${hex(moduleString)} ${parts.join(' ')}`);
    return pointer;
  }

  #frameKey(frame: StackFrame): number {
    let key = this.#frameKeys.get(frame);
    if (key === undefined) this.#frameKeys.set(frame, (key = this.#frameKeys.size));
    return key;
  }

  /** 0: none. The format has no escapes; a line break would end the record. */
  #string(text: string | null): number {
    if (text === null) return 0;
    const escaped = escapeText(text);
    let index = this.#strings.get(escaped);
    if (index === undefined) {
      this.#strings.set(escaped, (index = this.#strings.size + 1));
      this.line(`s ${escaped}`);
    }
    return index;
  }
}

const noStack: StackFrame = { kind: 'marker', marker: 'not-taken', text: 'no stack' };
