// The picture: exactly as many lines as the terminal has rows, none wider than its columns.
import {
  escapeText,
  formatBytes,
  formatCount,
  formatDuration,
  padText,
  type Style,
  textWidth,
  truncateEnd,
} from '../report/index.js';
import type { Amounts, LiveSite, SortBy } from './protocol.js';
import { selectedAt, type ViewState } from './state.js';

export interface ScreenSize {
  columns: number;
  rows: number;
}

export interface ScreenOptions extends ScreenSize {
  style: Style;
  /** Whatever else is to be said at the bottom: where the program's output goes. */
  note: string;
}

const leastColumns = 20;
const leastRows = 5;
const mostPackages = 6;

/** A line with what paints it: widths are of the text alone. */
interface Line {
  text: string;
  paint?: (text: string) => string;
}

export function drawScreen(state: ViewState, options: ScreenOptions): string[] {
  const { columns, rows, style } = options;
  if (columns < leastColumns || rows < leastRows)
    return filled([{ text: `memprof: ${leastColumns}x${leastRows} at least` }], options);
  const foot = footLines(state, options);
  const head = headLines(state, options);
  const room = Math.max(0, rows - foot.length - head.length);
  const body = bodyLines(state, options, room).slice(0, room);
  while (body.length < room) body.push({ text: '' });
  return filled([...head, ...body, ...foot].slice(0, rows), { columns, rows, style });
}

function filled(lines: Line[], { columns, rows }: ScreenSize & { style?: Style }): string[] {
  const drawn = lines.map(({ text, paint }) => {
    const cut = truncateEnd(text, columns);
    return paint === undefined ? cut.trimEnd() : paint(cut);
  });
  while (drawn.length < rows) drawn.push('');
  return drawn;
}

function headLines(state: ViewState, { columns, style }: ScreenOptions): Line[] {
  const { answer } = state;
  if (answer === null) return [{ text: 'memprof: waiting for the program', paint: style.heading }];
  const { total } = answer;
  const title = spread(
    `${escapeText(answer.command)}  pid ${answer.pid}`,
    `${state.isPaused ? 'paused at ' : ''}${formatDuration(answer.elapsedNs)}`,
    columns,
  );
  const sinceNs = answer.elapsedNs - answer.markNs;
  const since = state.mark === 0 ? 'since the view began' : 'since the mark';
  const live = `${formatBytes(total.liveBytes)} in ${blocks(total.liveCount)}`;
  const peak = `peak ${formatBytes(answer.peakBytes)}`;
  const rate =
    total.eventsPerSecond === null
      ? '...'
      : `${formatCount(Math.round(total.eventsPerSecond))} events/s`;
  const bytes = total.bytesPerSecond === null ? '' : `${rateText(total.bytesPerSecond)} allocated`;
  const grown = `${signedBytes(total.growthBytes)}, ${signedCount(total.growthCount)} blocks`;
  return [
    { text: title, paint: style.heading },
    ...packed(columns, [`live  ${live}`, peak]),
    ...packed(columns, [`rate  ${rate}`, bytes]),
    ...packed(columns, [`grown ${grown}`, `${since}, ${formatDuration(sinceNs)}`]),
    { text: '' },
  ];
}

function bodyLines(state: ViewState, options: ScreenOptions, room: number): Line[] {
  if (state.isHelpShown) return helpLines;
  const { answer } = state;
  if (answer === null) return [];
  const { style } = options;
  if (state.openId !== null) return stackLines(state, options, room);
  // A small window is for the sites.
  const packageRoom = Math.min(mostPackages, Math.floor((room - 4) / 3), answer.packages.length);
  const lines: Line[] = [];
  if (packageRoom > 0) {
    const shown = answer.packages.slice(0, packageRoom);
    const more = answer.packageCount - shown.length;
    lines.push({
      text: row(
        state.sort,
        options.columns,
        titles,
        more > 0 ? `PACKAGE (${more} more)` : 'PACKAGE',
      ),
      paint: style.faint,
    });
    for (const one of shown)
      lines.push({ text: row(state.sort, options.columns, cellsOf(one), escapeText(one.name)) });
    lines.push({ text: '' });
  }
  lines.push(...siteLines(state, options, room - lines.length));
  return lines;
}

function siteLines(state: ViewState, { columns, style }: ScreenOptions, room: number): Line[] {
  const { answer } = state;
  if (answer === null) return [];
  const at = selectedAt(state);
  const shownRows = Math.max(1, room - 1);
  const first = Math.max(
    0,
    Math.min(at - Math.floor(shownRows / 2), answer.sites.length - shownRows),
  );
  const title = `SITE (${at + 1} of ${formatCount(answer.matchCount)})`;
  const lines: Line[] = [{ text: row(state.sort, columns, titles, title), paint: style.faint }];
  if (answer.sites.length === 0)
    lines.push({
      text: state.filter === '' ? '  nothing is live' : '  no site matches the filter',
    });
  for (const [offset, site] of answer.sites.slice(first, first + shownRows).entries()) {
    const isSelected = first + offset === at;
    const text = row(state.sort, columns, cellsOf(site), siteText(site, columns), isSelected);
    lines.push(isSelected ? { text, paint: style.strong } : { text });
  }
  return lines;
}

function siteText({ owner, where, isNamed }: LiveSite, columns: number): string {
  const name = escapeText(where) + (isNamed ? '' : ' ?');
  return columns < 60 ? name : `${name}  ${escapeText(owner)}`;
}

