// A short table: the first cell of a row says what it is of, the others are numbers.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { formatCount } from '../format.js';

export type Cell = ComponentChildren;

export function PlainTable({
  heads,
  rows,
  few,
}: {
  heads: readonly string[];
  rows: readonly { key: string; cells: readonly Cell[]; class?: string }[];
  /** Rows that are shown until more are asked for. */
  few?: number;
}) {
  const [isAll, setAll] = useState(false);
  const isLong = few !== undefined && rows.length > few + 2;
  const shown = isLong && !isAll ? rows.slice(0, few) : rows;
  return (
    <>
      <div class="scroll">
        <table class="plain">
          <thead>
            <tr>
              {heads.map((title, at) => (
                <th key={title} scope="col" class={at === 0 ? '' : 'number'}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={row.key} class={row.class}>
                {row.cells.map((cell, at) =>
                  at === 0 ? (
                    <th key={at} scope="row">
                      {cell}
                    </th>
                  ) : (
                    <td key={at} class="number">
                      {cell}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {isLong && (
        <button type="button" class="quiet" onClick={() => setAll(!isAll)}>
          {isAll ? 'Show fewer' : `Show all ${formatCount(rows.length)}`}
        </button>
      )}
    </>
  );
}
