// What memprof diff compares: a measure of a trace at a moment, as amounts by stack.
import {
  type AmountsByStack,
  allocatedAmounts,
  liveAmounts,
  talliedAmounts,
} from '../diff/index.js';
import { ExitCode, MemprofError } from '../errors.js';
import type { Checkpoint, LiveSet, Moment, TraceModel, Verdict } from '../model/index.js';
import {
  type AtMark,
  blockFilter,
  type FilterOptions,
  type MarkedMoment,
  markedMoment,
  momentNames,
  replayAt,
} from '../query/index.js';

export const diffMeasures = ['live', 'allocated', 'lost'] as const;
export type DiffMeasure = (typeof diffMeasures)[number];

/** Nobody will free it. */
const lostVerdicts: ReadonlySet<Verdict> = new Set(['lost', 'lost-indirect', 'orphaned']);

export interface TracedModel {
  model: TraceModel;
  tracePath: string;
}

export interface MeasuredMoment {
  trace: TracedModel;
  moment: MarkedMoment;
  amounts: AmountsByStack;
}

/** `names`: as the user gave them; undefined: the measure's own choice. */
export function chooseMoments(
  before: TracedModel,
  after: TracedModel,
  names: { from?: string; to?: string },
  measure: DiffMeasure,
): [MarkedMoment, MarkedMoment] {
  const isOneTrace = before === after;
  const [from, to] = isOneTrace
    ? ['start', measure === 'lost' ? lastCheckpoint(after) : usualMoment(measure, [after])]
    : measure === 'lost'
      ? [lastCheckpoint(before), lastCheckpoint(after)]
      : Array<string>(2).fill(usualMoment(measure, [before, after]));
  return [
    markedMoment(before.model, names.from ?? from, before.tracePath),
    markedMoment(after.model, names.to ?? to, after.tracePath),
  ];
}

/** One for both: what teardown frees must not count on one side only. */
function usualMoment(measure: DiffMeasure, traces: readonly TracedModel[]): string {
  const isReached = traces.every(({ model }) => model.beforeTeardown !== null);
  return measure === 'live' && isReached ? 'before-teardown' : 'end';
}

function lastCheckpoint({ model, tracePath }: TracedModel): string {
  const last = model.checkpoints?.at(-1);
  if (last !== undefined) return `#${last.number}`;
  throw new MemprofError(
    'ERR_MEMPROF_NO_CHECKPOINT',
    `${tracePath} has no checkpoint, so nobody knows what is lost. Record it without --checkpoint none, or compare what is live`,
  );
}

export function measureAt(
  moments: readonly { trace: TracedModel; moment: MarkedMoment }[],
  measure: DiffMeasure,
  filters: FilterOptions,
): MeasuredMoment[] {
  const hasBlockFilter = (['thread', 'size', 'age'] as const).filter(
    (name) => filters[name] !== undefined,
  );
  if (measure !== 'live' && hasBlockFilter.length > 0)
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      `--measure ${measure} has sums by call site, which have no thread, size or age. Leave out ${hasBlockFilter.map((name) => `--${name}`).join(', ')}`,
      ExitCode.usage,
    );
  const replayed = replayAll(moments, measure);
  return moments.map(({ trace, moment }) => {
    const at = moment.markIndex === null ? undefined : replayed.get(trace)?.get(moment.markIndex);
    return { trace, moment, amounts: amountsAt(trace, moment, at, measure, filters) };
  });
}

function replayAll(
  moments: readonly { trace: TracedModel; moment: MarkedMoment }[],
  measure: DiffMeasure,
): Map<TracedModel, Map<number, AtMark>> {
  const wanted = new Map<TracedModel, Set<number>>();
  if (measure === 'lost') return new Map();
  for (const { trace, moment } of moments) {
    const isReady = measure === 'live' && moment.moment !== null;
    if (moment.markIndex === null || isReady || !trace.model.hasEvents) continue;
    const indices = wanted.get(trace) ?? new Set();
    wanted.set(trace, indices.add(moment.markIndex));
  }
  return new Map(
    [...wanted].map(([trace, indices]) => [trace, replayAt(trace.tracePath, indices)]),
  );
}

function amountsAt(
  trace: TracedModel,
  moment: MarkedMoment,
  at: AtMark | undefined,
  measure: DiffMeasure,
  filters: FilterOptions,
): AmountsByStack {
  if (moment.isStart) return new Map();
  switch (measure) {
    case 'lost':
      return talliedAmounts(scannedCheckpoint(trace, moment), lostVerdicts);
    case 'allocated': {
      const totals = moment.name === 'end' ? trace.model.stackTotals : at?.stackTotals;
      if (totals === undefined) throw noEvents(trace, moment, 'what was allocated');
      return allocatedAmounts(totals);
    }
    case 'live':
      return liveAt(trace, moment, at, filters);
  }
}

function liveAt(
  trace: TracedModel,
  moment: MarkedMoment,
  at: AtMark | undefined,
  filters: FilterOptions,
): AmountsByStack {
  const live: LiveSet | undefined =
    moment.moment?.live ?? at?.live ?? moment.checkpoint?.detail?.live;
  const atMoment = { name: 'at-end', atNs: moment.atNs, live } as Moment;
  const filter = blockFilter(trace.model, atMoment, filters);
  if (live !== undefined) return liveAmounts(live, filter);
  // Without events a checkpoint still has its sums.
  if (moment.checkpoint !== null && filter === null) return talliedAmounts(moment.checkpoint, null);
  throw noEvents(trace, moment, filter === null ? 'what was live' : 'which blocks were live');
}

function noEvents({ model, tracePath }: TracedModel, moment: MarkedMoment, what: string) {
  const numbers = (model.checkpoints ?? []).map((one) => `#${one.number}`);
  const others = momentNames(model).filter(
    (name) => ['start', 'before-teardown', 'end'].includes(name) || numbers.includes(name),
  );
  const why = model.hasEvents
    ? 'the event stream ends before it'
    : 'the trace has no events (memprof-run --events none)';
  return new MemprofError(
    'ERR_MEMPROF_NO_EVENTS',
    `${tracePath} does not say ${what} at ${moment.text}: ${why}. It knows ${others.join(', ')}`,
  );
}

function scannedCheckpoint({ model, tracePath }: TracedModel, moment: MarkedMoment): Checkpoint {
  const last = model.checkpoints?.at(-1);
  // The one at the end is taken just before teardown.
  const checkpoint =
    moment.checkpoint ?? (moment.moment !== null && last?.reason === 'exit' ? last : null);
  if (checkpoint === null) {
    const numbers = (model.checkpoints ?? []).map((one) => `#${one.number}`);
    throw new MemprofError(
      'ERR_MEMPROF_NO_CHECKPOINT',
      `${tracePath}: what is lost is known at checkpoints alone, and ${moment.text} is none. ${numbers.length === 0 ? 'The trace has none' : `It has ${numbers.join(', ')}`}`,
      ExitCode.usage,
    );
  }
  if (checkpoint.scanFailure !== null)
    throw new MemprofError(
      'ERR_MEMPROF_NOT_SCANNED',
      `${tracePath}: nobody knows what is lost at checkpoint ${checkpoint.number}, which was not scanned: ${checkpoint.scanFailure}`,
    );
  return checkpoint;
}
