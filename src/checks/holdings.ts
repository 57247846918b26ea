// Of the blocks that came since a moment and still live: what holds them, by the stack that allocated them. Pure.
import type { CheckpointDetail } from '../model/index.js';

export interface Holding {
  blockCount: number;
  /** Nothing points to them, or only what is lost itself. */
  lostCount: number;
  /** Their object was collected. */
  orphanedCount: number;
  /** Their finalizer has yet to run. */
  pendingCount: number;
  /** By class of the object that holds or held them. */
  classes: Map<string, number>;
  /** Of those that JavaScript holds: by objects whose class is known. */
  heldByClassCount: number;
  /** Of the checkpoint's live set, in order. */
  rows: number[];
}

export type Holdings = ReadonlyMap<number, Holding>;

export function holdingsOf(detail: CheckpointDetail, sinceNs: number): Holdings {
  const { live, verdict, owners, ownerRow } = detail;
  const orphans = new Map(detail.orphans.map((one) => [one.block, one.className]));
  const holdings = new Map<number, Holding>();
  for (let row = 0; row < live.count; row++) {
    if (live.bornNs[row] < sinceNs) continue;
    const stackId = live.stackId[row];
    let holding = holdings.get(stackId);
    if (holding === undefined) holdings.set(stackId, (holding = noHolding()));
    holding.blockCount++;
    holding.rows.push(row);
    const orphan = orphans.get(row);
    const owner = ownerRow[row];
    const className =
      orphan ?? (owner < 0 ? undefined : owners.classNames[owners.classIndex[owner]]);
    if (className !== undefined)
      holding.classes.set(className, (holding.classes.get(className) ?? 0) + 1);
    if (verdict[row] === 'lost' || verdict[row] === 'lost-indirect') holding.lostCount++;
    else if (verdict[row] === 'orphaned') holding.orphanedCount++;
    else if (verdict[row] === 'pending') holding.pendingCount++;
    else if (owner >= 0) holding.heldByClassCount++;
  }
  return holdings;
}

export function joinedHolding(holdings: Holdings, stackIds: Iterable<number>): Holding {
  const all = noHolding();
  for (const stackId of stackIds) {
    const one = holdings.get(stackId);
    if (one === undefined) continue;
    all.blockCount += one.blockCount;
    all.lostCount += one.lostCount;
    all.orphanedCount += one.orphanedCount;
    all.pendingCount += one.pendingCount;
    all.heldByClassCount += one.heldByClassCount;
    for (const [name, count] of one.classes)
      all.classes.set(name, (all.classes.get(name) ?? 0) + count);
    for (const row of one.rows) all.rows.push(row);
  }
  return all;
}

/** Of half of the blocks or more; null: there is none. */
export function mainClassOf(holding: Holding | null | undefined): string | null {
  let [main, most] = [null as string | null, 0];
  for (const [name, count] of holding?.classes ?? [])
    if (count > most) [main, most] = [name, count];
  return holding != null && most * 2 >= holding.blockCount ? main : null;
}

function noHolding(): Holding {
  return {
    blockCount: 0,
    lostCount: 0,
    orphanedCount: 0,
    pendingCount: 0,
    classes: new Map(),
    heldByClassCount: 0,
    rows: [],
  };
}
