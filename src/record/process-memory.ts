// The files that one traced process shares with us: its header with the counters, its rings, its meta
// ring and its stack table. Maps what appears, and keeps what it found damaged or missing.
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { MemprofError } from '../errors.js';
import * as native from '../native/index.js';
import { RingReader } from './ring-reader.js';
import type { StackReader } from './stack-reader.js';
import { ClockMode, Magic, ProcessHeader, ReaderState, readUint64, wireAbi } from './wire.js';

const maxFiles = 1 << 16;

export class ProcessMemory {
  readonly name: string;
  readonly pid: number;
  readonly generation: number;
  readonly hasSteadyClock: boolean;
  /** What could not be mapped or was damaged, each once. */
  readonly warnings = new Set<string>();

  private readonly folder: string;
  private readonly header: Uint32Array;
  private readonly buffers: ArrayBuffer[] = [];
  private readonly clockBase: bigint;
  private readonly startMonotonicNs: bigint;
  private readonly metaStart: number;
  private readonly metaBytes: number;
  private metaTail: number;
  private ringsSeen = 0;

  constructor(folder: string, name: string) {
    this.folder = folder;
    this.name = name;
    const buffer = native.mapShared(join(folder, name));
    this.buffers.push(buffer);
    this.header = new Uint32Array(buffer);
    const magic = buffer.byteLength >= 4096 ? new BigUint64Array(buffer, 0, 1)[0] : 0n;
    if (magic !== Magic.process || this.field(ProcessHeader.abi) !== wireAbi) {
      native.unmap(buffer);
      throw new MemprofError(
        'ERR_MEMPROF_WIRE',
        `${name}: not the header of a process of this version of memprof`,
      );
    }
    this.pid = this.field(ProcessHeader.pid);
    this.generation = this.field(ProcessHeader.generation);
    this.hasSteadyClock = this.field(ProcessHeader.clockMode) === ClockMode.tsc;
    const wide = new BigUint64Array(buffer, 0, 512);
    this.clockBase = wide[ProcessHeader.clockBase / 8]!;
    this.startMonotonicNs = wide[ProcessHeader.startMonotonicNs / 8]!;
    this.metaStart = this.field(ProcessHeader.metaOffset);
    this.metaTail = this.field(ProcessHeader.metaTail);
    const metaBytes = this.field(ProcessHeader.metaBytes);
    const fits =
      this.metaStart + metaBytes <= buffer.byteLength &&
      metaBytes % 8 === 0 &&
      this.metaStart % 8 === 0;
    this.metaBytes = fits ? metaBytes : 0;
    if (!fits)
      this.warnings.add(
        `${name}: its meta ring does not fit its file; names of modules and functions are missing`,
      );
    Atomics.store(this.header, ProcessHeader.readerPid >>> 2, process.pid);
    this.setReaderState(ReaderState.attached);
  }

  /** A 32-bit field of the header, by its offset. */
  field(offset: number): number {
    return Atomics.load(this.header, offset >>> 2);
  }

  /** A 64-bit counter of the header. */
  counter(offset: number): number {
    return readUint64(this.header, offset);
  }

  setReaderState(state: number): void {
    Atomics.store(this.header, ProcessHeader.readerState >>> 2, state);
  }

  /** The tick of now, and the fence that the horizon in wire.h asks for. */
  fence(): number {
    const now = native.fence(this.clockBase);
    Atomics.add(this.header, ProcessHeader.barrierCount >>> 2, 1);
    return now;
  }

  clock(): { nsPerTick: number; durationNs: number } {
    const { tsc, monotonicNs } = native.clockPair();
    const durationNs = Number(monotonicNs - this.startMonotonicNs);
    const ticks = Number(tsc - this.clockBase);
    const isKnown = this.hasSteadyClock && ticks > 0 && durationNs > 0;
    return { nsPerTick: isKnown ? durationNs / ticks : 1, durationNs };
  }

  /**
   * Maps rings that are new. They are announced when they are there: one that cannot be mapped never
   * will be, and waiting for it would hold up all the others.
   */
  addNewRings(rings: RingReader[]): void {
    const count = Math.min(this.field(ProcessHeader.ringCount), maxFiles);
    for (; this.ringsSeen < count; this.ringsSeen++) {
      const index = this.ringsSeen;
      this.tryMap(`${this.name}.r${index}`, (buffer) => rings.push(new RingReader(buffer, index)));
    }
  }

  addNewStackChunks(reader: StackReader): void {
    const count = Math.min(this.field(ProcessHeader.stackChunkCount), maxFiles);
    while (reader.chunkCount < count) {
      const name = `${this.name}.s${reader.chunkCount}`;
      if (!this.tryMap(name, (buffer) => reader.addChunk(buffer))) return;
    }
  }

  /** Takes the bytes that are new in the meta ring; throws when they cannot be. */
  takeMeta(): Uint8Array {
    if (this.metaBytes === 0) return new Uint8Array(0);
    const head = this.field(ProcessHeader.metaHead);
    const words = (head - this.metaTail) >>> 0;
    if (words * 8 > this.metaBytes)
      throw new MemprofError('ERR_MEMPROF_WIRE', `a meta ring with ${words} unread words`);
    const bytes = new Uint8Array(words * 8);
    if (words === 0) return bytes;
    const data = new Uint8Array(this.header.buffer, this.metaStart, this.metaBytes);
    const start = (this.metaTail * 8) % this.metaBytes;
    const first = Math.min(bytes.length, this.metaBytes - start);
    bytes.set(data.subarray(start, start + first));
    bytes.set(data.subarray(0, bytes.length - first), first);
    this.metaTail = head;
    Atomics.store(this.header, ProcessHeader.metaTail >>> 2, head);
    return bytes;
  }

  /** Rings and stacks, for good: everything has been read out of them. The header stays. */
  unmapRings(): void {
    for (const buffer of this.buffers.splice(1)) native.unmap(buffer);
  }

  unmap(): void {
    for (const buffer of this.buffers) native.unmap(buffer);
  }

  /** Nobody will map its files again. */
  unlink(): void {
    for (const name of readdirSync(this.folder)) {
      if (name === this.name || name.startsWith(`${this.name}.`))
        unlinkSync(join(this.folder, name));
    }
  }

  /** False: the file is not there. One with a damaged header is there, but not used. */
  private tryMap(name: string, use: (buffer: ArrayBuffer) => void): boolean {
    let buffer: ArrayBuffer;
    try {
      buffer = native.mapShared(join(this.folder, name));
    } catch (error) {
      this.warnings.add(`${name} cannot be mapped: ${messageOf(error)}`);
      return false;
    }
    this.buffers.push(buffer);
    try {
      use(buffer);
    } catch (error) {
      this.warnings.add(`${name} is not used: ${messageOf(error)}`);
    }
    return true;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
