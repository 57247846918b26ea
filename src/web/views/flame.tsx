// The call tree of the selection as a picture: a flame (root below) or an icicle (root above), from the root down or from the
// allocating function to its callers.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { buildFlame, type FlameTree, searchFlame } from '../../html/flame.js';
import { canvasContext, hasCanvas, noCanvasText } from '../canvas.js';
import { formatBytes, formatCount, formatPercent } from '../format.js';
import { useReport } from '../state.js';
import {
  changeColours,
  changeNames,
  changeStep,
  drawFlame,
  type FlameDrawing,
  type FlameWindow,
  flameColours,
  kindColours,
  kindNames,
  nodeAt,
  packageColour,
  rowHeight,
  rowTop,
} from './flame-drawing.js';

const zoomMs = 160;

type ColourBy = 'kind' | 'package' | 'change';

export function FlameView() {
  const { data, state, bySite, before, theme, change } = useReport();
  const [isInverted, setInverted] = useState(false);
  const [isFolded, setFolded] = useState(true);
  const [isFlame, setFlame] = useState(false);
  const [byCount, setByCount] = useState(false);
  const [colourBy, setColourBy] = useState<ColourBy>('kind');
  const [isOld, setOld] = useState(false);
  const isCompared = before !== null;
  useEffect(() => {
    setColourBy(isCompared ? 'change' : 'kind');
    setOld(false);
  }, [isCompared]);
  const now = byCount ? bySite.count : bySite.bytes;
  const old = before === null ? null : byCount ? before.bySite.count : before.bySite.bytes;
  const isOldShown = isOld && old !== null;
  const tree = useMemo(
    () =>
      isOldShown
        ? buildFlame(data, old, { isInverted, isFolded }, now)
        : buildFlame(data, now, { isInverted, isFolded }, old),
    [data, now, old, isOldShown, isInverted, isFolded],
  );
  const search = useMemo(() => {
    const words = state.query.toLowerCase().trim();
    if (words === '') return null;
    const { strings } = data.head;
    return searchFlame(tree, (frame) =>
      `${strings[data.frames.full[frame]!]}\n${strings[data.frames.place[frame]!]}`
        .toLowerCase()
        .includes(words),
    );
  }, [tree, state.query]);
  const colours = useMemo(() => {
    const kinds = kindColours();
    const runtime = new Set(data.head.runtimePackages);
    const packages = data.head.packages.map((one, row) =>
      packageColour(one.kind === 'unknown' ? '' : one.label, runtime.has(row), theme === 'dark'),
    );
    return { kinds, packages, flame: flameColours() };
  }, [data, theme]);
  const changes = useMemo(() => changeColours(), [theme]);
  const colourOf = (frame: number, node: number) => {
    if (colourBy === 'change') {
      const [after, earlier] = isOldShown
        ? [tree.other[node]!, tree.total[node]!]
        : [tree.total[node]!, tree.other[node]!];
      return changes[changeStep(after, earlier)]!;
    }
    return colourBy === 'kind'
      ? colours.kinds[data.frames.kind[frame]!]!
      : colours.packages[data.frames.package[frame]!]!;
  };
  const isDrawn = useMemo(hasCanvas, []);
  const amount = (value: number) => (byCount ? `${formatCount(value)} blocks` : formatBytes(value));
  return (
    <div class="flame-view">
      <div class="tools">
        <label class="find">
          <span class="visually-hidden">Search functions</span>
          <input
            type="search"
            placeholder="Search by function or file"
            value={state.query}
            onInput={(event) => change({ query: event.currentTarget.value })}
          />
        </label>
        {search !== null && (
          <span class="faint" role="status">
            {search.matchCount === 0
              ? 'no match'
              : `${formatCount(search.matchCount)} matches, ${formatPercent(search.covered, tree.total[0]!)} of all`}
          </span>
        )}
        <Choice
          label="Direction"
          value={isInverted ? 'callers' : 'calls'}
          options={[
            ['calls', 'Callers first'],
            ['callers', 'Allocators first'],
          ]}
          onChange={(value) => setInverted(value === 'callers')}
        />
        <Choice
          label="Shape"
          value={isFlame ? 'flame' : 'icicle'}
          options={[
            ['icicle', 'Icicle'],
            ['flame', 'Flame'],
          ]}
          onChange={(value) => setFlame(value === 'flame')}
        />
        <Choice
          label="Width"
          value={byCount ? 'count' : 'bytes'}
          options={[
            ['bytes', 'Bytes'],
            ['count', 'Blocks'],
          ]}
          onChange={(value) => setByCount(value === 'count')}
        />
        <Choice
          label="Colour"
          value={colourBy}
          options={[
            ['kind', 'By kind'],
            ['package', 'By package'],
            ...(before === null ? [] : [['change', 'By change'] as const]),
          ]}
          onChange={(value) => setColourBy(value as ColourBy)}
        />
        {before !== null && (
          <Choice
            label="Widths"
            value={isOld ? 'before' : 'now'}
            options={[
              ['now', 'Of now'],
              ['before', 'Of before'],
            ]}
            onChange={(value) => setOld(value === 'before')}
          />
        )}
        <label class="check">
          <input
            type="checkbox"
            checked={!isFolded}
            onChange={(event) => setFolded(!event.currentTarget.checked)}
          />
          Node’s and library frames
        </label>
      </div>
      {!isDrawn ? (
        <p class="empty" role="alert">
          {noCanvasText}
        </p>
      ) : tree.total[0] === 0 ? (
        <p class="empty">Nothing in this selection.</p>
      ) : (
        <FlameCanvas
          tree={tree}
          isFlame={isFlame}
          isMatch={search?.isMatch ?? null}
          colourOf={colourOf}
          colourKey={`${theme} ${colourBy}`}
          colours={colours.flame}
          amount={amount}
          compared={before === null ? null : isOldShown ? 'now' : 'before'}
        />
      )}
      {colourBy === 'change' && (
        <ul class="legend" aria-label="Colours">
          {changeNames.map((name, at) => (
            <li key={name}>
              <i style={{ background: changes[at] }} />
              {name}
            </li>
          ))}
        </ul>
      )}
      {colourBy === 'kind' && (
        <ul class="legend" aria-label="Colours">
          {kindNames.map((name, kind) =>
            isFolded && kind >= 2 && kind <= 4 ? null : (
              <li key={name}>
                <i style={{ background: colours.kinds[kind] }} />
                {name}
              </li>
            ),
          )}
        </ul>
      )}
    </div>
  );
}

