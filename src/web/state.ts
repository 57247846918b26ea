// What the reader has chosen: the view and the one selection that all views follow. Kept in the address' hash, so
// that a link leads to what was seen.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { PageData } from '../html/page-data.js';
import type { Measure, ViewName } from '../html/report-data.js';
import { allPackages, type Selection, type Sums } from '../html/selection.js';
import type { Theme } from './theme.js';

export interface State extends Selection {
  view: ViewName;
  /** Row of groups whose stack is shown; 0: none. */
  group: number;
  query: string;
  /** Number of the checkpoint of which memory is shown; 0: the last. */
  checkpoint: number;
}

export type Change = Partial<State>;

export interface Report {
  data: PageData;
  state: State;
  /** Of the selection, by site and by group. */
  bySite: Sums;
  byGroup: Sums;
  /** What was live in the trace that is compared with, where the selection can be; else null. */
  before: { bySite: Sums; byGroup: Sums } | null;
  change(change: Change): void;
  /** For what is drawn on canvas. */
  theme: Theme;
}

const ReportContext = createContext<Report | null>(null);
export const ReportProvider = ReportContext.Provider;

export function useReport(): Report {
  const report = useContext(ReportContext);
  if (report === null) throw new Error('a view outside of the report');
  return report;
}

export const views: readonly { name: ViewName; title: string }[] = [
  { name: 'overview', title: 'Overview' },
  { name: 'timeline', title: 'Timeline' },
  { name: 'flame', title: 'Flame graph' },
  { name: 'sites', title: 'Sites' },
  { name: 'owners', title: 'Blocks & owners' },
  { name: 'memory', title: 'Memory' },
  { name: 'napi', title: 'Node-API' },
];

export const measures: readonly { name: Measure; title: string }[] = [
  { name: 'live', title: 'Live' },
  { name: 'peak', title: 'Peak' },
  { name: 'total', title: 'Total' },
  { name: 'temporary', title: 'Temporary' },
  { name: 'lost', title: 'Lost' },
];

/** Why a measure cannot be shown of this trace; null: it can. */
export function whyNot({ head }: PageData, measure: Measure): string | null {
  if (measure === 'lost')
    return head.hasVerdicts ? null : 'No checkpoint says what is lost in this trace.';
  if (measure === 'live' || head.hasEvents) return null;
  return 'The trace has no events: only what was live is known.';
}

/** What was live before is known as a whole: not by thread, nor for a range. */
export function canCompare(data: PageData, state: State): boolean {
  const { measure, thread } = state;
  return (
    data.head.compared !== null && measure === 'live' && thread < 0 && isWholeRange(data, state)
  );
}

export function firstState(data: PageData): State {
  return {
    view: 'overview',
    measure: 'live',
    from: 0,
    to: data.head.defaultEndEdge,
    package: allPackages,
    thread: -1,
    group: 0,
    query: '',
    checkpoint: 0,
  };
}

export function isWholeRange(data: PageData, { from, to }: Pick<State, 'from' | 'to'>): boolean {
  return from === 0 && to === data.head.defaultEndEdge;
}

export function stateOfHash(data: PageData, hash: string): State {
  const words = new URLSearchParams(hash.replace(/^#/, ''));
  const state = firstState(data);
  const number = (name: string, low: number, high: number, otherwise: number) => {
    const text = words.get(name);
    const value = text === null || text === '' ? Number.NaN : Number(text);
    return Number.isInteger(value) && value >= low && value <= high ? value : otherwise;
  };
  const view = views.find((one) => one.name === words.get('view'));
  if (view !== undefined) state.view = view.name;
  const measure = measures.find((one) => one.name === words.get('measure'));
  if (measure !== undefined && whyNot(data, measure.name) === null) state.measure = measure.name;
  state.from = number('from', 0, data.bucketCount - 1, state.from);
  state.to = number('to', state.from + 1, data.bucketCount, Math.max(state.from + 1, state.to));
  state.package = number('package', -2, data.head.packages.length - 1, state.package);
  state.thread = number('thread', -1, data.head.threads.length - 1, state.thread);
  state.group = number('group', 0, data.groups.site.length - 1, 0);
  const numbers = data.head.memory.checkpoints.map((one) => one.number);
  state.checkpoint = number('checkpoint', 0, numbers.at(-1) ?? 0, 0);
  if (!numbers.includes(state.checkpoint)) state.checkpoint = 0;
  state.query = words.get('find') ?? '';
  return state;
}

export function hashOfState(data: PageData, state: State): string {
  const first = firstState(data);
  const words = new URLSearchParams({ view: state.view });
  for (const name of ['measure', 'from', 'to', 'package', 'thread', 'group', 'checkpoint'] as const)
    if (state[name] !== first[name]) words.set(name, String(state[name]));
  if (state.query !== '') words.set('find', state.query);
  return `#${words}`;
}
