// The allocator's heaps page by page, coloured by what fills them, how old that is, or whose. Arrow keys move.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { MapFacts } from '../../html/report-data.js';
import { allPackages, usersPackages } from '../../html/selection.js';
import { canvasContext, hasCanvas } from '../canvas.js';
import { formatBytes, formatCount, formatPercent, lifeClassText } from '../format.js';
import { useReport } from '../state.js';
import { cssColour } from '../theme.js';
import { packageColour } from '../views/flame-drawing.js';
import {
  ageNames,
  ageStep,
  type CellFacts,
  cellAt,
  factsOfCell,
  heatNames,
  heatStep,
  layoutMap,
  pageBytes,
  placeOfCell,
} from './heat-map-cells.js';
import { PlainTable } from './plain-table.js';

type Colouring = 'occupancy' | 'age' | 'package';
const heatColours = ['--heat-empty', '--heat-0', '--heat-1', '--heat-2', '--heat-3'] as const;
const ageColours = ['--age-0', '--age-1', '--age-2', '--age-3', '--age-4'] as const;

export function HeatMap({ map }: { map: MapFacts }) {
  const [colouring, setColouring] = useState<Colouring>('occupancy');
  const isDrawn = useMemo(hasCanvas, []);
  return (
    <section class="card wide heat" aria-label="Map of the heaps">
      <h2>The heaps, page by page</h2>
      {isDrawn ? (
        <>
          <div class="tools">
            <label class="pick">
              <span>Colour by</span>
              <select
                value={colouring}
                onChange={(event) => setColouring(event.currentTarget.value as Colouring)}
              >
                <option value="occupancy">what live blocks fill</option>
                <option value="age">age of the oldest block</option>
                <option value="package">package of most bytes</option>
              </select>
            </label>
            <Legend map={map} colouring={colouring} />
          </div>
          <Drawn map={map} colouring={colouring} />
        </>
      ) : (
        <p class="empty" role="alert">
          This browser does not draw on canvas, so there is no picture here. The tables have the
          same numbers.
        </p>
      )}
      <PlainTable
        heads={['Heap', 'Size', 'Resident', 'Nothing lives there', 'Below 25%']}
        few={8}
        rows={map.heaps.map((heap) => ({
          key: String(heap.low),
          cells: [
            `0x${heap.low.toString(16)}`,
            formatBytes(heap.high - heap.low),
            formatBytes(heap.residentPages * pageBytes),
            pagesText(heap.emptyPages),
            pagesText(heap.sparsePages),
          ],
        }))}
      />
    </section>
  );
}

const pagesText = (count: number): string =>
  count === 1 ? '1 page' : `${formatCount(count)} pages`;

function useColours(colouring: Colouring): (facts: CellFacts) => string {
  const { data, state, theme } = useReport();
  const { head } = data;
  return useMemo(() => {
    const none = cssColour('--heat-none');
    const heat = heatColours.map(cssColour);
    const age = ageColours.map(cssColour);
    const empty = cssColour('--mem-top');
    const owners = head.packages.map(({ label }, row) =>
      packageColour(label, head.runtimePackages.includes(row), theme === 'dark'),
    );
    const isOn = (owner: number) =>
      state.package === allPackages ||
      (state.package === usersPackages
        ? !head.runtimePackages.includes(owner - 1)
        : owner - 1 === state.package);
    return (facts) => {
      if (facts.share === null || (state.package !== allPackages && !isOn(facts.package)))
        return none;
      if (colouring === 'occupancy') return heat[heatStep(facts.share)]!;
      if (facts.package === 0) return empty;
      return colouring === 'age' ? age[ageStep(facts.age)]! : owners[facts.package - 1]!;
    };
  }, [head, colouring, theme, state.package]);
}

