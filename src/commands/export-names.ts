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
export const exportMeasures = [
  'live',
  'allocated',
  'temporary',
  'peak',
  'lost',
] as const satisfies readonly Measure[];
export const exportRows = ['blocks', 'events', 'stacks'] as const satisfies readonly RowKind[];
