import test from 'ava';
import { type Begun, Watches } from '../../src/checks/index.js';

const begun = (watch: number, kind: Begun['kind'], thread = 0): Begun => ({
  watch,
  kind,
  thread,
  threadIndex: thread,
  place: `test/a.js:${watch}`,
});

test('two that count what the process allocates cannot run at once; the first goes on', (t) => {
  const watches = new Watches();
  t.is(watches.begin(begun(1, 'leaks')), null);
  const refused = watches.begin(begun(2, 'memory'));
  t.is(refused?.error.code, 'ERR_MEMPROF_OVERLAP');
  t.regex(
    refused?.error.message ?? '',
    /^expectMemoryBelow at test\/a\.js:2 began while expectNoLeaks at test\/a\.js:1 was running/,
  );
  t.regex(refused?.error.message ?? '', /test\.serial/);
  t.true(watches.has(1));
  t.false(watches.has(2));
  watches.end(1);
  t.is(watches.begin(begun(3, 'memory')), null);
});

test('one of another thread is asked to wait', (t) => {
  const watches = new Watches();
  watches.begin(begun(1, 'leaks', 1));
  const refused = watches.begin(begun(2, 'leaks', 2));
  t.is(refused?.error.code, 'ERR_MEMPROF_WAIT');
  t.regex(refused?.error.message ?? '', /runs in another thread/);
  watches.end(1);
  t.is(watches.begin(begun(2, 'leaks', 2)), null);
});

test('trackers overlap with everything', (t) => {
  const watches = new Watches();
  t.is(watches.begin(begun(1, 'track')), null);
  t.is(watches.begin(begun(2, 'leaks')), null);
  t.is(watches.begin(begun(3, 'track')), null);
  t.is(watches.begin(begun(4, 'leaks'))?.error.code, 'ERR_MEMPROF_OVERLAP');
});

test('what a thread left behind that ended stands in nobody’s way', (t) => {
  const watches = new Watches();
  watches.begin(begun(1, 'leaks', 1));
  watches.begin(begun(2, 'track', 2));
  t.deepEqual(
    watches.leftBy((threadIndex) => threadIndex === 1),
    [1],
  );
});
