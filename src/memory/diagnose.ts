// Why memory is resident, in a word, with the numbers behind it. Pure: figures in, findings out.
import type { Checkpoint, CollectedBlocks } from '../model/index.js';
import type { ExplainedMemory, PartKind } from './explain.js';
import type { Fragmentation } from './fragmentation.js';
import { type V8Collected, v8Summary } from './v8.js';

export type MemoryVerdict =
  | 'leak' // lost or orphaned blocks
  | 'growth' // held blocks that rise from checkpoint to checkpoint: a leak that something still holds, or a cache
  | 'retention' // released, and whole pages of it stay with the allocator
  | 'fragmentation' // released, but live blocks stand on the same pages
  | 'not-collecting' // garbage that V8 had not collected: native memory that it was not told of, or its own heap
  | 'v8-heap' // V8 keeps more than its objects need
  | 'cache'; // held, and not growing

export interface MemoryFinding {
  verdict: MemoryVerdict;
  /** Resident or live bytes that it is about. */
  bytes: number;
  /** Of what the finding is a share; 0: of nothing in particular. */
  ofBytes: number;
  figures: Record<string, number>;
  remedies: Remedy[];
  /** Who had allocated it, largest first; absent where it is nobody's in particular. */
  stacks?: CollectedBlocks['stacks'];
}

export type Remedy =
  | 'find-leak'
  | 'find-growth'
  | 'arena-max'
  | 'trim'
  | 'other-allocator'
  | 'pool-sites'
  | 'v8-size'
  | 'external-memory'
  | 'announce-external'
  | 'collect-earlier'
  | 'collect-now';

/** Below this nothing is worth a finding. */
const leastBytes = 4 << 20;
const leastLeakBytes = 64 << 10;
/** Of an allocator's resident memory: so much released is a finding. */
const leastShare = 0.2;
/** Arenas that each keep something: then fewer of them help. */
const manyArenas = 4;
const leastGrowthCheckpoints = 3;
/** V8 lets its heap grow to a multiple of what lives before it collects: less garbage than this is its everyday. */
const leastGarbageBytes = 32 << 20;
const leastGarbageShare = 0.5;

/** Largest first. Empty: nothing stands out. */
export function diagnose(
  checkpoints: readonly Checkpoint[],
  checkpoint: Checkpoint,
  explained: ExplainedMemory,
  fragmentation: Fragmentation,
): MemoryFinding[] {
  const found: MemoryFinding[] = [];
  const resident = (...kinds: PartKind[]) =>
    explained.parts
      .filter(({ kind }) => kinds.includes(kind))
      .reduce((sum, part) => sum + part.residentBytes, 0);
  const live = resident('native-live', 'arraybuffers');
  const released = resident('allocator-cached', 'allocator-free', 'allocator-top');
  const allocator = live + released + resident('allocator-overhead', 'allocator-unrecorded');
  addLeak(found, checkpoint);
  addHeld(found, checkpoints, checkpoint, live);
  addGarbage(found, checkpoint, v8Summary(checkpoint, explained)?.collected ?? null);
  if (released >= leastBytes && released >= leastShare * allocator)
    found.push(releasedFinding(released, allocator, fragmentation));
  const { heap } = checkpoint;
  if (heap !== null) {
    const unusedBytes = heap.totalBytes - heap.usedBytes;
    if (unusedBytes >= leastBytes * 2 && unusedBytes >= heap.usedBytes / 2)
      found.push({
        verdict: 'v8-heap',
        bytes: unusedBytes,
        ofBytes: heap.totalBytes,
        figures: { usedBytes: heap.usedBytes, totalBytes: heap.totalBytes },
        remedies: ['v8-size'],
      });
  }
  return found.sort((a, b) => b.bytes - a.bytes);
}

function addLeak(found: MemoryFinding[], { tallies }: Checkpoint): void {
  const sums = { lost: 0, orphaned: 0 };
  for (const { verdict, sizeBytes } of tallies) {
    if (verdict === 'lost' || verdict === 'lost-indirect') sums.lost += sizeBytes;
    if (verdict === 'orphaned') sums.orphaned += sizeBytes;
  }
  const bytes = sums.lost + sums.orphaned;
  if (bytes < leastLeakBytes) return;
  found.push({
    verdict: 'leak',
    bytes,
    ofBytes: 0,
    figures: { lostBytes: sums.lost, orphanedBytes: sums.orphaned },
    remedies: ['find-leak'],
  });
}

