// How much of its large blocks a program is taken to have touched: writes are not recorded.
import { EventType } from '../ledger/index.js';
import { mallocBlocks, PageMap } from '../memory/index.js';
import type { Checkpoint } from '../model/index.js';

/** Smaller blocks are taken to be touched wholly. */
const largeBytes = 64 << 10;
export const whole = 256;

interface Seen {
  bytes: number;
  residentBytes: number;
}

/** In 1/256, by the program's large live blocks at the last checkpoint: an estimate. */
export class TouchedShares {
  private readonly byStack = new Map<number, Seen>();
  private readonly all: [others: Seen, calloc: Seen] = [nothing(), nothing()];

  constructor(checkpoint: Checkpoint | undefined) {
    const detail = checkpoint?.detail ?? null;
    const pages = checkpoint?.memory?.pages;
    if (detail === null || pages === undefined || pages === null) return;
    const live = mallocBlocks(detail);
    const map = new PageMap(pages);
    for (let row = 0; row < live.count; row++) {
      const bytes = live.sizeBytes[row]!;
      if (bytes < largeBytes) continue;
      const address = live.address[row]!;
      const residentBytes = map.residentBytes(address, address + bytes);
      const stackId = live.stackId[row]!;
      let ofStack = this.byStack.get(stackId);
      if (ofStack === undefined) this.byStack.set(stackId, (ofStack = nothing()));
      for (const seen of [ofStack, this.all[live.entry[row] === EventType.calloc ? 1 : 0]]) {
        seen.bytes += bytes;
        seen.residentBytes += residentBytes;
      }
    }
  }

  /** Of a block that is allocated so: what its stack's blocks had, else what all of its kind had. */
  of(type: number, sizeBytes: number, stackId: number): number {
    if (sizeBytes < largeBytes) return whole;
    const ofStack = this.byStack.get(stackId);
    return shareOf(ofStack ?? this.all[type === EventType.calloc ? 1 : 0]);
  }

  get calloc(): number {
    return shareOf(this.all[1]);
  }

  get others(): number {
    return shareOf(this.all[0]);
  }
}

const nothing = (): Seen => ({ bytes: 0, residentBytes: 0 });

const shareOf = ({ bytes, residentBytes }: Seen): number =>
  bytes === 0 ? whole : Math.round((whole * residentBytes) / bytes);
