// A table of any number of rows of which only those in sight exist. One row is focused; arrow keys move it.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface VirtualTableProps {
  label: string;
  rowCount: number;
  rowHeight: number;
  /** Of row 0: the header. */
  header: ComponentChildren;
  row: (at: number) => ComponentChildren;
  rowClass?: (at: number) => string;
  /** -1: none. */
  chosen: number;
  onChoose: (at: number) => void;
}

const spare = 6;

export function VirtualTable(props: VirtualTableProps) {
  const { rowCount, rowHeight, chosen } = props;
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  const [active, setActive] = useState(0);
  useEffect(() => {
    const element = box.current as HTMLDivElement;
    const look = () => setScroll({ top: element.scrollTop, height: element.clientHeight });
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => setActive(Math.max(0, Math.min(active, rowCount - 1))), [rowCount]);
  useEffect(() => {
    if (chosen >= 0) show(chosen);
  }, [chosen]);
  const first = Math.max(0, Math.floor(scroll.top / rowHeight) - spare);
  const last = Math.min(rowCount, Math.ceil((scroll.top + scroll.height) / rowHeight) + spare);
  const show = (at: number) => {
    const element = box.current as HTMLDivElement;
    const top = at * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight * 2 > element.scrollTop + element.clientHeight)
      element.scrollTop = top + rowHeight * 2 - element.clientHeight;
  };
  const onKey = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(scroll.height / rowHeight) - 2);
    const moves: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: rowCount - 1,
    };
    const move = moves[event.key];
    if (event.target !== event.currentTarget) return;
    if (move !== undefined) {
      event.preventDefault();
      const at = Math.max(0, Math.min(rowCount - 1, move));
      setActive(at);
      show(at);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      props.onChoose(active);
    }
  };
  const rows = [];
  for (let at = first; at < last; at++)
    rows.push(
      <div
        key={at}
        id={`row-${at}`}
        role="row"
        aria-rowindex={at + 2}
        aria-selected={at === chosen}
        class={`tr ${at === chosen ? 'chosen' : ''} ${at === active ? 'active' : ''} ${props.rowClass?.(at) ?? ''}`}
        style={{ top: `${at * rowHeight}px`, height: `${rowHeight}px` }}
        onClick={() => {
          setActive(at);
          props.onChoose(at);
        }}
      >
        {props.row(at)}
      </div>,
    );
  return (
    <div class="virtual" role="grid" aria-label={props.label} aria-rowcount={rowCount + 1}>
      <div class="th" role="row" aria-rowindex={1}>
        {props.header}
      </div>
      <div
        class="viewport"
        ref={box}
        tabIndex={0}
        role="rowgroup"
        aria-activedescendant={rowCount > 0 ? `row-${active}` : undefined}
        aria-label={`${props.label}: arrow keys move, Enter opens`}
        onKeyDown={onKey}
        onScroll={(event) =>
          setScroll({
            top: event.currentTarget.scrollTop,
            height: event.currentTarget.clientHeight,
          })
        }
      >
        <div class="rows" style={{ height: `${rowCount * rowHeight}px` }}>
          {rows}
        </div>
      </div>
    </div>
  );
}
