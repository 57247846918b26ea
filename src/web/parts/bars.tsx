// Rows with a bar each: histograms and short rankings.
import type { ComponentChildren } from 'preact';
import { formatBytes, formatCount } from '../format.js';

export interface BarRow {
  key: string | number;
  label: ComponentChildren;
  count: number;
  bytes: number;
  onOpen?: () => void;
}

export function Bars({
  rows,
  by = 'bytes',
  unit,
  empty,
}: {
  rows: readonly BarRow[];
  by?: 'bytes' | 'count';
  unit: string;
  empty: string;
}) {
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  const most = Math.max(...rows.map((row) => row[by]), 1);
  return (
    <table class="bars">
      <thead>
        <tr>
          <th scope="col">
            <span class="visually-hidden">what</span>
          </th>
          <th scope="col" class="bar-head">
            <span class="visually-hidden">share</span>
          </th>
          <th scope="col" class="number">
            bytes
          </th>
          <th scope="col" class="number">
            {unit}
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.key}>
            <th scope="row" title={typeof row.label === 'string' ? row.label : undefined}>
              {row.onOpen === undefined ? (
                <span>{row.label}</span>
              ) : (
                <button type="button" class="link" onClick={row.onOpen}>
                  {row.label}
                </button>
              )}
            </th>
            <td class="bar">
              <i style={{ width: `${Math.max(0.5, (100 * row[by]) / most)}%` }} />
            </td>
            <td class="number">{formatBytes(row.bytes)}</td>
            <td class="number">{formatCount(row.count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
