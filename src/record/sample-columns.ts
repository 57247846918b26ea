// Samples over time in columns that never grow beyond a limit: when they are full every second one is dropped, and
// from then on they are taken twice as far apart. So neither their size nor their cost depends on the run's length.

export class SampleColumns<Name extends string> {
  count = 0;
  readonly names: readonly Name[];
  private readonly capacity: number;
  private readonly columns: Map<Name, Float64Array>;
  private distanceMs: number;
  private nextMs = 0;

  constructor(names: readonly Name[], capacity: number, distanceMs: number) {
    this.names = names;
    this.capacity = capacity;
    this.distanceMs = distanceMs;
    this.columns = new Map(names.map((name) => [name, new Float64Array(capacity)]));
  }

  isDue(nowMs: number): boolean {
    return nowMs >= this.nextMs;
  }

  /** `leastMs`: the next one is at least so far away, whatever the distance. */
  add(nowMs: number, row: Record<Name, number>, leastMs = 0): void {
    if (this.count === this.capacity) this.thin();
    for (const [name, column] of this.columns) column[this.count] = row[name];
    this.count++;
    this.postpone(nowMs, leastMs);
  }

  postpone(nowMs: number, leastMs = 0): void {
    this.nextMs = nowMs + Math.max(this.distanceMs, leastMs);
  }

  /** Copies. */
  table(): { count: number } & Record<Name, Float64Array> {
    const entries = [...this.columns].map(([name, column]) => [name, column.slice(0, this.count)]);
    return { count: this.count, ...(Object.fromEntries(entries) as Record<Name, Float64Array>) };
  }

  /** null: there is none. */
  lastOf(name: Name): number | null {
    return this.columns.get(name)?.[this.count - 1] ?? null;
  }

  /** For what came after the process's end. */
  dropLast(): void {
    this.count = Math.max(0, this.count - 1);
  }

  private thin(): void {
    this.count = Math.ceil(this.count / 2);
    for (const column of this.columns.values())
      for (let row = 1; row < this.count; row++) column[row] = column[2 * row]!;
    this.distanceMs *= 2;
  }
}
