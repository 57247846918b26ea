// track: figures of native memory since a moment, for tests that judge by themselves. Trackers may overlap.
import type { TrackSite, TrackStats } from '../checks/protocol.js';
import { type Agent, agent, ask } from './agent.js';
import { modeOf, notLoaded, withAgent } from './missing.js';
import { assertOptions, isText, usage, type WhenMissing } from './options.js';
import { atCall, callPlace } from './place.js';
import { begin } from './watch.js';

export interface Tracker {
  /** true: memprof-run is missing and whenMissing is 'skip'; all figures are 0. */
  readonly skipped: boolean;
  /** As of now, or as of stop(). */
  stats(): TrackStats;
  /** Where what was allocated since the beginning came from, by live bytes; 10 unless `limit` says otherwise. */
  sites(options?: { limit?: number }): TrackSite[];
  /** The last figures. Further calls answer the same. */
  stop(): Promise<TrackStats>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TrackOptions {
  /** 'run' is not possible: the figures are of this process. Default: MEMPROF_WHEN_MISSING, else 'error'. */
  whenMissing?: Exclude<WhenMissing, 'run'>;
}

const beginTimeoutMs = 10_000;
const defaultSiteLimit = 10;

/** Begins to count: `name` marks the moment in the trace. */
export async function track(name?: string, options: TrackOptions = {}): Promise<Tracker> {
  const place = callPlace(track);
  const title = `track at ${place.text}`;
  const { whenMissing } = options;
  const call = { title, place, name: name ?? place.text, timeoutMs: beginTimeoutMs, whenMissing };
  atCall(place, () => {
    if (name !== undefined && !isText(name)) throw usage(`${title}: its name must be a text`);
    assertOptions(options, trackOptions, title);
    // What MEMPROF_WHEN_MISSING=run asks for a whole run of tests is not possible here.
    if (agent === null && modeOf(call) === 'run') throw notLoaded(call);
  });
  const tracker = await withAgent(call, async (from) => {
    const watch = await begin(from, call, { kind: 'track' });
    return new ReaderTracker(from, watch, title);
  });
  return tracker instanceof ReaderTracker ? tracker : new SkippedTracker();
}

class ReaderTracker implements Tracker {
  readonly skipped = false;
  readonly #from: Agent;
  readonly #watch: number;
  readonly #title: string;
  #last: TrackStats | null = null;

  constructor(from: Agent, watch: number, title: string) {
    this.#from = from;
    this.#watch = watch;
    this.#title = title;
  }

  stats(): TrackStats {
    return this.#last ?? ask<TrackStats>(this.#from, { ask: 'stats', watch: this.#watch });
  }

  sites(options: { limit?: number } = {}): TrackSite[] {
    const title = `sites of ${this.#title}`;
    assertOptions(options, siteOptions, title);
    if (this.#last !== null) throw usage(`${title}: it was stopped; ask before stop()`);
    const { limit = defaultSiteLimit } = options;
    return ask<TrackSite[]>(this.#from, { ask: 'sites', watch: this.#watch, limit });
  }

  async stop(): Promise<TrackStats> {
    this.#last ??= ask<TrackStats>(this.#from, { ask: 'stop', watch: this.#watch });
    return this.#last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

class SkippedTracker implements Tracker {
  readonly skipped = true;

  stats(): TrackStats {
    return {
      allocationCount: 0,
      allocatedBytes: 0,
      releaseCount: 0,
      releasedBytes: 0,
      liveCount: 0,
      liveBytes: 0,
      peakBytes: 0,
    };
  }

  sites(): TrackSite[] {
    return [];
  }

  async stop(): Promise<TrackStats> {
    return this.stats();
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const trackOptions = {
  whenMissing: {
    is: (value: unknown) => value === 'error' || value === 'skip',
    expected: "'error' or 'skip' (the figures are of this process)",
  },
};

const siteOptions = {
  limit: {
    is: (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0,
    expected: 'a whole number above 0',
  },
};
