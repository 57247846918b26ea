// The run over time. Dragging over it selects the range that all views follow.
import { useEffect, useMemo, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { allocatedInBuckets, liveAtEdges } from '../../html/selection.js';
import { hasCanvas, noCanvasText } from '../canvas.js';
import { edgeName, formatBytes, formatCount, formatDuration, timeText } from '../format.js';
import { firstState, isWholeRange, useReport } from '../state.js';
import { cssColour } from '../theme.js';

const axisWidth = 84;
/** Bytes are read in powers of two. */
const byteSteps = Array.from({ length: 48 }, (_one, power) => 2 ** power);

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
            series={[
              {
                name: 'allocated a second',
                values: [...rates, rates.at(-1) ?? null],
                colour: '--js',
                fill: '--js-faint',
                isStepped: true,
              },
            ]}
            format={(value) => `${formatBytes(Math.round(value))}/s`}
          />
        </>
      ) : (
        <p class="empty">
          The trace has no events: live memory is drawn by when its blocks were born, and there is
          no rate.
        </p>
      )}
      <Marks />
      <p class="faint">
        Time is kept in {formatCount(bucketCount)} buckets
        {head.coarseness > 1
          ? ` (${head.coarseness} times as long as usual, to keep this file small)`
          : ''}
        , of {formatDuration(head.edges[bucketCount]!.atNs / Math.max(1, bucketCount))} on average.
        A range begins and ends where buckets do, and is exact there; checkpoints, marks, the peak
        and Node’s teardown are such places. The curve between them is drawn straight. Garbage
        collections and resident memory are not in traces yet.
      </p>
    </div>
  );
}

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

interface PlotSeries {
  name: string;
  values: readonly (number | null)[];
  colour: string;
  fill?: string;
  isStepped?: boolean;
  isDashed?: boolean;
}

function Plot({
  label,
  times,
  series,
  height,
  format,
}: {
  label: string;
  times: number[];
  series: readonly PlotSeries[];
  height: number;
  format: (value: number) => string;
}) {
  const { data, state, change, theme } = useReport();
  const place = useRef<HTMLDivElement>(null);
  const { head, bucketCount } = data;
  useEffect(() => {
    const element = place.current as HTMLDivElement;
    const colour = { text: cssColour('--muted'), grid: cssColour('--line') };
    const steps = uPlot.paths.stepped?.({ align: 1 });
    // Its value at an edge is of the bucket before.
    const stepsBefore = uPlot.paths.stepped?.({ align: -1 });
    const axis = {
      stroke: colour.text,
      grid: { stroke: colour.grid, width: 1 },
      ticks: { stroke: colour.grid, width: 1, size: 4 },
      font: `11px ${cssColour('--sans')}`,
    };
    const edgeNear = (seconds: number) => {
      let best = 0;
      for (let at = 1; at <= bucketCount; at++)
        if (Math.abs(times[at]! - seconds) < Math.abs(times[best]! - seconds)) best = at;
      return best;
    };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: true, live: true },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
        scales: {
          x: { time: false, range: [0, times.at(-1) ?? 1] },
          y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.08)] },
        },
        axes: [
          {
            ...axis,
            values: (_plot, splits) => splits.map((one) => timeText(one * 1e9, head)),
            space: 90,
            size: 34,
          },
          {
            ...axis,
            size: axisWidth,
            incrs: byteSteps,
            space: 34,
            values: (_plot, splits) => splits.map((one) => format(one)),
          },
        ],
        series: [
          {
            label: 'time',
            value: (_plot, value) => (value == null ? '' : timeText(value * 1e9, head)),
          },
          ...series.map(
            (one): uPlot.Series => ({
              label: one.name,
              stroke: cssColour(one.colour),
              width: 1.5,
              points: { show: false },
              ...(one.fill === undefined ? {} : { fill: cssColour(one.fill) }),
              ...(one.isDashed === true
                ? {
                    dash: [4, 4],
                    width: 1,
                    ...(stepsBefore === undefined ? {} : { paths: stepsBefore }),
                  }
                : {}),
              ...(one.isStepped === true && steps !== undefined ? { paths: steps } : {}),
              value: (_plot, value) => (value == null ? '' : format(value)),
            }),
          ),
        ],
        hooks: {
          setSelect: [
            (self) => {
              const { left, width } = self.select;
              if (width < 2) return;
              const from = edgeNear(self.posToVal(left, 'x'));
              const to = edgeNear(self.posToVal(left + width, 'x'));
              change({
                from: Math.min(from, bucketCount - 1),
                to: Math.max(to, Math.min(from, bucketCount - 1) + 1),
              });
            },
          ],
          draw: [
            (self) => {
              const { ctx, bbox } = self;
              ctx.save();
              for (const edge of head.edges) {
                if (
                  edge.kind !== 'checkpoint' &&
                  edge.kind !== 'mark' &&
                  edge.kind !== 'teardown' &&
                  edge.kind !== 'peak'
                )
                  continue;
                const x = Math.round(self.valToPos(edge.atNs / 1e9, 'x', true)) + 0.5;
                ctx.strokeStyle = cssColour(edge.kind === 'teardown' ? '--bad' : '--muted');
                ctx.globalAlpha = edge.kind === 'peak' ? 0.35 : 0.6;
                ctx.setLineDash(edge.kind === 'peak' ? [2, 3] : []);
                ctx.beginPath();
                ctx.moveTo(x, bbox.top);
                ctx.lineTo(x, bbox.top + bbox.height);
                ctx.stroke();
              }
              ctx.restore();
            },
          ],
        },
      },
      [times, ...series.map((one) => [...one.values])] as uPlot.AlignedData,
      element,
    );
    const showRange = () => {
      if (isWholeRange(data, state)) {
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        return;
      }
      const left = plot.valToPos(times[state.from]!, 'x');
      const width = plot.valToPos(times[state.to]!, 'x') - left;
      plot.setSelect({ left, width, top: 0, height: plot.over.clientHeight }, false);
    };
    showRange();
    const observer = new ResizeObserver(() => {
      plot.setSize({ width: element.clientWidth, height });
      showRange();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [
    data,
    series.map((one) => one.name).join(),
    state.package,
    state.thread,
    state.from,
    state.to,
    theme,
  ]);
  return <div class="plot" ref={place} role="img" aria-label={label} />;
}
