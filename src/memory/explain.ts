// Resident memory at a checkpoint as a sum: every byte that the kernel counts is in exactly one part. Pure.
import {
  type Checkpoint,
  HeapPart,
  isMemprofFile,
  type LiveSet,
  type MemoryArea,
  type MemoryPicture,
  type ModuleInfo,
  OwnerHold,
  pageBytes,
  Reach,
  type StackId,
} from '../model/index.js';
import { apart, rangeAt } from '../ranges.js';
import type { Owner } from '../symbols/index.js';
import type { AllocatorMappings } from './allocator.js';
import { Layers, type Span } from './layers.js';
import { mallocBlocks } from './malloc-blocks.js';
import { PageMap } from './page-map.js';

export type PartKind =
  | 'arraybuffers' // native live: stores of ArrayBuffers and Buffers
  | 'native-live' // native live: what the program asked for, by owner
  | 'allocator-overhead' // headers, rounding and the allocator's own descriptions
  | 'allocator-cached' // released, kept by threads and fast bins
  | 'allocator-free' // released, in bins
  | 'allocator-top' // at a heap's end, never handed out or taken back
  | 'allocator-unrecorded' // in use for somebody whose call was not recorded
  | 'other-allocator' // what an allocator that is not glibc's has mapped, its live blocks left out
  | 'v8-heap'
  | 'v8-code'
  | 'mapped' // mapped by an addon or a library by itself, by owner
  | 'stacks'
  | 'files' // of the program and its libraries, their data included, by file
  | 'memprof'
  | 'unexplained';

export interface MemoryPart {
  kind: PartKind;
  residentBytes: number;
  /** What the program asked for or mapped; null where that means nothing. */
  sizeBytes: number | null;
  /** Blocks, chunks, mappings or files. */
  count: number;
  /** By package, library or file, largest first; empty where there is one part only. */
  rows: { name: string; residentBytes: number; sizeBytes: number; count: number }[];
}

export interface ExplainedMemory {
  residentBytes: number;
  swappedBytes: number;
  parts: MemoryPart[];
  /** Why parts are rougher than they could be; null: they are not. */
  note: string | null;
}

export interface ExplainInput {
  checkpoint: Checkpoint;
  modules: readonly ModuleInfo[];
  isNode: boolean;
  /** Of the stacks of the checkpoint's live blocks and mappings. */
  ownerOf(id: StackId): Owner;
  /** Of a program whose malloc is not glibc's. */
  allocator?: AllocatorMappings | null;
  /** How an owner is called. */
  nameOf(owner: Owner): string;
}

/** Stacks whose owners are asked for. */
export function memoryStackIds({ memory, detail }: Checkpoint): Set<StackId> {
  const ids = new Set<StackId>(memory?.mappings.map((one) => one.stackId));
  for (const id of detail?.live.stackId ?? []) ids.add(id as StackId);
  return ids;
}

type Use = { kind: PartKind; name: string };

const executable = 4;
const mapAnonymous = 0x20;
export function explainMemory(input: ExplainInput): ExplainedMemory | null {
  const { memory } = input.checkpoint;
  return memory === undefined ? null : new Explanation(input, memory).explain();
}

class Explanation {
  private readonly parts = new Map<PartKind, MemoryPart>();
  private readonly input: ExplainInput;
  private readonly memory: MemoryPicture;
  private readonly pages: PageMap | null;
  private readonly live: LiveSet | null;

  constructor(input: ExplainInput, memory: MemoryPicture) {
    this.input = input;
    this.memory = memory;
    this.pages = memory.pages === null ? null : new PageMap(memory.pages);
    const { detail } = input.checkpoint;
    this.live = this.pages === null || detail === null ? null : mallocBlocks(detail);
  }

  explain(): ExplainedMemory {
    const { areas, heaps } = this.memory;
    this.addHeaps();
    this.addLive();
    const layers = this.layers();
    let residentBytes = 0;
    let swappedBytes = 0;
    for (const area of areas) {
      residentBytes += area.residentBytes;
      swappedBytes += area.swappedBytes;
      this.addArea(area, layers);
    }
    // What was counted by blocks is taken out of nobody's: without pages nobody knows where it lies.
    const counted = [...this.parts.values()].reduce((sum, part) => sum + part.residentBytes, 0);
    this.add('unexplained', '', residentBytes - counted, null, 0);
    const parts = [...this.parts.values()];
    for (const part of parts) part.rows.sort((a, b) => b.residentBytes - a.residentBytes);
    return {
      residentBytes,
      swappedBytes,
      parts,
      note: this.noteOn(heaps.every(({ isWhole }) => isWhole)),
    };
  }

