// Time as memprof-run itself measures it. Must not import anything.

/**
 * Milliseconds since some moment, which setting the system's clock does not move. With `performance.now()` Node
 * loads perf_hooks first: milliseconds of memprof-run's start.
 */
export function clockMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
