// The model's part about V8's heap at a checkpoint, and what went when V8 was made to collect. Must not import
// anything but the model.
import type { StackId } from './index.js';

/** Of one isolate at one moment, as V8 says (v8::HeapStatistics). */
export interface V8Figures {
  /** Committed. */
  totalBytes: number;
  executableBytes: number;
  physicalBytes: number;
  availableBytes: number;
  usedBytes: number;
  limitBytes: number;
  /** By V8 itself: among the native blocks. */
  mallocedBytes: number;
  peakMallocedBytes: number;
  /** Stores of ArrayBuffers, and external strings. */
  externalBytes: number;
  /** The same and what addons announced: what V8 goes by when it decides to collect. null: it did not say. */
  toldBytes: number | null;
  contextCount: number;
  detachedContextCount: number;
  /** Global handles. */
  handleBytes: number;
  usedHandleBytes: number;
}

/** In the order of `HeapFigures` in interpose/wire.h. */
export const v8FigureNames = [
  'totalBytes',
  'executableBytes',
  'physicalBytes',
  'availableBytes',
  'usedBytes',
  'limitBytes',
  'mallocedBytes',
  'peakMallocedBytes',
  'externalBytes',
  'toldBytes',
  'contextCount',
  'detachedContextCount',
  'handleBytes',
  'usedHandleBytes',
] as const satisfies readonly (keyof V8Figures)[];

/** One of an isolate's spaces, as V8 says (v8::HeapSpaceStatistics). */
export interface V8Space {
  /** 'old_space', 'new_large_object_space', ... */
  name: string;
  committedBytes: number;
  usedBytes: number;
  availableBytes: number;
  physicalBytes: number;
}

export interface V8Isolate {
  /** Dense from 0, as in code names. */
  isolate: number;
  isMain: boolean;
  /** False: it was not made to collect, and before and after are one moment. */
  isCollected: boolean;
  before: V8Figures;
  after: V8Figures;
  /** Afterwards. */
  spaces: V8Space[];
}

/** Native blocks between the moment before V8 was made to collect and the checkpoint. */
export interface CollectedBlocks {
  /** Of the process, before; 0: unknown. */
  residentBeforeBytes: number;
  /** Live before. */
  beforeCount: number;
  beforeBytes: number;
  /** Of those, released since. A block that realloc moved has not gone. */
  goneCount: number;
  goneBytes: number;
  /** Who had allocated what has gone: the stacks with the most bytes, largest first. */
  stacks: { stackId: StackId; blockCount: number; sizeBytes: number }[];
}

export interface V8Picture {
  /** The one that took the checkpoint first. */
  isolates: V8Isolate[];
  /** null: none was made to collect. */
  collected: CollectedBlocks | null;
}
