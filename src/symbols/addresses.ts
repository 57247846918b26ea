// Native frames of a stack table, and the addresses at which symbols are looked up for them. Pure.
import { FrameKind } from '../model/index.js';

export function isNativeKind(kind: number): boolean {
  return (
    kind === FrameKind.native || kind === FrameKind.nativePc || kind === FrameKind.nativeRecovered
  );
}

/** A return address is the instruction after the call, which may belong to another line or function. */
export function lookupAddress(kind: number, offset: number): number {
  return kind === FrameKind.nativePc || offset === 0 ? offset : offset - 1;
}
