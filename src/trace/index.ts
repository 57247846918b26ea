// The trace format, `.mprof`: events and model to bytes and back. Described in docs/trace-format.md.
// Pure: bytes leave through a sink; compression, checksums and what encodes the most are passed in.
//
// Must not import: fs, process, clocks, console; of this project only model/, ledger/ and errors.
export { ByteReader, ByteWriter } from './bytes.js';
export { CallDecoder, type CallSink } from './call-decoder.js';
export { TraceDamage } from './damage.js';
export { type EventEncoder, rowsPerChunk, type TraceEncoder } from './encoder.js';
export { EventDecoder } from './event-decoder.js';
export { TraceFollower } from './follow.js';
export { type Codec, formatVersion } from './format.js';
export { heapSnapshotPieces } from './heap-snapshot.js';
export {
  callsOf,
  eventsOf,
  noLosses,
  openTrace,
  sourceOf,
  type TraceSource,
  unknownProcess,
} from './open.js';
export { SerialTable } from './serial-table.js';
export { type TraceSources, TraceWriter, type TraceWriterOptions } from './writer.js';
