// Builds a TraceModel from stacks drawn as text, for tests of symbols, reports and commands:
//
//   const m = new ModelBuilder();
//   const leak = m.stack(`
//     libc.so.6 malloc        <- leaf first; "module function" with a line per frame
//     addon.node Leak
//     js JS:~main /app/app.js:3:5
//     node node::Start
//   `);
//   m.live('at-end', leak, 64, 10);
//
// Functions become offsets in their module, and resolver() turns the offsets back into them.
import {
  FrameKind,
  type LiveSet,
  Marker,
  type ModuleInfo,
  type ProcessInfo,
  type StackId,
  type TraceModel,
} from '../src/model/index.js';
import type { FrameResolver, ResolvedModule } from '../src/symbols/index.js';

interface Block {
  moment: 'before-teardown' | 'at-end' | 'both';
  stackId: StackId;
  sizeBytes: number;
  thread: number;
  bornNs: number;
}

interface Inlined {
  name: string;
  file: string | null;
  line: number;
}

export class ModelBuilder {
  readonly modules: ModuleInfo[] = [];
  readonly #codes = new Map<string, number>();
  readonly #nodes = [{ parent: 0, kind: 0, index: 0, offset: 0 }];
  readonly #children = new Map<string, number>();
  readonly #functions = new Map<
    string,
    { module: string; offset: number; frames: Inlined[]; quality: number }
  >();
  readonly #blocks: Block[] = [];
  readonly #allocated = new Map<number, { count: number; bytes: number; temporary: number }>();
  process: ProcessInfo = {
    pid: 4242,
    ppid: 1,
    generation: 0,
    executable: '/usr/bin/node',
    cwd: '/app',
    argv: ['node', 'app.js'],
    nodeVersion: 'v20.20.2',
    v8Version: '11.3',
    startRealtimeMs: 1_700_000_000_000,
    durationNs: 1_500_000_000,
    ended: { how: 'exit', code: 0, signal: null },
  };
  threads = [{ index: 0, tid: 4242, name: 'node', beginNs: 0, endNs: null as number | null }];
  hasTeardown = true;

  module(path: string, extra: Partial<ModuleInfo> = {}): ModuleInfo {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const known = this.modules.find(
      (one) => one.path === path || (one.path.endsWith(`/${path}`) && !path.includes('/')),
    );
    if (known !== undefined) return known;
    const id = this.modules.length;
    const base = (0x7f0000000000 + id * 0x1000000) as ModuleInfo['base'];
    const made: ModuleInfo = {
      id,
      path: path.includes('/') ? path : name === 'node' ? '/usr/bin/node' : `/usr/lib/${path}`,
      buildId: '',
      base,
      low: base,
      high: (base + 0x1000000) as ModuleInfo['high'],
      isExecutable: name === 'node',
      isVdso: false,
      isShim: name === 'libmemprof.so',
      loadedNs: 0,
      unloadedNs: null,
      ...extra,
    };
    this.modules.push(made);
    return made;
  }

  /** One frame a line, leaf first: "module function[@file:line][ << inlined caller@file:line]", "js RAW", "?", "!marker". */
  stack(drawing: string): StackId {
    const lines = drawing
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    let node = 0;
    for (const line of lines.reverse()) node = this.#child(node, line);
    return node as StackId;
  }

  #child(parent: number, line: string): number {
    const known = this.#children.get(`${parent} ${line}`);
    if (known !== undefined) return known;
    const node = { parent, ...this.#frame(line) };
    this.#nodes.push(node);
    this.#children.set(`${parent} ${line}`, this.#nodes.length - 1);
    return this.#nodes.length - 1;
  }

