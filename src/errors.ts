// The one error class. Facts first, then what to do. Only bin/ catches and prints it.
//
// Must not import anything.

/** Exit statuses of memprof's own failures, as env(1) and timeout(1) use them. */
export const ExitCode = { usage: 2, failed: 125, notExecutable: 126, notFound: 127 } as const;

const brand = Symbol.for('memprof.MemprofError');

/** What fails for a reason that a user can do something about. Its message states facts first, then what to do. */
export class MemprofError extends Error {
  /** A process may hold this class more than once: in the library, and in the bundle that it loads. */
  static override [Symbol.hasInstance](value: unknown): value is MemprofError {
    return typeof value === 'object' && value !== null && brand in value;
  }

  override name = 'MemprofError';
  /** Stable: ERR_MEMPROF_TRACE_TRUNCATED and the like. */
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number = ExitCode.failed) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
    Object.defineProperty(this, brand, { value: true });
  }
}
