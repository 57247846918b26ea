// The way from a block to what holds it. Pure.
import { type CheckpointDetail, Reach } from '../model/index.js';

export interface PathHop {
  /** Of the live set. */
  row: number;
  /** Where in this block the pointer to it leads: 0 its start. */
  insideBytes: number;
  /** Where in the next hop's block that pointer lies; null at the root. */
  holderOffset: number | null;
}

export interface PathFrame {
  kind: number;
  index: number;
  offset: number;
}

export type PathRoot =
  | { kind: 'owner'; ownerRow: number }
  | { kind: 'global'; address: number; moduleId: number }
  | { kind: 'tls'; address: number; tid: number }
  | { kind: 'stack'; address: number; tid: number; frame: PathFrame | null }
  | { kind: 'register'; tid: number }
  | { kind: 'mapping'; address: number }
  | { kind: 'v8'; address: number }
  | { kind: 'nothing' }
  | { kind: 'unknown' };

export interface BlockPath {
  /** From the block that was asked for to the one that the root holds. */
  hops: PathHop[];
  root: PathRoot;
}

export function pathOf(
  detail: Pick<CheckpointDetail, 'live' | 'reachability' | 'ownerRow' | 'verdict'>,
  row: number,
): BlockPath {
  const { live, reachability } = detail;
  if (reachability === null) {
    const ownerRow = detail.ownerRow[row];
    const root: PathRoot = ownerRow >= 0 ? { kind: 'owner', ownerRow } : { kind: 'unknown' };
    return { hops: [{ row, insideBytes: 0, holderOffset: null }], root };
  }
  const hops: PathHop[] = [];
  const met = new Set<number>();
  for (let at = row; ; ) {
    met.add(at);
    const holder = reachability.referrerBlock[at];
    const insideBytes = reachability.insideBytes[at];
    const isRoot = holder < 0 || holder >= live.count;
    // A circle of lost blocks: everything in it has been named.
    if (isRoot || met.has(holder)) {
      hops.push({ row: at, insideBytes, holderOffset: null });
      return { hops, root: isRoot ? rootOf(detail, at) : { kind: 'nothing' } };
    }
    const holderOffset = reachability.referrer[at] - live.address[holder];
    hops.push({ row: at, insideBytes, holderOffset });
    at = holder;
  }
}

function rootOf(
  detail: Pick<CheckpointDetail, 'reachability' | 'ownerRow'>,
  row: number,
): PathRoot {
  const { reachability } = detail;
  if (reachability === null) return { kind: 'unknown' };
  const address = reachability.referrer[row];
  const root = reachability.root[row];
  const region = reachability.regions[root];
  switch (reachability.reach[row]) {
    case Reach.owner:
      return { kind: 'owner', ownerRow: detail.ownerRow[row] >= 0 ? detail.ownerRow[row] : root };
    case Reach.global:
      return { kind: 'global', address, moduleId: region?.id ?? -1 };
    case Reach.tls:
      return { kind: 'tls', address, tid: region?.id ?? 0 };
    case Reach.stack: {
      const tid = region?.id ?? 0;
      return { kind: 'stack', address, tid, frame: frameAt(reachability.frames, address, tid) };
    }
    case Reach.register:
      return { kind: 'register', tid: root };
    case Reach.mapping:
      return { kind: 'mapping', address };
    case Reach.v8:
      return { kind: 'v8', address };
    case Reach.lost:
    case Reach.lostIndirect:
      return { kind: 'nothing' };
    default:
      return { kind: 'unknown' };
  }
}

/** The frame whose part of the thread's stack holds the address: the last that begins at or below it. */
function frameAt(
  frames: readonly { low: number; tid: number; kind: number; index: number; offset: number }[],
  address: number,
  tid: number,
): PathFrame | null {
  let low = 0;
  let high = frames.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (frames[middle].low <= address) low = middle + 1;
    else high = middle;
  }
  const found = frames[low - 1];
  if (found === undefined || found.tid !== tid) return null;
  return { kind: found.kind, index: found.index, offset: found.offset };
}
