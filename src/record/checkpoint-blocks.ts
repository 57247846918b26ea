// The blocks' file of a checkpoint (BlocksHeader in interpose/wire.h): live blocks for the scanner, and its
// answers. Laid out here, read back here.
import { MemprofError } from '../errors.js';
import type { Address, LiveSet, Reachability } from '../model/index.js';
import {
  BlocksHeader,
  ScanFrame,
  ScanRange,
  ScanRegion,
  scanFrameBytes,
  scanRangeBytes,
  scanRegionBytes,
} from './checkpoint-wire.js';
import { pushFrame } from './stack-reader.js';
import { Magic, pageBytes, wireAbi } from './wire.js';

export interface ScannedRange {
  address: number;
  sizeBytes: number;
  /** MP_RANGE_*. */
  kind: number;
}

export interface BlocksRequest {
  live: LiveSet;
  /** Of `live`, lowest address first; of those with one address the larger first. */
  rows: Uint32Array;
  /** MP_BLOCK_*, a byte a row of `live`. */
  flags: Uint8Array;
  ranges: readonly ScannedRange[];
  regionCapacity: number;
  frameCapacity: number;
}

const noBlock = 0xffffffff;
const columns = [
  ['addressOffset', 8],
  ['sizeOffset', 8],
  ['referrerOffset', 8],
  ['firstWordOffset', 8],
  ['referrerBlockOffset', 4],
  ['insideOffset', 4],
  ['rootOffset', 4],
  ['flagOffset', 1],
  ['reachOffset', 1],
] as const;
type Column = (typeof columns)[number][0];

export class BlocksFile {
  readonly sizeBytes: number;
  private readonly offsets: Record<Column | 'rangeOffset' | 'regionOffset' | 'frameOffset', number>;
  private readonly request: BlocksRequest;
  /** Row of the file -> row of the live set. */
  private readonly rows: Uint32Array;

  constructor(request: BlocksRequest) {
    this.request = request;
    this.rows = request.rows;
    let end = pageBytes;
    const take = (count: number, bytes: number) => {
      const start = end;
      end = Math.ceil((start + count * bytes) / 8) * 8;
      return start;
    };
    const places = columns.map(([name, bytes]) => [name, take(this.rows.length, bytes)] as const);
    this.offsets = {
      ...(Object.fromEntries(places) as Record<Column, number>),
      rangeOffset: take(request.ranges.length, scanRangeBytes),
      regionOffset: take(request.regionCapacity, scanRegionBytes),
      frameOffset: take(request.frameCapacity, scanFrameBytes),
    };
    this.sizeBytes = end;
  }

