import test from 'ava';
import fc from 'fast-check';
import {
  type Amounts,
  drawScreen,
  Figures,
  firstState,
  type Key,
  type LiveAnswer,
  press,
  type ViewState,
} from '../../src/live/index.js';
import type { StackTotals } from '../../src/model/index.js';
import { plainStyle, textWidth } from '../../src/report/index.js';

const amounts = (liveBytes: number, liveCount: number): Amounts => ({
  liveBytes,
  liveCount,
  growthBytes: liveBytes / 2,
  growthCount: liveCount / 2,
  bytesPerSecond: 2048,
  eventsPerSecond: 1234,
});

const answer = (names: string[] = ['leak']): LiveAnswer & { kind: 'figures' } => ({
  kind: 'figures',
  version: 1,
  pid: 42,
  command: 'node app.js',
  elapsedNs: 12.5e9,
  peakBytes: 30 << 20,
  total: amounts(20 << 20, 4000),
  markNs: 2.5e9,
  packages: [{ name: 'leaky 1.0.0', ...amounts(16 << 20, 3000) }],
  packageCount: 3,
  sites: names.map((where, at) => ({
    id: String(at + 1),
    owner: 'leaky 1.0.0',
    where,
    isNamed: at === 0,
    ...amounts(1 << 20, 10),
  })),
  matchCount: names.length,
  siteCount: 9,
  unnamedCount: 1,
  stack: null,
});

const draw = (state: ViewState, columns: number, rows: number) =>
  drawScreen(state, { columns, rows, style: plainStyle, note: '' });
const shown = (names?: string[]): ViewState => ({ ...firstState, answer: answer(names) });

test('at 40 columns: the column that sorts, and names', (t) => {
  t.deepEqual(draw(shown(['leak leaky.cc:3', 'leaky.node+0x12']), 40, 18), [
    'node app.js  pid 42              12.50 s',
    'live  20.0 MiB in 4,000 blocks',
    '      peak 30.0 MiB',
    'rate  1,234 events/s',
    '      2.0 KiB/s allocated',
    'grown +10.0 MiB, +2,000 blocks',
    '      since the view began, 10.00 s',
    '',
    '     LIVE v  PACKAGE (2 more)',
    '   16.0 MiB  leaky 1.0.0',
    '',
    '     LIVE v  SITE (1 of 2)',
    '>   1.0 MiB  leak leaky.cc:3',
    '    1.0 MiB  leaky.node+0x12 ?',
    '',
    '',
    '',
    'q leave  ? keys  b c g r sort  / filter',
  ]);
});

test('at 80 columns: all figures', (t) => {
  t.deepEqual(draw(shown(['leak leaky.cc:3', 'leaky.node+0x12']), 80, 14), [
    'node app.js  pid 42                                                      12.50 s',
    'live  20.0 MiB in 4,000 blocks   peak 30.0 MiB',
    'rate  1,234 events/s   2.0 KiB/s allocated',
    'grown +10.0 MiB, +2,000 blocks   since the view began, 10.00 s',
    '',
    '     LIVE v    BLOCKS      GROWTH         RATE  PACKAGE (2 more)',
    '   16.0 MiB     3,000    +8.0 MiB    2.0 KiB/s  leaky 1.0.0',
    '',
    '     LIVE v    BLOCKS      GROWTH         RATE  SITE (1 of 2)',
    '>   1.0 MiB        10  +512.0 KiB    2.0 KiB/s  leak leaky.cc:3  leaky 1.0.0',
    '    1.0 MiB        10  +512.0 KiB    2.0 KiB/s  leaky.node+0x12 ?  leaky 1.0.0',
    '',
    '',
    'q leave  ? keys  b c g r sort  / filter  m mark  p pause  Enter stack',
  ]);
});

test('every picture fills the terminal and fits it, and hostile names stay text', (t) => {
  const names = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constant('\x1b[2J漢字\u202e')));
  const size = fc.record({
    columns: fc.integer({ min: 1, max: 200 }),
    rows: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(names, size, fc.boolean(), (all, { columns, rows }, isOpen) => {
      const state = { ...shown(all), openId: isOpen ? '1' : null, note: '\x1b]0;x\x07' };
      const lines = draw(state, columns, rows);
      return (
        lines.length === rows &&
        lines.every((line) => textWidth(line) <= columns && !/[\u0000-\u001f\u202e]/.test(line))
      );
    }),
  );
  t.pass();
});

test('at 160 columns: wide characters count twice, marks on others not at all', (t) => {
  const site = (name: string) => draw(shown([name]), 160, 14)[9]?.slice(48);
  t.is(site('漢'.repeat(200)), `${'漢'.repeat(55)}…`);
  t.is(site(`${'e\u0301'.repeat(90)}`), `${'e\u0301'.repeat(90)}  leaky 1.0.0`);
});

const pressed = (state: ViewState, ...keys: (string | Exclude<Key['kind'], 'text'>)[]): ViewState =>
  keys.reduce((now, key) => {
    const one = key.length === 1 ? { kind: 'text', text: key } : { kind: key };
    return press(now, one as Key).state;
  }, state);

test('keys sort, select, open, filter, mark and hold', (t) => {
  const state = shown(['one', 'two', 'three']);
  t.is(pressed(state, 'g').sort, 'growth');
  t.is(pressed(state, 'j', 'j', 'up').selectedId, '2');
  t.is(pressed(state, 'j', 'enter').openId, '2');
  t.is(pressed(state, 'j', 'enter', 'escape').openId, null);
  t.is(pressed(state, '/', 'q', 'x', 'erase', 'enter').filter, 'q');
  t.is(pressed(state, 'm').mark, 1);
  t.is(pressed(state, 'p').isPaused, true);
  t.is(press(state, { kind: 'text', text: 'q' }).wish, 'leave');
});

const totals = (...stacks: [count: number, bytes: number, live: number][]): StackTotals => ({
  allocationCount: Float64Array.from(stacks, ([count]) => count),
  allocatedBytes: Float64Array.from(stacks, ([, bytes]) => bytes),
  liveCount: Float64Array.from(stacks, ([, , live]) => Math.sign(live)),
  liveBytes: Float64Array.from(stacks, ([, , live]) => live),
  temporaryCount: new Float64Array(stacks.length),
});

test('growth is counted from the mark, rates from the last look, stacks of one site together', (t) => {
  const figures = new Figures((id) => ({
    siteKey: id === 3 ? null : id === 4 ? 'b' : 'a',
    packageName: id === 4 ? 'other' : 'leaky',
  }));
  const look = (atNs: number, ...stacks: [number, number, number][]) =>
    figures.look({ atNs, eventCount: 100, stacks: totals([0, 0, 0], ...stacks) });
  look(1e9, [1, 100, 100], [1, 50, 50], [1, 7, 7], [1, 1, 1]);
  figures.mark(0);
  t.is(figures.total().bytesPerSecond, null);
  look(3e9, [3, 300, 300], [2, 90, 90], [1, 7, 7], [1, 1, 0]);
  figures.mark(0);
  const [site] = figures.sites('growth');
  t.like(site, { stackId: 1, stackIds: [1, 2] });
  t.like(site?.amounts, { liveBytes: 390, growthBytes: 240, bytesPerSecond: 120 });
  t.deepEqual(
    figures.packages().map(({ name, liveBytes }) => `${name} ${liveBytes}`),
    ['leaky 397', 'other 0'],
  );
  figures.mark(1);
  t.is(figures.total().growthBytes, 0);
});
