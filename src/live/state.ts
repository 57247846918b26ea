// What a view shows of what it got, and what its keys change.
import type { Key } from './keys.js';
import { type LiveAnswer, type LiveRequest, liveVersion, type SortBy } from './protocol.js';

type Figures = Extract<LiveAnswer, { kind: 'figures' }>;

export interface ViewState {
  sort: SortBy;
  filter: string;
  /** What is being typed after /; null: nothing is. */
  typed: string | null;
  isPaused: boolean;
  mark: number;
  /** null: the first. */
  selectedId: string | null;
  /** Whose stack fills the lower part; null: the sites do. */
  openId: string | null;
  /** Lines of the open stack that are scrolled over. */
  stackTop: number;
  isHelpShown: boolean;
  answer: Figures | null;
}

/** What a key asks for beyond the view. */
export type Wish = 'leave' | 'interrupt' | 'quit' | 'suspend' | 'redraw' | 'look' | null;

export const firstState: ViewState = {
  sort: 'bytes',
  filter: '',
  typed: null,
  isPaused: false,
  mark: 0,
  selectedId: null,
  openId: null,
  stackTop: 0,
  isHelpShown: false,
  answer: null,
};

const longestFilter = 200;
const pageRows = 10;
const sortKeys: Readonly<Record<string, SortBy>> = {
  b: 'bytes',
  c: 'blocks',
  g: 'growth',
  r: 'rate',
};

export function requestOf(
  state: ViewState,
  pid: number | null,
  size: { columns: number; rows: number },
): LiveRequest {
  return {
    version: liveVersion,
    pid,
    sort: state.sort,
    filter: state.filter,
    // The selected one may be further down than what fits.
    siteLimit: 200,
    packageLimit: size.rows,
    stackOf: state.openId,
    columns: size.columns,
    mark: state.mark,
  };
}

export function withAnswer(state: ViewState, answer: LiveAnswer): ViewState {
  if (answer.kind !== 'figures') return state;
  // A stack is looked at while the figures stand still.
  if (state.isPaused && state.openId !== null && state.answer !== null)
    return { ...state, answer: { ...state.answer, stack: answer.stack } };
  return { ...state, answer };
}

export function press(state: ViewState, key: Key): { state: ViewState; wish: Wish } {
  switch (key.kind) {
    case 'interrupt':
    case 'quit':
    case 'suspend':
    case 'redraw':
      return { state, wish: key.kind };
  }
  if (state.typed !== null) return { state: typing(state, state.typed, key), wish: 'look' };
  if (state.isHelpShown) return { state: { ...state, isHelpShown: false }, wish: null };
  switch (key.kind) {
    case 'text':
      return command(state, key.text);
    case 'up':
      return moved(state, -1);
    case 'down':
      return moved(state, 1);
    case 'page-up':
      return moved(state, -pageRows);
    case 'page-down':
      return moved(state, pageRows);
    case 'home':
      return moved(state, Number.NEGATIVE_INFINITY);
    case 'end':
      return moved(state, Number.POSITIVE_INFINITY);
    case 'enter':
      return { state: opened(state), wish: 'look' };
    case 'escape':
      if (state.openId !== null) return { state: { ...state, openId: null }, wish: null };
      return { state: { ...state, filter: '' }, wish: 'look' };
    case 'erase':
      return { state, wish: null };
  }
}

/** Where the selection is in what was answered; -1: nowhere. */
export function selectedAt({ answer, selectedId }: ViewState): number {
  if (answer === null || answer.sites.length === 0) return -1;
  const at = answer.sites.findIndex(({ id }) => id === selectedId);
  return Math.max(at, 0);
}

function typing(state: ViewState, typed: string, key: Key): ViewState {
  switch (key.kind) {
    case 'text':
      return { ...state, typed: `${typed}${key.text}`.slice(0, longestFilter) };
    case 'erase':
      return { ...state, typed: typed === '' ? null : [...typed].slice(0, -1).join('') };
    case 'enter':
      return { ...state, filter: typed, typed: null, selectedId: null, openId: null };
    case 'escape':
      return { ...state, typed: null };
    default:
      return state;
  }
}

function command(state: ViewState, text: string): { state: ViewState; wish: Wish } {
  const sort = sortKeys[text];
  if (sort !== undefined) return { state: { ...state, sort }, wish: 'look' };
  switch (text) {
    case 'q':
      return { state, wish: 'leave' };
    case '/':
      return { state: { ...state, typed: state.filter, openId: null }, wish: null };
    case 'p':
    case ' ':
      return {
        state: { ...state, isPaused: !state.isPaused },
        wish: state.isPaused ? 'look' : null,
      };
    case 'm':
      return { state: { ...state, mark: state.mark + 1 }, wish: 'look' };
    case 'j':
      return moved(state, 1);
    case 'k':
      return moved(state, -1);
    case '?':
    case 'h':
      return { state: { ...state, isHelpShown: true }, wish: null };
    default:
      return { state, wish: null };
  }
}

function moved(state: ViewState, by: number): { state: ViewState; wish: Wish } {
  const within = (at: number, count: number) => Math.min(Math.max(at, 0), Math.max(0, count - 1));
  if (state.openId !== null) {
    const lineCount = state.answer?.stack?.lines.length ?? 0;
    return { state: { ...state, stackTop: within(state.stackTop + by, lineCount) }, wish: null };
  }
  const sites = state.answer?.sites ?? [];
  const site = sites[within(selectedAt(state) + by, sites.length)];
  return { state: { ...state, selectedId: site?.id ?? null }, wish: null };
}

function opened(state: ViewState): ViewState {
  if (state.openId !== null) return { ...state, openId: null };
  const site = state.answer?.sites[selectedAt(state)];
  if (site === undefined) return state;
  return { ...state, selectedId: site.id, openId: site.id, stackTop: 0 };
}
