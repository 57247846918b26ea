// What a frame is called in formats that have one text for it. Pure.
import { baseName, placeText, type StackFrame } from '../symbols/index.js';

/** The function as far as it is known; markers in brackets. */
export function frameName(frame: StackFrame): string {
  if (frame.kind === 'marker') return `[${frame.text}]`;
  if (frame.function !== null) return frame.function;
  if (frame.near !== null)
    return `near ${frame.near.symbol}+0x${frame.near.offsetBytes.toString(16)}`;
  return placeText(frame);
}

/** "app.js:3", "libfoo.so", or ''. */
export function framePlace(frame: StackFrame): string {
  if (frame.kind === 'marker') return '';
  if (frame.file !== null) return frame.line === null ? frame.file : `${frame.file}:${frame.line}`;
  return frame.module === null || frame.function === null ? '' : baseName(frame.module);
}

/** The file with the source, else the module. */
export function frameFile(frame: StackFrame): string | null {
  return frame.kind === 'marker' ? null : (frame.file ?? frame.module);
}

const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** For formats of UTF-8, which has no half of a surrogate pair: it is spelled out. */
export const wellFormed = (text: string): string =>
  text.replace(lone, (char) => `\\u${char.charCodeAt(0).toString(16)}`);

/** A number for each different frame. Frames that display equal are one object (symbolize interns them). */
export class FrameNumbers {
  readonly frames: StackFrame[] = [];
  readonly #numbers = new Map<StackFrame, number>();

  numberOf(frame: StackFrame): number {
    let number = this.#numbers.get(frame);
    if (number === undefined) {
      number = this.frames.push(frame) - 1;
      this.#numbers.set(frame, number);
    }
    return number;
  }
}

/** Calls, the leaf's first: each with what was inlined into it, innermost first. */
export function callsOf(frames: readonly StackFrame[]): StackFrame[][] {
  const calls: StackFrame[][] = [];
  let isInside = false;
  for (const frame of frames) {
    if (isInside && frame.kind === 'native') calls.at(-1)!.push(frame);
    else calls.push([frame]);
    isInside = frame.kind === 'native' && frame.inlined;
  }
  return calls;
}
