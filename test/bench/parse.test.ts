import test from 'ava';
import fc from 'fast-check';
import { parseLaunched, parseSummary, parseUsed, parseWalks } from '../../bench/support/parse.js';
import { MemprofError } from '../../src/errors.js';

const launched =
  '{"beginNs": 10, "commandEndNs": 20, "endNs": 30, "userNs": 4, "systemNs": 5, "code": 0, "signal": 0, "isOverdue": false}';

test('what the launcher writes is read', (t) => {
  t.deepEqual(parseLaunched(launched), {
    beginNs: 10,
    commandEndNs: 20,
    endNs: 30,
    userNs: 4,
    systemNs: 5,
    code: 0,
    signal: 0,
    isOverdue: false,
  });
});

test('what the probe writes is read, and who it was', (t) => {
  const text = (isMeasured: boolean): string =>
    JSON.stringify({ isMeasured, endNs: 1, userNs: 2, systemNs: 3, peakBytes: 4 });
  t.true(parseUsed(text(true)).isMeasured);
  t.false(parseUsed(text(false)).isMeasured);
  t.is(parseUsed(text(true)).peakBytes, 4);
});

test('events are allocations and releases', (t) => {
  const summary = {
    allocated: { blockCount: 7, sizeBytes: 700 },
    released: { blockCount: 5, sizeBytes: 500 },
    losses: { ringWaitNs: 12 },
  };
  t.deepEqual(parseSummary(JSON.stringify(summary)), { eventCount: 12, ringWaitNs: 12 });
});

test('figures of the unwinder are read row by row', (t) => {
  const row = { depth: 5, changing: 3, medianNs: 30.5, minNs: 29, maxNs: 40 };
  t.deepEqual(parseWalks(JSON.stringify([row, { ...row, depth: 20 }])), [
    row,
    { ...row, depth: 20 },
  ]);
});

test('a missing number is named, with what was there instead', (t) => {
  const error = t.throws(() => parseLaunched('{"beginNs": 1}'), { instanceOf: MemprofError });
  t.is(error.message, 'launcher: expected a number called commandEndNs, got "{\\"beginNs\\":1}"');
});

test('output that was cut is refused', (t) => {
  for (let length = 0; length < launched.length; length++) {
    t.throws(() => parseLaunched(launched.slice(0, length)), { instanceOf: MemprofError });
  }
});

test('no text makes a parser throw anything but its own error', (t) => {
  const texts = fc.oneof(fc.string(), fc.json());
  fc.assert(
    fc.property(texts, (text) => {
      for (const parse of [parseLaunched, parseUsed, parseSummary, parseWalks]) {
        try {
          parse(text);
        } catch (error) {
          if (!(error instanceof MemprofError)) throw error;
        }
      }
    }),
  );
  t.pass();
});
