// pprof's profile.proto (google/pprof, proto/profile.proto; the numbers are its field numbers). Uncompressed:
// whoever writes the file gzips it. Pure.
import type { ModuleInfo } from '../model/index.js';
import { ownerText } from '../report/index.js';
import type { NamedFrame, NamedStack, StackFrame } from '../symbols/index.js';
import { callsOf, frameFile, frameName, wellFormed } from './frames.js';
import type { Measure } from './measures.js';
import { commandOf, type StackProfile } from './profile.js';
import { ProtoWriter } from './protobuf.js';

/** The first two are what Go's heap profiles call them, so tools know them. */
const prefixes: Record<Measure, string> = {
  live: 'inuse',
  allocated: 'alloc',
  temporary: 'temporary',
  peak: 'peak',
  lost: 'lost',
};

const pieceBytes = 1 << 16;

export function* pprofProfile(profile: StackProfile): Generator<Uint8Array> {
  const writer = new PprofWriter(profile);
  yield writer.header();
  for (const row of profile.stacks.keys()) {
    writer.sample(row);
    if (writer.sizeBytes > pieceBytes) yield writer.take();
  }
  yield writer.take();
  yield* writer.strings();
}

class PprofWriter {
  readonly #profile: StackProfile;
  readonly #out = new ProtoWriter();
  readonly #strings = new Map<string, number>([['', 0]]);
  readonly #mappings = new Map<string, number>();
  readonly #functions = new Map<string, number>();
  readonly #locations = new Map<string, number>();
  readonly #frameKeys = new Map<StackFrame, number>();
  readonly #columns: Float64Array[] = [];

  constructor(profile: StackProfile) {
    this.#profile = profile;
  }

  get sizeBytes(): number {
    return this.#out.sizeBytes;
  }

  take(): Uint8Array {
    return this.#out.take();
  }

  header(): Uint8Array {
    const { series, process, atNs, modules } = this.#profile;
    const out = this.#out;
    for (const { measure, blockCount, sizeBytes } of series) {
      out.message(1, this.#valueType(`${prefixes[measure]}_objects`, 'count'));
      this.#columns.push(blockCount);
      if (sizeBytes === null) continue;
      out.message(1, this.#valueType(`${prefixes[measure]}_space`, 'bytes'));
      this.#columns.push(sizeBytes);
    }
    const startNs = BigInt(Math.round(process.startRealtimeMs)) * 1_000_000n;
    out.number(9, startNs + BigInt(Math.round(atNs)));
    out.number(10, Math.round(process.durationNs));
    out.message(11, this.#valueType('space', 'bytes'));
    out.number(12, 1);
    out.number(13, this.#string(`memprof of: ${commandOf(process)}`));
    const main = series[0];
    if (main !== undefined) {
      const unit = main.sizeBytes === null ? 'objects' : 'space';
      out.number(14, this.#string(`${prefixes[main.measure]}_${unit}`));
    }
    // pprof takes the first mapping for the program itself.
    const program = modules.find((module) => module.isExecutable);
    if (program !== undefined) this.#mapping(program.path);
    return this.take();
  }

  sample(row: number): void {
    const stack = this.#profile.stacks[row] as NamedStack;
    const sample = new ProtoWriter();
    sample.numbers(
      1,
      callsOf(stack.frames).map((call) => this.#location(call)),
    );
    sample.numbers(
      2,
      this.#columns.map((column) => column[row]!),
    );
    const label = new ProtoWriter();
    label.number(1, this.#string('package'));
    label.number(2, this.#string(ownerText(stack.owner)));
    sample.message(3, label);
    this.#out.message(2, sample);
  }

  /** Repeated fields may stand anywhere: the table comes last, when it is whole. */
  *strings(): Generator<Uint8Array> {
    for (const text of this.#strings.keys()) {
      this.#out.text(6, text);
      if (this.sizeBytes > pieceBytes) yield this.take();
    }
    yield this.take();
  }

  #valueType(type: string, unit: string): ProtoWriter {
    const message = new ProtoWriter();
    message.number(1, this.#string(type));
    message.number(2, this.#string(unit));
    return message;
  }

  /** A call with what was inlined into it, innermost first. */
  #location(frames: readonly StackFrame[]): number {
    const key = frames.map((frame) => this.#frameKey(frame)).join(' ');
    let id = this.#locations.get(key);
    if (id !== undefined) return id;
    this.#locations.set(key, (id = this.#locations.size + 1));
    const location = new ProtoWriter();
    location.number(1, id);
    const outer = frames.at(-1) as StackFrame;
    if (outer.kind !== 'marker') {
      if (outer.module !== null) location.number(2, this.#mapping(outer.module));
      location.number(3, this.#address(outer));
    }
    for (const frame of frames) {
      const line = new ProtoWriter();
      line.number(1, this.#function(frame));
      if (frame.kind !== 'marker') {
        line.number(2, frame.line ?? 0);
        line.number(3, frame.column ?? 0);
      }
      location.message(4, line);
    }
    this.#out.message(4, location);
    return id;
  }

  #frameKey(frame: StackFrame): number {
    let key = this.#frameKeys.get(frame);
    if (key === undefined) this.#frameKeys.set(frame, (key = this.#frameKeys.size));
    return key;
  }

  /** Known where the function is not; 0: not known. */
  #address({ module, offset }: NamedFrame): number {
    if (offset === null) return 0;
    return module === null ? offset : (this.#moduleOf(module)?.base ?? 0) + offset;
  }

  #function(frame: StackFrame): number {
    const name = wellFormed(frameName(frame));
    const file = wellFormed(frameFile(frame) ?? '');
    const key = `${name}\0${file}`;
    let id = this.#functions.get(key);
    if (id !== undefined) return id;
    this.#functions.set(key, (id = this.#functions.size + 1));
    const message = new ProtoWriter();
    message.number(1, id);
    message.number(2, this.#string(name));
    message.number(3, this.#string(name));
    message.number(4, this.#string(file));
    this.#out.message(5, message);
    return id;
  }

  #moduleOf(path: string): ModuleInfo | undefined {
    return this.#profile.modules.findLast((module) => module.path === path);
  }

  #mapping(path: string): number {
    let id = this.#mappings.get(path);
    if (id !== undefined) return id;
    this.#mappings.set(path, (id = this.#mappings.size + 1));
    const module = this.#moduleOf(path);
    const message = new ProtoWriter();
    message.number(1, id);
    message.number(2, module?.low ?? 0);
    message.number(3, module?.high ?? 0);
    message.number(5, this.#string(path));
    message.number(6, this.#string(module?.buildId ?? ''));
    // Names are in here: pprof need not look for them, which it would on a machine without these files.
    for (const field of [7, 8, 9, 10]) message.number(field, 1);
    this.#out.message(3, message);
    return id;
  }

  #string(text: string): number {
    const whole = wellFormed(text);
    let index = this.#strings.get(whole);
    if (index === undefined) this.#strings.set(whole, (index = this.#strings.size));
    return index;
  }
}
