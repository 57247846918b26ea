// Columns of text. Widths count characters, not escape sequences: style is applied after padding.
// Must not import anything that does I/O.

export interface Column {
  title: string;
  align: 'left' | 'right';
  /** The one column that gives way when the table is too wide; at most one. */
  flexible?: boolean;
  paint?: (text: string) => string;
}

/** Characters, with wide ones (CJK, emoji) counted as two, and marks on the one before as none. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    // Most are ASCII.
    if (code < 0x300) width++;
    else if (!isMark(char)) width += isWide(code) ? 2 : 1;
  }
  return width;
}

/** Combining, variation selectors, and what joins emoji. */
const isMark = (char: string): boolean => /^[\p{Mn}\p{Me}\u200b-\u200d]$/u.test(char);

function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  );
}

export function truncateEnd(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const char of text) {
    used += textWidth(char);
    if (used > width - 1) break;
    kept += char;
  }
  return `${kept}…`;
}

/** Keeps the end: of a path, the file's name. */
export function truncateStart(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const chars = [...text];
  let used = 1;
  let from = chars.length;
  while (from > 0 && used + textWidth(chars[from - 1]) <= width) used += textWidth(chars[--from]);
  return `…${chars.slice(from).join('')}`;
}

export function pad(text: string, width: number, align: 'left' | 'right'): string {
  const fill = ' '.repeat(Math.max(0, width - textWidth(text)));
  return align === 'right' ? fill + text : text + fill;
}

/** Rows under their titles, two spaces apart, no wider than `columns` as long as the flexible one can give. */
export function renderTable(
  shape: readonly Column[],
  rows: readonly (readonly string[])[],
  options: {
    columns: number;
    indent?: number;
    heading?: (text: string) => string;
    titles?: boolean;
  },
): string[] {
  const indent = options.indent ?? 0;
  const widths = shape.map((column, at) =>
    rows.reduce(
      (most, row) => Math.max(most, textWidth(row[at])),
      options.titles === false ? 0 : textWidth(column.title),
    ),
  );
  const flexible = shape.findIndex((column) => column.flexible === true);
  if (flexible >= 0) {
    const total = widths.reduce((sum, width) => sum + width, indent + 2 * (shape.length - 1));
    const excess = total - options.columns;
    if (excess > 0) widths[flexible] = Math.max(12, widths[flexible] - excess);
  }
  const line = (cells: readonly string[], paintCell: (text: string, at: number) => string) => {
    const padded = cells.map((cell, at) => {
      const text = at === flexible ? truncateEnd(cell, widths[at]) : cell;
      const isLast = at === cells.length - 1 && shape[at].align === 'left';
      return paintCell(isLast ? text : pad(text, widths[at], shape[at].align), at);
    });
    return `${' '.repeat(indent)}${padded.join('  ')}`.trimEnd();
  };
  const body = rows.map((row) => line(row, (text, at) => shape[at].paint?.(text) ?? text));
  if (options.titles === false) return body;
  const heading = options.heading ?? ((text: string) => text);
  return [
    line(
      shape.map((column) => column.title),
      heading,
    ),
    ...body,
  ];
}