function Drawn({ map, colouring }: { map: MapFacts; colouring: Colouring }) {
  const { data } = useReport();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [chosen, setChosen] = useState(0);
  const [hovered, setHovered] = useState(-1);
  const [isFocused, setFocused] = useState(false);
  const layout = useMemo(() => layoutMap(map, Math.max(width, 1)), [map, width]);
  const colourOf = useColours(colouring);
  useEffect(() => {
    const element = box.current as HTMLDivElement;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  useEffect(() => setChosen((at) => Math.min(at, layout.count - 1)), [layout]);
  const marked = hovered >= 0 ? hovered : isFocused ? chosen : -1;
  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const context = canvasContext(element);
    if (context === null || width === 0) return;
    const scale = devicePixelRatio || 1;
    element.width = Math.round(width * scale);
    element.height = Math.round(layout.height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const side = layout.cell - 1;
    for (let at = 0; at < layout.count; at++) {
      const { x, y } = placeOfCell(layout, at);
      context.fillStyle = colourOf(factsOfCell(data, map, layout, at));
      context.fillRect(x, y, side, side);
    }
    element.dataset['cells'] = String(layout.count);
    if (marked < 0 || marked >= layout.count) return;
    const { x, y } = placeOfCell(layout, marked);
    context.strokeStyle = cssColour('--text');
    context.lineWidth = 2;
    context.strokeRect(Math.max(1, x - 1), Math.max(1, y - 1), side + 2, side + 2);
  }, [data, map, layout, width, colourOf, marked]);
  const at = Math.max(0, Math.min(hovered >= 0 ? hovered : chosen, layout.count - 1));
  const cellUnder = (event: PointerEvent) => {
    const { left, top } = (event.currentTarget as HTMLCanvasElement).getBoundingClientRect();
    return cellAt(layout, event.clientX - left, event.clientY - top);
  };
  const onKey = (event: KeyboardEvent) => {
    const moves: Record<string, number> = {
      ArrowLeft: chosen - 1,
      ArrowRight: chosen + 1,
      ArrowUp: chosen - layout.columns,
      ArrowDown: chosen + layout.columns,
      PageUp: chosen - 10 * layout.columns,
      PageDown: chosen + 10 * layout.columns,
      Home: 0,
      End: layout.count - 1,
    };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setHovered(-1);
    setChosen(Math.max(0, Math.min(layout.count - 1, to)));
  };
  const perCell = map.pagesOfCell * layout.merged;
  return (
    <>
      <div class="heat-box" ref={box}>
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-label="Map of the heaps: arrow keys move from page to page"
          aria-describedby="heat-told"
          style={{ width: `${width}px`, height: `${layout.height}px` }}
          onKeyDown={onKey}
          onFocus={() => setFocused(true)}
          onBlur={() => setFocused(false)}
          onPointerMove={(event) => setHovered(cellUnder(event))}
          onPointerLeave={() => setHovered(-1)}
          onPointerDown={(event) => {
            const under = cellUnder(event);
            if (under >= 0) setChosen(under);
          }}
        />
      </div>
      <p id="heat-told" class="heat-told" role="status">
        {told(data.head.packages, map, factsOfCell(data, map, layout, at))}
      </p>
      <p class="faint">
        A cell is {perCell === 1 ? 'a page' : `${formatCount(perCell)} pages`} (
        {formatBytes(perCell * pageBytes)}); each heap begins a row of its own.
        {perCell === 1 ? '' : ' Its colour is the mean of its resident pages.'}
      </p>
    </>
  );
}

function told(packages: readonly { label: string }[], map: MapFacts, facts: CellFacts): string {
  const where = `0x${facts.low.toString(16)}, ${formatBytes(facts.high - facts.low)} of the heap at 0x${map.heaps[facts.heap]!.low.toString(16)}`;
  if (facts.share === null) return `${where}: not resident`;
  if (facts.package === 0) return `${where}: resident, and nothing lives there`;
  const owner = packages[facts.package - 1]?.label ?? '';
  return `${where}: live blocks fill ${formatPercent(facts.share, 1)}, most of it ${owner}; the oldest block is ${lifeClassText(facts.age)} old`;
}

const mostOwners = 8;

function Legend({ map, colouring }: { map: MapFacts; colouring: Colouring }) {
  const { data, theme } = useReport();
  const { head, pages } = data;
  const owners = useMemo(() => {
    const counts = new Map<number, number>();
    for (const owner of pages.package)
      if (owner > 0) counts.set(owner - 1, (counts.get(owner - 1) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]).map(([row]) => row);
  }, [pages, map]);
  const items: [colour: string, text: string][] =
    colouring === 'occupancy'
      ? heatNames.map((text, at) => [cssColour(heatColours[at]!), text])
      : colouring === 'age'
        ? ageNames.map((text, at) => [cssColour(ageColours[at]!), text])
        : owners
            .slice(0, mostOwners)
            .map((row) => [
              packageColour(
                head.packages[row]!.label,
                head.runtimePackages.includes(row),
                theme === 'dark',
              ),
              head.packages[row]!.label,
            ]);
  if (colouring !== 'occupancy') items.unshift([cssColour('--mem-top'), 'nothing lives there']);
  items.push([cssColour('--heat-none'), 'not resident']);
  return (
    <div class="legend">
      {items.map(([colour, text], at) => (
        <span key={at}>
          <i style={{ background: colour }} />
          {text}
        </span>
      ))}
      {colouring === 'package' && owners.length > mostOwners && (
        <span>{formatCount(owners.length - mostOwners)} more packages</span>
      )}
    </div>
  );
}
