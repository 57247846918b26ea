// The run over time. Dragging over it selects the range that all views follow.
import { useMemo } from 'preact/hooks';
import { allocatedInBuckets, liveAtEdges } from '../../html/selection.js';
import { hasCanvas, noCanvasText } from '../canvas.js';
import { edgeName, formatBytes, formatCount, formatDuration } from '../format.js';
import { Plot, type PlotSeries } from '../parts/plot.js';
import { Resident } from '../parts/resident.js';
import { firstState, isWholeRange, useReport } from '../state.js';

export function TimelineView() {
  const { data, state } = useReport();
  const { head, bucketCount } = data;
  const isDrawn = useMemo(hasCanvas, []);
  const live = useMemo(
    () => liveAtEdges(data, { package: state.package, thread: state.thread }),
    [data, state.package, state.thread],
  );
  const allocated = useMemo(
    () => allocatedInBuckets(data, { package: state.package, thread: state.thread }),
    [data, state.package, state.thread],
  );
  if (!isDrawn)
    return (
      <p class="empty" role="alert">
        {noCanvasText}
      </p>
    );
  const isFiltered = state.package !== -1 || state.thread !== -1;
  const times = head.edges.map((edge) => edge.atNs / 1e9);
  const rates = [...allocated.bytes].map((bytes, at) => {
    const seconds = times[at + 1]! - times[at]!;
    return seconds > 0 ? bytes / seconds : null;
  });
  const highest = [null, ...data.series.maxBytes].slice(0, bucketCount + 1);
  return (
    <div class="timeline">
      <h2>Live memory</h2>
      <Plot
        label="Live memory over time"
        times={times}
        height={230}
        series={[
          { name: 'live', values: [...live], colour: '--accent', fill: '--accent-faint' },
          ...(isFiltered || !head.hasEvents
            ? []
            : [
                {
                  name: 'highest in the bucket',
                  values: highest,
                  colour: '--warn',
                  isDashed: true,
                },
              ]),
        ]}
        format={(value) => formatBytes(Math.round(value))}
      />
      {head.hasEvents ? (
        <>
          <h2>Allocation rate</h2>
          <Plot
            label="Bytes allocated a second, over time"
            times={times}
            height={150}
            series={[stepped('allocated a second', rates)]}
            format={(value) => `${formatBytes(Math.round(value))}/s`}
          />
        </>
      ) : (
        <p class="empty">
          The trace has no events: live memory is drawn by when its blocks were born, and there is
          no rate.
        </p>
      )}
      {head.hasEvents && <Collected times={times} />}
      <Resident />
      <Marks />
      <p class="faint">
        Time is kept in {formatCount(bucketCount)} buckets
        {head.coarseness > 1
          ? ` (${head.coarseness} times as long as usual, to keep this file small)`
          : ''}
        , of {formatDuration(head.edges[bucketCount]!.atNs / Math.max(1, bucketCount))} on average.
        A range begins and ends where buckets do, and is exact there; checkpoints, marks, the peak
        and Node’s teardown are such places. The curve between them is drawn straight.
      </p>
    </div>
  );
}

/** Garbage collections of V8, in a bucket each. */
function Collected({ times }: { times: readonly number[] }) {
  const { data, state } = useReport();
  const { count, pause } = data.collections;
  const all = sum(count);
  if (all === 0)
    return (
      <p class="empty">
        The trace tells of no garbage collection: V8 made none, the program is not Node, or an older
        memprof recorded it.
      </p>
    );
  const chosen = [state.from, state.to] as const;
  return (
    <>
      <h2>Garbage collections</h2>
      <p class="faint">
        {formatCount(all)}, for which threads stood still for {formatDuration(sum(pause))} in all;
        in the selected range {formatCount(sum(count.subarray(...chosen)))}, for{' '}
        {formatDuration(sum(pause.subarray(...chosen)))}. Each checkpoint of a Node process collects
        right before it, and counts. Those of Node’s teardown do not.
      </p>
      <Plot
        label="Garbage collections over time"
        times={times}
        height={110}
        series={[stepped('collections', [...count])]}
        format={(value) => formatCount(Math.round(value))}
      />
    </>
  );
}

/** A value for each bucket; the last goes on to the last edge. */
const stepped = (name: string, values: readonly (number | null)[]): PlotSeries => ({
  name,
  values: [...values, values.at(-1) ?? null],
  colour: '--js',
  fill: '--js-faint',
  isStepped: true,
});

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);

function Marks() {
  const { data, state, change } = useReport();
  const { head } = data;
  const rows = head.edges
    .map((edge, at) => ({ ...edge, at }))
    .filter((edge) => edge.kind !== 'time');
  const first = firstState(data);
  return (
    <section class="marks" aria-label="Moments">
      <h2>Moments</h2>
      <ul>
        {rows
          .filter((edge) => edge.kind !== 'start')
          .map((edge) => (
            <li key={edge.at} class={edge.at === state.to ? 'chosen' : ''}>
              <button
                type="button"
                class="link"
                onClick={() => change({ from: Math.min(state.from, edge.at - 1), to: edge.at })}
              >
                up to {edgeName(head, edge.at)}
              </button>
            </li>
          ))}
      </ul>
      {!isWholeRange(data, state) && (
        <button
          type="button"
          class="quiet"
          onClick={() => change({ from: first.from, to: first.to })}
        >
          The whole run
        </button>
      )}
    </section>
  );
}
