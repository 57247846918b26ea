// Readers of the formats for the tests, by the formats' own documents: independent of what writes them.
import { baseName, placeText, type StackFrame } from '../../src/symbols/index.js';

const plainName = (frame: StackFrame): string => {
  if (frame.kind === 'marker') return `[${frame.text}]`;
  if (frame.function !== null) return frame.function;
  if (frame.near !== null)
    return `near ${frame.near.symbol}+0x${frame.near.offsetBytes.toString(16)}`;
  return placeText(frame);
};

const isCode = (frame: StackFrame) => frame.kind !== 'marker';
const fileOf = (frame: StackFrame) => (frame.kind === 'marker' ? null : frame.file);
const lineOf = (frame: StackFrame) => (frame.kind === 'marker' ? null : frame.line);
const moduleOf = (frame: StackFrame) => (frame.kind === 'marker' ? null : frame.module);

/** Half a surrogate pair, spelled out. */
const utf8 = (text: string): string =>
  [...text]
    .map((char) => {
      const code = char.codePointAt(0) as number;
      return code >= 0xd800 && code < 0xe000 ? `\\u${code.toString(16)}` : char;
    })
    .join('');

/** What the tests of heaptrack see of a name: it is escaped for a line. */
const escapes =
  /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const oneLine = (text: string): string =>
  text.replace(escapes, (char) => {
    const code = char.charCodeAt(0);
    if (code === 10) return '\\n';
    if (code === 9) return '\\t';
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });

/** The text that stands for a frame in what each reader below returns. */
export const nameOf = {
  collapsed(frame: StackFrame): string {
    const line = lineOf(frame);
    const file = fileOf(frame);
    const module = moduleOf(frame);
    const isNamed = isCode(frame) && (frame as { function: string | null }).function !== null;
    const place =
      file !== null
        ? line === null
          ? file
          : `${file}:${line}`
        : module !== null && isNamed
          ? baseName(module)
          : '';
    const inlined = frame.kind !== 'marker' && frame.inlined ? '_[i]' : '';
    return `${plainName(frame)}${place === '' ? '' : ` (${place})`}${inlined}`;
  },
  speedscope: (frame: StackFrame): string =>
    JSON.stringify([plainName(frame), fileOf(frame) ?? moduleOf(frame), lineOf(frame)]),
  heapProfile: (frame: StackFrame): string =>
    JSON.stringify([plainName(frame), fileOf(frame) ?? moduleOf(frame) ?? '', lineOf(frame) ?? 0]),
  firefox: (frame: StackFrame): string => {
    const inlined = frame.kind !== 'marker' && frame.inlined ? ' (inlined)' : '';
    return JSON.stringify([`${plainName(frame)}${inlined}`, fileOf(frame), lineOf(frame)]);
  },
  pprof: (frame: StackFrame): string =>
    JSON.stringify([
      utf8(plainName(frame)),
      utf8(fileOf(frame) ?? moduleOf(frame) ?? ''),
      lineOf(frame) ?? 0,
    ]),
  heaptrack: (frame: StackFrame): string => oneLine(plainName(frame)),
  dhat(frame: StackFrame): string {
    if (frame.kind === 'marker') return plainName(frame);
    const address = `0x${(frame.offset ?? 0).toString(16).toUpperCase()}`;
    const line = frame.line === null ? '' : `:${frame.line}`;
    const place =
      frame.file !== null
        ? ` (${frame.file}${line})`
        : frame.module === null
          ? ''
          : ` (in ${frame.module})`;
    return `${address}: ${plainName(frame)}${place}`;
  },
};

/** True where `cell` begins as the name does; else what was expected. */
export const spelled = (name: string, cell: string): string =>
  cell.startsWith(oneLine(name)) ? cell : oneLine(name);

function added(sums: Map<string, number>, frames: readonly string[], value: number): void {
  const key = JSON.stringify(frames);
  sums.set(key, (sums.get(key) ?? 0) + value);
}

export function readCollapsed(text: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const line of text.split('\n').slice(0, -1)) {
    const at = line.lastIndexOf(' ');
    const frames = line.slice(0, at).split(';').map(unescaped);
    added(sums, frames[0] === '[no stack]' ? [] : frames, Number(line.slice(at + 1)));
  }
  return sums;
}

const unescaped = (text: string): string =>
  text.replace(/\\(\\|n|t|x[0-9a-f]{2}|u[0-9a-f]{4})/g, (_all, code: string) => {
    if (code === '\\') return '\\';
    if (code === 'n') return '\n';
    if (code === 't') return '\t';
    return String.fromCharCode(Number.parseInt(code.slice(1), 16));
  });

