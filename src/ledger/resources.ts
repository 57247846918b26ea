// What addons got from Node-API and V8 and gave back: sums by kind, stack and class, and the resources
// that exist, in columns. Its memory grows with those that exist and with sites, not with events.
import {
  type LiveSet,
  type ResourceBalance,
  ResourceKind,
  type ResourceLedger,
  type ResourceTable,
  type ResourceTotals,
  type StackId,
} from '../model/index.js';
import { AddressRows } from './address-rows.js';
import { grown } from './columns.js';
import { EndedDataBook } from './ended-data.js';
import { ResourceEnd } from './events.js';

export interface NewResource {
  id: number;
  kind: number;
  /** Nobody will tell when it ends: it has no finalizer. */
  isUnwatched: boolean;
  environment: number;
  stackId: number;
  threadIndex: number;
  tick: number;
  data: number;
  handle: number;
  value: number;
  textId: number;
}

interface Sums {
  kind: number;
  stackId: number;
  textId: number;
  created: number;
  unwatched: number;
  released: number;
  finalized: number;
  tornDown: number;
  // After the last mark of teardown: what the program gave back only because it ended.
  releasedLate: number;
  finalizedLate: number;
}

/** Memory that the addon has to give back itself, though its environment is gone. */
const survivesEnvironment: ReadonlySet<number> = new Set([
  ResourceKind.reference,
  ResourceKind.asyncWork,
  ResourceKind.deferred,
  ResourceKind.asyncContext,
  ResourceKind.handleScope,
]);

const isUnwatchedFlag = 1;
const textLimit = 2 ** 16;

class Rows {
  capacity = 256;
  id = new Float64Array(this.capacity);
  kind = new Uint8Array(this.capacity);
  flags = new Uint8Array(this.capacity);
  isTaken = new Uint8Array(this.capacity);
  environment = new Uint16Array(this.capacity);
  sums = new Uint32Array(this.capacity);
  threadIndex = new Uint32Array(this.capacity);
  tick = new Float64Array(this.capacity);
  data = new Float64Array(this.capacity);
  handle = new Float64Array(this.capacity);
  value = new Float64Array(this.capacity);
  textId = new Uint32Array(this.capacity);

  grow(): void {
    this.capacity *= 2;
    this.id = grown(this.id, new Float64Array(this.capacity));
    this.kind = grown(this.kind, new Uint8Array(this.capacity));
    this.flags = grown(this.flags, new Uint8Array(this.capacity));
    this.isTaken = grown(this.isTaken, new Uint8Array(this.capacity));
    this.environment = grown(this.environment, new Uint16Array(this.capacity));
    this.sums = grown(this.sums, new Uint32Array(this.capacity));
    this.threadIndex = grown(this.threadIndex, new Uint32Array(this.capacity));
    this.tick = grown(this.tick, new Float64Array(this.capacity));
    this.data = grown(this.data, new Float64Array(this.capacity));
    this.handle = grown(this.handle, new Float64Array(this.capacity));
    this.value = grown(this.value, new Float64Array(this.capacity));
    this.textId = grown(this.textId, new Uint32Array(this.capacity));
  }
}

export class ResourceBook {
  private readonly rows = new Rows();
  private limit = 0;
  private readonly free: number[] = [];
  /** Not a Map: with 100,000 rows its tables were 11 MB of V8's heap, and made the young generation grow. */
  private readonly rowById = new AddressRows((row) => this.rows.id[row]!);
  /** Those without a finalizer, by kind and data: the next one of the same data takes the place. */
  private readonly unwatched = new Map<number, number>();
  private readonly sums: Sums[] = [];
  private readonly sumsByKey = new Map<number, number>();
  private hasTeardown = false;
  /** As of the last mark of teardown. Times in ticks, class names as text ids. */
  private before: { table: ResourceTable; textIds: Uint32Array } | null = null;

  /** Data of those whose object is gone. */
  readonly ended = new EndedDataBook();

  get isEmpty(): boolean {
    return this.sums.length === 0;
  }

