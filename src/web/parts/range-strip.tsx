// The run as a narrow strip: live memory, marks, and the range that is selected. Drag over it, or move its two ends by
// keyboard.
import { useMemo, useRef, useState } from 'preact/hooks';
import { liveAtEdges } from '../../html/selection.js';
import { edgeName, timeText } from '../format.js';
import { useReport } from '../state.js';

const width = 1000;
const height = 44;

export function RangeStrip() {
  const { data, state, change } = useReport();
  const { head, bucketCount } = data;
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const strip = useRef<HTMLDivElement>(null);
  const live = useMemo(
    () => liveAtEdges(data, { package: state.package, thread: state.thread }),
    [data, state.package, state.thread],
  );
  const endNs = head.edges[bucketCount]!.atNs || 1;
  const xOf = (edge: number) => (head.edges[edge]!.atNs / endNs) * width;
  const path = useMemo(() => {
    const most = Math.max(1, ...live);
    let text = `M0 ${height}`;
    for (let edge = 0; edge <= bucketCount; edge++)
      text += `L${xOf(edge).toFixed(1)} ${(height - (live[edge]! / most) * (height - 6)).toFixed(1)}`;
    return `${text}L${width} ${height}Z`;
  }, [live]);
  const range = drag ?? state;
  const edgeAt = (clientX: number) => {
    const box = (strip.current as HTMLDivElement).getBoundingClientRect();
    const ns = ((clientX - box.left) / box.width) * endNs;
    let best = 0;
    for (let edge = 1; edge <= bucketCount; edge++)
      if (Math.abs(head.edges[edge]!.atNs - ns) < Math.abs(head.edges[best]!.atNs - ns))
        best = edge;
    return best;
  };
  const ordered = (a: number, b: number) => {
    const from = Math.min(a, b, bucketCount - 1);
    return { from, to: Math.max(a, b, from + 1) };
  };
  const anchor = useRef(0);
  const onDown = (event: PointerEvent) => {
    if (event.button !== 0 || (event.target as Element).getAttribute('role') === 'slider') return;
    strip.current?.setPointerCapture(event.pointerId);
    anchor.current = edgeAt(event.clientX);
    setDrag(ordered(anchor.current, anchor.current));
  };
  const onMove = (event: PointerEvent) => {
    if (drag !== null) setDrag(ordered(anchor.current, edgeAt(event.clientX)));
  };
  const onUp = (event: PointerEvent) => {
    if (drag === null) return;
    const end = edgeAt(event.clientX);
    setDrag(null);
    if (end !== anchor.current) change(ordered(anchor.current, end));
  };
  const onKey = (which: 'from' | 'to') => (event: KeyboardEvent) => {
    const step = event.shiftKey ? 10 : 1;
    const moves: Record<string, number> = {
      ArrowLeft: state[which] - step,
      ArrowDown: state[which] - step,
      ArrowRight: state[which] + step,
      ArrowUp: state[which] + step,
      Home: which === 'from' ? 0 : state.from + 1,
      End: which === 'from' ? state.to - 1 : bucketCount,
    };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    change(
      which === 'from'
        ? { from: Math.min(Math.max(0, to), state.to - 1) }
        : { to: Math.max(Math.min(bucketCount, to), state.from + 1) },
    );
  };
  const percent = (edge: number) => `${(xOf(edge) / width) * 100}%`;
  const handle = (which: 'from' | 'to', label: string) => (
    <div
      class={`handle ${which}`}
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={bucketCount}
      aria-valuenow={range[which]}
      aria-valuetext={edgeName(head, range[which])}
      style={{ left: percent(range[which]) }}
      onKeyDown={onKey(which)}
      onPointerDown={(event) => {
        event.stopPropagation();
        strip.current?.setPointerCapture(event.pointerId);
        anchor.current = which === 'from' ? state.to : state.from;
        setDrag({ from: state.from, to: state.to });
      }}
    />
  );
  return (
    <div class="strip-box">
      <div
        class="strip"
        ref={strip}
        title="Drag to select a range of time"
        onPointerDown={onDown}
        onPointerMove={onMove}
        onPointerUp={onUp}
        onPointerCancel={() => setDrag(null)}
        onDblClick={() => change({ from: 0, to: head.defaultEndEdge })}
      >
        <svg
          viewBox={`0 0 ${width} ${height}`}
          preserveAspectRatio="none"
          role="img"
          aria-label="Live memory over the run"
        >
          <path class="area" d={path} />
          {head.edges.map((edge, at) =>
            edge.kind === 'checkpoint' || edge.kind === 'mark' || edge.kind === 'teardown' ? (
              <line
                key={at}
                class={`tick ${edge.kind}`}
                x1={xOf(at)}
                x2={xOf(at)}
                y1={0}
                y2={height}
              />
            ) : null,
          )}
        </svg>
        <div class="shade" style={{ left: 0, width: percent(range.from) }} />
        <div class="shade" style={{ left: percent(range.to), right: 0 }} />
        {handle('from', 'Start of the range')}
        {handle('to', 'End of the range')}
      </div>
      <div class="strip-labels" aria-hidden="true">
        {timeText(head.edges[range.from]!.atNs, head)} to{' '}
        {timeText(head.edges[range.to]!.atNs, head)} of {timeText(endNs, head)}
      </div>
    </div>
  );
}