interface Speedscope {
  shared: { frames: { name: string; file?: string; line?: number }[] };
  profiles: { name: string; samples: number[][]; weights: number[]; endValue: number }[];
}

export function stacksOfSpeedscope(file: unknown, name: string): Map<string, number> {
  const { shared, profiles } = file as Speedscope;
  const profile = profiles.find((one) => one.name === name);
  if (profile === undefined) throw new Error(`no profile ${name}`);
  const sums = new Map<string, number>();
  for (const [at, sample] of profile.samples.entries()) {
    const frames = sample.map((index) => {
      const frame = shared.frames[index]!;
      return JSON.stringify([frame.name, frame.file ?? null, frame.line ?? null]);
    });
    added(sums, frames, profile.weights[at]!);
  }
  const total = profile.weights.reduce((all, one) => all + one, 0);
  if (total !== profile.endValue) throw new Error(`weights of ${total}, not ${profile.endValue}`);
  return sums;
}

interface HeapNode {
  callFrame: { functionName: string; url: string; lineNumber: number };
  selfSize: number;
  id: number;
  children: HeapNode[];
}

export function stacksOfHeapProfile(file: unknown): Map<string, number> {
  const { head, samples } = file as {
    head: HeapNode;
    samples: { size: number; nodeId: number }[];
  };
  const sums = new Map<string, number>();
  const ids = new Set<number>();
  let bytes = 0;
  const open: { node: HeapNode; frames: string[] }[] = [{ node: head, frames: [] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, frames } = next;
    ids.add(node.id);
    bytes += node.selfSize;
    if (node.selfSize > 0) added(sums, frames, node.selfSize);
    for (const child of node.children) {
      const { functionName, url, lineNumber } = child.callFrame;
      const text = JSON.stringify([functionName, url, lineNumber + 1]);
      open.push({ node: child, frames: [...frames, text] });
    }
  }
  const sampled = samples.reduce((all, one) => all + one.size, 0);
  if (sampled !== bytes || samples.some((one) => !ids.has(one.nodeId)))
    throw new Error('the samples are not those of the nodes');
  return sums;
}

interface Firefox {
  shared: { stringArray: string[] };
  threads: {
    nativeAllocations: {
      stack: (number | null)[];
      weight: number[];
      time: number[];
      length: number;
    };
    stackTable: { frame: number[]; prefix: (number | null)[]; length: number };
    frameTable: { func: number[]; line: (number | null)[]; length: number };
    funcTable: { name: number[]; fileName: (number | null)[]; length: number };
  }[];
}

export function stacksOfFirefox(file: unknown): Map<string, number> {
  const { shared, threads } = file as Firefox;
  const { nativeAllocations, stackTable, frameTable, funcTable } = threads[0]!;
  const text = (index: number | null) => (index === null ? null : shared.stringArray[index]);
  for (const table of [stackTable, frameTable, funcTable, nativeAllocations])
    for (const column of Object.values(table))
      if (Array.isArray(column) && column.length !== table.length)
        throw new Error('columns differ in length');
  const sums = new Map<string, number>();
  for (const [at, stack] of nativeAllocations.stack.entries()) {
    const frames: string[] = [];
    for (let node = stack; node !== null; node = stackTable.prefix[node] as number | null) {
      const frame = stackTable.frame[node]!;
      const func = frameTable.func[frame]!;
      frames.unshift(
        JSON.stringify([
          text(funcTable.name[func]!),
          text(funcTable.fileName[func]!),
          frameTable.line[frame],
        ]),
      );
    }
    added(sums, frames, nativeAllocations.weight[at]!);
  }
  return sums;
}

interface DhatPoint {
  tb: number;
  tbk: number;
  mb: number;
  gb: number;
  eb: number;
  ebk: number;
  fs: number[];
}

export function stacksOfDhat(file: unknown) {
  const { dhatFileVersion, pps, ftbl } = file as {
    dhatFileVersion: number;
    pps: DhatPoint[];
    ftbl: string[];
  };
  if (dhatFileVersion !== 2 || ftbl[0] !== '[root]') throw new Error('not a file of DHAT');
  const stacks = new Map<string, number>();
  for (const { tb, fs } of pps) added(stacks, fs.map((at) => ftbl[at]!).reverse(), tb);
  return { points: pps, stacks };
}

