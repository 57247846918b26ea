// expectMemoryBelow: how much native memory a function needs at its worst moment.
import { MemprofError } from '../errors.js';
import { parseSize } from '../sizes.js';
import { withAgent } from './missing.js';
import { assertFunction, assertOptions, type CommonOptions, commonOptions } from './options.js';
import { atCall, callPlace } from './place.js';
import { watched } from './watch.js';

export interface MemoryVerdict {
  skipped: false;
  /** The most native memory above what was live when fn began. */
  peakBytes: number;
  limitBytes: number;
}

const defaultTimeoutMs = 60_000;

/**
 * Runs `fn` once and rejects with ERR_MEMPROF_ABOVE_LIMIT if at any moment of it the process had more native
 * memory live than `limit` above what was live before: '24 MiB', or a number of bytes. All threads count.
 */
export async function expectMemoryBelow(
  limit: string | number,
  fn: () => unknown,
  options: CommonOptions = {},
): Promise<MemoryVerdict | { skipped: true }> {
  const place = callPlace(expectMemoryBelow);
  const title = `expectMemoryBelow at ${place.text}`;
  const limitBytes = atCall(place, () => {
    assertFunction(fn, title);
    assertOptions(options, commonOptions, title);
    return parseSize(limit, title);
  });
  const { name = place.text, timeoutMs = defaultTimeoutMs, whenMissing } = options;
  const call = { title, place, name, timeoutMs, whenMissing };
  return withAgent(call, async (from) => {
    const answer = await watched(from, call, { kind: 'memory', limitBytes }, ({ run }) => run(fn));
    if (answer.verdict === 'above') throw new MemprofError('ERR_MEMPROF_ABOVE_LIMIT', answer.text);
    if (answer.peakBytes === null)
      throw new MemprofError('ERR_MEMPROF_NO_ANSWER', `${title}: no peak is known: ${answer.text}`);
    return { skipped: false as const, peakBytes: answer.peakBytes, limitBytes };
  });
}
