// A ring in plain memory, and the events that the benchmark of the reader publishes in it.
import { EventType } from '../src/ledger/index.js';
import { RingReader } from '../src/record/ring-reader.js';
import { Magic, pageBytes, RingHeader, wireAbi } from '../src/record/wire.js';

const dataBytes = 4 << 20;

export class BenchRing {
  readonly reader: RingReader;
  private readonly words: Uint32Array;
  private readonly mask = dataBytes / 4 - 1;
  private head = 0;
  private tick = 1000;

  constructor(index: number) {
    const buffer = new ArrayBuffer(pageBytes + dataBytes);
    const view = new DataView(buffer);
    view.setBigUint64(RingHeader.magic, Magic.ring, true);
    view.setUint32(RingHeader.abi, wireAbi, true);
    view.setUint32(RingHeader.dataOffset, pageBytes, true);
    view.setUint32(RingHeader.dataBytes, dataBytes, true);
    this.words = new Uint32Array(buffer);
    this.reader = new RingReader(buffer, index);
    this.put(EventType.threadBegin, [1, index, 0, 0]);
    this.publish();
  }

  get hasRoom(): boolean {
    const tail = this.words[RingHeader.tail >>> 2] ?? 0;
    return ((this.head / 2 - tail) >>> 0) * 8 < dataBytes - 256;
  }

  allocate(address: number, sizeBytes: number, stackId: number): void {
    const high = Math.floor(address / 2 ** 32);
    this.put(EventType.malloc, [
      address >>> 0,
      high | (sizeBytes << 16),
      stackId,
      sizeBytes >>> 16,
    ]);
  }

  release(address: number): void {
    this.put(EventType.free, [address >>> 0, Math.floor(address / 2 ** 32)]);
  }

  publish(): void {
    this.words[RingHeader.head >>> 2] = this.head / 2;
  }

  private put(type: number, halves: number[]): void {
    this.tick += 90;
    this.putHalf(this.tick >>> 0);
    this.putHalf((type << 24) | Math.floor(this.tick / 2 ** 32));
    for (const half of halves) this.putHalf(half);
  }

  private putHalf(half: number): void {
    this.words[pageBytes / 4 + (this.head & this.mask)] = half;
    this.head++;
  }
}

/** Puts the next events into the ring until it is full; returns how many. */
export type Workload = (ring: BenchRing) => number;

const heap = 0x7f12_3456_0000;

/** As glibc's tcache: the block of a class that was released last is given out first. */
class Heap {
  private readonly released = new Map<number, number[]>();
  private top = heap;

  allocate(sizeBytes: number): number {
    const place = this.listOf(sizeBytes).pop();
    if (place !== undefined) return place;
    this.top += 16 * Math.ceil((sizeBytes + 8) / 16);
    return this.top;
  }

  release(address: number, sizeBytes: number): void {
    this.listOf(sizeBytes).push(address);
  }

  private listOf(sizeBytes: number): number[] {
    const key = (sizeBytes + 8) >> 4;
    const list = this.released.get(key) ?? [];
    this.released.set(key, list);
    return list;
  }
}

/** Every block is freed by the next event, as in churn. */
export function pairs(): Workload {
  const memory = new Heap();
  let at = 0;
  return (ring) => {
    let count = 0;
    for (; ring.hasRoom; count += 2) {
      at++;
      const sizeBytes = 32 + 8 * (at & 7);
      const address = memory.allocate(sizeBytes);
      ring.allocate(address, sizeBytes, 10 + (at & 31));
      ring.release(address);
      memory.release(address, sizeBytes);
    }
    return count;
  };
}

/** Blocks live for a few events each: eight made, then freed in another order. */
export function shortLived(): Workload {
  const memory = new Heap();
  let at = 0;
  return (ring) => {
    let count = 0;
    for (; ring.hasRoom; count += 16) {
      at++;
      const blocks = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => {
        const sizeBytes = 24 + 8 * ((at + 3 * i) & 15);
        const address = memory.allocate(sizeBytes);
        ring.allocate(address, sizeBytes, 10 + ((at + i) & 255));
        return { address, sizeBytes };
      });
      for (let i = 0; i < 8; i++) {
        const { address, sizeBytes } = blocks[(i * 5) & 7] as (typeof blocks)[0];
        ring.release(address);
        memory.release(address, sizeBytes);
      }
    }
    return count;
  };
}

/** `liveCount` blocks; each step frees a random one and makes another in its place. */
export function random(liveCount: number): Workload {
  let made = 0;
  let state = 88172645;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  return (ring) => {
    let count = 0;
    for (; ring.hasRoom && made < liveCount; count++) {
      ring.allocate(heap + 112 * made, 100, 10 + (made & 1023));
      made++;
    }
    for (; ring.hasRoom; count += 2) {
      const address = heap + 112 * (next() % liveCount);
      ring.release(address);
      ring.allocate(address, 100, 10 + (next() & 1023));
    }
    return count;
  };
}