interface Pprof {
  sampleType: { type: number | bigint }[];
  defaultSampleType: number | bigint;
  sample: { locationId: (number | bigint)[]; value: (number | bigint)[] }[];
  location: {
    id: number | bigint;
    mappingId: number | bigint;
    line: { functionId: number | bigint; line: number | bigint }[];
  }[];
  function: { id: number | bigint; name: number | bigint; filename: number | bigint }[];
  mapping: { id: number | bigint }[];
  stringTable: { strings: string[] };
}

export function stacksOfPprof(profile: Pprof) {
  const { strings } = profile.stringTable;
  const text = (index: number | bigint) => strings[Number(index)];
  const functions = new Map(profile.function.map((one) => [Number(one.id), one]));
  const locations = new Map(profile.location.map((one) => [Number(one.id), one]));
  const mappings = new Set(profile.mapping.map((one) => Number(one.id)));
  const framesOf = (id: number | bigint): string[] => {
    const location = locations.get(Number(id));
    if (location === undefined) throw new Error(`no location ${id}`);
    const mapping = Number(location.mappingId);
    if (mapping !== 0 && !mappings.has(mapping)) throw new Error(`no mapping ${mapping}`);
    return location.line.map(({ functionId, line }) => {
      const named = functions.get(Number(functionId))!;
      return JSON.stringify([text(named.name), text(named.filename), Number(line)]);
    });
  };
  return {
    types: profile.sampleType.map(({ type }) => text(type)),
    defaultType: text(profile.defaultSampleType),
    stacks(column: number): Map<string, number> {
      const sums = new Map<string, number>();
      for (const { locationId, value } of profile.sample)
        if (Number(value[column]) !== 0)
          added(sums, locationId.flatMap(framesOf).reverse(), Number(value[column]));
      return sums;
    },
  };
}

/** Replays the records as heaptrack's reader does. */
export function heaptrackTotals(text: string) {
  const strings = [''];
  const pointers: string[][] = [[]];
  const traces = [{ pointer: 0, parent: 0 }];
  const infos: { size: number; trace: number }[] = [];
  const totals = { allocationCount: 0, liveBytes: 0, peakBytes: 0 };
  const allocated = new Map<string, number>();
  const framesOf = (trace: number): string[] => {
    const frames: string[] = [];
    for (let at = trace; at !== 0; at = traces[at]!.parent)
      frames.push(...pointers[traces[at]!.pointer]!);
    return frames.reverse();
  };
  for (const line of text.split('\n').slice(0, -1)) {
    const words = line.slice(2).split(' ');
    const numbers = line[0] === 's' || line[0] === 'X' ? [] : words.map((word) => parseHex(word));
    switch (line[0]) {
      case 's':
        strings.push(line.slice(2));
        break;
      case 'i': {
        const frames: string[] = [];
        for (let at = 2; at + 2 < numbers.length; at += 3) frames.push(strings[numbers[at]!]!);
        pointers.push(frames);
        break;
      }
      case 't':
        traces.push({ pointer: numbers[0]!, parent: numbers[1]! });
        break;
      case 'a':
        infos.push({ size: numbers[0]!, trace: numbers[1]! });
        break;
      case '+': {
        const { size, trace } = infos[numbers[0]!]!;
        totals.allocationCount++;
        totals.liveBytes += size;
        totals.peakBytes = Math.max(totals.peakBytes, totals.liveBytes);
        added(allocated, framesOf(trace), size);
        break;
      }
      case '-':
        totals.liveBytes -= infos[numbers[0]!]!.size;
        break;
      case 'v':
      case 'X':
      case 'I':
      case 'c':
        break;
      default:
        throw new Error(`no record: ${line}`);
    }
  }
  return { totals, allocated };
}

function parseHex(word: string): number {
  if (!/^[0-9a-f]+$/.test(word)) throw new Error(`not hex: ${word}`);
  return Number.parseInt(word, 16);
}

/** RFC 4180, by its grammar; an empty cell is ''. */
export function csvRows(text: string): Record<string, string>[] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (let at = 0; at < text.length; ) {
    let cell = '';
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (text[at] === '"' && text[at + 1] === '"') cell += text[at++];
        else if (text[at] === '"') break;
        else cell += text[at];
      }
      at++;
    } else for (; text[at] !== ',' && text[at] !== '\r'; at++) cell += text[at];
    row.push(cell);
    if (text[at] === ',') at++;
    else {
      if (text.slice(at, at + 2) !== '\r\n') throw new Error(`a line ends badly at ${at}`);
      at += 2;
      rows.push(row);
      row = [];
    }
  }
  const [names, ...cells] = rows;
  return cells.map((one) => {
    if (one.length !== names!.length) throw new Error('a row has another length');
    return Object.fromEntries(one.map((cell, at) => [names![at], cell]));
  });
}