function stackLines(state: ViewState, { columns, style }: ScreenOptions, room: number): Line[] {
  const { answer, openId, stackTop } = state;
  const site = answer?.sites.find(({ id }) => id === openId);
  const lines: Line[] = [];
  if (site === undefined) lines.push({ text: 'this site is gone from the list' });
  else
    lines.push(
      { text: row(state.sort, columns, titles, 'SITE'), paint: style.faint },
      {
        text: row(state.sort, columns, cellsOf(site), siteText(site, columns), true),
        paint: style.strong,
      },
      { text: '' },
    );
  const stack = answer?.stack?.id === openId ? answer.stack.lines : ['...'];
  const left = Math.max(1, room - lines.length);
  const top = Math.max(0, Math.min(stackTop, stack.length - left));
  lines.push(...stack.slice(top, top + left).map((line) => ({ text: escapeText(line) })));
  return lines;
}

function footLines(state: ViewState, { columns, rows, style, note }: ScreenOptions): Line[] {
  const lines: Line[] = [];
  if (note !== '' && rows >= 12) lines.push({ text: escapeText(note), paint: style.faint });
  if (state.typed !== null) {
    lines.push({ text: `/${escapeText(state.typed)}_`, paint: style.strong });
    return lines;
  }
  if (state.filter !== '') {
    const unnamed = state.answer?.unnamedCount ?? 0;
    const doubt = unnamed > 0 ? `  (${formatCount(unnamed)} sites have no names yet)` : '';
    lines.push({ text: `filter: ${escapeText(state.filter)}${doubt}`, paint: style.warning });
  }
  const keys =
    state.openId === null
      ? ['q leave', '? keys', 'b c g r sort', '/ filter', 'm mark', 'p pause', 'Enter stack']
      : ['q leave', 'Enter back', 'j k scroll', 'm mark', 'p pause'];
  lines.push({ text: packedText(columns, keys, '  '), paint: style.faint });
  return lines;
}

const helpLines: Line[] = [
  'b  sites by live bytes',
  'c  by live blocks',
  'g  by growth since the mark',
  'r  by rate of allocation',
  '/  only sites with this text in package or function',
  'Esc  all sites again',
  'm  count growth from now on',
  'p  hold the figures, and go on',
  'j k, arrows, PgUp PgDn  select a site',
  'Enter  its stack, and back',
  'q  leave; the program goes on',
  'Ctrl-C  as without the view',
].map((text) => ({ text }));

type Cells = Record<'bytes' | 'blocks' | 'growth' | 'rate', string>;

const titles: Cells = { bytes: 'LIVE', blocks: 'BLOCKS', growth: 'GROWTH', rate: 'RATE' };
const widths: Record<keyof Cells, number> = { bytes: 10, blocks: 9, growth: 11, rate: 12 };

function cellsOf(amounts: Amounts): Cells {
  const { liveBytes, liveCount, growthBytes, bytesPerSecond } = amounts;
  return {
    bytes: formatBytes(liveBytes),
    blocks: formatCount(liveCount),
    growth: signedBytes(growthBytes),
    rate: bytesPerSecond === null ? '...' : rateText(bytesPerSecond),
  };
}

/** In a narrow window the column that sorts, and one more. */
function columnsFor(sort: SortBy, columns: number): (keyof Cells)[] {
  if (columns >= 72) return ['bytes', 'blocks', 'growth', 'rate'];
  if (columns < 36) return [sort];
  if (columns >= 60)
    return sort === 'rate' ? ['bytes', 'growth', 'rate'] : ['bytes', 'blocks', 'growth'];
  return sort === 'bytes' ? ['bytes'] : ['bytes', sort];
}

function row(
  sort: SortBy,
  columns: number,
  cells: Cells,
  text: string,
  isSelected = false,
): string {
  const made = columnsFor(sort, columns).map((name) => {
    const isTitle = cells === titles;
    const cell = isTitle && name === sort && columns >= 36 ? `${cells[name]} v` : cells[name];
    return padText(cell, widths[name], 'right');
  });
  return `${isSelected ? '>' : ' '}${made.join(' ')}  ${text}`;
}

const blocks = (count: number): string =>
  `${formatCount(count)} ${count === 1 ? 'block' : 'blocks'}`;
const rateText = (perSecond: number): string => `${formatBytes(Math.round(perSecond))}/s`;
const signedBytes = (sizeBytes: number): string =>
  `${sizeBytes > 0 ? '+' : ''}${formatBytes(sizeBytes)}`;
const signedCount = (count: number): string => `${count > 0 ? '+' : ''}${formatCount(count)}`;

function spread(left: string, right: string, columns: number): string {
  const room = columns - textWidth(right) - 2;
  const cut = truncateEnd(left, Math.max(1, room));
  return `${padText(cut, Math.max(0, room), 'left')}  ${right}`;
}

/** Parts side by side while they fit, else under each other. */
function packed(columns: number, parts: readonly string[]): Line[] {
  const present = parts.filter((part) => part !== '');
  const joined = present.join('   ');
  if (textWidth(joined) <= columns) return [{ text: joined }];
  return present.map((text, at) => ({ text: at === 0 ? text : `      ${text}` }));
}

function packedText(columns: number, parts: readonly string[], gap: string): string {
  let text = '';
  for (const part of parts) {
    const next = text === '' ? part : text + gap + part;
    if (textWidth(next) > columns) break;
    text = next;
  }
  return text;
}
