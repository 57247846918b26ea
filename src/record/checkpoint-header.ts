// The checkpoint's own file (CheckpointHeader in interpose/wire.h): what the program and the scanner say of it,
// and what JavaScript objects hold.
import { MemprofError } from '../errors.js';
import type { Checkpoint, CheckpointReason, OwnerTable, V8Isolate } from '../model/index.js';
import { readIsolates } from './checkpoint-v8.js';
import {
  CheckpointHeader,
  OwnerRow,
  OwnersState,
  ownerRowBytes,
  CheckpointReason as ReasonNumber,
} from './checkpoint-wire.js';
import { Magic, pageBytes, wireAbi } from './wire.js';

export const noOwners = (): OwnerTable => emptyOwners(0, []);

export class CheckpointFile {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly words: Uint32Array;

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.words = new Uint32Array(buffer, 0, Math.min(buffer.byteLength, pageBytes) >>> 2);
    if (
      buffer.byteLength < pageBytes ||
      this.wide(CheckpointHeader.magic) !== Number(Magic.checkpoint) ||
      this.field(CheckpointHeader.abi) !== wireAbi
    )
      throw new MemprofError(
        'ERR_MEMPROF_WIRE',
        'not the file of a checkpoint of this version of memprof',
      );
  }

  /** A 32-bit field; the scanner may be writing it. */
  field(offset: number): number {
    return Atomics.load(this.words, offset >>> 2);
  }

  wide(offset: number): number {
    return Number(this.view.getBigUint64(offset, true));
  }

  get reason(): CheckpointReason {
    const number = this.field(CheckpointHeader.reason);
    for (const [name, value] of Object.entries(ReasonNumber))
      if (value === number) return name as CheckpointReason;
    return 'program';
  }

  get ownersState(): Checkpoint['owners'] {
    const number = this.field(CheckpointHeader.ownerState);
    for (const [name, value] of Object.entries(OwnersState))
      if (value === number) return name as Checkpoint['owners'];
    return 'failed';
  }

  get heap(): Checkpoint['heap'] {
    const usedBytes = this.wide(CheckpointHeader.heapUsedBytes);
    const totalBytes = this.wide(CheckpointHeader.heapTotalBytes);
    const externalBytes = this.wide(CheckpointHeader.externalBytes);
    if (usedBytes + totalBytes + externalBytes === 0) return null;
    return { usedBytes, totalBytes, externalBytes };
  }

  /** Copied out. Throws when the file does not hold what it says. */
  isolates(): V8Isolate[] {
    return readIsolates(this.bytes);
  }

  /** Copied out. Throws when the file does not hold what it says. */
  owners(): OwnerTable {
    const count = this.field(CheckpointHeader.ownerCount);
    const start = this.wide(CheckpointHeader.ownersOffset);
    const strings = this.strings();
    if (start < pageBytes || start + count * ownerRowBytes > this.bytes.length)
      throw new MemprofError(
        'ERR_MEMPROF_WIRE',
        `${count} owners do not fit the checkpoint's file`,
      );
    const classNames: string[] = [];
    const indexOf = new Map<number, number>();
    const owners = emptyOwners(count, classNames);
    for (let row = 0; row < count; row++) {
      const at = start + row * ownerRowBytes;
      owners.address[row] = this.number(at + OwnerRow.address);
      owners.sizeBytes[row] = this.number(at + OwnerRow.sizeBytes);
      owners.snapshotId[row] = this.number(at + OwnerRow.snapshotId);
      owners.object[row] = this.view.getUint32(at + OwnerRow.object, true);
      owners.hold[row] = this.view.getUint32(at + OwnerRow.kind, true);
      owners.isolate[row] = this.view.getUint32(at + OwnerRow.isolate, true);
      const name = this.view.getUint32(at + OwnerRow.className, true);
      let index = indexOf.get(name);
      if (index === undefined) {
        index = classNames.push(textAt(strings, name)) - 1;
        indexOf.set(name, index);
      }
      owners.classIndex[row] = index;
    }
    return owners;
  }

  /** As wide(), without a BigInt: for what there are many of. */
  private number(offset: number): number {
    const { view } = this;
    return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
  }

  private strings(): Uint8Array {
    const start = this.wide(CheckpointHeader.stringsOffset);
    const length = this.field(CheckpointHeader.stringBytes);
    if (start + length > this.bytes.length)
      throw new MemprofError('ERR_MEMPROF_WIRE', "the strings do not fit the checkpoint's file");
    return this.bytes.subarray(start, start + length);
  }
}

function emptyOwners(count: number, classNames: string[]): OwnerTable {
  return {
    count,
    address: new Float64Array(count),
    sizeBytes: new Float64Array(count),
    snapshotId: new Float64Array(count),
    object: new Uint32Array(count),
    hold: new Uint8Array(count),
    isolate: new Uint32Array(count),
    classIndex: new Uint32Array(count),
    classNames,
  };
}

function textAt(strings: Uint8Array, offset: number): string {
  if (offset >= strings.length) return '';
  const end = strings.indexOf(0, offset);
  // A copy: TextDecoder does not take shared memory.
  return new TextDecoder().decode(strings.slice(offset, end < 0 ? strings.length : end));
}
