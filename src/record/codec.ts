// zstd, crc32 and the encoder of the native part, as trace/ wants them.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { MemprofError } from '../errors.js';
import { recordWords } from '../ledger/index.js';
import type { TraceModel } from '../model/index.js';
import * as native from '../native/index.js';
import {
  type CallSink,
  type Codec,
  callsOf,
  eventsOf,
  heapSnapshotPieces,
  openTrace,
  rowsPerChunk,
  type TraceEncoder,
  TraceFollower,
  type TraceSource,
} from '../trace/index.js';
import { nativeLedger } from './native-ledger.js';

export const zstdLevel = 3;

export const nativeCodec: Codec = {
  compress: (data) => native.zstdCompress(data, zstdLevel),
  decompress: native.zstdDecompress,
  crc32: native.crc32,
};

/** One for each trace that is written. */
export const nativeEncoder = (): TraceEncoder => ({
  events: new native.EventEncoder(
    rowsPerChunk,
    Uint8Array.from({ length: 256 }, (_, type) => recordWords(type)),
  ),
  stacks: native.encodeStacks,
  stackTotals: native.encodeStackTotals,
  liveSet: native.encodeLiveSet,
});

/** Reads chunk by chunk: memory grows with live blocks and sites, not with the file. */
export function readTraceFile(path: string): TraceModel {
  return withSource(path, (source) => openTrace(source, nativeCodec, nativeLedger));
}

/** Every batch of events of a trace, in order. */
export function* readTraceEvents(path: string): ReturnType<typeof eventsOf> {
  const file = openSource(path);
  try {
    yield* eventsOf(file.source, nativeCodec);
  } finally {
    file.close();
  }
}

/** Tells the sink of every call of the allocator, and yields after each chunk of the trace. */
export function* readTraceCalls(path: string, sink: CallSink): Generator<void> {
  const file = openSource(path);
  try {
    yield* callsOf(file.source, nativeCodec, sink);
  } finally {
    file.close();
  }
}

/** V8's heap snapshot of a checkpoint, piece by piece; nothing: the trace has none. */
export function* readHeapSnapshot(path: string, checkpointNumber: number): Generator<Uint8Array> {
  const file = openSource(path);
  try {
    yield* heapSnapshotPieces(file.source, nativeCodec, checkpointNumber);
  } finally {
    file.close();
  }
}

export interface FollowedTrace {
  follower: TraceFollower;
  /** As of now. */
  sizeBytes(): number;
  /** Names the open file, whatever becomes of its name. */
  openPath: string;
  close(): void;
}

/** Follows a trace that is being written, even when it is renamed or removed. null: it is not there yet. */
export function followTraceFile(path: string): FollowedTrace | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw notReadable(path, error);
  }
  const sizeBytes = () => fstatSync(descriptor).size;
  const source: TraceSource = {
    name: path,
    get sizeBytes() {
      return sizeBytes();
    },
    read: (offset, length) => readUpTo(descriptor, offset, Math.min(length, sizeBytes() - offset)),
  };
  return {
    follower: new TraceFollower(source, nativeCodec, nativeLedger),
    sizeBytes,
    openPath: `/proc/${process.pid}/fd/${descriptor}`,
    close: () => closeSync(descriptor),
  };
}

function withSource<T>(path: string, use: (source: TraceSource) => T): T {
  const file = openSource(path);
  try {
    return use(file.source);
  } finally {
    file.close();
  }
}

function openSource(path: string): { source: TraceSource; close(): void } {
  let descriptor: number;
  let sizeBytes: number;
  try {
    descriptor = openSync(path, 'r');
    const status = fstatSync(descriptor);
    if (status.isDirectory()) throw new Error('it is a folder');
    sizeBytes = status.size;
  } catch (error) {
    throw notReadable(path, error);
  }
  const read = (offset: number, length: number): Uint8Array =>
    readUpTo(descriptor, offset, Math.min(length, sizeBytes - offset));
  return { source: { name: path, sizeBytes, read }, close: () => closeSync(descriptor) };
}

function notReadable(path: string, error: unknown): MemprofError {
  const reason = error instanceof Error ? error.message : String(error);
  return new MemprofError('ERR_MEMPROF_TRACE_NOT_READABLE', `${path} cannot be read: ${reason}.`);
}

/** Fewer bytes at the file's end. */
function readUpTo(descriptor: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, length));
  let at = 0;
  while (at < bytes.length) {
    const count = readSync(descriptor, bytes, at, bytes.length - at, offset + at);
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}