  private noteOn(isWhole: boolean): string | null {
    if (this.pages === null)
      return 'single pages are kept of the last checkpoint only: large blocks and stacks are not told apart from what lies beside them';
    return isWhole
      ? null
      : 'a heap could not be understood to its end: what lies behind counts as not recorded';
  }

  private add(
    kind: PartKind,
    name: string,
    residentBytes: number,
    sizeBytes: number | null,
    count: number,
  ): void {
    let part = this.parts.get(kind);
    if (part === undefined) {
      part = { kind, residentBytes: 0, sizeBytes: null, count: 0, rows: [] };
      this.parts.set(kind, part);
    }
    part.residentBytes += residentBytes;
    part.count += count;
    if (sizeBytes !== null) part.sizeBytes = (part.sizeBytes ?? 0) + sizeBytes;
    if (name === '') return;
    const row = part.rows.find((one) => one.name === name);
    if (row === undefined)
      part.rows.push({ name, residentBytes, sizeBytes: sizeBytes ?? 0, count });
    else {
      row.residentBytes += residentBytes;
      row.sizeBytes += sizeBytes ?? 0;
      row.count += count;
    }
  }

  /** The heaps' own figures are exact at every checkpoint; of live blocks only their rounding comes from here. */
  private addHeaps(): void {
    const { heaps, mapped } = this.memory;
    for (const heap of heaps) {
      const take = (kind: PartKind, part: number) =>
        this.add(kind, '', heap.residentBytes[part]!, heap.bytes[part]!, heap.count[part]!);
      const { live } = HeapPart;
      this.add(
        'allocator-overhead',
        '',
        heap.residentBytes[live]! - heap.liveAskedResidentBytes,
        heap.bytes[live]! - heap.liveAskedBytes,
        0,
      );
      take('allocator-overhead', HeapPart.info);
      take('allocator-cached', HeapPart.tcache);
      take('allocator-cached', HeapPart.fast);
      take('allocator-free', HeapPart.free);
      take('allocator-top', HeapPart.top);
      take('allocator-unrecorded', HeapPart.other);
    }
    this.add(
      'allocator-overhead',
      '',
      mapped.residentBytes - mapped.askedResidentBytes,
      mapped.bytes - mapped.askedBytes,
      0,
    );
  }

  /** Live blocks by whose they are; without the single blocks: as one sum. */
  private addLive(): void {
    const { heaps, mapped, stray } = this.memory;
    if (this.live === null || this.pages === null) {
      const inHeaps = heaps.reduce((sum, heap) => sum + heap.liveAskedResidentBytes, 0);
      const { liveBytes, liveCount } = this.input.checkpoint;
      const residentBytes = inHeaps + mapped.askedResidentBytes + stray.residentBytes;
      this.add('native-live', '', residentBytes, liveBytes, liveCount);
      return;
    }
    const { live, pages } = this;
    const stores = this.storeRows();
    const names = new Map<number, string>();
    for (let row = 0; row < live.count; row++) {
      const low = live.address[row]!;
      const sizeBytes = live.sizeBytes[row]!;
      const residentBytes = pages.residentBytes(low, low + sizeBytes);
      const id = live.stackId[row]!;
      let name = names.get(id);
      if (name === undefined)
        names.set(id, (name = this.input.nameOf(this.input.ownerOf(id as StackId))));
      this.add(stores.has(row) ? 'arraybuffers' : 'native-live', name, residentBytes, sizeBytes, 1);
    }
  }

  private storeRows(): ReadonlySet<number> {
    const rows = new Set<number>();
    const detail = this.input.checkpoint.detail;
    if (detail === null) return rows;
    const { owners, ownerRow } = detail;
    for (const [row, owner] of ownerRow.entries()) {
      const hold = owner < 0 ? 0 : owners.hold[owner]!;
      const isStore =
        hold === OwnerHold.arraybuffer ||
        hold === OwnerHold.sharedArraybuffer ||
        hold === OwnerHold.wasmMemory;
      if (isStore && owners.address[owner] === detail.live.address[row]) rows.add(row);
    }
    return rows;
  }

