// What a program says of itself: moments, and what it never means to free. Without memprof-run both cost a
// call and do nothing, so they may stay in code.
import { agent } from './agent.js';
import { assertFunction, isText, usage } from './options.js';
import { atCall, callPlace } from './place.js';

/** Names this moment in the trace. */
export function mark(name: string): void {
  if (!isText(name)) {
    const place = callPlace(mark);
    atCall(place, () => {
      throw usage(`mark at ${place.text}: needs a name`);
    });
  }
  agent?.mark(name);
}

/**
 * What the calling thread allocates while `fn` runs is nobody's leak: until it returns, or until its promise
 * settles (what else the thread does meanwhile counts as well). Returns what fn returns.
 */
export function ignoreLeaks<T>(fn: () => T): T {
  if (typeof fn !== 'function') {
    const place = callPlace(ignoreLeaks);
    atCall(place, () => assertFunction(fn, `ignoreLeaks at ${place.text}`));
  }
  if (agent === null) return fn();
  const from = agent;
  const end = () => from.ignore(false);
  from.ignore(true);
  let result: T;
  try {
    result = fn();
  } catch (error) {
    end();
    throw error;
  }
  const then = (result as PromiseLike<unknown> | null | undefined)?.then;
  if (typeof then !== 'function') end();
  // The caller's own promise is returned, so a rejection stays the caller's to handle.
  else then.call(result, end, end);
  return result;
}