  /** Fills a buffer of zeros of `sizeBytes`. */
  write(buffer: ArrayBuffer): void {
    const { request, offsets, rows } = this;
    const view = new DataView(buffer);
    view.setBigUint64(BlocksHeader.magic, Magic.blocks, true);
    view.setUint32(BlocksHeader.abi, wireAbi, true);
    view.setUint32(BlocksHeader.headerBytes, pageBytes, true);
    view.setUint32(BlocksHeader.blockCount, rows.length, true);
    view.setUint32(BlocksHeader.rangeCount, request.ranges.length, true);
    view.setUint32(BlocksHeader.regionCapacity, request.regionCapacity, true);
    view.setUint32(BlocksHeader.frameCapacity, request.frameCapacity, true);
    for (const [name, offset] of Object.entries(offsets))
      view.setBigUint64(BlocksHeader[name as keyof typeof offsets], BigInt(offset), true);
    const { address, sizeBytes } = request.live;
    const addresses = new Wide(buffer, offsets.addressOffset, rows.length);
    const sizes = new Wide(buffer, offsets.sizeOffset, rows.length);
    const flags = new Uint8Array(buffer, offsets.flagOffset, rows.length);
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at]!;
      addresses.set(at, address[row]!);
      sizes.set(at, sizeBytes[row]!);
      flags[at] = request.flags[row]!;
    }
    for (const [at, range] of request.ranges.entries()) {
      const start = offsets.rangeOffset + at * scanRangeBytes;
      view.setBigUint64(start + ScanRange.address, BigInt(range.address), true);
      view.setBigUint64(start + ScanRange.sizeBytes, BigInt(range.sizeBytes), true);
      view.setUint32(start + ScanRange.kind, range.kind, true);
    }
  }

  /** The scanner's answers, in the order of the live set. Throws when they cannot be right. */
  read(buffer: ArrayBuffer): Reachability {
    const { offsets, rows } = this;
    const count = rows.length;
    const reach = new Uint8Array(buffer, offsets.reachOffset, count);
    const referrer = new Wide(buffer, offsets.referrerOffset, count);
    const firstWord = new Wide(buffer, offsets.firstWordOffset, count);
    const referrerBlock = new Uint32Array(buffer, offsets.referrerBlockOffset, count);
    const inside = new Uint32Array(buffer, offsets.insideOffset, count);
    const root = new Uint32Array(buffer, offsets.rootOffset, count);
    const liveCount = this.request.live.count;
    const answer: Reachability = {
      reach: new Uint8Array(liveCount),
      referrer: new Float64Array(liveCount),
      referrerBlock: new Int32Array(liveCount).fill(-1),
      insideBytes: new Uint32Array(liveCount),
      root: new Uint32Array(liveCount),
      firstWord: new Float64Array(liveCount),
      regions: this.readRegions(buffer),
      frames: this.readFrames(buffer),
    };
    for (let at = 0; at < count; at++) {
      const row = rows[at]!;
      const holder = referrerBlock[at]!;
      if (holder !== noBlock && holder >= count)
        throw new MemprofError(
          'ERR_MEMPROF_WIRE',
          `block ${at} is held by block ${holder} of ${count}`,
        );
      answer.reach[row] = reach[at]!;
      answer.referrer[row] = referrer.get(at);
      if (holder !== noBlock) answer.referrerBlock[row] = rows[holder]!;
      answer.insideBytes[row] = inside[at]!;
      answer.root[row] = root[at]!;
      answer.firstWord[row] = firstWord.get(at);
    }
    return answer;
  }

  private readRegions(buffer: ArrayBuffer): Reachability['regions'] {
    const view = new DataView(buffer);
    const count = this.countOf(view, BlocksHeader.regionCount, this.request.regionCapacity);
    return Array.from({ length: count }, (_, at) => {
      const start = this.offsets.regionOffset + at * scanRegionBytes;
      return {
        low: Number(view.getBigUint64(start + ScanRegion.low, true)) as Address,
        high: Number(view.getBigUint64(start + ScanRegion.high, true)) as Address,
        reach: view.getUint32(start + ScanRegion.reach, true),
        id: view.getUint32(start + ScanRegion.id, true),
      };
    });
  }

  private readFrames(buffer: ArrayBuffer): Reachability['frames'] {
    const view = new DataView(buffer);
    const count = this.countOf(view, BlocksHeader.frameCount, this.request.frameCapacity);
    const frames = Array.from({ length: count }, (_, at) => {
      const start = this.offsets.frameOffset + at * scanFrameBytes;
      const low = Number(view.getBigUint64(start + ScanFrame.low, true)) as Address;
      const tid = view.getUint32(start + ScanFrame.tid, true);
      const frame = { kind: 0, index: 0, offset: 0 };
      const push = (_: number, kind: number, index: number, offset: number) =>
        Object.assign(frame, { kind, index, offset });
      const word = start + ScanFrame.frame;
      pushFrame({ push }, 0, view.getUint32(word, true), view.getUint32(word + 4, true));
      return { low, tid, ...frame };
    });
    return frames.sort((a, b) => a.low - b.low);
  }

  private countOf(view: DataView, field: number, capacity: number): number {
    const count = view.getUint32(field, true);
    if (count > capacity)
      throw new MemprofError('ERR_MEMPROF_WIRE', `${count} rows where ${capacity} have room`);
    return count;
  }
}

/** A column of 64-bit numbers that are below 2^53. */
class Wide {
  private readonly halves: Uint32Array;

  constructor(buffer: ArrayBuffer, offset: number, count: number) {
    this.halves = new Uint32Array(buffer, offset, 2 * count);
  }

  get(at: number): number {
    return this.halves[2 * at + 1]! * 2 ** 32 + this.halves[2 * at]!;
  }

  set(at: number, value: number): void {
    this.halves[2 * at] = value >>> 0;
    this.halves[2 * at + 1] = Math.floor(value / 2 ** 32);
  }
}
