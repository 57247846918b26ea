// A checkpoint: everything that a model says and no appended chunk holds, as of one moment.
import type { LiveSet, StackTotals, TraceModel } from '../model/index.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { TraceDamage } from './damage.js';
import type { TraceEncoder } from './encoder.js';
import { decodeLiveSet, decodeStackTotals } from './tables.js';

/** What stands as JSON. Its field names are the model's: src/model is their documentation. */
export interface CheckpointFacts
  extends Pick<TraceModel, 'process' | 'modules' | 'threads' | 'losses' | 'mappings' | 'marks'> {
  totals: Omit<TraceModel['totals'], 'eventCounts'> & { eventCounts: number[] };
  atNs: number;
}

export interface Checkpoint {
  facts: CheckpointFacts;
  stackTotals: StackTotals;
  live: LiveSet;
}

export function encodeCheckpoint(model: TraceModel, encoder: TraceEncoder, out: ByteWriter): void {
  const { process, modules, threads, losses, mappings, marks, totals, atEnd } = model;
  const facts: CheckpointFacts = {
    process,
    modules,
    threads,
    losses,
    mappings,
    marks,
    totals: { ...totals, eventCounts: Array.from(totals.eventCounts) },
    atNs: atEnd.atNs,
  };
  out.json(facts);
  out.raw(encoder.stackTotals(model.stackTotals));
  out.raw(encoder.liveSet(atEnd.live));
}

export function decodeCheckpoint(reader: ByteReader, stackCount: number): Checkpoint {
  const facts = reader.json();
  if (!isFacts(facts)) throw new TraceDamage('has a checkpoint without its facts');
  return { facts, stackTotals: decodeStackTotals(reader, stackCount), live: decodeLiveSet(reader) };
}

/** The checksum vouches for the content; this is against files that somebody made up. */
function isFacts(value: unknown): value is CheckpointFacts {
  if (!isObject(value)) return false;
  const objects = ['process', 'totals', 'losses'].every((name) => isObject(value[name]));
  const lists = ['modules', 'threads', 'mappings', 'marks'].every((name) =>
    Array.isArray(value[name]),
  );
  return (
    objects &&
    lists &&
    typeof value['atNs'] === 'number' &&
    Array.isArray((value['totals'] as Record<string, unknown>)['eventCounts'])
  );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
