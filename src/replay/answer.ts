// What a replay answered, beside what was recorded.
import { MemprofError } from '../errors.js';
import { EventType } from '../ledger/index.js';
import { mallocBlocks, PageMap } from '../memory/index.js';
import { type Checkpoint, HeapPart } from '../model/index.js';
import { otherSamples } from './operations.js';

export interface Measured {
  residentBytes: number;
  liveBytes: number;
}

export interface Answer {
  operationCount: number;
  failedCount: number;
  wallNs: number;
  cpuNs: number;
  /** Of all samples. */
  peakBytes: number;
  final: Measured | null;
  /** By checkpoint number. */
  checkpoints: Map<number, Measured>;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && value >= 0;

/** Throws ERR_MEMPROF_REPLAY_FAILED where the text is no answer. */
export function parseAnswer(text: string): Answer {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw noAnswer();
  }
  const { operationCount, failedCount, wallNs, cpuNs, samples } = value ?? {};
  if (
    !isNumber(operationCount) ||
    !isNumber(failedCount) ||
    !isNumber(wallNs) ||
    !isNumber(cpuNs) ||
    !Array.isArray(samples)
  )
    throw noAnswer();
  const checkpoints = new Map<number, Measured>();
  let peakBytes = 0;
  let final: Measured | null = null;
  for (const sample of samples as unknown[]) {
    if (!Array.isArray(sample) || !sample.every(isNumber) || sample.length !== 3) throw noAnswer();
    const [id, residentBytes, liveBytes] = sample as [number, number, number];
    final = { residentBytes, liveBytes };
    peakBytes = Math.max(peakBytes, residentBytes);
    if (id < otherSamples) checkpoints.set(id, final);
  }
  return { operationCount, failedCount, wallNs, cpuNs, peakBytes, final, checkpoints };
}

const noAnswer = () =>
  new MemprofError(
    'ERR_MEMPROF_REPLAY_FAILED',
    'the replay ended without an answer that makes sense',
  );

/** The allocator's memory in the recorded program, at a checkpoint. */
export interface Recorded {
  checkpoint: number;
  residentBytes: number;
  liveBytes: number;
}

/** null: the checkpoint does not say, or the program had another allocator than glibc's. */
export function recordedAt({ number, memory, liveBytes }: Checkpoint): Recorded | null {
  if (memory === undefined || memory.heaps.length === 0 || memory.stray.blockCount > 0) return null;
  const heaps = memory.heaps.reduce(
    (sum, heap) =>
      sum +
      heap.residentBytes.reduce((all, bytes) => all + bytes, 0) -
      heap.residentBytes[HeapPart.other]!,
    0,
  );
  return { checkpoint: number, residentBytes: heaps + memory.mapped.residentBytes, liveBytes };
}

const largeBytes = 64 << 10;

/**
 * How much of its large live blocks the program had touched at the checkpoint, in 1/256: those from calloc, and the
 * others. The replay touches that much of every large block: an estimate, for writes are not recorded.
 */
export function touchShares(checkpoint: Checkpoint | undefined): [others: number, calloc: number] {
  const detail = checkpoint?.detail ?? null;
  const pages = checkpoint?.memory?.pages;
  const bytes = [0, 0];
  const resident = [0, 0];
  if (detail !== null && pages !== undefined && pages !== null) {
    const live = mallocBlocks(detail);
    const map = new PageMap(pages);
    for (let row = 0; row < live.count; row++) {
      const sizeBytes = live.sizeBytes[row]!;
      if (sizeBytes < largeBytes) continue;
      const which = live.entry[row] === EventType.calloc ? 1 : 0;
      bytes[which]! += sizeBytes;
      resident[which]! += map.residentBytes(live.address[row]!, live.address[row]! + sizeBytes);
    }
  }
  const share = (which: number) =>
    bytes[which] === 0 ? 256 : Math.round((256 * resident[which]!) / bytes[which]!);
  return [share(0), share(1)];
}

export interface Compared {
  /** Replayed over recorded, at the same place: 1 is equal. null: there is nothing to compare with. */
  ratio: number | null;
  at: number | null;
}

/** The honesty figure: the replay with the recorded settings, against the recorded program. */
export function compare(answer: Answer, recorded: Recorded | null): Compared {
  const replayed = recorded === null ? undefined : answer.checkpoints.get(recorded.checkpoint);
  if (recorded === null || replayed === undefined || recorded.residentBytes === 0)
    return { ratio: null, at: null };
  return { ratio: replayed.residentBytes / recorded.residentBytes, at: recorded.checkpoint };
}
