// What memprof writes its own words to. Must not import anything.

/** As much of a stream as memprof needs. */
export interface TextOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  /** `done`: the system has it, or an error was told. */
  write(text: string | Uint8Array, done?: () => void): boolean;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
}
