// What a replay answered, beside what was recorded.
import { MemprofError } from '../errors.js';
import { type Checkpoint, HeapPart } from '../model/index.js';
import { lastSample } from './operations.js';

export interface Measured {
  residentBytes: number;
  liveBytes: number;
}

export interface Answer {
  operationCount: number;
  /** Allocations that the allocator refused. */
  failedCount: number;
  /** Releases of blocks that it never gave. */
  unknownCount: number;
  wallNs: number;
  /** Of the whole player: calls, touching, handing over between threads, looking at resident memory. */
  cpuNs: number;
  /** In the allocator's calls alone. */
  callNs: number;
  /** The player's whole resident memory at its peak, its own tables and code included. */
  playerBytes: number;
  /** The most that was seen: at checkpoints, when the live bytes had grown, and every so many operations. */
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
  const { samples } = value ?? {};
  const number = (name: string): number => {
    const one = value?.[name];
    if (!isNumber(one)) throw noAnswer();
    return one;
  };
  if (!Array.isArray(samples)) throw noAnswer();
  const checkpoints = new Map<number, Measured>();
  let final: Measured | null = null;
  for (const sample of samples as unknown[]) {
    if (!Array.isArray(sample) || !sample.every(isNumber) || sample.length !== 3) throw noAnswer();
    const [id, residentBytes, liveBytes] = sample as [number, number, number];
    final = { residentBytes, liveBytes };
    if (id < lastSample) checkpoints.set(id, final);
  }
  return {
    operationCount: number('operationCount'),
    failedCount: number('failedCount'),
    unknownCount: number('unknownCount'),
    wallNs: number('wallNs'),
    cpuNs: number('cpuNs'),
    callNs: number('callNs'),
    playerBytes: number('playerBytes'),
    peakBytes: number('peakBytes'),
    final,
    checkpoints,
  };
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

export interface Compared {
  /** At the same place as the recorded. */
  replayedBytes: number;
  /** Replayed over recorded: 1 is equal. */
  ratio: number;
}

/** The honesty figure: the replay with the recorded settings, against the recorded program. null: nothing to compare. */
export function compare(answer: Answer, recorded: Recorded | null): Compared | null {
  const replayed = recorded === null ? undefined : answer.checkpoints.get(recorded.checkpoint);
  if (recorded === null || replayed === undefined || recorded.residentBytes === 0) return null;
  const replayedBytes = replayed.residentBytes;
  return { replayedBytes, ratio: replayedBytes / recorded.residentBytes };
}
