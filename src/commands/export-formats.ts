// What each format of memprof export is made of: the sums, names and events that it needs, asked of the trace.
import { MemprofError } from '../errors.js';
import {
  allocatedSums,
  blocksTable,
  collapsedStacks,
  collectProfile,
  csvFile,
  dhatFile,
  eventsTable,
  firefoxProfile,
  heapProfile,
  heaptrackFile,
  liveSums,
  lostSums,
  type Measure,
  parquetFile,
  peakSums,
  pprofProfile,
  type RowKind,
  type StackProfile,
  type StackSums,
  speedscopeFile,
  stackIdsOf,
  stacksTable,
  type Table,
  temporarySums,
} from '../exporters/index.js';
import type { Moment, TraceModel } from '../model/index.js';
import { chooseCheckpoint, chooseMoment, entryName, noEvents, threadName } from '../query/index.js';
import { readTraceEvents } from '../record/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import type { TraceCommand } from './context.js';
import type { ExportFormat } from './export-names.js';

export interface ExportRequest {
  command: TraceCommand;
  measure: Measure;
  /** False: `live` because none was named. */
  hasMeasure: boolean;
  moment: Moment['name'] | undefined;
  rows: RowKind;
}

type Pieces = Iterable<string | Uint8Array>;

export interface Format {
  ending: string;
  pieces(request: ExportRequest): Promise<Pieces>;
}

const ofStacks =
  (write: (profile: StackProfile) => Pieces) =>
  async (request: ExportRequest): Promise<Pieces> =>
    write(await profileOf(request, await sumsOf(request)));

/** In blocks a tool that counts bytes would say something else. */
const inBytes =
  (format: string, write: (profile: StackProfile) => Pieces) =>
  async (request: ExportRequest): Promise<Pieces> => {
    if (request.measure === 'temporary')
      throw new MemprofError(
        'ERR_MEMPROF_MEASURE',
        `${format} counts bytes, and of temporary blocks a trace knows how many there were. Use --format pprof, speedscope or collapsed`,
      );
    return ofStacks(write)(request);
  };

const ofTables =
  (write: (table: Table) => Pieces) =>
  async (request: ExportRequest): Promise<Pieces> =>
    write(await tableOf(request));

export const formats: Record<Exclude<ExportFormat, 'heapsnapshot'>, Format> = {
  pprof: {
    ending: 'pb.gz',
    pieces: async (request) => {
      const sums = await sumsOf(request);
      // Go's heap profiles have both, and tools let the user choose.
      const more = request.hasMeasure ? [] : [allocatedSums(request.command.model)];
      return pprofProfile(await profileOf(request, [...sums, ...more]));
    },
  },
  speedscope: {
    ending: 'speedscope.json',
    pieces: ofStacks(speedscopeFile),
  },
  firefox: {
    ending: 'firefox.json',
    pieces: inBytes('firefox', firefoxProfile),
  },
  collapsed: {
    ending: 'collapsed.txt',
    pieces: ofStacks(collapsedStacks),
  },
  heapprofile: {
    ending: 'heapprofile',
    pieces: inBytes('heapprofile', heapProfile),
  },
  heaptrack: {
    ending: 'heaptrack.zst',
    pieces: async ({ command }) => {
      const { model, tracePath } = command;
      if (!model.hasEvents) throw noEvents(tracePath);
      return heaptrackFile(model, await everyStack(command), readTraceEvents(tracePath));
    },
  },
  dhat: {
    ending: 'dhat.json',
    pieces: async ({ command }) => {
      const { model, tracePath } = command;
      const events = model.hasEvents ? readTraceEvents(tracePath) : null;
      return dhatFile(model, await everyStack(command), events);
    },
  },
  csv: { ending: 'csv', pieces: ofTables(csvFile) },
  parquet: { ending: 'parquet', pieces: ofTables(parquetFile) },
};

async function sumsOf({ command, measure, moment }: ExportRequest): Promise<StackSums[]> {
  const { model, tracePath } = command;
  switch (measure) {
    case 'live':
      return [liveSums(model, chooseMoment(model, moment).live)];
    case 'allocated':
      return [allocatedSums(model)];
    case 'temporary':
      return [temporarySums(model)];
    case 'lost':
      return [lostSums(model, scannedCheckpoint(model))];
    case 'peak': {
      if (!model.hasEvents) throw noEvents(tracePath);
      const sums = peakSums(model, readTraceEvents(tracePath));
      if (sums === null)
        throw new MemprofError(
          'ERR_MEMPROF_NO_PEAK',
          `${tracePath} does not hold all events up to the peak, so nobody knows what lived then. Use --measure live or allocated`,
        );
      return [sums];
    }
  }
}

function scannedCheckpoint(model: TraceModel) {
  const checkpoint = chooseCheckpoint(model, undefined);
  if (checkpoint.scanFailure !== null)
    throw new MemprofError(
      'ERR_MEMPROF_NO_CHECKPOINT',
      `the last checkpoint was not scanned (${checkpoint.scanFailure}), so what is lost is not known`,
    );
  return checkpoint;
}

async function profileOf(
  { command, measure, moment }: ExportRequest,
  sums: StackSums[],
): Promise<StackProfile> {
  const { model } = command;
  const symbols = await command.nameStacks(model, stackIdsOf(sums));
  const atNs =
    measure === 'live'
      ? chooseMoment(model, moment).atNs
      : measure === 'peak'
        ? model.totals.peakNs
        : model.atEnd.atNs;
  return collectProfile(model, symbols, sums, atNs);
}

/** Of every stack that ever allocated. */
function everyStack({ model, nameStacks }: TraceCommand): Promise<SymbolizedStacks> {
  return nameStacks(model, stackIdsOf([allocatedSums(model)]));
}

async function tableOf({ command, moment, rows }: ExportRequest): Promise<Table> {
  const { model, tracePath } = command;
  const names = {
    entryName,
    threadName(index: number): string {
      const thread = model.threads[index];
      return thread === undefined ? 'unknown' : threadName(thread, model);
    },
  };
  switch (rows) {
    case 'stacks':
      return stacksTable(model, await everyStack(command));
    case 'events':
      if (!model.hasEvents) throw noEvents(tracePath);
      return eventsTable(readTraceEvents(tracePath), names);
    case 'blocks': {
      const chosen = chooseMoment(model, moment);
      const ids = stackIdsOf([liveSums(model, chosen.live)]);
      const symbols = await command.nameStacks(model, ids);
      return blocksTable(model, chosen, symbols, names);
    }
  }
}
