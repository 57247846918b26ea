// Garbage collections of V8 as a pass over events meets them, summed by bucket of time. Pure.

/** Of all isolates, by the bucket in which they ended. */
export interface Collections {
  count: number[];
  /** How long their threads stood still. */
  pauseNs: number[];
}

/** The last bucket is open. */
export class RunningCollections {
  #closed: Collections = { count: [], pauseNs: [] };
  #count = 0;
  #pauseNs = 0;

  /** `low`, `high`: the value of an MP_MARK_GC, whose upper eight bits are the kind. */
  add(low: number, high: number): void {
    this.#count++;
    this.#pauseNs += (high & 0xffffff) * 2 ** 32 + low;
  }

  /** What comes after is in the next bucket. */
  endBucket(): void {
    this.#closed.count.push(this.#count);
    this.#closed.pauseNs.push(this.#pauseNs);
    this.#count = this.#pauseNs = 0;
  }

  /** With the open bucket or without it. */
  sums(withOpen: boolean): Collections {
    const { count, pauseNs } = this.#closed;
    return withOpen
      ? { count: [...count, this.#count], pauseNs: [...pauseNs, this.#pauseNs] }
      : { count: [...count], pauseNs: [...pauseNs] };
  }

  /** As if these had been met, the last bucket still open: buckets were put together. */
  goOnFrom({ count, pauseNs }: Collections): void {
    this.#closed = { count: count.slice(0, -1), pauseNs: pauseNs.slice(0, -1) };
    this.#count = count.at(-1) ?? 0;
    this.#pauseNs = pauseNs.at(-1) ?? 0;
  }
}
