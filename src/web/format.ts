// Words and numbers of the page.
import type { PageData } from '../html/page-data.js';
import type { ReportHead } from '../html/report-data.js';
import { peakEdge, type Selection } from '../html/selection.js';
import { formatBytes, formatDuration } from '../report/units.js';

export { formatBytes, formatCount, formatDuration, formatPercent } from '../report/units.js';

/** A moment since the start, as exact as the length of the run makes sense of. */
export function timeText(atNs: number, { durationNs }: Pick<ReportHead, 'durationNs'>): string {
  if (atNs === 0) return '0 s';
  if (durationNs < 1e9) return `${(atNs / 1e6).toFixed(1)} ms`;
  if (durationNs < 100e9) return `${(atNs / 1e9).toFixed(2)} s`;
  return formatDuration(atNs);
}

export function edgeName(head: ReportHead, edge: number): string {
  const { atNs, kind, text } = head.edges[edge]!;
  const time = timeText(atNs, head);
  switch (kind) {
    case 'peak':
      return `${time}, the peak`;
    case 'teardown':
      return `${time}, before Node’s teardown`;
    case 'checkpoint':
      return `${time}, ${text}`;
    case 'mark':
      return `${time}, mark ${text}`;
    case 'end':
      if (head.live?.isRunning === true) return `${time}, now`;
      return `${time}, ${head.isComplete ? 'the end' : 'the end of what was recorded'}`;
    case 'start':
      return 'the start';
    default:
      return time;
  }
}

export const changeText = (bytes: number): string =>
  bytes === 0 ? 'same' : `${bytes > 0 ? '+' : '−'}${formatBytes(Math.abs(bytes))}`;

/** What the numbers are, in words. */
export function measureText(data: PageData, selection: Selection): string {
  const { head } = data;
  const { from, to, measure } = selection;
  const isFromStart = from === 0;
  switch (measure) {
    case 'live':
      return isFromStart
        ? `live at ${edgeName(head, to)}`
        : 'allocated in this range and still live at its end';
    case 'peak': {
      const edge = peakEdge(data, from, to);
      return head.edges[edge]!.kind === 'peak'
        ? `live at the peak, at ${timeText(head.edges[edge]!.atNs, head)}`
        : `live at ${edgeName(head, edge)}, the highest edge of a bucket in this range`;
    }
    case 'total':
      return isFromStart && to === data.bucketCount
        ? 'allocated in the whole run'
        : isFromStart
          ? `allocated until ${edgeName(head, to)}`
          : 'allocated in this range';
    case 'temporary':
      return 'freed by the very next call of their thread';
    case 'lost':
      return `lost or orphaned at checkpoint ${head.verdictCheckpoint ?? ''}${isFromStart ? '' : ', allocated in this range'}`;
  }
}

export const sizeClassText = (size: number): string => {
  if (size <= 0) return '≤ 1 B';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = Math.min(4, Math.floor(size / 10));
  return `≤ ${2 ** (size - 10 * unit)} ${units[unit]}`;
};

/** The upper end of a class of lifetimes: 10^(life/2) ns. */
export const lifeClassText = (life: number): string => {
  if (life === 0) return 'too short to tell';
  const half = life % 2 === 1 ? 3.16 : 1;
  const power = Math.floor(life / 2);
  const units: [number, string][] = [
    [9, 's'],
    [6, 'ms'],
    [3, 'µs'],
    [0, 'ns'],
  ];
  const [base, unit] = units.find(([least]) => power >= least) ?? [0, 'ns'];
  const value = half * 10 ** (power - base);
  return `< ${value >= 31 ? Math.round(value) : Number(value.toPrecision(2))} ${unit}`;
};
