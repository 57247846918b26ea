// A ring in plain memory, and the events that the benchmark of the reader publishes in it.
import { EventType } from '../src/ledger/index.js';
import { RingReader } from '../src/record/ring-reader.js';
import { WrittenRing } from './support/written-ring.js';

const dataBytes = 4 << 20;
const ticksPerEvent = 90;

export class BenchRing {
  readonly reader: RingReader;
  private readonly ring = new WrittenRing(dataBytes);
  private tick = 1000;

  constructor(index: number) {
    this.reader = new RingReader(this.ring.buffer, index);
    this.ring.put(EventType.threadBegin, this.tick, [1, index, 0, 0]);
  }

  get hasRoom(): boolean {
    return this.ring.freeBytes > 1024;
  }

  allocate(address: number, sizeBytes: number, stackId: number): void {
    this.tick += ticksPerEvent;
    this.ring.putAllocation(EventType.malloc, this.tick, address, sizeBytes, stackId);
  }

  release(address: number): void {
    this.tick += ticksPerEvent;
    this.ring.putRelease(EventType.free, this.tick, address);
  }

  publish(): void {
    this.ring.publish();
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
