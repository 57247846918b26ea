// The Firefox Profiler's processed profile format, version 57 (firefox-devtools/profiler,
// docs-developer/CHANGELOG-formats.md): the viewer upgrades older versions to its own. One thread without
// samples, whose allocations are the sums by stack. Pure.
import { baseName, type StackFrame } from '../symbols/index.js';
import { FrameNumbers, frameFile, frameName } from './frames.js';
import { jsonArray, jsonObject, jsonValue } from './json-text.js';
import { commandOf, mainColumn, type StackProfile } from './profile.js';

const formatVersion = 57;
/** Of the format that Firefox itself writes, from which the processed one descends. */
const geckoVersion = 31;
const resourceLibrary = 1;

const categories = [
  { name: 'Other', color: 'grey', subcategories: ['Other'] },
  { name: 'JavaScript', color: 'yellow', subcategories: ['Other'] },
  { name: 'Native', color: 'blue', subcategories: ['Other'] },
];

export function* firefoxProfile(profile: StackProfile): Generator<string> {
  const { process } = profile;
  const tables = new Tables(profile);
  yield* jsonObject({
    meta: jsonValue({
      interval: 1,
      startTime: process.startRealtimeMs,
      processType: 0,
      product: `${commandOf(process)} (memprof)`,
      importedFrom: 'memprof',
      stackwalk: 1,
      debug: false,
      version: geckoVersion,
      preprocessedProfileVersion: formatVersion,
      symbolicated: true,
      platform: 'Linux',
      oscpu: 'Linux x86_64',
      categories,
      markerSchema: [],
    }),
    libs: jsonArray(tables.libs()),
    pages: jsonValue([]),
    threads: (function* () {
      yield '[';
      yield* jsonObject(tables.thread());
      yield ']';
    })(),
    // Last: by now every string has been asked for.
    shared: jsonObject({ stringArray: jsonArray(tables.strings()) }),
  });
}

class Tables {
  readonly #profile: StackProfile;
  readonly #strings = new Map<string, number>();
  readonly #numbers = new FrameNumbers();
  readonly #stackFrame: number[] = [];
  readonly #stackPrefix: (number | null)[] = [];
  readonly #allocations: { stack: (number | null)[]; weight: number[]; time: number[] };
  readonly #libOfModule = new Map<string, number>();

