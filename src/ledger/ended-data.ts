// Native data of Node-API resources whose object was collected, or whose environment ended: an addon's
// finalizer should have freed it. Whether it did is for the live blocks of a checkpoint to say.
import { objectResources, type ResourceTable } from '../model/index.js';

export type EndedData = Pick<
  ResourceTable,
  'count' | 'kind' | 'createdNs' | 'data' | 'classIndex' | 'classNames'
>;

interface Ended {
  kind: number;
  createdTick: number;
  textId: number;
}

/** Between two checkpoints nobody says what was freed: what is more than this is forgotten, the oldest first. */
const mostEntries = 1 << 18;

export class EndedDataBook {
  private readonly byData = new Map<number, Ended>();
  private readonly limit: number;

  constructor(limit = mostEntries) {
    this.limit = limit;
  }

  add(kind: number, data: number, createdTick: number, textId: number): void {
    if (data === 0 || !objectResources.has(kind)) return;
    // Put at the end: the youngest.
    this.byData.delete(data);
    this.byData.set(data, { kind, createdTick, textId });
    if (this.byData.size <= this.limit) return;
    for (const oldest of this.byData.keys()) {
      this.byData.delete(oldest);
      break;
    }
  }

  /** A new resource has the same data: it was not given up. */
  reclaim(data: number): void {
    if (this.byData.size > 0) this.byData.delete(data);
  }

  /** Those whose data lies in a live block; the others are forgotten. Times in ticks. */
  table(isInBlock: (address: number) => boolean, textOf: (id: number) => string): EndedData {
    for (const data of this.byData.keys()) if (!isInBlock(data)) this.byData.delete(data);
    const classNames: string[] = [];
    const classByText = new Map<number, number>();
    const rows = [...this.byData];
    const classIndex = Uint32Array.from(rows, ([, { textId }]) => {
      let at = classByText.get(textId);
      if (at === undefined) {
        at = classNames.push(textId === 0 ? '' : textOf(textId)) - 1;
        classByText.set(textId, at);
      }
      return at;
    });
    return {
      count: rows.length,
      kind: Uint8Array.from(rows, ([, one]) => one.kind),
      createdNs: Float64Array.from(rows, ([, one]) => one.createdTick),
      data: Float64Array.from(rows, ([data]) => data),
      classIndex,
      classNames,
    };
  }
}
