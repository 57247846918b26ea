// The stack table while it grows: nodes arrive in order of their ids and never change.
import { FrameKind, Marker, type StackTable } from '../model/index.js';

const readyMadeMarkers = [
  Marker.cut,
  Marker.nested,
  Marker.tableFull,
  Marker.notTaken,
  Marker.broken,
];

export class StackTableBuilder {
  count = 1;
  parent = new Uint32Array(1024);
  kind = new Uint8Array(1024);
  index = new Uint32Array(1024);
  offset = new Float64Array(1024);

  push(parent: number, kind: number, index: number, offset: number): void {
    if (this.count === this.parent.length) this.grow(2 * this.count);
    const id = this.count++;
    this.parent[id] = parent;
    this.kind[id] = kind;
    this.index[id] = index;
    this.offset[id] = offset;
  }

  /** Room for the ids below `count`, for someone who writes into the columns. */
  reserve(count: number): void {
    let { length } = this.parent;
    while (length < count) length *= 2;
    if (length > this.parent.length) this.grow(length);
  }

  /** The markers that have ids of their own, for a process whose table nobody could read. */
  pushReadyMade(): void {
    for (const marker of readyMadeMarkers)
      if (this.count <= marker) this.push(0, FrameKind.marker, marker, 0);
  }

  /** A view, not a copy: valid until the next push. */
  table(): StackTable {
    const { count } = this;
    return {
      count,
      parent: this.parent.subarray(0, count),
      kind: this.kind.subarray(0, count),
      index: this.index.subarray(0, count),
      offset: this.offset.subarray(0, count),
    };
  }

  private grow(length: number): void {
    const { parent, kind, index, offset } = this;
    this.parent = new Uint32Array(length);
    this.kind = new Uint8Array(length);
    this.index = new Uint32Array(length);
    this.offset = new Float64Array(length);
    this.parent.set(parent);
    this.kind.set(kind);
    this.index.set(index);
    this.offset.set(offset);
  }
}
