// From measurements to RESULTS.md.
import test from 'ava';
import { renderResults, splitNotes } from '../../bench/markdown.js';
import { addedNs, figuresOf, isReached, parseResults, type Results } from '../../bench/results.js';
import { formatNs, formatRatio, formatSpread } from '../../bench/support/statistics.js';
import type { Run } from '../../bench/variants.js';
import { MemprofError } from '../../src/errors.js';

const ms = 1e6;

function runOf(wallMs: number, programMs: number): Run {
  return {
    wallNs: wallMs * ms,
    recordWallNs: wallMs * ms,
    cpuAllNs: programMs * ms,
    cpuProgramNs: programMs * ms,
    peakProgramBytes: 2 ** 20,
    peakOtherBytes: 2 ** 21,
    tailNs: ms,
    code: 0,
    signal: 0,
    isOverdue: false,
  };
}

const notRun = { figures: null, skipped: 'left out by the options' } as const;

/** A million events: natively 100 ms, 40 ns more for each under memprof-run, 300 ns under heaptrack. */
function resultsOf(changes: Partial<Results> = {}): Results {
  return {
    schema: 'memprof.bench/1',
    isQuick: false,
    machine: {
      date: '2026-01-02',
      cpu: 'A CPU',
      coreCount: 2,
      memoryBytes: 2 ** 34,
      kernel: '6.1',
      node: 'v20.20.2',
      heaptrack: '1.4.0',
      commit: 'abc',
      load: 0.1,
    },
    durationNs: 60e9,
    measured: [
      {
        name: 'tree',
        title: 'A tree of things',
        aims: { addedNs: 45, wall: 1.2 },
        skipped: null,
        runs: {
          native: [runOf(100, 100), runOf(200, 200)],
          memprof: [runOf(150, 140), runOf(300, 240)],
          heaptrack: [runOf(500, 400), runOf(700, 500)],
        },
        failures: {},
        trace: { eventCount: 1e6, ringWaitNs: 0, traceBytes: 1.5e6 },
      },
    ],
    heaptrackOnDistinct: null,
    alone: { unwinder: notRun, reader: notRun, symbols: notRun, stacks: notRun },
    ...changes,
  };
}

const lineWith = (text: string, part: string): string =>
  text.split('\n').find((line) => line.includes(part)) ?? '';

test('the cost of an event is the program’s extra CPU by its events', (t) => {
  const [measured] = resultsOf().measured;
  t.is(formatSpread(addedNs(measured, 'memprof')!, formatNs), '40');
  t.is(formatSpread(addedNs(measured, 'heaptrack')!, formatNs), '300');
});

test('a variant that did not run has no figure', (t) => {
  t.is(addedNs(resultsOf().measured[0], 'recording'), null);
});

test('a figure is held against its aim from the right side', (t) => {
  const results = resultsOf({
    alone: {
      unwinder: notRun,
      reader: {
        figures: {
          results: [
            {
              workload: 'short-lived',
              stages: { 'drain+ledger': { medianEventsPerSecond: 26e6 } },
            },
          ],
        },
        skipped: null,
      },
      symbols: { figures: { large: { medianMs: 3500 } }, skipped: null },
      stacks: {
        figures: [
          { workload: 'sharp', allocationCount: 10, toRootShare: 0.5, goal: 0.6, broken: 5 },
        ],
        skipped: null,
      },
    },
  });
  t.deepEqual(
    figuresOf(results).map((figure) => `${figure.id} ${isReached(figure) ? 'reached' : 'missed'}`),
    [
      'tree: added CPU reached',
      'tree: wall missed',
      'reader: short-lived reached',
      'symbols: 20,000 addresses in 80 MB of debug info missed',
      'stacks: sharp missed',
    ],
  );
});

test('tables show aim, heaptrack and ours', (t) => {
  const text = renderResults(resultsOf(), '');
  t.is(lineWith(text, '| ≤ 45 |'), '| A tree of things | ≤ 45 | 300 | 40 | 1,000,000 | 1.50 |');
  t.is(lineWith(text, '| ≤ 1.2 |'), '| A tree of things | ≤ 1.2 | 4.25 (3.50–5.00) | 1.50 |');
});