  /** 'counted': block by block or by the heaps' own figures. */
  private layers(): Layers<Use | 'counted'> {
    const { heaps, own, mappings } = this.memory;
    const counted = 'counted' as const;
    const blocks: Span<Use | 'counted'>[] = heaps.map(({ low, high }) => ({
      low,
      high,
      use: counted,
    }));
    if (this.live !== null) {
      const { live } = this;
      const sorted = apart(heaps);
      for (let row = 0; row < live.count; row++) {
        const low = live.address[row]!;
        if (rangeAt(sorted, low) !== null) continue;
        // glibc's mappings of single blocks begin with their header; that and the rounding are overhead.
        const isMapped =
          this.memory.mapped.blockCount > 0 && low % pageBytes === 16 && live.sizeBytes[row]! > 0;
        const start = isMapped ? low - 16 : low;
        const end = low + live.sizeBytes[row]!;
        blocks.push({
          low: start,
          high: isMapped ? Math.ceil(end / pageBytes) * pageBytes : end,
          use: counted,
        });
      }
    }
    const ours = own.map(({ low, high }) => ({
      low,
      high,
      use: { kind: 'memprof' as const, name: '' },
    }));
    const modules = this.input.modules
      .filter(({ unloadedNs }) => unloadedNs === null)
      .map(({ low, high, path }) => ({ low, high, use: fileUse(path) }));
    const mapped = mappings
      .filter(
        ({ flags, stackId }) =>
          (flags & mapAnonymous) !== 0 || this.input.allocator?.maps(stackId) === true,
      )
      .map(({ address, sizeBytes, stackId, prot }) => ({
        low: address,
        high: address + sizeBytes,
        use: this.mappingUse(stackId, prot),
      }));
    return new Layers<Use | 'counted'>([blocks, ours, this.stacks(), modules, mapped]);
  }

  private mappingUse(stackId: StackId, prot: number): Use {
    const { allocator } = this.input;
    if (allocator?.maps(stackId) === true)
      return { kind: 'other-allocator', name: allocator.fileName };
    const owner = this.input.ownerOf(stackId);
    if (owner.kind === 'memprof') return { kind: 'memprof', name: '' };
    if (this.input.isNode && owner.kind === 'node')
      return { kind: (prot & executable) !== 0 ? 'v8-code' : 'v8-heap', name: '' };
    return { kind: 'mapped', name: this.input.nameOf(owner) };
  }

  /** A thread's stack reaches from its guard pages, where the kernel's area begins, to where its frames began. */
  private stacks(): Span<Use>[] {
    const spans: Span<Use>[] = [];
    const regions = this.input.checkpoint.detail?.reachability?.regions ?? [];
    const ends = new Map<MemoryArea, number>();
    for (const { high, low, reach } of regions) {
      if (reach !== Reach.stack && reach !== Reach.tls) continue;
      const area = rangeAt(this.memory.areas, low);
      if (area !== null) ends.set(area, Math.max(ends.get(area) ?? 0, high));
    }
    for (const [area, high] of ends) {
      if (area.path.startsWith('/')) continue;
      spans.push({ low: area.low, high, use: { kind: 'stacks', name: '' } });
    }
    return spans;
  }

  private addArea(area: MemoryArea, layers: Layers<Use | 'counted'>): void {
    if (area.residentBytes === 0) return;
    if (area.path === '[stack]') {
      this.add('stacks', '', area.residentBytes, area.high - area.low, 1);
      return;
    }
    if (area.path.startsWith('/')) {
      const { kind, name } = fileUse(area.path);
      this.add(kind, name, area.residentBytes, area.high - area.low, 1);
      return;
    }
    if (this.pages === null) {
      this.addWhole(area, layers);
      return;
    }
    const { pages } = this;
    layers.visit(area.low, area.high, (low, high, use) => {
      if (use === 'counted') return;
      const residentBytes = pages.residentBytes(low, high);
      if (residentBytes === 0) return;
      this.add(use?.kind ?? 'unexplained', use?.name ?? '', residentBytes, high - low, 1);
    });
  }

  /** Without pages: an area that one use fills to the last byte is that one's. */
  private addWhole(area: MemoryArea, layers: Layers<Use | 'counted'>): void {
    let only: Use | 'counted' | null = null;
    let isOne = true;
    layers.visit(area.low, area.high, (low, _high, use) => {
      if (low === area.low) only = use;
      else if (!sameUse(only, use)) isOne = false;
    });
    const use = only as Use | 'counted' | null;
    if (!isOne || use === null || use === 'counted') return;
    this.add(use.kind, use.name, area.residentBytes, area.high - area.low, 1);
  }
}

function fileUse(path: string): Use {
  if (isMemprofFile(path)) return { kind: 'memprof', name: '' };
  return { kind: 'files', name: path };
}

const sameUse = (a: Use | 'counted' | null, b: Use | 'counted' | null): boolean =>
  a === b ||
  (a !== null &&
    b !== null &&
    a !== 'counted' &&
    b !== 'counted' &&
    a.kind === b.kind &&
    a.name === b.name);
