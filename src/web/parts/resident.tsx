// Resident memory over time, what it consists of, and what of it is live.
import { useMemo, useState } from 'preact/hooks';
import type { PageData } from '../../html/page-data.js';
import { type TimelineFacts, type TimelinePart, timelineParts } from '../../html/report-data.js';
import { formatBytes, formatCount, timeText } from '../format.js';
import { useReport } from '../state.js';
import { PlainTable } from './plain-table.js';
import { Plot, type PlotSeries } from './plot.js';

const partColours: Readonly<Record<TimelinePart, string>> = {
  heapBytes: '--mem-live',
  v8Bytes: '--mem-v8',
  mappedBytes: '--mem-mapped',
  fileBytes: '--mem-files',
  stackBytes: '--mem-stacks',
  memprofBytes: '--mem-own',
  restBytes: '--mem-rest',
};

export function Resident() {
  const { data } = useReport();
  const { timeline } = data.head.memory;
  const drawn = useMemo(
    () => (timeline === null ? null : residentSeries(data, timeline)),
    [data, timeline],
  );
  if (timeline === null || drawn === null)
    return (
      <section aria-label="Resident memory">
        <h2>Resident memory</h2>
        <p class="empty">
          {data.head.live?.isRunning === true
            ? 'Resident memory over time is known when the program has ended.'
            : 'The trace has no resident memory over time: it is from an older memprof, or the process was gone before anybody could look.'}
        </p>
      </section>
    );
  return (
    <section aria-label="Resident memory">
      <h2>Resident memory</h2>
      <Plot
        label="Resident memory over time with its parts, and live bytes; the table below has the same"
        times={drawn.times}
        height={260}
        series={drawn.series}
        format={(value) => formatBytes(Math.round(value))}
      />
      <p class="faint">
        {timeline.peakText} Of the whole process, as seen from outside: package and thread do not
        apply. {lookedText(drawn.partsCount)} Checkpoints have exact parts: see Memory.
      </p>
      <TimelineTable timeline={timeline} />
    </section>
  );
}

function lookedText(count: number): string {
  const rest = 'rest is large blocks of malloc and what cannot be told from outside.';
  const looked = `What it consists of was looked at ${count === 1 ? 'once' : `${formatCount(count)} times`}, never for more than 0.5% of the time`;
  if (count === 0) return 'Nobody looked what it consists of.';
  if (count === 1) return `${looked}: the table has it; ${rest}`;
  return `${looked}. Parts stand on each other and are told by area, so they are estimates; ${rest}`;
}

function residentSeries(
  data: PageData,
  timeline: TimelineFacts,
): { times: number[]; series: PlotSeries[]; partsCount: number } {
  const { resident, parts } = data;
  // The recording lags behind: what is live is as of so long before.
  const liveAt = resident.at.map((at, row) => Math.max(0, at - resident.lag[row]!));
  const times = [...new Set([...resident.at, ...parts.at, ...liveAt])].sort((a, b) => a - b);
  const rowOf = new Map(times.map((at, row) => [at, row]));
  const column = (at: Float64Array, values: ArrayLike<number>) => {
    const placed = new Array<number | null>(times.length).fill(null);
    for (let row = 0; row < at.length; row++) placed[rowOf.get(at[row]!)!] = values[row]!;
    return placed;
  };
  const shown = timelineParts.filter((key) => timeline.parts.some((one) => one.key === key));
  const below = new Float64Array(parts.at.length);
  const areas: PlotSeries[] = [];
  for (const key of shown) {
    const own = column(parts.at, parts[key]);
    for (let row = 0; row < below.length; row++) below[row]! += parts[key][row]!;
    const colour = partColours[key];
    const { title } = timeline.parts.find((one) => one.key === key)!;
    areas.push({ name: title, values: column(parts.at, below), own, colour, fill: colour });
  }
  return {
    times: times.map((at) => at / 1e9),
    partsCount: parts.at.length,
    series: [
      // The highest of the areas first: each further one covers what lies below.
      ...(parts.at.length > 1 ? areas.reverse() : []),
      { name: 'resident', values: column(resident.at, resident.bytes), colour: '--text' },
      { name: 'live', values: column(liveAt, resident.live), colour: '--bad' },
    ],
  };
}

function TimelineTable({ timeline }: { timeline: TimelineFacts }) {
  const { head } = useReport().data;
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="as-table">
      <button type="button" class="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {isOpen ? 'No table' : 'As a table'}
      </button>
      {isOpen && (
        <PlainTable
          heads={['Time', 'Resident', 'Live', 'Blocks', ...timeline.parts.map((one) => one.title)]}
          rows={timeline.rows.map((row) => ({
            key: String(row.atNs),
            cells: [
              timeText(row.atNs, head),
              formatBytes(row.residentBytes),
              formatBytes(row.liveBytes),
              formatCount(row.liveCount),
              ...timeline.parts.map((_part, at) =>
                row.parts === null ? '' : formatBytes(row.parts[at]!),
              ),
            ],
          }))}
        />
      )}
    </div>
  );
}