  add(made: NewResource): void {
    const known = this.rowOf(made.id);
    if (known >= 0) {
      this.update(known, made);
      return;
    }
    const { rows } = this;
    const sums = this.sumsOf(made.kind, made.stackId, made.textId);
    this.sums[sums]!.created++;
    if (made.isUnwatched) {
      this.sums[sums]!.unwatched++;
      const at = this.unwatched.get(unwatchedKey(made.kind, made.data));
      if (at !== undefined) this.drop(at);
    }
    this.ended.reclaim(made.data);
    const row = this.free.pop() ?? this.limit++;
    if (row >= rows.capacity) rows.grow();
    rows.id[row] = made.id;
    rows.kind[row] = made.kind;
    rows.flags[row] = made.isUnwatched ? isUnwatchedFlag : 0;
    rows.environment[row] = made.environment;
    rows.sums[row] = sums;
    rows.threadIndex[row] = made.threadIndex;
    rows.tick[row] = made.tick;
    rows.data[row] = made.data;
    rows.handle[row] = made.handle;
    rows.value[row] = made.value;
    rows.textId[row] = made.textId;
    rows.isTaken[row] = 1;
    this.rowById.add(row);
    if (made.isUnwatched) this.unwatched.set(unwatchedKey(made.kind, made.data), row);
  }

  change(id: number, value: number): void {
    const row = this.rowOf(id);
    if (row >= 0) this.rows.value[row] = value;
  }

  end(id: number, how: number): void {
    const row = this.rowOf(id);
    if (row < 0) return;
    const sums = this.sums[this.rows.sums[row]!]!;
    if (how !== ResourceEnd.explicit) this.noteEnded(row);
    if (how === ResourceEnd.teardown) sums.tornDown++;
    else if (how === ResourceEnd.finalized) {
      if (this.hasTeardown) sums.finalizedLate++;
      else sums.finalized++;
    } else if (this.hasTeardown) sums.releasedLate++;
    else sums.released++;
    this.drop(row);
  }

  /** A thread ended, and with it the environments of a Worker. */
  endThread(threadIndex: number): void {
    const { rows } = this;
    for (const row of this.taken()) {
      if (rows.threadIndex[row] !== threadIndex || survivesEnvironment.has(rows.kind[row]!))
        continue;
      this.sums[rows.sums[row]!]!.tornDown++;
      this.noteEnded(row);
      this.drop(row);
    }
  }

  /** From here on the program's end gives back. The last such mark counts. */
  markTeardown(live: LiveSet): void {
    for (const sums of this.sums) {
      sums.released += sums.releasedLate;
      sums.finalized += sums.finalizedLate;
      sums.releasedLate = 0;
      sums.finalizedLate = 0;
    }
    this.hasTeardown = true;
    this.before = this.outstanding(live);
  }

  ledger(
    nsPerTick: number,
    live: LiveSet,
    textOf: (id: number) => string,
  ): ResourceLedger | undefined {
    if (this.isEmpty) return undefined;
    const { table, textIds } = this.before ?? this.outstanding(live);
    const classNames: string[] = [];
    const classByText = new Map<number, number>();
    const classIndex = textIds.map((textId) => {
      let at = classByText.get(textId);
      if (at === undefined) {
        at = classNames.push(textId === 0 ? '' : textOf(textId)) - 1;
        classByText.set(textId, at);
      }
      return at;
    });
    const values = this.valuesBySums(table, textIds);
    return {
      totals: this.sums.map(
        (one, at): ResourceTotals => ({
          kind: one.kind,
          stackId: one.stackId as StackId,
          createdCount: one.created,
          unwatchedCount: one.unwatched,
          releasedCount: one.released,
          finalizedCount: one.finalized,
          tornDownCount: one.tornDown + one.releasedLate + one.finalizedLate,
          outstandingValue: values[at]!,
          className: one.textId === 0 ? '' : textOf(one.textId),
        }),
      ),
      outstanding: {
        ...table,
        createdNs: table.createdNs.map((ticks) => ticks * nsPerTick),
        classIndex,
        classNames,
      },
    };
  }

  /** What exists now. `isLive`: a live block begins there. */
  balances(
    isLive: (address: number) => boolean,
    textOf: (id: number) => string,
  ): ResourceBalance[] {
    const { rows } = this;
    const balances = this.sums.map(
      ({ kind, stackId, textId, created }): ResourceBalance => ({
        kind,
        stackId: stackId as StackId,
        className: textId === 0 ? '' : textOf(textId),
        createdCount: created,
        outstandingCount: 0,
        outstandingValue: 0,
      }),
    );
    for (const row of this.taken()) {
      if (rows.flags[row] === isUnwatchedFlag && !isLive(rows.data[row]!)) continue;
      const balance = balances[rows.sums[row]!]!;
      balance.outstandingCount++;
      balance.outstandingValue += rows.value[row]!;
    }
    return balances;
  }

  private valuesBySums(table: ResourceTable, textIds: Uint32Array): Float64Array {
    const values = new Float64Array(this.sums.length);
    for (let row = 0; row < table.count; row++) {
      const key = sumsKey(table.kind[row]!, table.stackId[row]!, textIds[row]!);
      values[this.sumsByKey.get(key)!]! += table.value[row]!;
    }
    return values;
  }