/** Held blocks: rising through all checkpoints, or simply many. */
function addHeld(
  found: MemoryFinding[],
  checkpoints: readonly Checkpoint[],
  checkpoint: Checkpoint,
  live: number,
): void {
  const heldBytes = ({ tallies }: Checkpoint) =>
    tallies.reduce(
      (sum, one) =>
        one.verdict === 'held-by-js' || one.verdict === 'held-by-native'
          ? sum + one.sizeBytes
          : sum,
      0,
    );
  const series = checkpoints.filter(({ number }) => number <= checkpoint.number).map(heldBytes);
  const first = series[0] ?? 0;
  const last = series.at(-1) ?? 0;
  if (last < leastBytes) return;
  const isRising =
    series.length >= leastGrowthCheckpoints &&
    series.every((bytes, at) => at === 0 || bytes > series[at - 1]!);
  const grownBytes = last - first;
  if (isRising && grownBytes >= leastBytes) {
    found.push({
      verdict: 'growth',
      bytes: grownBytes,
      ofBytes: last,
      figures: { checkpointCount: series.length, firstBytes: first, lastBytes: last },
      remedies: ['find-growth', 'external-memory'],
    });
    return;
  }
  found.push({
    verdict: 'cache',
    bytes: last,
    ofBytes: live,
    figures: { checkpointCount: series.length, firstBytes: first, lastBytes: last },
    remedies: [],
  });
}

/** What was there only because V8 had not collected. */
function addGarbage(
  found: MemoryFinding[],
  checkpoint: Checkpoint,
  collected: V8Collected | null,
): void {
  if (collected === null) return;
  const { residentBeforeBytes, residentAfterBytes, beforeBytes, goneBytes, pendingBytes } =
    collected;
  const resident = { residentBeforeBytes, residentAfterBytes };
  const { untoldBytes, toldGoneBytes, usedBeforeBytes, usedAfterBytes } = collected;
  if (
    untoldBytes !== null &&
    toldGoneBytes !== null &&
    untoldBytes >= leastBytes &&
    untoldBytes >= leastShare * beforeBytes
  )
    found.push({
      verdict: 'not-collecting',
      bytes: untoldBytes,
      ofBytes: beforeBytes,
      figures: { goneBytes, pendingBytes, toldGoneBytes, ...resident },
      remedies: ['announce-external', 'collect-now'],
      stacks: garbageStacks(checkpoint),
    });
  const garbageBytes = usedBeforeBytes - usedAfterBytes;
  if (garbageBytes >= leastGarbageBytes && garbageBytes >= leastGarbageShare * usedBeforeBytes)
    found.push({
      verdict: 'not-collecting',
      bytes: garbageBytes,
      ofBytes: usedBeforeBytes,
      figures: { garbageBytes, usedBeforeBytes, usedAfterBytes, ...resident },
      remedies: ['collect-earlier', 'collect-now'],
    });
}

/** Who had allocated what has gone, or waits for its finalizer. */
function garbageStacks({ v8, tallies }: Checkpoint): CollectedBlocks['stacks'] {
  const stacks = new Map<number, CollectedBlocks['stacks'][number]>();
  const waiting = tallies.filter(({ verdict }) => verdict === 'pending');
  for (const { stackId, blockCount, sizeBytes } of [...(v8?.collected?.stacks ?? []), ...waiting]) {
    const sum = stacks.get(stackId);
    if (sum === undefined) stacks.set(stackId, { stackId, blockCount, sizeBytes });
    else {
      sum.blockCount += blockCount;
      sum.sizeBytes += sizeBytes;
    }
  }
  return [...stacks.values()].sort((a, b) => b.sizeBytes - a.sizeBytes);
}

function releasedFinding(
  released: number,
  allocator: number,
  { arenas, pages }: Fragmentation,
): MemoryFinding {
  const trimmableBytes = arenas.reduce((sum, arena) => sum + arena.trimmableBytes, 0);
  const keepingArenaCount = arenas.filter(
    ({ cachedBytes, freeBytes, topBytes }) => cachedBytes + freeBytes + topBytes >= leastBytes / 16,
  ).length;
  const sparse = pages?.[1];
  const figures: Record<string, number> = { trimmableBytes, keepingArenaCount };
  if (sparse !== undefined) {
    figures['sparsePageCount'] = sparse.pageCount;
    figures['sparseLiveBytes'] = sparse.liveBytes;
  }
  const isWhole = trimmableBytes >= released / 2;
  const remedies: Remedy[] = isWhole ? ['trim'] : ['pool-sites'];
  if (keepingArenaCount >= manyArenas) remedies.push('arena-max');
  remedies.push('other-allocator');
  return {
    verdict: isWhole ? 'retention' : 'fragmentation',
    bytes: released,
    ofBytes: allocator,
    figures,
    remedies,
  };
}
