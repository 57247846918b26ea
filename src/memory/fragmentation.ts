// How the allocator's heaps are filled: arena by arena, page by page, and which blocks keep pages that are otherwise
// empty. Pure: columns in, values out.
import {
  type Checkpoint,
  HeapPart,
  type HeapPicture,
  type MemoryPicture,
  pageBytes,
  type StackId,
} from '../model/index.js';
import { rangeAt } from '../ranges.js';
import { mallocBlocks } from './malloc-blocks.js';
import { PageMap } from './page-map.js';

export interface ArenaUse {
  arena: number;
  isMain: boolean;
  heapCount: number;
  bytes: number;
  residentBytes: number;
  liveAskedBytes: number;
  liveBlockCount: number;
  /** Released and kept for the next call (tcache, fast bins); in bins; at the end of the heap. Resident ones. */
  cachedBytes: number;
  freeBytes: number;
  topBytes: number;
  largestFreeBytes: number;
  trimmableBytes: number;
}

/** Resident pages of heaps by how much of them live blocks fill. */
export interface PageClass {
  /** From this share on, up to the next class: 0, 0.25, 0.5, 0.75; null: nothing lives there. */
  from: number | null;
  pageCount: number;
  liveBytes: number;
}

export interface SizeClass {
  /** Blocks up to this size, and larger than the class before. */
  upToBytes: number;
  blockCount: number;
  sizeBytes: number;
  /** Resident pages that hold at least one of them. */
  pageCount: number;
  /** What live blocks of any class fill of these pages. */
  liveBytes: number;
}

/** Blocks of one stack that keep sparsely filled pages. */
export interface PinningStack {
  stackId: StackId;
  blockCount: number;
  sizeBytes: number;
  /** Pages that hold one of them and are filled below a quarter. */
  pageCount: number;
  /** Of those pages what nothing lives in; a page that several stacks keep is shared out by blocks. */
  keptBytes: number;
  oldestBornNs: number;
  /** Rows of the live set, the first ones. */
  rows: number[];
}

export interface HeapMap {
  low: number;
  high: number;
  arena: number;
  /** A byte a page: 255 not resident, else live bytes in 1/250 of the page. */
  occupancy: Uint8Array;
}

export interface Fragmentation {
  arenas: ArenaUse[];
  /** null where single pages or blocks were not kept. */
  pages: PageClass[] | null;
  sizes: SizeClass[] | null;
  pinning: PinningStack[] | null;
  maps: HeapMap[] | null;
}

export const sparseBelow = 0.25;
export const notResident = 255;
const fullOccupancy = 250;
const keptRows = 8;

export function fragmentationOf(checkpoint: Checkpoint, memory: MemoryPicture): Fragmentation {
  const arenas = arenasOf(memory.heaps);
  const { detail } = checkpoint;
  if (detail === null || memory.pages === null)
    return { arenas, pages: null, sizes: null, pinning: null, maps: null };
  const live = mallocBlocks(detail);
  const pageMap = new PageMap(memory.pages);
  const heaps = [...memory.heaps]
    .sort((a, b) => a.low - b.low)
    .map((heap) => new HeapPages(heap, pageMap));
  const heapOf = (address: number) => rangeAt(heaps, address);
  for (let row = 0; row < live.count; row++)
    heapOf(live.address[row]!)?.add(live.address[row]!, live.sizeBytes[row]!);
  const pages = classesOf(heaps);
  const sizes = new Map<number, SizeClass & { seen: Set<number> }>();
  const pinning = new Map<number, PinningStack>();
  for (let row = 0; row < live.count; row++) {
    const address = live.address[row]!;
    const sizeBytes = live.sizeBytes[row]!;
    const heap = heapOf(address);
    if (heap === null) continue;
    const upToBytes = sizeClassOf(sizeBytes);
    let size = sizes.get(upToBytes);
    if (size === undefined) {
      size = {
        upToBytes,
        blockCount: 0,
        sizeBytes: 0,
        pageCount: 0,
        liveBytes: 0,
        seen: new Set(),
      };
      sizes.set(upToBytes, size);
    }
    size.blockCount++;
    size.sizeBytes += sizeBytes;
    const stackId = live.stackId[row]!;
    let keptBytes = 0;
    let pageCount = 0;
    heap.visit(address, sizeBytes, (page) => {
      const number = heap.low / pageBytes + page;
      if (!size.seen.has(number)) {
        size.seen.add(number);
        size.pageCount++;
        size.liveBytes += heap.liveBytes[page]!;
      }
      if (!heap.isSparse(page)) return;
      keptBytes += (pageBytes - heap.liveBytes[page]!) / heap.blockCount[page]!;
      pageCount++;
    });
    if (pageCount === 0) continue;
    let one = pinning.get(stackId);
    if (one === undefined) {
      one = {
        stackId: stackId as StackId,
        blockCount: 0,
        sizeBytes: 0,
        pageCount: 0,
        keptBytes: 0,
        oldestBornNs: Number.POSITIVE_INFINITY,
        rows: [],
      };
      pinning.set(stackId, one);
    }
    one.blockCount++;
    one.sizeBytes += sizeBytes;
    one.pageCount += pageCount;
    one.keptBytes += keptBytes;
    one.oldestBornNs = Math.min(one.oldestBornNs, live.bornNs[row]!);
    if (one.rows.length < keptRows) one.rows.push(row);
  }
  return {
    arenas,
    pages,
    sizes: [...sizes.values()]
      .sort((a, b) => a.upToBytes - b.upToBytes)
      .map(({ seen: _seen, ...size }) => size),
    pinning: [...pinning.values()].sort((a, b) => b.keptBytes - a.keptBytes),
    maps: heaps.map((heap) => heap.map()),
  };
}

