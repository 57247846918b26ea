// V8's heap snapshot of a checkpoint, kept in the trace as the file that V8 wrote, in pieces.
import { ByteReader } from './bytes.js';
import { chunksOf, contentOf } from './chunks.js';
import { TraceDamage } from './damage.js';
import { ChunkKind, type Codec } from './format.js';
import type { TraceSource } from './open.js';

/** The pieces of a checkpoint's snapshot, in order; none: the trace has none of it. */
export function* heapSnapshotPieces(
  source: TraceSource,
  codec: Codec,
  checkpointNumber: number,
): Generator<Uint8Array> {
  for (const chunk of chunksOf(source, codec, () => undefined)) {
    if (chunk.header.kind !== ChunkKind.heapSnapshot) continue;
    let reader: ByteReader;
    try {
      reader = new ByteReader(contentOf(source, chunk, codec));
    } catch (error) {
      if (!(error instanceof TraceDamage)) throw error;
      return;
    }
    if (reader.varint() === checkpointNumber) yield reader.section();
  }
}
