// Which watches run in a process. Two of expectNoLeaks and expectMemoryBelow cannot at once: each would see what
// the other's function allocates. Trackers may overlap with everything.
import type { ErrorAnswer, WaitCode, WatchOptions } from './protocol.js';

export interface Begun {
  watch: number;
  /** file:line of the call. */
  place: string;
  /** Node's threadId. */
  thread: number;
  /** The recording's number of that thread. */
  threadIndex: number;
  kind: WatchOptions['kind'];
}

const functionOf: Readonly<Record<WatchOptions['kind'], string>> = {
  leaks: 'expectNoLeaks',
  memory: 'expectMemoryBelow',
  track: 'track',
};

const waitCode: WaitCode = 'ERR_MEMPROF_WAIT';

export class Watches {
  readonly #begun = new Map<number, Begun>();

  /** null: it may begin, and counts from now on. */
  begin(asked: Begun): ErrorAnswer | null {
    const other = asked.kind === 'track' ? undefined : this.#exclusive();
    if (other !== undefined) return { error: refusal(asked, other) };
    this.#begun.set(asked.watch, asked);
    return null;
  }

  has(watch: number): boolean {
    return this.#begun.has(watch);
  }

  end(watch: number): void {
    this.#begun.delete(watch);
  }

  /** Of threads that ended with their watches under way: a Worker that was terminated. */
  leftBy(hasEnded: (threadIndex: number) => boolean): number[] {
    return [...this.#begun.values()]
      .filter(({ threadIndex }) => hasEnded(threadIndex))
      .map(({ watch }) => watch);
  }

  #exclusive(): Begun | undefined {
    for (const one of this.#begun.values()) if (one.kind !== 'track') return one;
    return undefined;
  }
}

function refusal(asked: Begun, other: Begun): ErrorAnswer['error'] {
  const call = (one: Begun) => `${functionOf[one.kind]} at ${one.place}`;
  if (asked.thread !== other.thread)
    return {
      code: waitCode,
      message: `${call(asked)} waits for ${call(other)}, which runs in another thread of this process`,
    };
  return {
    code: 'ERR_MEMPROF_OVERLAP',
    message:
      `${call(asked)} began while ${call(other)} was running in the same process: each would count what the other's function allocates. ` +
      'Let one end before the next begins: await it, and run the tests one after the other (test.serial in ava, no test.concurrent, no { concurrency } in node:test)',
  };
}
