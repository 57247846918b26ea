// What a frame is once it has a name. Must not import anything that does I/O.

export const anonymousName = '(anonymous)';

/**
 * How sure the name of a native frame is: debug information or a symbol that contains the address
 * ('exact'), only the nearest exported symbol below it ('near'), or nothing ('none').
 */
export type NativeCertainty = 'exact' | 'near' | 'none';

export interface NamedFrame {
  readonly kind: 'native' | 'js' | 'builtin';
  /** Whole and demangled. null where it is not known for certain: `text` then says where it is. */
  readonly function: string | null;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  /**
   * Of JavaScript: whether line and column are the call's own, or only the function's (compiled by
   * Sparkplug or Maglev, inlined, or from a code cache). null where there is no line, and for native code.
   */
  readonly lineIs?: 'call' | 'function' | null;
  /** Of JavaScript: which function it is, whatever place of it is shown. */
  readonly scope?: string;
  /** Path of the module that holds the code; null for JavaScript and for addresses in no module. */
  readonly module: string | null;
  /** The place in the script that ran, where a source map leads from it to `file`. */
  readonly generated?: { readonly file: string; readonly line: number; readonly column: number };
  readonly inlined: boolean;
  readonly certainty: NativeCertainty;
  /** Nearest exported symbol below the address, where that is all that is known. */
  readonly near: { readonly symbol: string; readonly offsetBytes: number } | null;
  /**
   * Address in the module (ELF virtual address) of the code, or the bare address without a module;
   * null for JavaScript, and where the function is known: equal functions are equal frames.
   */
  readonly offset: number | null;
  /** Found by reading the code of the function that it called, which has no unwind rows. */
  readonly recovered?: true;
}

/** Not a frame but a fact about the stack at this place; 'folded' is a report's own. */
export interface MarkerFrame {
  readonly kind: 'marker';
  readonly marker:
    | 'cut'
    | 'nested'
    | 'table-full'
    | 'not-taken'
    | 'broken'
    | 'gap'
    | 'queued'
    | 'unknown'
    | 'folded';
  readonly text: string;
}

export type StackFrame = NamedFrame | MarkerFrame;

/** Frames with equal keys look the same to a reader. */
export function frameKey(frame: StackFrame): string {
  if (frame.kind === 'marker') return `marker\0${frame.text}`;
  return [
    frame.kind,
    frame.function ?? '',
    frame.file ?? '',
    frame.line ?? '',
    // Two calls on one line are two places; a function's own column says nothing more.
    frame.lineIs === 'call' ? (frame.column ?? '') : '',
    frame.lineIs === 'function' ? 'f' : '',
    frame.module ?? '',
    frame.inlined ? 'i' : '',
    frame.near === null ? '' : `${frame.near.symbol}+${frame.near.offsetBytes}`,
    frame.offset ?? '',
  ].join('\0');
}

const markerNames: ReadonlyArray<[MarkerFrame['marker'], string]> = [
  ['unknown', 'unknown marker'],
  ['cut', 'stack cut here: deeper than the limit'],
  ['nested', 'allocated by a signal handler that interrupted the recorder: no stack'],
  ['table-full', 'stack table full: no stack'],
  ['not-taken', 'no stack could be taken'],
  ['broken', 'walk ended here: frames above are missing'],
  ['gap', 'code without unwind rows: frames may be missing here'],
  ['unknown', 'unknown marker'],
  ['queued', '--- queued from ---'],
];

/** The frame for a MP_MARKER_* number; a stack is cut exactly at the limit, so its length is the limit. */
export function markerFrame(marker: number, frameCount: number): MarkerFrame {
  const [name, text] = markerNames[marker] ?? markerNames[0];
  if (name === 'cut') {
    return {
      kind: 'marker',
      marker: name,
      text: `stack cut here: deeper than ${frameCount} frames`,
    };
  }
  return { kind: 'marker', marker: name, text };
}
