// Memory over time: what is kept of a long run, and how areas are sorted without looking at pages.
import test from 'ava';
import fc from 'fast-check';
import type { Address, MemoryTimeline } from '../../src/model/index.js';
import { timelineParts } from '../../src/model/index.js';
import { apart } from '../../src/ranges.js';
import { parseAreas } from '../../src/record/memory-picture.js';
import { SampleColumns } from '../../src/record/sample-columns.js';
import { type KnownSpan, sumParts } from '../../src/record/timeline-parts.js';
import { plainStyle } from '../../src/report/index.js';
import { renderTimeline, timelineRows } from '../../src/report/timeline.js';
import { ByteReader, ByteWriter, TraceDamage } from '../../src/trace/index.js';
import { decodeTimeline, encodeTimeline } from '../../src/trace/timeline.js';

test('samples never become more than their limit, cover the whole run, and lie further apart', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), (lookCount) => {
      const columns = new SampleColumns(['atNs'], 16, 20);
      let takenCount = 0;
      for (let look = 0; look < lookCount; look++) {
        if (!columns.isDue(look * 20)) continue;
        columns.add(look * 20, { atNs: look * 20 });
        takenCount++;
      }
      const { count, atNs } = columns.table();
      const distances = [...atNs].slice(1).map((at, row) => at - atNs[row]!);
      const longest = Math.max(20, ...distances);
      return (
        count <= 16 &&
        atNs[0] === 0 &&
        (lookCount - 1) * 20 - atNs[count - 1]! < 2 * longest &&
        takenCount <= 16 + 8 * Math.ceil(Math.log2(lookCount + 1))
      );
    }),
  );
  t.pass();
});

const mib = 1 << 20;
const line = (low: number, high: number, access: string, path: string, residentKib: number) =>
  `${low.toString(16)}-${high.toString(16)} ${access} 00000000 00:00 0 ${path}\nRss: ${residentKib} kB\n`;

test('areas are told by name, by who mapped them, and by the shape that glibc gives them', (t) => {
  const arena = 0x7f00_0000_0000;
  const stack = arena + 256 * mib;
  const mapped = arena + 512 * mib;
  const text =
    line(0x400000, 0x500000, 'r-xp', '/usr/bin/node', 100) +
    line(0x600000, 0x700000, 'rw-p', '[heap]', 200) +
    line(arena, arena + mib, 'rw-p', '', 300) +
    line(arena + mib, arena + 64 * mib, '---p', '', 0) +
    // A block of malloc as large as that, but not followed by a reservation.
    line(arena + 128 * mib, arena + 130 * mib, 'rw-p', '', 50) +
    line(stack, stack + 4096, '---p', '', 0) +
    line(stack + 4096, stack + 8 * mib, 'rw-p', '', 24) +
    line(mapped, mapped + 2 * mib, 'rw-p', '', 1024) +
    line(mapped + 8 * mib, mapped + 9 * mib, 'rw-s', '/dev/shm/memprof-0-x/p1.0.r0', 64) +
    line(mapped + 10 * mib, mapped + 11 * mib, 'rw-p', '[stack]', 40);
  const known: KnownSpan[] = [
    { low: mapped, high: mapped + mib, part: 'v8Bytes' },
    { low: mapped + mib, high: mapped + mib + mib / 2, part: 'mappedBytes' },
  ];
  const sums = sumParts(parseAreas(text), known);
  t.deepEqual(sums, {
    fileBytes: 100 << 10,
    heapBytes: 500 << 10,
    stackBytes: 64 << 10,
    // Shared out by size: half, a quarter, and what is left.
    v8Bytes: 512 << 10,
    mappedBytes: 256 << 10,
    memprofBytes: 64 << 10,
    restBytes: (256 + 50) << 10,
  });
});

