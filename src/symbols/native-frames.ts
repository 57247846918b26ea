// Frames of native code, from what a resolver says of their addresses. Pure.
import { posix } from 'node:path';
import { FrameKind, type ModuleInfo } from '../model/index.js';
import { lookupAddress } from './addresses.js';
import type { NamedFrame, StackFrame } from './frames.js';
import { baseName } from './owners.js';
import { Quality, type ResolvedModule } from './resolver.js';

/** What a native frame's name depends on, in its module. A number: there are many thousands. */
export function nativeKey(kind: number, offset: number): number {
  return offset * 2 + (kind === FrameKind.nativePc ? 1 : 0);
}

export const offsetOf = (key: number): number => Math.floor(key / 2);
export const addressOf = (key: number): number =>
  lookupAddress(key % 2 === 1 ? FrameKind.nativePc : FrameKind.native, offsetOf(key));

const builtinSymbol = /^Builtins_(\w+)$/;

export function nativeFrames(
  module: ModuleInfo,
  offset: number,
  resolved: ResolvedModule | null,
  at: number,
): StackFrame[] {
  const quality = resolved === null ? Quality.none : resolved.quality[at];
  if (
    resolved === null ||
    quality === Quality.none ||
    resolved.start[at] === resolved.start[at + 1]
  ) {
    return [bareAddress(module.path, offset)];
  }
  const first = resolved.start[at];
  if (quality === Quality.nearestExport) {
    const symbol = resolved.functionName[first];
    const frame = bareAddress(module.path, offset);
    if (symbol === null) return [frame];
    return [
      { ...frame, certainty: 'near', near: { symbol, offsetBytes: resolved.symbolOffset[at] } },
    ];
  }
  const frames: StackFrame[] = [];
  for (let row = first; row < resolved.start[at + 1]; row++) {
    const name = resolved.functionName[row];
    const builtin = name === null ? null : builtinSymbol.exec(name);
    if (builtin !== null && !resolved.inlined[row]) {
      frames.push(builtinFrame(builtin[1], module.path));
      continue;
    }
    frames.push({
      kind: 'native',
      function: name,
      file: plainPath(resolved.file[row]),
      line: resolved.line[row] === 0 ? null : resolved.line[row],
      column: resolved.column[row] === 0 ? null : resolved.column[row],
      module: module.path,
      inlined: resolved.inlined[row],
      certainty: name === null ? 'none' : 'exact',
      near: null,
      offset: name === null ? offset : null,
    });
  }
  return frames;
}

/** node-gyp compiles `../src/addon.cc` in the folder `build`: people look for `src/addon.cc`. */
function plainPath(path: string | null): string | null {
  return path?.includes('/../') ? posix.normalize(path) : path;
}

export function markRecovered(frame: StackFrame): StackFrame {
  return frame.kind === 'marker' ? frame : { ...frame, recovered: true };
}

export function bareAddress(module: string | null, offset: number | null): NamedFrame {
  return {
    kind: 'native',
    function: null,
    file: null,
    line: null,
    column: null,
    module,
    inlined: false,
    certainty: 'none',
    near: null,
    offset,
  };
}

export function builtinFrame(name: string | null, module: string | null = null): NamedFrame {
  return {
    ...bareAddress(module, null),
    kind: 'builtin',
    function: name,
    certainty: name === null ? 'none' : 'exact',
  };
}

/** "libfoo.so+0x1234", "0x7f00 (no module)": where a frame is when its function is not known. */
export function placeText(frame: NamedFrame): string {
  if (frame.kind === 'builtin') return "V8's code, from before its names were announced";
  if (frame.offset === null) return frame.module === null ? '(unknown)' : baseName(frame.module);
  const hex = `0x${frame.offset.toString(16)}`;
  return frame.module === null ? `${hex} (no module)` : `${baseName(frame.module)}+${hex}`;
}
