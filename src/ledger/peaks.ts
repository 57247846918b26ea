// Peaks of live bytes over parts of the run. The ledger keeps one ceiling for all of them: it falls to what is
// live when a watch begins, and what it was goes to those that are under way. So an event costs the same
// with watches and without.

export interface PeakWatch {
  /** Live when it began. */
  readonly startBytes: number;
}

interface Watch extends PeakWatch {
  peakBytes: number;
}

/** What the ledger knows, as of the last event. */
export interface Ceiling {
  live(): number;
  ceiling(): number;
  /** To what is live; without watches, up to the whole run's peak. */
  lower(isWatched: boolean): void;
}

export class PeakWatches {
  private readonly watches = new Set<Watch>();
  private readonly of: Ceiling;

  constructor(of: Ceiling) {
    this.of = of;
  }

  begin(): PeakWatch {
    this.raise();
    const startBytes = this.of.live();
    const watch: Watch = { startBytes, peakBytes: startBytes };
    this.watches.add(watch);
    this.of.lower(true);
    return watch;
  }

  /** The most that was live since it began, over every event; null: it has ended, or is not of this ledger. */
  bytes(watch: PeakWatch): number | null {
    const known = watch as Watch;
    if (!this.watches.has(known)) return null;
    this.raise();
    return known.peakBytes;
  }

  end(watch: PeakWatch): void {
    if (!this.watches.delete(watch as Watch)) return;
    if (this.watches.size === 0) this.of.lower(false);
  }

  private raise(): void {
    const bytes = this.of.ceiling();
    for (const watch of this.watches) watch.peakBytes = Math.max(watch.peakBytes, bytes);
  }
}
