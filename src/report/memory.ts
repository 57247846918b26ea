// Resident memory as a table that adds up. Pure: values in, lines out.
import type { ExplainedMemory, MemoryPart, PartKind } from '../memory/index.js';
import type { Checkpoint } from '../model/index.js';
import { escapeText } from './escape.js';
import type { Style } from './style.js';
import { renderTable } from './table.js';
import { formatBytes, formatCount, formatPercent } from './units.js';

/** In the order in which they are shown: what the program asked for, what the allocator adds, the rest. */
const kinds: readonly (readonly [PartKind, string])[] = [
  ['native-live', 'live blocks'],
  ['arraybuffers', 'ArrayBuffers and Buffers'],
  ['allocator-overhead', 'allocator: headers and rounding'],
  ['allocator-cached', 'allocator: released, kept for the next call'],
  ['allocator-free', 'allocator: released, in bins'],
  ['allocator-top', 'allocator: end of its heaps'],
  ['allocator-unrecorded', 'allocator: in use, call not recorded'],
  ['other-allocator', 'allocator: all but live blocks'],
  ['v8-heap', "V8's heap"],
  ['v8-code', "V8's code"],
  ['mapped', 'mapped by addons and libraries'],
  ['stacks', 'stacks of threads'],
  ['files', 'program, libraries and other files'],
  ['memprof', 'memprof itself'],
  ['unexplained', 'not explained'],
];

/** Shown by name even where there is one alone. */
const alwaysByName: ReadonlySet<PartKind> = new Set(['files', 'mapped', 'other-allocator']);

export function partText(kind: PartKind): string {
  return kinds.find(([one]) => one === kind)?.[1] ?? kind;
}

/** Why a checkpoint does not say what memory consists of. */
export function noMemoryText({ number, scanFailure }: Checkpoint): string {
  const why = scanFailure === null ? ': the trace is from an older memprof' : ` (${scanFailure})`;
  return `checkpoint ${number} does not say what memory consists of${why}`;
}

export function inOrder(parts: readonly MemoryPart[]): MemoryPart[] {
  const place = new Map(kinds.map(([kind], at) => [kind, at]));
  return [...parts].sort((a, b) => (place.get(a.kind) ?? 0) - (place.get(b.kind) ?? 0));
}

/** `limit`: rows shown of each part. */
export function* renderMemory(
  { residentBytes, parts }: ExplainedMemory,
  options: { columns: number; style: Style; limit: number },
): Iterable<string> {
  const { style, columns, limit } = options;
  const cells: string[][] = [];
  const faint = new Set<number>();
  for (const part of inOrder(parts)) {
    if (part.residentBytes === 0 && part.kind !== 'unexplained') continue;
    cells.push([
      formatBytes(part.residentBytes),
      formatPercent(part.residentBytes, residentBytes),
      part.sizeBytes === null ? '' : formatBytes(part.sizeBytes),
      part.count === 0 ? '' : formatCount(part.count),
      partText(part.kind),
    ]);
    const rows = part.rows.filter((row) => row.residentBytes > 0);
    if (rows.length < 2 && !alwaysByName.has(part.kind)) continue;
    for (const row of rows.slice(0, limit)) {
      faint.add(cells.length);
      cells.push([
        formatBytes(row.residentBytes),
        '',
        formatBytes(row.sizeBytes),
        formatCount(row.count),
        `  ${escapeText(row.name)}`,
      ]);
    }
    const rest = rows.slice(limit);
    if (rest.length === 0) continue;
    faint.add(cells.length);
    cells.push([
      formatBytes(rest.reduce((sum, row) => sum + row.residentBytes, 0)),
      '',
      '',
      '',
      `  ${formatCount(rest.length)} more: --limit all`,
    ]);
  }
  const right = (title: string) => ({ title, align: 'right' as const });
  const lines = renderTable(
    [
      { ...right('resident'), paint: style.bytes },
      right('%'),
      right('size'),
      right('count'),
      { title: 'what', align: 'left', flexible: true },
    ],
    cells,
    { columns, heading: style.faint },
  );
  for (const [at, line] of lines.entries()) yield faint.has(at - 1) ? style.faint(line) : line;
}
