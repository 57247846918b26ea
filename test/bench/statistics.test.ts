import test from 'ava';
import fc from 'fast-check';
import {
  formatBytes,
  formatRatio,
  formatSpread,
  formatTime,
  spreadByRound,
  spreadOf,
} from '../../bench/support/statistics.js';

test('the median of an odd number of runs is the one in the middle, whatever their order', (t) => {
  t.deepEqual(spreadOf([5, 100, 1]), { median: 5, min: 1, max: 100 });
});

test('the median of an even number of runs lies between the two in the middle', (t) => {
  t.deepEqual(spreadOf([4, 1, 10, 2]), { median: 3, min: 1, max: 10 });
});

test('one run is its own median and extremes', (t) => {
  t.deepEqual(spreadOf([7]), { median: 7, min: 7, max: 7 });
});

test('no runs have no median', (t) => {
  t.throws(() => spreadOf([]), { instanceOf: RangeError });
});

test('half of the runs are at or below the median and half at or above it', (t) => {
  const numbers = fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 1 });
  fc.assert(
    fc.property(numbers, (values) => {
      const { median, min, max } = spreadOf(values);
      const atMost = values.filter((value) => value <= median).length;
      const atLeast = values.filter((value) => value >= median).length;
      return (
        atMost * 2 >= values.length &&
        atLeast * 2 >= values.length &&
        min === Math.min(...values) &&
        max === Math.max(...values)
      );
    }),
  );
  t.pass();
});

test('a slow round slows both sides and leaves the ratio alone', (t) => {
  const native = [100, 300, 100];
  const traced = [110, 330, 120];
  const ratio = spreadByRound(traced, native, (ours, theirs) => ours / theirs);
  t.is(formatSpread(ratio, formatRatio), '1.10 (1.10–1.20)');
});

test('a round that only one side has is not compared', (t) => {
  const difference = spreadByRound([10, 20, 30], [1, 2], (ours, theirs) => ours - theirs);
  t.deepEqual(difference, { median: 13.5, min: 9, max: 18 });
});

test('extremes that read like the median are not written', (t) => {
  t.is(formatSpread({ median: 2, min: 1.999, max: 2.001 }, formatRatio), '2.00');
});

test('ratios have two digits after the point below ten, and one above', (t) => {
  t.is(formatRatio(1.138), '1.14');
  t.is(formatRatio(21.44), '21.4');
});

test('sizes are written in powers of 1024, times in the unit that fits', (t) => {
  t.deepEqual([0, 1023, 1536, 5 * 2 ** 20, 200 * 2 ** 20, 3 * 2 ** 40].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.5 KiB',
    '5.0 MiB',
    '200 MiB',
    '3072 GiB',
  ]);
  t.deepEqual([4200, 12.4e6, 2.345e9].map(formatTime), ['4 µs', '12 ms', '2.35 s']);
});
