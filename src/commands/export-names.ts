// Names of the formats and measures of memprof export: all that the command line needs to know of them.
import type { Measure, RowKind } from '../exporters/index.js';

export const stackFormats = ['pprof', 'speedscope', 'firefox', 'collapsed', 'heapprofile'] as const;
export const eventFormats = ['heaptrack', 'dhat'] as const;
export const tableFormats = ['csv', 'parquet'] as const;
export const exportFormats = [
  ...stackFormats,
  ...eventFormats,
  ...tableFormats,
  'heapsnapshot',
] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** What opens it. */
export const formatTools: Readonly<Record<ExportFormat, string>> = {
  pprof: 'go tool pprof, Pyroscope, Speedscope',
  speedscope: 'Speedscope (https://www.speedscope.app)',
  firefox: 'the Firefox Profiler (https://profiler.firefox.com)',
  collapsed: 'flamegraph.pl, inferno and whatever reads folded stacks',
  heapprofile: 'Chrome DevTools (Memory, Load) and VS Code',
  heaptrack: 'heaptrack_gui and heaptrack_print',
  dhat: "valgrind's dh_view.html",
  csv: 'DuckDB, spreadsheets, pandas',
  parquet: 'DuckDB, pandas, Polars',
  heapsnapshot: 'Chrome DevTools (Memory, Load) and memlab; needs memprof-run --retainers',
};

export const exportMeasures = [
  'live',
  'allocated',
  'temporary',
  'peak',
  'lost',
] as const satisfies readonly Measure[];
export const exportRows = ['blocks', 'events', 'stacks'] as const satisfies readonly RowKind[];