  constructor(profile: StackProfile) {
    this.#profile = profile;
    for (const { path } of profile.modules)
      if (!this.#libOfModule.has(path)) this.#libOfModule.set(path, this.#libOfModule.size);
    this.#allocations = this.#takeStacks();
  }

  *strings(): Generator<string> {
    yield* this.#strings.keys();
  }

  *libs(): Generator<unknown> {
    for (const path of this.#libOfModule.keys()) {
      const buildId = this.#profile.modules.findLast((one) => one.path === path)?.buildId ?? '';
      yield {
        arch: 'x86_64',
        name: baseName(path),
        path,
        debugName: baseName(path),
        debugPath: path,
        breakpadId: breakpadId(buildId),
        codeId: buildId === '' ? null : buildId,
      };
    }
  }

  thread(): Record<string, Iterable<string>> {
    const { process } = this.#profile;
    const frames = this.#numbers.frames;
    const lines = frames.map((frame) => (frame.kind === 'marker' ? null : frame.line));
    const columns = frames.map((frame) => (frame.kind === 'marker' ? null : frame.column));
    const none = frames.map(() => null);
    const { stack, weight, time } = this.#allocations;
    const resources = [...this.#libOfModule.keys()];
    return {
      processType: jsonValue('default'),
      processName: jsonValue(commandOf(process)),
      processStartupTime: jsonValue(0),
      processShutdownTime: jsonValue(process.durationNs / 1e6),
      registerTime: jsonValue(0),
      unregisterTime: jsonValue(null),
      pausedRanges: jsonValue([]),
      name: jsonValue(this.#profile.series[0]?.measure ?? 'live'),
      isMainThread: jsonValue(true),
      pid: jsonValue(String(process.pid)),
      tid: jsonValue(process.pid),
      samples: jsonValue({ stack: [], time: [], weight: null, weightType: 'samples', length: 0 }),
      nativeAllocations: jsonObject({
        time: jsonArray(time),
        weight: jsonArray(weight),
        weightType: jsonValue('bytes'),
        stack: jsonArray(stack),
        length: jsonValue(stack.length),
      }),
      markers: jsonValue({
        data: [],
        name: [],
        startTime: [],
        endTime: [],
        phase: [],
        category: [],
        length: 0,
      }),
      stackTable: jsonObject({
        frame: jsonArray(this.#stackFrame),
        prefix: jsonArray(this.#stackPrefix),
        length: jsonValue(this.#stackFrame.length),
      }),
      frameTable: jsonObject({
        address: jsonArray(frames.map(() => -1)),
        inlineDepth: jsonArray(frames.map(() => 0)),
        category: jsonArray(frames.map(categoryOf)),
        subcategory: jsonArray(frames.map(() => 0)),
        func: jsonArray(frames.keys()),
        nativeSymbol: jsonArray(none),
        innerWindowID: jsonArray(none),
        line: jsonArray(lines),
        column: jsonArray(columns),
        length: jsonValue(frames.length),
      }),
      funcTable: jsonObject({
        isJS: jsonArray(frames.map((frame) => frame.kind === 'js')),
        relevantForJS: jsonArray(frames.map(() => false)),
        name: jsonArray(frames.map((frame) => this.#string(nameOf(frame)))),
        resource: jsonArray(frames.map((frame) => this.#resource(frame))),
        fileName: jsonArray(frames.map((frame) => this.#file(frame))),
        lineNumber: jsonArray(none),
        columnNumber: jsonArray(none),
        length: jsonValue(frames.length),
      }),
      resourceTable: jsonObject({
        lib: jsonArray(resources.keys()),
        name: jsonArray(resources.map((path) => this.#string(baseName(path)))),
        host: jsonArray(resources.map(() => null)),
        type: jsonArray(resources.map(() => resourceLibrary)),
        length: jsonValue(resources.length),
      }),
      nativeSymbols: jsonValue({
        libIndex: [],
        address: [],
        name: [],
        functionSize: [],
        length: 0,
      }),
    };
  }

  /** Stacks become a table of nodes, callers before what they call. */
  #takeStacks() {
    const { stacks, atNs } = this.#profile;
    const { column } = mainColumn(this.#profile);
    const children = new Map<string, number>();
    const taken: { stack: (number | null)[]; weight: number[]; time: number[] } = {
      stack: [],
      weight: [],
      time: [],
    };
    for (const [row, { frames }] of stacks.entries()) {
      if (column[row] === 0) continue;
      let node: number | null = null;
      for (let at = frames.length - 1; at >= 0; at--) {
        const frame = this.#numbers.numberOf(frames[at] as StackFrame);
        const key: string = `${node} ${frame}`;
        let child: number | undefined = children.get(key);
        if (child === undefined) {
          child = this.#stackFrame.push(frame) - 1;
          this.#stackPrefix.push(node);
          children.set(key, child);
        }
        node = child;
      }
      taken.stack.push(node);
      taken.weight.push(column[row]!);
      taken.time.push(atNs / 1e6);
    }
    return taken;
  }

  #resource(frame: StackFrame): number {
    if (frame.kind === 'marker' || frame.module === null) return -1;
    return this.#libOfModule.get(frame.module) ?? -1;
  }

  #file(frame: StackFrame): number | null {
    const file = frame.kind === 'marker' ? null : frame.file;
    return file === null ? null : this.#string(frameFile(frame) ?? file);
  }

  #string(text: string): number {
    let index = this.#strings.get(text);
    if (index === undefined) this.#strings.set(text, (index = this.#strings.size));
    return index;
  }
}

/** The viewer merges functions by name, file and library, not by line: lines are frames' own. */
const nameOf = (frame: StackFrame): string =>
  frame.kind !== 'marker' && frame.inlined ? `${frameName(frame)} (inlined)` : frameName(frame);

const categoryOf = (frame: StackFrame): number =>
  frame.kind === 'js' ? 1 : frame.kind === 'native' ? 2 : 0;

/** Breakpad's form of a build id: its first 16 bytes as a GUID, and a 0. */
function breakpadId(buildId: string): string {
  const bytes = (buildId.match(/../g) ?? []).slice(0, 16);
  if (bytes.length < 16) return '';
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return `${order
    .map((at) => bytes[at])
    .join('')
    .toUpperCase()}0`;
}
