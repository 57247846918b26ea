import test from 'ava';
import fc from 'fast-check';
import { type Shape, shapeOf } from '../../src/checks/shape.js';
import {
  binomialAtMost,
  lumpSize,
  meanAtLeast,
  meanAtMost,
  poissonAtMost,
  trendChance,
} from '../../src/checks/statistics.js';

// What it is, calls a round, and by round how many blocks more.
const drawn: readonly [Shape, number, string, string][] = [
  ['rising', 60, 'a block of every call', '60 60 60 60 60'],
  ['rising', 60, 'of every tenth call', '6 6 6 6 6'],
  ['rising', 50, 'of one in ten, by chance', '5 4 6 5 5 5'],
  ['rising', 50, 'of one in ten, unevenly', '3 8 5 2 7 6'],
  ['rising', 50, 'with a collector that lags a little', '7 4 5 -1 9 6'],
  ['flat', 60, 'nothing', '0 0 0 0 0'],
  ['flat', 60, 'less and less', '0 -3 -1 0 -2'],
  ['flat', 60, 'made once, at first', '12 0 0 0 0'],
  ['flat', 60, 'a cache that is full', '20 3 0 0 0'],
  ['flat', 60, 'noise that comes back', '9 -8 6 -7 4'],
  ['flat', 60, 'one block in three hundred calls', '0 0 1 0 0'],
  ['fading', 60, 'a cache that fills up', '60 40 20 9 3'],
  ['flat', 15, 'made once, at first, by a slow function', '7 0 0 0 0 0 0'],
  ['flat', 60, 'made once, late', '0 0 0 0 25'],
  ['flat', 60, 'a table that grows', '0 1 0 30 0'],
  ['steps', 15, 'most of it at once', '1 2 9 1 2'],
  ['unclear', 15, 'of one in ten, and too few calls', '1 0 2 1 1'],
  ['unclear', 5, 'nothing, in hardly any calls', '0 0 0 0 0'],
];

for (const [shape, iterations, what, rounds] of drawn) {
  test(`${what} (${rounds}) is ${shape}`, (t) => {
    t.is(shapeOf(rounds.split(' ').map(Number), iterations), shape);
  });
}

test('what never gains anything is never rising', (t) => {
  const series = fc.array(fc.integer({ min: -100, max: 0 }), { minLength: 2, maxLength: 20 });
  fc.assert(
    fc.property(series, fc.integer({ min: 1, max: 1000 }), (increments, iterations) => {
      const shape = shapeOf(increments, iterations);
      return shape === 'flat' || shape === 'unclear';
    }),
  );
  t.pass();
});

test('an order of levels that is turned around never rises, too', (t) => {
  const series = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 5, maxLength: 10 });
  fc.assert(
    fc.property(series, (increments) => {
      if (shapeOf(increments, 60) !== 'rising') return;
      const down = increments.map((one) => -one).reverse();
      t.not(shapeOf(down, 60), 'rising');
    }),
  );
  t.pass();
});

test('levels in order come by chance once in as many times as there are orders', (t) => {
  t.is(trendChance([0, 1, 2]), 1 / 6);
  t.true(Math.abs(trendChance([0, 1, 2, 3, 4, 5]) - 1 / 720) < 1e-12);
  t.true(Math.abs(trendChance([5, 4, 3, 2, 1, 0]) - 1) < 1e-12);
  // Equal levels are no rise.
  t.true(Math.abs(trendChance([1, 1, 1]) - 1) < 1e-12);
});

test('the chances of a trend are those of all orders, counted', (t) => {
  const orders = permutations([1, 2, 3, 4, 5]);
  const inversions = (order: readonly number[]) =>
    order.flatMap((one, at) => order.slice(at + 1).filter((next) => next < one)).length;
  for (const order of orders) {
    const asSorted = orders.filter((other) => inversions(other) <= inversions(order)).length;
    t.true(Math.abs(trendChance(order) - asSorted / orders.length) < 1e-9);
  }
});

function permutations(values: readonly number[]): number[][] {
  if (values.length === 0) return [[]];
  return values.flatMap((value, at) =>
    permutations(values.filter((_one, other) => other !== at)).map((rest) => [value, ...rest]),
  );
}

test('binomial and Poisson sums are right where they are known', (t) => {
  const near = (a: number, b: number) => t.true(Math.abs(a - b) < 1e-9, `${a} ${b}`);
  near(binomialAtMost(0, 10, 0.1), 0.9 ** 10);
  near(binomialAtMost(5, 11, 0.5), 0.5);
  near(binomialAtMost(10, 10, 0.3), 1);
  near(binomialAtMost(-1, 10, 0.3), 0);
  near(poissonAtMost(0, 2), Math.exp(-2));
  near(poissonAtMost(1, 2), 3 * Math.exp(-2));
});

test('bounds of a mean enclose the count, and tighten with a larger chance', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 500 }), (count) => {
      const [low, high] = [meanAtLeast(count, 0.01), meanAtMost(count, 0.01)];
      t.true(low <= count && count <= high);
      t.true(meanAtLeast(count, 0.1) >= low && meanAtMost(count, 0.1) <= high);
    }),
  );
});

test('the size of lumps is told by noise, not by a trend', (t) => {
  t.is(lumpSize([10, 10, 10, 10, 10]), 1);
  t.is(lumpSize([50, 40, 30, 20, 10]), 1);
  t.true(lumpSize([0, 40, 0, 60, 20, 0, 40]) > 10);
});
