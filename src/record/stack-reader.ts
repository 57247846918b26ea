// Reads the nodes of a process's stack table out of its chunk files: each once, in order of ids.
import type { StackTableBuilder } from '../ledger/index.js';
import { FrameKind } from '../model/index.js';
import * as native from '../native/index.js';
import { stackChunkNodes } from './wire.js';

export class StackReader {
  private readonly chunks: Uint32Array[] = [];
  private readonly counts = new Uint32Array(1);

  /** Nodes that cannot be: a parent not below its child. They got parent 0. */
  get brokenNodeCount(): number {
    return this.counts[0]!;
  }

  get chunkCount(): number {
    return this.chunks.length;
  }

  /** How many nodes the known chunks can hold. */
  get capacity(): number {
    return this.chunks.length * stackChunkNodes;
  }

  addChunk(buffer: ArrayBuffer): void {
    this.chunks.push(new Uint32Array(buffer, 0, Math.floor(buffer.byteLength / 4)));
  }

  /**
   * Reads on up to `count` nodes, or to the first that its writer has not finished: ids are given out
   * before nodes are written, and only what a record refers to is sure to be whole. `isFinal`: the
   * process is gone, take everything.
   */
  readUpTo(count: number, into: StackTableBuilder, isFinal: boolean): void {
    const end = Math.min(count, this.capacity);
    if (into.count >= end) return;
    into.reserve(end);
    while (into.count < end) {
      const chunk = Math.floor(into.count / stackChunkNodes);
      const first = chunk * stackChunkNodes;
      const ofChunk = Math.min(end, first + stackChunkNodes);
      const range = { from: into.count, end: ofChunk, isFinal };
      into.count = native.readStackNodes(this.chunks[chunk]!, first, range, into, this.counts);
      if (into.count < ofChunk) return;
    }
  }
}

/** A frame's word (StackNode.frame in interpose/wire.h), taken apart. */
export function pushFrame(
  into: Pick<StackTableBuilder, 'push'>,
  parent: number,
  low: number,
  high: number,
): void {
  const kind = high >>> 28;
  switch (kind) {
    case FrameKind.native:
    case FrameKind.nativePc:
    case FrameKind.nativeRecovered:
      into.push(parent, kind, (high >>> 8) & 0xfffff, (high & 0xff) * 2 ** 32 + low);
      break;
    case FrameKind.jsBytecode:
    case FrameKind.jsCode:
    case FrameKind.builtin:
      into.push(parent, kind, high & 0xfffffff, low);
      break;
    case FrameKind.marker:
      into.push(parent, kind, low, 0);
      break;
    default:
      // unknown and v8Unnamed, and a kind that is none: shown as the bare address.
      into.push(
        parent,
        kind === FrameKind.v8Unnamed ? kind : FrameKind.unknown,
        0,
        (high & 0xffff) * 2 ** 32 + low,
      );
  }
}
