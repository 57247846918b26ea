// Sums by site and by package at each look, how they differ from those at the mark, and how fast they came since
// the last look. One for each view of one process: each has its own mark.
import type { StackTotals } from '../model/index.js';
import type { Amounts, SortBy } from './protocol.js';

/** What a look at the recording gives. */
export interface Sums {
  atNs: number;
  /** By stack. */
  stacks: StackTotals;
  /** Of the process, releases included in events. */
  eventCount: number;
}

/** What is known of a stack, whose site it is included. */
export interface StackFacts {
  /** Equal for stacks that are one site; null: memprof's own, which is no site of the program. */
  siteKey: string | null;
  packageName: string;
}

/** What has come to be, summed up to one look. */
class Tally {
  liveBytes = 0;
  liveCount = 0;
  allocatedBytes = 0;
  eventCount = 0;

  clear(): void {
    this.liveBytes = this.liveCount = this.allocatedBytes = this.eventCount = 0;
  }

  copy(other: Tally): void {
    this.liveBytes = other.liveBytes;
    this.liveCount = other.liveCount;
    this.allocatedBytes = other.allocatedBytes;
    this.eventCount = other.eventCount;
  }
}

/** The same things at three moments. */
class Row {
  readonly now = new Tally();
  readonly last = new Tally();
  readonly marked = new Tally();
}

export interface SiteRow {
  id: string;
  packageName: string;
  /** Its stack with most live bytes, which stands for it. */
  stackId: number;
  stackIds: number[];
  amounts: Amounts;
}

interface Site extends Row {
  id: string;
  packageName: string;
  stackId: number;
  stackIds: number[];
  mostBytes: number;
}

export class Figures {
  readonly #factsOf: (stackId: number) => StackFacts;
  readonly #siteByKey = new Map<string, Site>();
  /** By stack; null: no site's. */
  readonly #siteOfStack: (Site | null | undefined)[] = [];
  readonly #packageOfStack: (Row | undefined)[] = [];
  readonly #packages = new Map<string, Row>();
  readonly #total = new Row();
  #atNs: number | null = null;
  #lastNs: number | null = null;
  #markNs = 0;
  #mark = -1;

  /** Asked once for each stack, at its first look. */
  constructor(factsOf: (stackId: number) => StackFacts) {
    this.#factsOf = factsOf;
  }

  get markNs(): number {
    return this.#markNs;
  }

  /** Looks that follow each other more closely make rates that say little. */
  isDue(atNs: number, leastNs: number): boolean {
    return this.#atNs === null || atNs - this.#atNs >= leastNs;
  }

  look({ atNs, stacks, eventCount }: Sums): void {
    this.#lastNs = this.#atNs;
    this.#atNs = atNs;
    for (const row of this.#rows()) {
      row.last.copy(row.now);
      row.now.clear();
    }
    for (const site of this.#siteByKey.values()) site.mostBytes = -1;
    for (let stackId = 0; stackId < stacks.allocationCount.length; stackId++)
      if (stacks.allocationCount[stackId] > 0) this.#addStack(stackId, stacks);
    // Releases are counted for the process alone: which stack they were of, is known for live blocks only.
    this.#total.now.eventCount = eventCount;
  }

  /** Growth is counted from the last look on, if this number is another than the last time. */
  mark(mark: number): void {
    if (mark === this.#mark) return;
    this.#mark = mark;
    this.#markNs = this.#atNs ?? 0;
    for (const row of this.#rows()) row.marked.copy(row.now);
  }

  total(): Amounts {
    return this.#amounts(this.#total);
  }

  /** Largest first. */
  packages(): ({ name: string } & Amounts)[] {
    return Array.from(this.#packages, ([name, row]) => ({ name, ...this.#amounts(row) })).sort(
      (a, b) => b.liveBytes - a.liveBytes || compareText(a.name, b.name),
    );
  }

  /** With something live, or allocating, or changed since the mark. */
  sites(sort: SortBy): SiteRow[] {
    const value = amountOf[sort];
    const found: SiteRow[] = [];
    for (const site of this.#siteByKey.values()) {
      const { id, packageName, stackId, stackIds } = site;
      const amounts = this.#amounts(site);
      if (amounts.liveCount > 0 || amounts.growthCount !== 0 || (amounts.eventsPerSecond ?? 0) > 0)
        found.push({ id, packageName, stackId, stackIds, amounts });
    }
    return found.sort(
      (a, b) =>
        value(b.amounts) - value(a.amounts) ||
        b.amounts.liveBytes - a.amounts.liveBytes ||
        Number(a.id) - Number(b.id),
    );
  }

  site(id: string): SiteRow | null {
    for (const site of this.#siteByKey.values())
      if (site.id === id) return { ...site, amounts: this.#amounts(site) };
    return null;
  }

  #addStack(stackId: number, stacks: StackTotals): void {
    let site = this.#siteOfStack[stackId];
    let ofPackage = this.#packageOfStack[stackId];
    if (site === undefined || ofPackage === undefined) {
      const facts = this.#factsOf(stackId);
      ofPackage = this.#packageNamed(facts.packageName);
      this.#packageOfStack[stackId] = ofPackage;
      site = facts.siteKey === null ? null : this.#siteOf(facts.siteKey, facts.packageName);
      this.#siteOfStack[stackId] = site;
      site?.stackIds.push(stackId);
    }
    const liveBytes = stacks.liveBytes[stackId];
    for (const row of site === null ? [ofPackage, this.#total] : [ofPackage, this.#total, site]) {
      row.now.liveBytes += liveBytes;
      row.now.liveCount += stacks.liveCount[stackId];
      row.now.allocatedBytes += stacks.allocatedBytes[stackId];
      row.now.eventCount += stacks.allocationCount[stackId];
    }
    if (site === null || liveBytes <= site.mostBytes) return;
    site.mostBytes = liveBytes;
    site.stackId = stackId;
  }

  #siteOf(key: string, packageName: string): Site {
    let site = this.#siteByKey.get(key);
    if (site === undefined) {
      const id = String(this.#siteByKey.size + 1);
      const rest = { id, packageName, stackId: 0, stackIds: [], mostBytes: -1 };
      this.#siteByKey.set(key, (site = Object.assign(new Row(), rest)));
    }
    return site;
  }

  #packageNamed(name: string): Row {
    let row = this.#packages.get(name);
    if (row === undefined) this.#packages.set(name, (row = new Row()));
    return row;
  }

  *#rows(): Generator<Row> {
    yield this.#total;
    yield* this.#packages.values();
    yield* this.#siteByKey.values();
  }

  #amounts({ now, last, marked }: Row): Amounts {
    const seconds =
      this.#atNs === null || this.#lastNs === null ? 0 : (this.#atNs - this.#lastNs) / 1e9;
    const rate = (amount: number) => (seconds > 0 ? amount / seconds : null);
    return {
      liveBytes: now.liveBytes,
      liveCount: now.liveCount,
      growthBytes: now.liveBytes - marked.liveBytes,
      growthCount: now.liveCount - marked.liveCount,
      bytesPerSecond: rate(now.allocatedBytes - last.allocatedBytes),
      eventsPerSecond: rate(now.eventCount - last.eventCount),
    };
  }
}

const amountOf: Record<SortBy, (amounts: Amounts) => number> = {
  bytes: ({ liveBytes }) => liveBytes,
  blocks: ({ liveCount }) => liveCount,
  growth: ({ growthBytes }) => growthBytes,
  rate: ({ bytesPerSecond }) => bytesPerSecond ?? 0,
};

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
