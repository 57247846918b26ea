// The frame of a trace: file header and chunk headers. The format is written down in
// docs/trace-format.md; what changes here changes there, and the version with it.
import { MemprofError } from '../errors.js';
import { TraceDamage } from './damage.js';

export const formatVersion = 3;
export const fileHeaderBytes = 16;
export const chunkHeaderBytes = 28;

export const ChunkKind = {
  /** Facts about process, modules, codes and texts: appended. */
  meta: 1,
  /** Nodes of the stack table: appended. */
  stacks: 2,
  events: 3,
  /** The live set before Node's environment teardown. */
  teardown: 4,
  /** Everything as of one moment: each replaces the one before. */
  checkpoint: 5,
  end: 6,
  /** Facts and sums of a checkpoint of the program: appended, one each. */
  verdicts: 7,
  /** Every block at the last checkpoint. */
  blockVerdicts: 8,
  /** Node-API and V8 resources: each replaces the one before. */
  resources: 9,
  /** A piece of V8's heap snapshot of a checkpoint: appended. */
  heapSnapshot: 10,
  /** Pools that the program announced: each replaces the one before. */
  pools: 11,
  /** What the program said of the blocks of the next live set (of kind 4, 5 or 8). */
  announced: 12,
  /** What memory consisted of at a checkpoint: appended, one each. */
  memory: 13,
  /** Which pages were resident at the last checkpoint. */
  pages: 14,
  /** Memory over time: each replaces the one before. */
  timeline: 15,
  /** V8's heap at a checkpoint: appended, one each. */
  v8: 16,
} as const;

/** Compressing and checking are done by the caller's libraries, so that this folder stays pure. */
export interface Codec {
  compress(data: Uint8Array): Uint8Array;
  /** Throws on damage or when the content is longer than maxBytes. */
  decompress(data: Uint8Array, maxBytes: number): Uint8Array;
  crc32(data: Uint8Array, seed?: number): number;
}

export interface ChunkHeader {
  kind: number;
  /** Chunks are numbered from 0, so that none can be missing or stand twice. */
  sequence: number;
  /** Events in it; 0 for other kinds. */
  eventCount: number;
  rawBytes: number;
  storedBytes: number;
  payloadCrc: number;
}

/** A chunk is cut at 64k events; the largest is a checkpoint of many million live blocks. */
export const maxChunkBytes = 2 ** 31 - 1;

// "\x89mprof\r\n": a byte above 127 and line ends show text-mode transfers, as in PNG.
const magic = Uint8Array.of(0x89, 0x6d, 0x70, 0x72, 0x6f, 0x66, 0x0d, 0x0a);
/** Kinds of compression a reader has to know. */
const flagZstd = 1;

export function encodeFileHeader(): Uint8Array {
  const bytes = new Uint8Array(fileHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint32(8, formatVersion, true);
  view.setUint32(12, flagZstd, true);
  return bytes;
}

/** Returns the version. */
export function checkFileHeader(bytes: Uint8Array, name: string): number {
  if (bytes.length === 0) throw new MemprofError('ERR_MEMPROF_TRACE_EMPTY', `${name} is empty.`);
  if (bytes.length < fileHeaderBytes && bytes.every((byte, i) => byte === (magic[i] ?? byte)))
    throw new MemprofError(
      'ERR_MEMPROF_TRACE_TRUNCATED',
      `${name} is cut within its first ${fileHeaderBytes} bytes: nothing of it is left.`,
    );
  const isTrace = bytes.length >= fileHeaderBytes && magic.every((byte, i) => bytes[i] === byte);
  if (!isTrace) {
    throw new MemprofError(
      'ERR_MEMPROF_NOT_A_TRACE',
      `${name} is not a memprof trace: its first bytes are not those of a .mprof file.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(8, true);
  if (version > formatVersion) {
    throw new MemprofError(
      'ERR_MEMPROF_TRACE_NEWER',
      `${name} has trace format ${version}; this memprof reads formats up to ${formatVersion}. Open it with a newer memprof.`,
    );
  }
  if (version === 0 || view.getUint32(12, true) !== flagZstd) {
    throw new MemprofError(
      'ERR_MEMPROF_NOT_A_TRACE',
      `${name} is not a memprof trace: its header is damaged.`,
    );
  }
  return version;
}

export function encodeChunkHeader(header: ChunkHeader, crc32: Codec['crc32']): Uint8Array {
  const bytes = new Uint8Array(chunkHeaderBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, header.kind, true);
  view.setUint32(4, header.sequence, true);
  view.setUint32(8, header.eventCount, true);
  view.setUint32(12, header.rawBytes, true);
  view.setUint32(16, header.storedBytes, true);
  view.setUint32(20, header.payloadCrc, true);
  view.setUint32(24, crc32(bytes.subarray(0, 24)), true);
  return bytes;
}

export function decodeChunkHeader(
  bytes: Uint8Array,
  expectedSequence: number,
  crc32: Codec['crc32'],
): ChunkHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < chunkHeaderBytes) throw new TraceDamage('is cut within its header');
  if (view.getUint32(24, true) !== crc32(bytes.subarray(0, 24)))
    throw new TraceDamage('has a header with a wrong checksum');
  const header = {
    kind: view.getUint32(0, true),
    sequence: view.getUint32(4, true),
    eventCount: view.getUint32(8, true),
    rawBytes: view.getUint32(12, true),
    storedBytes: view.getUint32(16, true),
    payloadCrc: view.getUint32(20, true),
  };
  if (header.sequence !== expectedSequence)
    throw new TraceDamage(`is number ${header.sequence}, not ${expectedSequence}`);
  if (header.rawBytes > maxChunkBytes || header.storedBytes > maxChunkBytes)
    throw new TraceDamage('is too long');
  return header;
}

export function decodePayload(header: ChunkHeader, stored: Uint8Array, codec: Codec): Uint8Array {
  if (stored.length !== header.storedBytes) throw new TraceDamage('is cut within its content');
  if (codec.crc32(stored) !== header.payloadCrc) throw new TraceDamage('has a wrong checksum');
  let raw: Uint8Array;
  try {
    raw = codec.decompress(stored, header.rawBytes);
  } catch (error) {
    throw new TraceDamage(
      `does not decompress: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (raw.length !== header.rawBytes)
    throw new TraceDamage(`has ${raw.length} bytes, not ${header.rawBytes}`);
  return raw;
}
