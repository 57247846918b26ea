// V8's heap at a checkpoint, and what went when V8 was made to collect.
import {
  type CollectedBlocks,
  type V8Isolate,
  type V8Picture,
  type V8Space,
  v8FigureNames,
} from '../model/index.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { isObject } from './checkpoint.js';
import { TraceDamage } from './damage.js';

export function encodeV8(checkpointNumber: number, v8: V8Picture, out: ByteWriter): void {
  out.varint(checkpointNumber);
  out.json(v8);
}

export function decodeV8(reader: ByteReader): { checkpointNumber: number; v8: V8Picture } {
  const checkpointNumber = reader.varint();
  const v8 = reader.json();
  if (!isPicture(v8)) throw new TraceDamage("has a picture of V8's heap that is none");
  return { checkpointNumber, v8 };
}

const isCount = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;
const hasCounts = (value: unknown, names: readonly string[]): boolean =>
  isObject(value) && names.every((name) => isCount(value[name]));
const isListOf = (value: unknown, isOne: (one: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isOne);

const spaceCounts: (keyof V8Space)[] = [
  'committedBytes',
  'usedBytes',
  'availableBytes',
  'physicalBytes',
];
const collectedCounts: (keyof CollectedBlocks)[] = [
  'residentBeforeBytes',
  'beforeCount',
  'beforeBytes',
  'goneCount',
  'goneBytes',
];

/** The checksum vouches for the content; this is against files that somebody made up. */
function isPicture(value: unknown): value is V8Picture {
  if (!isObject(value)) return false;
  const { isolates, collected } = value;
  return (
    isListOf(isolates, isIsolate) &&
    (collected === null ||
      (hasCounts(collected, collectedCounts) &&
        isObject(collected) &&
        isListOf(collected['stacks'], (one) =>
          hasCounts(one, ['stackId', 'blockCount', 'sizeBytes']),
        )))
  );
}

function isIsolate(value: unknown): value is V8Isolate {
  if (!isObject(value)) return false;
  return (
    isCount(value['isolate']) &&
    typeof value['isMain'] === 'boolean' &&
    typeof value['isCollected'] === 'boolean' &&
    isFigures(value['before']) &&
    isFigures(value['after']) &&
    isListOf(
      value['spaces'],
      (one) => hasCounts(one, spaceCounts) && isObject(one) && typeof one['name'] === 'string',
    )
  );
}

function isFigures(value: unknown): boolean {
  return (
    isObject(value) &&
    v8FigureNames.every(
      (name) => isCount(value[name]) || (name === 'toldBytes' && value[name] === null),
    )
  );
}