  #frame(line: string): { kind: number; index: number; offset: number } {
    if (line.startsWith('!')) {
      return {
        kind: FrameKind.marker,
        index: Marker[line.slice(1) as keyof typeof Marker],
        offset: 0,
      };
    }
    if (line === 'v8') return { kind: FrameKind.v8Unnamed, index: 0, offset: 0x10 };
    if (line.startsWith('?'))
      return { kind: FrameKind.unknown, index: 0, offset: Number(line.slice(1) || 0x7fff1234) };
    const space = line.indexOf(' ');
    const where = line.slice(0, space);
    const what = line.slice(space + 1);
    if (where === 'js') {
      let id = this.#codes.get(what);
      if (id === undefined) this.#codes.set(what, (id = this.#codes.size));
      return {
        kind: what.startsWith('JS:~') ? FrameKind.jsBytecode : FrameKind.jsCode,
        index: id,
        offset: 4,
      };
    }
    const module = this.module(where);
    const key = `${module.path} ${what}`;
    let known = this.#functions.get(key);
    if (known === undefined) {
      known = {
        module: module.path,
        offset: 0x1000 + this.#functions.size * 0x100,
        ...drawn(what),
      };
      this.#functions.set(key, known);
    }
    return { kind: FrameKind.native, index: module.id, offset: known.offset + 1 };
  }

  live(moment: Block['moment'], stackId: StackId, sizeBytes: number, count = 1, thread = 0): this {
    for (let i = 0; i < count; i++)
      this.#blocks.push({ moment, stackId, sizeBytes, thread, bornNs: 1000 + this.#blocks.length });
    return this;
  }

  released(stackId: StackId, count: number, bytes: number, temporary = 0): this {
    this.#allocated.set(stackId, { count, bytes, temporary });
    return this;
  }

  resolver(): FrameResolver {
    return {
      resolve: (path, _buildId, addresses) => {
        const start = new Uint32Array(addresses.length + 1);
        const rows: (Inlined & { inlined: boolean })[] = [];
        const quality = new Uint8Array(addresses.length);
        const symbolOffset = new Float64Array(addresses.length);
        addresses.forEach((address, at) => {
          for (const one of this.#functions.values()) {
            if (one.module !== path || one.offset !== address) continue;
            quality[at] = one.quality;
            symbolOffset[at] = one.quality === 1 ? 0x20 : 0;
            if (one.quality > 0)
              for (const [i, frame] of one.frames.entries())
                rows.push({ ...frame, inlined: i < one.frames.length - 1 });
          }
          start[at + 1] = rows.length;
        });
        const resolved: ResolvedModule = {
          found: true,
          reason: 'ok',
          hasDebugInfo: true,
          start,
          functionName: rows.map((row) => row.name),
          file: rows.map((row) => row.file),
          line: Uint32Array.from(rows, (row) => row.line),
          column: new Uint32Array(rows.length),
          inlined: rows.map((row) => row.inlined),
          quality,
          symbolOffset,
        };
        return Promise.resolve(resolved);
      },
    };
  }

  build(): TraceModel {
    const nodes = this.#nodes;
    const column = () => new Float64Array(nodes.length);
    const totals = {
      allocationCount: column(),
      allocatedBytes: column(),
      liveCount: column(),
      liveBytes: column(),
      temporaryCount: column(),
    };
    const beforeTeardown = this.#live('before-teardown');
    const atEnd = this.#live('at-end');
    for (const [id, made] of this.#allocated) {
      totals.allocationCount[id] += made.count;
      totals.allocatedBytes[id] += made.bytes;
      totals.temporaryCount[id] += made.temporary;
    }
    for (const block of this.#blocks) {
      totals.allocationCount[block.stackId]++;
      totals.allocatedBytes[block.stackId] += block.sizeBytes;
      if (block.moment === 'before-teardown') continue;
      totals.liveCount[block.stackId]++;
      totals.liveBytes[block.stackId] += block.sizeBytes;
    }
    const sum = (values: Float64Array) => values.reduce((all, one) => all + one, 0);
    const bytes = (live: LiveSet) => sum(live.sizeBytes);
    return {
      formatVersion: 1,
      process: this.process,
      modules: this.modules,
      codes: [...this.#codes].map(([rawName, id]) => ({
        id,
        kind: 'bytecode',
        isolate: 0,
        rawName,
      })),
      threads: this.threads,
      stacks: {
        count: nodes.length,
        parent: Uint32Array.from(nodes, (node) => node.parent),
        kind: Uint8Array.from(nodes, (node) => node.kind),
        index: Uint32Array.from(nodes, (node) => node.index),
        offset: Float64Array.from(nodes, (node) => node.offset),
      },
      stackTotals: totals,
      totals: {
        allocationCount: sum(totals.allocationCount),
        allocatedBytes: sum(totals.allocatedBytes),
        releaseCount: sum(totals.allocationCount) - atEnd.count,
        releasedBytes: sum(totals.allocatedBytes) - bytes(atEnd),
        liveCount: atEnd.count,
        liveBytes: bytes(atEnd),
        peakBytes: Math.max(bytes(beforeTeardown), bytes(atEnd)),
        peakBlockCount: Math.max(beforeTeardown.count, atEnd.count),
        peakNs: 800_000_000,
        eventCounts: new Float64Array(64),
      },
      losses: {
        lostEventCount: 0,
        untracedThreadCount: 0,
        nestedEventCount: 0,
        cutStackCount: 0,
        fullTableStackCount: 0,
        unknownReleaseCount: 0,
        doubleAllocationCount: 0,
        ringWaitCount: 0,
        ringWaitNs: 0,
        bootstrapBytes: 0,
        stoppedEarly: null,
      },
      beforeTeardown: this.hasTeardown
        ? { name: 'before-teardown', atNs: 1_400_000_000, live: beforeTeardown }
        : null,
      atEnd: { name: 'at-end', atNs: 1_500_000_000, live: atEnd },
      mappings: [],
      marks: [],
      hasEvents: true,
      complete: true,
    };
  }

  #live(moment: 'before-teardown' | 'at-end'): LiveSet {
    const blocks = this.#blocks.filter(
      (block) => block.moment === moment || block.moment === 'both',
    );
    return {
      count: blocks.length,
      address: Float64Array.from(blocks, (_block, at) => 0x55550000 + at * 0x100),
      sizeBytes: Float64Array.from(blocks, (block) => block.sizeBytes),
      stackId: Uint32Array.from(blocks, (block) => block.stackId),
      threadIndex: Uint32Array.from(blocks, (block) => block.thread),
      bornNs: Float64Array.from(blocks, (block) => block.bornNs),
      entry: new Uint8Array(blocks.length).fill(1),
    };
  }
}

/** "name", "name@file:line", "inner@f:1 << outer@f:9" (inlined), "~name" (nearest export), "-" (no symbol). */
function drawn(what: string): { frames: Inlined[]; quality: number } {
  if (what.startsWith('-')) return { frames: [], quality: 0 };
  const near = what.startsWith('~');
  const frames = (near ? what.slice(1) : what).split(' << ').map((part) => {
    const [, name, file, line] = /^(.*?)(?:@(.*):(\d+))?$/.exec(part) as unknown as [
      string,
      string,
      string?,
      string?,
    ];
    return { name, file: file ?? null, line: Number(line ?? 0) };
  });
  return { frames, quality: near ? 1 : frames[0].file === null ? 2 : 3 };
}
