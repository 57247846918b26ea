import test from 'ava';
import fc from 'fast-check';
import { MemprofError } from '../../src/errors.js';
import type { LiveSet } from '../../src/model/index.js';
import { BlocksFile } from '../../src/record/checkpoint-blocks.js';
import { CheckpointFile } from '../../src/record/checkpoint-header.js';
import { CheckpointHeader } from '../../src/record/checkpoint-wire.js';
import { rowsByAddress } from '../../src/record/sort-addresses.js';
import { Magic, pageBytes, wireAbi } from '../../src/record/wire.js';

const address = fc.integer({ min: 16, max: 2 ** 47 - 1 });

function liveOf(addresses: readonly number[]): LiveSet {
  const count = addresses.length;
  return {
    count,
    address: Float64Array.from(addresses),
    sizeBytes: Float64Array.from(addresses, (each) => each % 1000),
    stackId: new Uint32Array(count),
    threadIndex: new Uint32Array(count),
    bornNs: new Float64Array(count),
    entry: new Uint8Array(count),
  };
}

function fileOf(addresses: readonly number[]): { file: BlocksFile; buffer: ArrayBuffer } {
  const live = liveOf(addresses);
  const file = new BlocksFile({
    live,
    rows: rowsByAddress(live.address),
    flags: Uint8Array.from(addresses, (each) => each % 4),
    ranges: [{ address: 4096, sizeBytes: 8192, kind: 2 }],
    regionCapacity: 4,
    frameCapacity: 4,
  });
  const buffer = new ArrayBuffer(file.sizeBytes);
  file.write(buffer);
  return { file, buffer };
}

test('rows by address are what sorting by comparison gives', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(address, { maxLength: 300 }), (addresses) => {
      const expected = addresses.map((_, row) => row).sort((a, b) => addresses[a]! - addresses[b]!);
      t.deepEqual([...rowsByAddress(Float64Array.from(addresses))], expected);
    }),
  );
});

test('the blocks are written sorted, and answers come back in the order of the live set', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(address, { minLength: 1, maxLength: 60 }), (addresses) => {
      const { file, buffer } = fileOf(addresses);
      const view = new DataView(buffer);
      const column = (offset: number) => Number(view.getBigUint64(offset, true));
      const sorted = new BigUint64Array(buffer, column(24), addresses.length);
      t.deepEqual(
        [...sorted].map(Number),
        [...addresses].sort((a, b) => a - b),
      );
      // The scanner's answers: reach by the parity of the address, the referrer 8 bytes before the block.
      sorted.forEach((each, at) => {
        view.setUint8(column(56) + at, Number(each % 10n));
        view.setBigUint64(column(64) + 8 * at, each - 8n, true);
        view.setUint32(column(72) + 4 * at, at === 0 ? 0xffffffff : at - 1, true);
      });
      const answer = file.read(buffer);
      t.deepEqual(
        [...answer.reach],
        addresses.map((each) => each % 10),
      );
      t.deepEqual(
        [...answer.referrer],
        addresses.map((each) => each - 8),
      );
      const before = addresses.map((each) =>
        addresses.indexOf(Math.max(...addresses.filter((other) => other < each))),
      );
      t.deepEqual([...answer.referrerBlock], before);
    }),
  );
});

test('damaged answers are refused with an error of ours, or taken within their bounds', (t) => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 30 });
  fc.assert(
    fc.property(damage, (bytes) => {
      const { file, buffer } = fileOf([64, 4096, 128]);
      for (const [at, value] of bytes) new Uint8Array(buffer)[at % buffer.byteLength] = value;
      try {
        const answer = file.read(buffer);
        t.true(answer.regions.length <= 4 && answer.frames.length <= 4);
        t.true(answer.referrerBlock.every((row) => row >= -1 && row < 3));
      } catch (error) {
        t.true(error instanceof MemprofError, String(error));
      }
    }),
  );
});

function checkpointBytes(): ArrayBuffer {
  const buffer = new ArrayBuffer(2 * pageBytes);
  const view = new DataView(buffer);
  view.setBigUint64(CheckpointHeader.magic, Magic.checkpoint, true);
  view.setUint32(CheckpointHeader.abi, wireAbi, true);
  view.setUint32(CheckpointHeader.ownerCount, 2, true);
  view.setBigUint64(CheckpointHeader.ownersOffset, BigInt(pageBytes), true);
  view.setBigUint64(CheckpointHeader.stringsOffset, BigInt(pageBytes + 80), true);
  view.setUint32(CheckpointHeader.stringBytes, 12, true);
  new TextEncoder().encodeInto('Image\0Büfer\0', new Uint8Array(buffer, pageBytes + 80));
  view.setBigUint64(pageBytes, 4096n, true);
  view.setBigUint64(pageBytes + 40, 8192n, true);
  view.setUint32(pageBytes + 40 + 28, 6, true);
  return buffer;
}

test('owners are read with the names of their classes', (t) => {
  const owners = new CheckpointFile(checkpointBytes()).owners();
  t.deepEqual([...owners.address], [4096, 8192]);
  t.deepEqual(owners.classNames, ['Image', 'Büfer']);
  t.deepEqual([...owners.classIndex], [0, 1]);
});

test("a damaged checkpoint's file is refused with an error of ours", (t) => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 20 });
  fc.assert(
    fc.property(damage, fc.nat({ max: 2 * pageBytes }), (bytes, length) => {
      const buffer = checkpointBytes().slice(0, length & ~7);
      for (const [at, value] of bytes)
        if (buffer.byteLength > 0)
          new Uint8Array(buffer)[at % Math.min(200, buffer.byteLength)] = value;
      try {
        const file = new CheckpointFile(buffer);
        t.true(file.owners().count < 1000);
        t.true(typeof file.reason === 'string' && typeof file.ownersState === 'string');
      } catch (error) {
        t.true(error instanceof MemprofError, String(error));
      }
    }),
  );
});
