// bench/RESULTS.md out of results and bench/NOTES.md. Pure.
import { tables } from './markdown-tables.js';
import { type Figure, figuresOf, isReached, type Machine, type Results } from './results.js';
import { formatBytes, formatTime } from './support/statistics.js';

function machineLines(machine: Machine): string[] {
  return [
    `- ${machine.date}, commit ${machine.commit || 'unknown'}`,
    `- ${machine.cpu}, ${machine.coreCount} cores, ${formatBytes(machine.memoryBytes)} of memory, Linux ${machine.kernel}`,
    `- Node ${machine.node}; heaptrack ${machine.heaptrack ?? 'not installed (apt install heaptrack): its columns are empty'}`,
    `- load before the run: ${machine.load.toFixed(1)}${machine.load > 0.7 ? ': **the machine was busy, so take the figures with care**' : ''}`,
  ];
}

/** Digits as they are meaningful: 1.14, 23.4, 118. */
export const formatFigure = (value: number): string =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);

function figureLine(figure: Figure): string {
  const than = figure.isFloor ? 'or more' : 'or less';
  return `- ${figure.id}: ${formatFigure(figure.value)} ${figure.unit}, aim ${figure.aim} ${than}`;
}

/** The notes from the first `##` on, and the headings in it. What stands before is for their writer. */
export function splitNotes(notes: string): { sections: string; headings: string[] } {
  const lines = notes.split('\n');
  const first = lines.findIndex((line) => line.startsWith('## '));
  const kept = first < 0 ? [] : lines.slice(first);
  return {
    sections: kept.join('\n').trim(),
    headings: kept.filter((line) => line.startsWith('## ')).map((line) => line.slice(3).trim()),
  };
}

function misses(results: Results, notes: string): string[] {
  const figures = figuresOf(results);
  const missed = figures.filter((figure) => !isReached(figure));
  const { sections, headings } = splitNotes(notes);
  const unexplained = missed.filter(({ id }) => !headings.includes(id));
  return [
    `${figures.length - missed.length} of ${figures.length} figures reach their aim (median).`,
    '',
    ...(missed.length === 0
      ? []
      : ['These do not; what was tried, what it gave and where the time goes follows:', '']),
    ...missed.map(figureLine),
    ...unexplained.flatMap(({ id }) => [
      '',
      `### ${id}`,
      '',
      `Not explained yet: write \`## ${id}\` in bench/NOTES.md (tried, gave, where the time goes).`,
    ]),
    ...(sections === '' ? [] : ['', sections.replace(/^## /gm, '### ')]),
  ];
}

export function renderResults(results: Results, notes: string): string {
  return `${[
    '# Benchmark',
    '',
    'Written by `npm run bench`: do not edit. What is said by hand stands in bench/NOTES.md.',
    ...(results.isQuick
      ? ['', '**A quick run, to see that the benchmark works: its figures say nothing.**']
      : []),
    '',
    ...machineLines(results.machine),
    `- the run took ${formatTime(results.durationNs)}`,
    '',
    '## How to get it',
    '',
    '```',
    'scripts/bench                     # installs and builds what is missing, then runs it all',
    'npm run bench -- --only sharp     # one workload, printed only; --quick, --pairs N, --json FILE',
    '```',
    '',
    'Every round runs native, memprof-run (all events in the trace, report printed) and heaptrack once each, one',
    'after the other. By default memprof-run also takes a checkpoint at the end, which heaptrack has nothing to',
    'compare with: so its figures are without (`--checkpoint none`), and with it apart. Figures are medians (min–max); ratios and differences are taken within',
    'rounds, so that what slows the machine for a while slows both sides. heaptrack’s wall includes',
    'heaptrack_print. *Added CPU* is user and system time of the program itself, above native’s, by the',
    'allocations and releases that memprof counts.',
    '',
    ...tables(results),
    '## Aims',
    '',
    ...misses(results, notes),
  ].join('\n')}\n`;
}
