// Curves over time. Dragging over one selects the range that all views follow.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { timeText } from '../format.js';
import { isWholeRange, useReport } from '../state.js';
import { cssColour } from '../theme.js';

const axisWidth = 84;
/** Bytes are read in powers of two. */
const byteSteps = Array.from({ length: 48 }, (_one, power) => 2 ** power);

export interface PlotSeries {
  name: string;
  values: readonly (number | null)[];
  colour: string;
  fill?: string;
  isStepped?: boolean;
  isDashed?: boolean;
  /** Of an area that stands on others: what the legend says of it. */
  own?: readonly (number | null)[];
}

/** Series are drawn in their order: of areas on top of each other the highest comes first. */
export function Plot({
  label,
  times,
  series,
  height,
  format,
}: {
  label: string;
  /** Seconds, in order; not those of the buckets' edges where something else was looked at. */
  times: readonly number[];
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
    const secondsOf = (edge: number) => head.edges[edge]!.atNs / 1e9;
    const edgeNear = (seconds: number) => {
      let best = 0;
      for (let at = 1; at <= bucketCount; at++)
        if (Math.abs(secondsOf(at) - seconds) < Math.abs(secondsOf(best) - seconds)) best = at;
      return best;
    };
    const values = series.map((one) => one.own ?? one.values);
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: true, live: true },
        cursor: {
          drag: { x: true, y: false, setScale: false },
          points: { size: 6 },
          // Not everything was looked at at every time.
          dataIdx: (_plot, row, at) => (row === 0 ? at : nearestKnown(values[row - 1]!, at)),
        },
        scales: {
          x: { time: false, range: [0, Math.max(secondsOf(bucketCount), times.at(-1) ?? 0)] },
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
              width: one.own === undefined ? 1.5 : 0.5,
              points: { show: false },
              spanGaps: true,
              ...(one.fill === undefined ? {} : { fill: cssColour(one.fill) }),
              ...(one.isDashed === true
                ? {
                    dash: [4, 4],
                    width: 1,
                    ...(stepsBefore === undefined ? {} : { paths: stepsBefore }),
                  }
                : {}),
              ...(one.isStepped === true && steps !== undefined ? { paths: steps } : {}),
              value: (_plot, value, row, at) => {
                const shown = one.own === undefined || at == null ? value : values[row - 1]?.[at];
                return shown == null ? '' : format(shown);
              },
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
      [[...times], ...series.map((one) => [...one.values])] as uPlot.AlignedData,
      element,
    );
    const showRange = () => {
      if (isWholeRange(data, state)) {
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        return;
      }
      const left = plot.valToPos(secondsOf(state.from), 'x');
      const width = plot.valToPos(secondsOf(state.to), 'x') - left;
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

/** Row of the nearest value that is known; the row itself where there is none. */
function nearestKnown(values: readonly (number | null)[], at: number | null): number | null {
  if (at === null) return null;
  for (let away = 0; away < values.length; away++) {
    if (values[at - away] != null) return at - away;
    if (values[at + away] != null) return at + away;
  }
  return at;
}
