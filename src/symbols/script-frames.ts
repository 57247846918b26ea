// A frame of JavaScript: the call's place where it is known, else the function's, in the file that a
// person wrote, where a source map leads there.

import type { CodePlace } from './code-lines.js';
import { anonymousName, type NamedFrame } from './frames.js';
import type { V8Name } from './v8-names.js';

/** What source-maps/ answers; injected, because it reads files. */
export interface SourceMaps {
  original(place: { file: string; line: number; column: number }): {
    file: string;
    line: number;
    column: number;
    name: string | null;
  } | null;
  isTransformed(file: string, functions: readonly { line: number; column: number }[]): boolean;
}

/** Scripts whose lines are not those of the file of that name. */
export type IsTransformed = (file: string) => boolean;

export const noSourceMaps: SourceMaps = { original: () => null, isTransformed: () => false };

export function scriptFrame(
  name: V8Name,
  call: CodePlace | null,
  sourceMaps: SourceMaps,
  isTransformed: IsTransformed,
): NamedFrame {
  const isOther = name.file !== null && isTransformed(name.file);
  const line = isOther ? null : (call?.line ?? name.line);
  const column = isOther ? null : call === null ? name.column : call.column;
  const frame: NamedFrame = {
    kind: 'js',
    function: name.function,
    file: name.file,
    line,
    column,
    lineIs: line === null ? null : call === null ? 'function' : 'call',
    scope: `${name.function} ${name.file} ${name.line}:${name.column}`,
    module: null,
    inlined: false,
    certainty: 'exact',
    near: null,
    offset: null,
  };
  if (name.file === null || line === null || column === null) return frame;
  const original = sourceMaps.original({ file: name.file, line, column });
  if (original === null) return frame;
  return {
    ...frame,
    function: originalName(name, sourceMaps),
    file: original.file,
    line: original.line,
    column: original.column,
    generated: { file: name.file, line, column },
  };
}

/** A minifier's name for a function is nobody's: the map's, where it has one. */
function originalName(name: V8Name, sourceMaps: SourceMaps): string {
  const { file, line, column } = name;
  if (file === null || line === null || column === null || name.function === anonymousName)
    return name.function;
  return sourceMaps.original({ file, line, column })?.name ?? name.function;
}