test('whatever the areas and mappings are, parts add up to what is resident', (t) => {
  const span = fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 90 }));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(3), fc.nat(9))),
      fc.array(fc.tuple(span, fc.constantFrom(...timelineParts))),
      (drawn, mappings) => {
        let low = 0;
        const areas = drawn.map(([pages, gap, residentPages]) => {
          low += gap * 4096;
          const area = {
            low: low as Address,
            high: (low + pages * 4096) as Address,
            access: 'rw-p',
            path: '',
            residentBytes: Math.min(pages, residentPages) * 4096,
            swappedBytes: 0,
          };
          low = area.high;
          return area;
        });
        const known = apart(
          mappings.map(([[start, length], part]) => ({
            low: start * 1024,
            high: (start + length) * 1024,
            part,
          })),
        );
        const sums = sumParts(areas, known);
        const resident = areas.reduce((sum, area) => sum + area.residentBytes, 0);
        const total = Object.values(sums).reduce((a, b) => a + b, 0);
        return total === resident && Object.values(sums).every((bytes) => bytes >= 0);
      },
    ),
  );
  t.pass();
});

const natural = fc.integer({ min: 0, max: 2 ** 40 });
const columnsOf = (count: number, names: readonly string[]) =>
  fc
    .tuple(...names.map(() => fc.array(natural, { minLength: count, maxLength: count })))
    .map((columns) => ({
      count,
      ...Object.fromEntries(names.map((name, at) => [name, Float64Array.from(columns[at]!)])),
    }));
const sampleNames = ['atNs', 'residentBytes', 'liveBytes', 'liveCount', 'lagNs'];
const timelines: fc.Arbitrary<MemoryTimeline> = fc
  .tuple(fc.nat(20), fc.nat(5))
  .chain(([sampleCount, partCount]) =>
    fc.record({
      samples: columnsOf(sampleCount, sampleNames),
      parts: columnsOf(partCount, [...sampleNames, ...timelineParts]),
      peak: fc.record({
        residentBytes: natural,
        source: fc.constantFrom('kernel', 'samples'),
        askedNs: natural,
        sampledBytes: natural,
        sampledNs: natural,
      }),
      cost: fc.record({
        sampleCount: natural,
        sampleNs: natural,
        partsCount: natural,
        partsNs: natural,
      }),
    }),
  ) as fc.Arbitrary<MemoryTimeline>;

test('a timeline comes out of a trace as it went in; one that is cut or changed is refused or read', (t) => {
  fc.assert(
    fc.property(timelines, fc.nat(), fc.nat(255), (timeline, at, byte) => {
      const out = new ByteWriter();
      encodeTimeline(timeline, out);
      const bytes = out.written().slice();
      t.deepEqual(decodeTimeline(new ByteReader(bytes)), timeline);
      const changed = bytes.slice();
      changed[at % bytes.length] = byte;
      for (const damaged of [changed, bytes.subarray(0, at % bytes.length)]) {
        try {
          decodeTimeline(new ByteReader(damaged));
        } catch (error) {
          if (!(error instanceof TraceDamage)) return false;
        }
      }
      return true;
    }),
    { numRuns: 60 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        decodeTimeline(new ByteReader(bytes));
      } catch (error) {
        return error instanceof TraceDamage;
      }
      return true;
    }),
  );
  t.pass();
});

test('a timeline of any shape is drawn in at most 20 rows, within the columns for its lines', (t) => {
  fc.assert(
    fc.property(timelines, (timeline) => {
      const rows = timelineRows(timeline, 20);
      const text = [...renderTimeline(timeline, { columns: 80, style: plainStyle })];
      const bars = text.slice(0, 2).every((one) => one.length <= 80);
      return rows.length <= 20 && bars && text.every((one) => !one.includes('NaN'));
    }),
    { numRuns: 60 },
  );
  t.pass();
});

test('live blocks stand at the moment that they were counted for, not at the one they were counted at', (t) => {
  const samples = {
    count: 3,
    atNs: Float64Array.of(100, 200, 300),
    residentBytes: Float64Array.of(10, 20, 30),
    // Known as of 10, 50 and 100.
    liveBytes: Float64Array.of(1, 2, 7),
    liveCount: Float64Array.of(1, 1, 3),
    lagNs: Float64Array.of(90, 150, 200),
  };
  const empty = Object.fromEntries(
    [...sampleNames, ...timelineParts].map((name) => [name, new Float64Array(0)]),
  );
  const timeline = {
    samples,
    parts: { count: 0, ...empty },
  } as unknown as MemoryTimeline;
  t.deepEqual(
    timelineRows(timeline, 3).map(({ residentBytes, liveBytes }) => [residentBytes, liveBytes]),
    [
      [10, 7],
      [30, 7],
    ],
  );
});