/** Powers of two from 16 bytes on. */
export const sizeClassOf = (sizeBytes: number): number =>
  sizeBytes <= 16 ? 16 : 2 ** Math.ceil(Math.log2(sizeBytes));

function arenasOf(heaps: readonly HeapPicture[]): ArenaUse[] {
  const arenas = new Map<number, ArenaUse>();
  for (const heap of heaps) {
    let use = arenas.get(heap.arena);
    if (use === undefined) {
      use = {
        arena: heap.arena,
        isMain: heap.isMain,
        heapCount: 0,
        bytes: 0,
        residentBytes: 0,
        liveAskedBytes: 0,
        liveBlockCount: 0,
        cachedBytes: 0,
        freeBytes: 0,
        topBytes: 0,
        largestFreeBytes: 0,
        trimmableBytes: 0,
      };
      arenas.set(heap.arena, use);
    }
    const { residentBytes } = heap;
    use.heapCount++;
    use.bytes += heap.high - heap.low;
    use.residentBytes += residentBytes.reduce((sum, bytes) => sum + bytes, 0);
    use.liveAskedBytes += heap.liveAskedBytes;
    use.liveBlockCount += heap.count[HeapPart.live]!;
    use.cachedBytes += residentBytes[HeapPart.tcache]! + residentBytes[HeapPart.fast]!;
    use.freeBytes += residentBytes[HeapPart.free]!;
    use.topBytes += residentBytes[HeapPart.top]!;
    use.largestFreeBytes = Math.max(use.largestFreeBytes, heap.largestFreeBytes);
    use.trimmableBytes += heap.trimmableBytes;
  }
  return [...arenas.values()].sort((a, b) => b.residentBytes - a.residentBytes);
}

/** One heap's pages: what lives on each. */
class HeapPages {
  readonly low: number;
  readonly high: number;
  readonly liveBytes: Float64Array;
  readonly blockCount: Uint32Array;
  private readonly arena: number;
  private readonly resident: Uint8Array;

  constructor({ low, high, arena }: HeapPicture, pages: PageMap) {
    // The main heap begins where the program's own data ended: mostly, but not always, at a page.
    this.low = Math.floor(low / pageBytes) * pageBytes;
    this.high = high;
    this.arena = arena;
    const count = Math.ceil((high - this.low) / pageBytes);
    this.liveBytes = new Float64Array(count);
    this.blockCount = new Uint32Array(count);
    this.resident = Uint8Array.from({ length: count }, (_, page) =>
      pages.isResident(this.low + page * pageBytes) ? 1 : 0,
    );
  }

  visit(address: number, sizeBytes: number, visit: (page: number, bytes: number) => void): void {
    const end = Math.min(this.high, address + Math.max(sizeBytes, 1));
    let from = address;
    while (from < end) {
      const page = Math.floor((from - this.low) / pageBytes);
      const to = Math.min(end, this.low + (page + 1) * pageBytes);
      visit(page, sizeBytes === 0 ? 0 : to - from);
      from = to;
    }
  }

  add(address: number, sizeBytes: number): void {
    this.visit(address, sizeBytes, (page, bytes) => {
      this.liveBytes[page] += bytes;
      this.blockCount[page]++;
    });
  }

  isSparse(page: number): boolean {
    return this.resident[page] === 1 && this.liveBytes[page]! < sparseBelow * pageBytes;
  }

  eachResident(visit: (page: number) => void): void {
    for (let page = 0; page < this.resident.length; page++)
      if (this.resident[page] === 1) visit(page);
  }

  map(): HeapMap {
    const occupancy = new Uint8Array(this.resident.length).fill(notResident);
    this.eachResident((page) => {
      const share = Math.min(1, this.liveBytes[page]! / pageBytes);
      // A page on which anything lives is never drawn as an empty one.
      occupancy[page] =
        this.blockCount[page] === 0 ? 0 : Math.max(1, Math.round(share * fullOccupancy));
    });
    return { low: this.low, high: this.high, arena: this.arena, occupancy };
  }
}

function classesOf(heaps: readonly HeapPages[]): PageClass[] {
  const classes: PageClass[] = [null, 0, 0.25, 0.5, 0.75].map((from) => ({
    from,
    pageCount: 0,
    liveBytes: 0,
  }));
  for (const heap of heaps) {
    heap.eachResident((page) => {
      const share = heap.liveBytes[page]! / pageBytes;
      const at = heap.blockCount[page] === 0 ? 0 : 1 + Math.min(3, Math.floor(share / 0.25));
      classes[at]!.pageCount++;
      classes[at]!.liveBytes += heap.liveBytes[page]!;
    });
  }
  return classes;
}
