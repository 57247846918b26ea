// Tables as CSV (RFC 4180), in UTF-8, with a line of names. An empty cell is one that is not known. Pure.
import { wellFormed } from './frames.js';
import type { Table } from './tables.js';

export function* csvFile({ columns, batches }: Table): Generator<string> {
  yield `${columns.map((column) => column.name).join(',')}\r\n`;
  for (const batch of batches) {
    const lines: string[] = [];
    const rowCount = batch[0]?.length ?? 0;
    for (let row = 0; row < rowCount; row++)
      lines.push(batch.map((column) => cell(column[row]!)).join(','));
    yield `${lines.join('\r\n')}\r\n`;
  }
}

function cell(value: number | string | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = wellFormed(value);
  // An empty text is told from what is not known by its quotes.
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
