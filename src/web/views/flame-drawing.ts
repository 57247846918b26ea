// Draws a flame graph: only nodes of at least a pixel, and only rows in sight.
import { type FlameTree, visibleNodes } from '../../html/flame.js';
import type { PageData } from '../../html/page-data.js';
import { cssColour } from '../theme.js';

export const rowHeight = 19;

export interface FlameWindow {
  /** Fractions of the root's width. */
  from: number;
  to: number;
}

export interface FlameDrawing {
  tree: FlameTree;
  data: PageData;
  window: FlameWindow;
  /** Of the canvas, in CSS pixels. */
  width: number;
  height: number;
  scrollTop: number;
  /** Of all rows. */
  fullHeight: number;
  /** The root below, as flames are; else above. */
  isFlame: boolean;
  colours: FlameColours;
  isMatch: Uint8Array | null;
  focused: number;
  hovered: number;
  colourOf: (frame: number, node: number) => string;
}

export interface FlameColours {
  text: string;
  faint: string;
  line: string;
  focus: string;
  sliver: string;
  dim: string;
  root: string;
  font: string;
}

export function flameColours(): FlameColours {
  return {
    text: cssColour('--flame-text'),
    faint: cssColour('--muted'),
    line: cssColour('--surface'),
    focus: cssColour('--text'),
    sliver: cssColour('--flame-sliver'),
    dim: cssColour('--flame-dim'),
    root: cssColour('--flame-root'),
    font: `12px ${cssColour('--sans')}`,
  };
}

export const kindNames = [
  'native code',
  'JavaScript',
  'Node’s internals',
  'V8 builtins',
  'libraries serving their caller',
  'notes on the stack',
] as const;

export function kindColours(): string[] {
  return ['native', 'js', 'node', 'builtin', 'standard', 'marker'].map((name) =>
    cssColour(`--flame-${name}`),
  );
}

/** A hue for each package, by its name, so that it is the same in every report. */
export function packageColour(label: string, isRuntime: boolean, isDark: boolean): string {
  if (isRuntime || label === '') return cssColour('--flame-node');
  let hash = 2166136261;
  for (let at = 0; at < label.length; at++)
    hash = Math.imul(hash ^ label.charCodeAt(at), 16777619) >>> 0;
  const hue = hash % 360;
  return isDark ? `hsl(${hue} 38% 40%)` : `hsl(${hue} 55% 78%)`;
}

export const changeNames = [
  'less by half or more',
  'less',
  'about the same',
  'more',
  'twice or more, or new',
] as const;

export function changeColours(): string[] {
  return ['fell', 'less', 'same', 'more', 'grew'].map((name) => cssColour(`--change-${name}`));
}

/** Row of changeNames; within a twentieth it is the same. */
export function changeStep(now: number, before: number): number {
  if (now <= before / 2 && now !== before) return 0;
  if (now >= before * 2 && now !== before) return 4;
  if (Math.abs(now - before) <= before / 20) return 2;
  return now < before ? 1 : 3;
}

export const rowTop = ({ isFlame, fullHeight, scrollTop }: FlameDrawing, depth: number): number =>
  (isFlame ? fullHeight - (depth + 1) * rowHeight : depth * rowHeight) - scrollTop;

/** Returns how many boxes were drawn. */
export function drawFlame(context: CanvasRenderingContext2D, drawing: FlameDrawing): number {
  const { tree, data, window, width, height, colours, isMatch } = drawing;
  const scale = width / (window.to - window.from);
  context.clearRect(0, 0, width, height);
  context.font = colours.font;
  context.textBaseline = 'middle';
  let drawn = 0;
  const texts: { text: string; x: number; y: number; room: number }[] = [];
  visibleNodes(tree, window.from, window.to, 1 / scale, (node, isSliver, start, part) => {
    const y = rowTop(drawing, tree.depth[node]!);
    if (y + rowHeight < 0 || y > height) return;
    const left = Math.max(0, (start - window.from) * scale);
    const right = Math.min(width, (start + part - window.from) * scale);
    if (right <= left) return;
    const boxWidth = Math.max(0.5, right - left - (right - left > 3 ? 1 : 0));
    if (isSliver) context.fillStyle = colours.sliver;
    else if (node === 0) context.fillStyle = colours.root;
    else if (isMatch !== null && isMatch[node] === 0) context.fillStyle = colours.dim;
    else context.fillStyle = drawing.colourOf(tree.frame[node]!, node);
    context.fillRect(left, y, boxWidth, rowHeight - 1);
    drawn++;
    if (isSliver || right - left < 26) return;
    const name =
      node === 0 ? 'all' : (data.head.strings[data.frames.name[tree.frame[node]!]!] ?? '');
    texts.push({ text: name, x: left + 4, y: y + rowHeight / 2, room: right - left - 8 });
  });
  context.fillStyle = colours.text;
  for (const { text, x, y, room } of texts) context.fillText(fitted(context, text, room), x, y);
  for (const [node, colour, line] of [
    [drawing.hovered, colours.focus, 1],
    [drawing.focused, colours.focus, 2],
  ] as const) {
    if (node < 0 || node >= tree.count) continue;
    const whole = tree.total[0]! || 1;
    const left = Math.max(0, (tree.start[node]! - window.from) * scale);
    const right = Math.min(
      width,
      (tree.start[node]! + tree.total[node]! / whole - window.from) * scale,
    );
    if (right - left < 0.5) continue;
    context.strokeStyle = colour;
    context.lineWidth = line;
    const inset = line / 2;
    context.strokeRect(
      left + inset,
      rowTop(drawing, tree.depth[node]!) + inset,
      Math.max(1, right - left - 1 - line),
      rowHeight - 1 - line,
    );
  }
  return drawn;
}

/** Widths of texts cost more than drawing them: about six pixels a character, then measured once. */
function fitted(context: CanvasRenderingContext2D, text: string, room: number): string {
  const most = Math.floor(room / 5);
  if (text.length > most) text = text.slice(0, Math.max(1, most));
  else if (text.length * 8 < room) return text;
  const width = context.measureText(text).width;
  if (width <= room) return text;
  return `${text.slice(0, Math.max(1, Math.floor((text.length * room) / width) - 1))}…`;
}

/** -1: none there. */
export function nodeAt(drawing: FlameDrawing, x: number, y: number): number {
  const { tree, window, width } = drawing;
  const at = window.from + (x / width) * (window.to - window.from);
  const whole = tree.total[0]! || 1;
  const depth = drawing.isFlame
    ? Math.floor((drawing.fullHeight - (y + drawing.scrollTop)) / rowHeight)
    : Math.floor((y + drawing.scrollTop) / rowHeight);
  if (depth < 0) return -1;
  let node = 0;
  while (tree.depth[node]! < depth) {
    let found = 0;
    for (let child = tree.firstChild[node]!; child !== 0; child = tree.nextSibling[child]!) {
      if (at >= tree.start[child]! && at < tree.start[child]! + tree.total[child]! / whole) {
        found = child;
        break;
      }
    }
    if (found === 0) return -1;
    node = found;
  }
  return node;
}