test('a missed aim without a note is marked, and with one the note is shown', (t) => {
  const without = renderResults(resultsOf(), '# Notes\n\nBy hand.\n');
  t.regex(without, /1 of 2 figures reach their aim/);
  t.regex(without, /- tree: wall: 1\.50 x native, aim 1\.2 or less/);
  t.regex(without, /Not explained yet: write `## tree: wall`/);

  const notes = '# Notes\n\nBy hand.\n\n## tree: wall\n\nTried a hash; gave 3 ns.\n';
  const withNote = renderResults(resultsOf(), notes);
  t.notRegex(withNote, /Not explained yet/);
  t.regex(withNote, /\n\n### tree: wall\n\nTried a hash; gave 3 ns\./);
});

test('what was skipped is said with the reason and counts as no figure', (t) => {
  const results = resultsOf();
  results.measured[0].skipped = 'the npm registry did not give it';
  const text = renderResults(results, '');
  t.regex(text, /Skipped: A tree of things: the npm registry did not give it\./);
  t.deepEqual(figuresOf(results), []);
});

test('a peer that is not installed leaves its columns empty and says how to get it', (t) => {
  const results = resultsOf();
  results.machine.heaptrack = null;
  delete results.measured[0].runs.heaptrack;
  const text = renderResults(results, '');
  t.regex(text, /not installed \(apt install heaptrack\)/);
  t.is(lineWith(text, '| ≤ 45 |'), '| A tree of things | ≤ 45 | – | 40 | 1,000,000 | 1.50 |');
});

test('a share of stacks is never rounded up to all of them', (t) => {
  const row = { workload: 'tsc', allocationCount: 1e6, toRootShare: 1, goal: 0.999 };
  const figures = [{ ...row, complete: 999_998, recovered: 1, cut: 1 }];
  const { alone } = resultsOf();
  const text = renderResults(
    resultsOf({ alone: { ...alone, stacks: { figures, skipped: null } } }),
    '',
  );
  t.is(lineWith(text, '| tsc |'), '| tsc | ≥ 99.9 % | 99.99 % | 1,000,000 | 999,998 | 1 | 1 |');
});

test('only the sections of the notes are copied, not what is said to their writer', (t) => {
  t.deepEqual(splitNotes('# Title\n\nFirst.\n\n## a: wall\n\nx\n## b\n'), {
    sections: '## a: wall\n\nx\n## b',
    headings: ['a: wall', 'b'],
  });
  t.deepEqual(splitNotes('First.\n'), { sections: '', headings: [] });
});

test('results are written and read again, equal; anything else is refused', (t) => {
  const results = resultsOf();
  t.deepEqual(parseResults(JSON.stringify(results), 'r.json'), results);
  for (const text of ['', 'null', '[]', '{"schema":"memprof.bench/0"}']) {
    t.throws(() => parseResults(text, 'r.json'), { instanceOf: MemprofError, message: /r\.json/ });
  }
});

test('ratios of one round each still have a median', (t) => {
  const results = resultsOf();
  const { runs } = results.measured[0];
  runs.native = [runOf(100, 100)];
  runs.memprof = [runOf(114, 120)];
  t.is(
    figuresOf(results)
      .map(({ value }) => formatRatio(value))
      .join(' '),
    '20.0 1.14',
  );
});

test('a checkpoint’s figures are summed and measured against their aims', (t) => {
  const figures = {
    ...{ programNs: 1.2e9, scanNs: 0.3e9, agentBytes: 2 ** 27, readerBytes: 2 ** 27 },
    scan: { bytesPerSecond: 2 ** 29 },
  };
  const alone = { ...resultsOf().alone, checkpoint: { figures, skipped: null } };
  const results = resultsOf({ alone });
  const found = figuresOf(results).filter(({ id }) => id.startsWith('checkpoint: '));
  t.deepEqual(
    found.map((figure) => [figure.value, figure.unit, isReached(figure)]),
    [
      [1.5, 's', true],
      [256, 'MiB', true],
      [0.5, 'GiB a second', false],
    ],
  );
  t.regex(
    renderResults(results, ''),
    /## A checkpoint\n[\s\S]*≥ 1 GiB a second \| 0\.50 GiB a second/,
  );
});
