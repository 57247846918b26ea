// A checkpoint's verdicts without its blocks: facts and sums. (What format and writer call a checkpoint is
// another thing: the state of the whole recording as of a moment.)
import {
  type Checkpoint,
  type StackId,
  type Tally,
  type Verdict,
  verdicts,
} from '../model/index.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { isObject } from './checkpoint.js';
import { TraceDamage } from './damage.js';

const verdictNumbers = new Map<Verdict, number>(
  verdicts.map((verdict, number) => [verdict, number]),
);

export function encodeVerdict(verdict: Verdict, out: ByteWriter): void {
  out.uint8(verdictNumbers.get(verdict) ?? 0);
}

export function decodeVerdict(reader: ByteReader): Verdict {
  const number = reader.uint8();
  const verdict = verdicts[number];
  if (verdict === undefined) throw new TraceDamage(`has verdict ${number}, which there is not`);
  return verdict;
}

type Facts = Omit<Checkpoint, 'tallies' | 'detail' | 'memory' | 'v8'>;

export function encodeCheckpointVerdicts(checkpoint: Checkpoint, out: ByteWriter): void {
  const { tallies, detail: _elsewhere, memory: _own, v8: _ownToo, ...facts } = checkpoint;
  out.json(facts satisfies Facts);
  out.varint(tallies.length);
  let last = 0;
  for (const { stackId, verdict, blockCount, sizeBytes } of tallies) {
    out.zigzag(stackId - last);
    last = stackId;
    encodeVerdict(verdict, out);
    out.varint(blockCount);
    out.varint(sizeBytes);
  }
}

export function decodeCheckpointVerdicts(reader: ByteReader): Checkpoint {
  const facts = reader.json();
  if (!isFacts(facts)) throw new TraceDamage('has verdicts without their facts');
  const count = reader.count(4);
  const tallies: Tally[] = [];
  let stackId = 0;
  for (let i = 0; i < count; i++) {
    stackId += reader.zigzag();
    if (stackId < 0) throw new TraceDamage(`has verdicts of stack ${stackId}`);
    tallies.push({
      stackId: stackId as StackId,
      verdict: decodeVerdict(reader),
      blockCount: reader.varint(),
      sizeBytes: reader.varint(),
    });
  }
  return { ...facts, tallies, detail: null };
}

const numbers = [
  'number',
  'atNs',
  'collectNs',
  'ownersNs',
  'pauseNs',
  'forkNs',
  'scanNs',
  'scannedBytes',
  'skippedBytes',
  'threadCount',
  'stoppedCount',
  'pendingFinalizerCount',
  'liveCount',
  'liveBytes',
] as const satisfies readonly (keyof Facts)[];

/** The checksum vouches for the content; this is against files that somebody made up. */
function isFacts(value: unknown): value is Facts {
  if (!isObject(value)) return false;
  const { reason, owners, scanFailure, heap, classes } = value;
  return (
    hasNumbers(value, numbers) &&
    typeof reason === 'string' &&
    typeof owners === 'string' &&
    (scanFailure === null || typeof scanFailure === 'string') &&
    (heap === null ||
      (isObject(heap) && hasNumbers(heap, ['usedBytes', 'totalBytes', 'externalBytes']))) &&
    Array.isArray(classes) &&
    classes.every(
      (one) =>
        isObject(one) &&
        typeof one['className'] === 'string' &&
        hasNumbers(one, ['objectCount', 'blockCount', 'sizeBytes']),
    )
  );
}

const hasNumbers = (value: Record<string, unknown>, names: readonly string[]): boolean =>
  names.every((name) => Number.isFinite(value[name]));
