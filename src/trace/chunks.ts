// The chunks of a trace, in order.
import { TraceDamage } from './damage.js';
import {
  type ChunkHeader,
  ChunkKind,
  type Codec,
  chunkHeaderBytes,
  decodeChunkHeader,
  decodePayload,
  fileHeaderBytes,
} from './format.js';
import type { TraceSource } from './open.js';

export interface Chunk {
  header: ChunkHeader;
  offset: number;
}

type Damaged = { offset: number; reason: string };

/** The place of a chunk: in the file, and among the others. */
export interface ChunkPlace {
  offset: number;
  sequence: number;
}

export const firstChunk: ChunkPlace = { offset: fileHeaderBytes, sequence: 0 };

/** The whole chunks, in order; ends before the first that is damaged or cut. */
export function* chunksOf(
  source: TraceSource,
  codec: Codec,
  onDamage: (damage: Damaged) => void,
  from: ChunkPlace = firstChunk,
): Generator<Chunk> {
  let { offset } = from;
  for (let { sequence } = from; offset < source.sizeBytes; sequence++) {
    let header: ChunkHeader;
    try {
      header = decodeChunkHeader(source.read(offset, chunkHeaderBytes), sequence, codec.crc32);
      if (offset + chunkHeaderBytes + header.storedBytes > source.sizeBytes)
        throw new TraceDamage('is cut within its content');
    } catch (error) {
      if (!(error instanceof TraceDamage)) throw error;
      onDamage({ offset, reason: error.message });
      return;
    }
    yield { header, offset };
    if (header.kind === ChunkKind.end) return;
    offset += chunkHeaderBytes + header.storedBytes;
  }
}

export function placeAfter({ header, offset }: Chunk): ChunkPlace {
  return {
    offset: offset + chunkHeaderBytes + header.storedBytes,
    sequence: header.sequence + 1,
  };
}

export function contentOf(
  source: TraceSource,
  { header, offset }: Chunk,
  codec: Codec,
): Uint8Array {
  return decodePayload(header, source.read(offset + chunkHeaderBytes, header.storedBytes), codec);
}