function Choice({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}) {
  return (
    <label class="pick">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

interface FlameCanvasProps {
  tree: FlameTree;
  isFlame: boolean;
  isMatch: Uint8Array | null;
  colourOf: (frame: number, node: number) => string;
  colourKey: string;
  colours: FlameDrawing['colours'];
  amount: (value: number) => string;
  /** What the tree's other values are; null: it has none. */
  compared: 'now' | 'before' | null;
}

function FlameCanvas(props: FlameCanvasProps) {
  const { tree, isFlame, isMatch, colourOf, colourKey, colours, amount, compared } = props;
  const { data } = useReport();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [zoomed, setZoomed] = useState(0);
  const [focused, setFocused] = useState(0);
  const [hover, setHover] = useState<{ node: number; x: number; y: number } | null>(null);
  const [size, setSize] = useState({ width: 800, height: 480 });
  const shown = useRef<FlameWindow>({ from: 0, to: 1 });
  const fullHeight = Math.max(tree.depthCount * rowHeight, 1);

  useEffect(() => {
    setZoomed(0);
    setFocused(0);
    setHover(null);
    shown.current = { from: 0, to: 1 };
    const element = box.current as HTMLDivElement;
    element.scrollTop = isFlame ? element.scrollHeight : 0;
  }, [tree, isFlame]);

  useEffect(() => {
    const element = box.current as HTMLDivElement;
    const look = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const drawingOf = (): FlameDrawing => ({
    tree,
    data,
    window: shown.current,
    width: size.width,
    height: size.height,
    scrollTop: (box.current as HTMLDivElement).scrollTop,
    fullHeight: Math.max(fullHeight, isFlame ? size.height : 0),
    isFlame,
    colours,
    isMatch,
    focused,
    hovered: hover?.node ?? -1,
    colourOf,
  });
  const draw = () => {
    const element = canvas.current;
    const context = element === null ? null : canvasContext(element);
    if (element === null || context === null) return;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (element.width !== width || element.height !== height) {
      element.width = width;
      element.height = height;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const start = performance.now();
    element.dataset['drawn'] = String(drawFlame(context, drawingOf()));
    element.dataset['drawMs'] = (performance.now() - start).toFixed(2);
  };

  // The glide below outlives the drawing that it began with.
  const latest = useRef(draw);
  latest.current = draw;
  useEffect(draw, [tree, isFlame, isMatch, colourKey, size, focused, hover?.node]);

  // The window glides to the node that was chosen.
  useEffect(() => {
    const whole = tree.total[0]! || 1;
    const goal =
      zoomed >= tree.count
        ? { from: 0, to: 1 }
        : {
            from: tree.start[zoomed]!,
            to: tree.start[zoomed]! + Math.max(tree.total[zoomed]! / whole, 1e-12),
          };
    const before = { ...shown.current };
    const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const startMs = performance.now();
    let frame = 0;
    const step = (nowMs: number) => {
      const part = isStill ? 1 : Math.min(1, Math.max(0, (nowMs - startMs) / zoomMs));
      const eased = 1 - (1 - part) ** 3;
      shown.current = {
        from: before.from + (goal.from - before.from) * eased,
        to: before.to + (goal.to - before.to) * eased,
      };
      latest.current();
      if (part < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [zoomed, tree]);

  const nodeUnder = (event: MouseEvent) => {
    const bounds = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    return nodeAt(drawingOf(), event.clientX - bounds.left, event.clientY - bounds.top);
  };
  const focus = (node: number) => {
    setFocused(node);
    const element = box.current as HTMLDivElement;
    const top = rowTop(drawingOf(), tree.depth[node]!);
    if (top < 0) element.scrollTop += top;
    else if (top + rowHeight > size.height) element.scrollTop += top + rowHeight - size.height;
  };
  const siblingBefore = (node: number) => {
    let at = tree.firstChild[tree.parent[node]!]!;
    if (at === node) return node;
    while (tree.nextSibling[at] !== node && at !== 0) at = tree.nextSibling[at]!;
    return at;
  };
  const onKey = (event: KeyboardEvent) => {
    const up = tree.parent[focused]!;
    const down = tree.firstChild[focused]! || focused;
    const moves: Record<string, number> = {
      ArrowUp: isFlame ? down : up,
      ArrowDown: isFlame ? up : down,
      ArrowRight: focused === 0 ? 0 : tree.nextSibling[focused]! || focused,
      ArrowLeft: focused === 0 ? 0 : siblingBefore(focused),
      Home: 0,
    };
    const move = moves[event.key];
    if (move !== undefined) focus(move);
    else if (event.key === 'Enter' || event.key === ' ') setZoomed(focused);
    else if (event.key === 'Escape' || event.key === 'Backspace') setZoomed(tree.parent[zoomed]!);
    else return;
    event.preventDefault();
  };
  const told = hover?.node ?? focused;
  return (
    <>
      <div
        class="flame-box"
        ref={box}
        style={{ height: `min(${Math.max(6, tree.depthCount + 1) * rowHeight}px, 68vh)` }}
        onScroll={draw}
      >
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-label="Call tree. Arrow keys move between frames, Enter zooms in, Escape zooms out."
          aria-describedby="flame-told"
          style={{ width: `${size.width}px`, height: `${size.height}px` }}
          onClick={(event) => {
            const node = nodeUnder(event);
            if (node < 0) return;
            setFocused(node);
            setZoomed(node);
          }}
          onMouseMove={(event) => {
            const node = nodeUnder(event);
            setHover(node < 0 ? null : { node, x: event.clientX, y: event.clientY });
          }}
          onMouseLeave={() => setHover(null)}
          onKeyDown={onKey}
        />
        <div class="flame-space" style={{ height: `${Math.max(0, fullHeight - size.height)}px` }} />
      </div>
      <div class="flame-told" id="flame-told" role="status">
        <Told tree={tree} node={told < tree.count ? told : 0} amount={amount} compared={compared} />
        {zoomed !== 0 && (
          <button type="button" class="quiet" onClick={() => setZoomed(0)}>
            Zoom out
          </button>
        )}
      </div>
    </>
  );
}

function Told({
  tree,
  node,
  amount,
  compared,
}: {
  tree: FlameTree;
  node: number;
  amount: (value: number) => string;
  compared: 'now' | 'before' | null;
}) {
  const { data } = useReport();
  const { strings, packages } = data.head;
  const frame = tree.frame[node]!;
  const total = tree.total[node]!;
  const self = tree.self[node]!;
  const place = node === 0 ? '' : strings[data.frames.place[frame]!]!;
  const owner = packages[data.frames.package[frame]!];
  return (
    <div>
      <p class="function">
        {node === 0 ? 'All of the selection' : strings[data.frames.full[frame]!]}
      </p>
      <p class="faint">
        <b>{amount(total)}</b>, {formatPercent(total, tree.total[0]!)}
        {self > 0 && node !== 0 ? `, ${amount(self)} of it by itself` : ''}
        {compared === null ? '' : `; ${amount(tree.other[node]!)} ${compared}`}
        {place === '' ? '' : `; ${place}`}
        {node === 0 || owner === undefined || owner.kind === 'unknown' ? '' : `; ${owner.label}`}
      </p>
    </div>
  );
}
