// Native data of Node-API resources whose object was collected, or whose environment ended: an addon's
// finalizer should have freed it. Whether it did is for the live blocks of a checkpoint to say.
// In columns: at the end of a program that wrapped 100,000 objects all of them come, and as objects they took 11 MB.
import { objectResources, type ResourceTable } from '../model/index.js';
import { AddressRows } from './address-rows.js';
import { grown } from './columns.js';

export type EndedData = Pick<
  ResourceTable,
  'count' | 'kind' | 'createdNs' | 'data' | 'classIndex' | 'classNames'
>;

/** Between two checkpoints nobody says what was freed: what is more than this is forgotten, the oldest first. */
const mostEntries = 1 << 18;
const firstCapacity = 256;
/** data of a row that was taken out. */
const none = 0;

/** Oldest first. */
class Rows {
  count = 0;
  data: Float64Array;
  createdTick: Float64Array;
  textId: Uint32Array;
  kind: Uint8Array;

  constructor(capacity: number) {
    this.data = new Float64Array(capacity);
    this.createdTick = new Float64Array(capacity);
    this.textId = new Uint32Array(capacity);
    this.kind = new Uint8Array(capacity);
  }

  get isFull(): boolean {
    return this.count === this.data.length;
  }

  grow(): void {
    const capacity = 2 * this.data.length;
    this.data = grown(this.data, new Float64Array(capacity));
    this.createdTick = grown(this.createdTick, new Float64Array(capacity));
    this.textId = grown(this.textId, new Uint32Array(capacity));
    this.kind = grown(this.kind, new Uint8Array(capacity));
  }

  push(kind: number, data: number, createdTick: number, textId: number): number {
    const row = this.count++;
    this.kind[row] = kind;
    this.data[row] = data;
    this.createdTick[row] = createdTick;
    this.textId[row] = textId;
    return row;
  }
}

export class EndedDataBook {
  private rows = new Rows(firstCapacity);
  private byData = this.index();
  /** Rows that were not taken out. */
  private size = 0;
  /** No row before it is one of them. */
  private oldest = 0;
  private readonly limit: number;

  constructor(limit = mostEntries) {
    this.limit = limit;
  }

  add(kind: number, data: number, createdTick: number, textId: number): void {
    if (data === none || !objectResources.has(kind)) return;
    // Put at the end: the youngest.
    this.reclaim(data);
    if (this.rows.isFull) {
      if (this.size <= this.rows.count / 2) this.keepOnly((row) => this.rows.data[row] !== none);
      else this.rows.grow();
    }
    this.byData.add(this.rows.push(kind, data, createdTick, textId));
    this.size++;
    if (this.size <= this.limit) return;
    while (this.rows.data[this.oldest] === none) this.oldest++;
    this.takeOut(this.oldest);
  }

  /** A new resource has the same data: it was not given up. */
  reclaim(data: number): void {
    if (this.size === 0 || data === none) return;
    const row = this.byData.find(data, () => true);
    if (row >= 0) this.takeOut(row);
  }

  /** Those whose data lies in a live block; the others are forgotten. Times in ticks. */
  table(isInBlock: (address: number) => boolean, textOf: (id: number) => string): EndedData {
    this.keepOnly((row) => this.rows.data[row] !== none && isInBlock(this.rows.data[row]!));
    const { count, kind, createdTick, data, textId } = this.rows;
    const classNames: string[] = [];
    const classByText = new Map<number, number>();
    const classIndex = textId.slice(0, count).map((id) => {
      let at = classByText.get(id);
      if (at === undefined) {
        at = classNames.push(id === 0 ? '' : textOf(id)) - 1;
        classByText.set(id, at);
      }
      return at;
    });
    return {
      count,
      kind: kind.slice(0, count),
      createdNs: createdTick.slice(0, count),
      data: data.slice(0, count),
      classIndex,
      classNames,
    };
  }

  private takeOut(row: number): void {
    this.byData.remove(row);
    this.rows.data[row] = none;
    this.size--;
  }

  private keepOnly(isKept: (row: number) => boolean): void {
    const { rows } = this;
    const { kind, data, createdTick, textId } = rows;
    const { count } = rows;
    rows.count = 0;
    for (let row = 0; row < count; row++)
      if (isKept(row)) rows.push(kind[row]!, data[row]!, createdTick[row]!, textId[row]!);
    this.size = rows.count;
    this.oldest = 0;
    this.byData = this.index();
    for (let row = 0; row < rows.count; row++) this.byData.add(row);
  }

  private index(): AddressRows {
    return new AddressRows((row) => this.rows.data[row]!);
  }
}