  /** -1: none. */
  private rowOf(id: number): number {
    return this.rowById.find(id, () => true);
  }

  /** The rows of those that exist, in order of creation. */
  private taken(): Uint32Array {
    const { isTaken, tick, id } = this.rows;
    const found = new Uint32Array(this.limit - this.free.length);
    let count = 0;
    let isInOrder = true;
    for (let row = 0; row < this.limit; row++) {
      if (isTaken[row] === 0) continue;
      if (count > 0 && tick[found[count - 1]!]! > tick[row]!) isInOrder = false;
      found[count++] = row;
    }
    return isInOrder ? found : found.sort((a, b) => tick[a]! - tick[b]! || id[a]! - id[b]!);
  }

  private noteEnded(row: number): void {
    const { kind, data, tick, textId } = this.rows;
    this.ended.add(kind[row]!, data[row]!, tick[row]!, textId[row]!);
  }

  private update(row: number, made: NewResource): void {
    const { rows } = this;
    if (made.data !== 0) rows.data[row] = made.data;
    if (made.handle !== 0) rows.handle[row] = made.handle;
    rows.value[row] = made.value;
  }

  private drop(row: number): void {
    const { rows } = this;
    this.rowById.remove(row);
    rows.isTaken[row] = 0;
    if (rows.flags[row] === isUnwatchedFlag) {
      const key = unwatchedKey(rows.kind[row]!, rows.data[row]!);
      if (this.unwatched.get(key) === row) this.unwatched.delete(key);
    }
    this.free.push(row);
  }

  private sumsOf(kind: number, stackId: number, textId: number): number {
    const key = sumsKey(kind, stackId, textId);
    let at = this.sumsByKey.get(key);
    if (at === undefined) {
      at = this.sums.length;
      this.sumsByKey.set(key, at);
      this.sums.push({
        kind,
        stackId,
        textId,
        created: 0,
        unwatched: 0,
        released: 0,
        finalized: 0,
        tornDown: 0,
        releasedLate: 0,
        finalizedLate: 0,
      });
    }
    return at;
  }

  /** Without those that have no finalizer and whose native memory is gone: they ended unseen. */
  private outstanding(live: LiveSet): { table: ResourceTable; textIds: Uint32Array } {
    const { rows, sums } = this;
    const isHeld = this.liveDataOfUnwatched(live);
    const found = this.taken();
    let count = 0;
    for (let at = 0; at < found.length; at++) {
      const row = found[at]!;
      if (rows.flags[row] !== isUnwatchedFlag || isHeld.has(rows.data[row]!)) found[count++] = row;
    }
    const filled = <Column extends Float64Array | Uint32Array | Uint8Array>(
      column: Column,
      of: (row: number) => number,
    ): Column => {
      for (let at = 0; at < count; at++) column[at] = of(found[at]!);
      return column;
    };
    const wide = (of: Float64Array) => filled(new Float64Array(count), (row) => of[row]!);
    const narrow = (of: (row: number) => number) => filled(new Uint32Array(count), of);
    return {
      textIds: narrow((row) => sums[rows.sums[row]!]!.textId),
      table: {
        count,
        id: wide(rows.id),
        kind: filled(new Uint8Array(count), (row) => rows.kind[row]!),
        stackId: narrow((row) => sums[rows.sums[row]!]!.stackId),
        threadIndex: narrow((row) => rows.threadIndex[row]!),
        environment: narrow((row) => rows.environment[row]!),
        createdNs: wide(rows.tick),
        data: wide(rows.data),
        handle: wide(rows.handle),
        value: wide(rows.value),
        classIndex: new Uint32Array(0),
        classNames: [],
        isWatched: filled(new Uint8Array(count), (row) =>
          rows.flags[row] === isUnwatchedFlag ? 0 : 1,
        ),
      },
    };
  }

  /** Data of those without a finalizer at which a live block begins. */
  private liveDataOfUnwatched({ address, count }: LiveSet): ReadonlySet<number> {
    const live = new Set<number>();
    if (this.unwatched.size === 0) return live;
    const { data } = this.rows;
    const wanted = new Set<number>();
    for (const row of this.unwatched.values()) wanted.add(data[row]!);
    for (let row = 0; row < count; row++) if (wanted.has(address[row]!)) live.add(address[row]!);
    return live;
  }
}

function unwatchedKey(kind: number, data: number): number {
  return data * 32 + kind;
}

/** Exact in a double: 32 bits of stack, 16 of text, 5 of kind. */
function sumsKey(kind: number, stackId: number, textId: number): number {
  return ((textId < textLimit ? textId : 0) * 2 ** 32 + stackId) * 32 + (kind & 31);
}
