// memprof owners: native memory by class of the JavaScript objects that hold it.

import { checkpointJson, chooseCheckpoint, jsonLines, processJson } from '../query/index.js';
import {
  classRows,
  classText,
  escapeText,
  formatBytes,
  formatCount,
  formatDuration,
  ownersLeftOut,
  renderTable,
} from '../report/index.js';
import type { TraceCommand } from './context.js';

export interface OwnersOptions {
  at?: number;
  all?: boolean;
  limit: number;
  json?: boolean;
}

const whyNone = {
  none: 'nobody listed JavaScript objects: it is no Node program, or its agent did not run',
  failed: 'the JavaScript objects could not be listed',
  partial: 'no object holds native memory; a Worker could not be asked',
  complete: 'no object holds native memory',
} as const;

export async function* owners(
  command: TraceCommand,
  options: OwnersOptions,
): AsyncGenerator<string> {
  const { model, style, columns } = command;
  const checkpoint = chooseCheckpoint(model, options.at);
  const rows = classRows(checkpoint);
  if (options.json === true) {
    yield* jsonLines(
      {
        schema: 'memprof.owners/1',
        process: processJson(model),
        checkpoint: checkpointJson(checkpoint),
      },
      { classes: rows },
    );
    return;
  }
  const sum = (pick: (row: (typeof rows)[number]) => number) =>
    rows.reduce((total, row) => total + pick(row), 0);
  const { heap, number, atNs } = checkpoint;
  yield style.heading(
    `Checkpoint ${number}, after ${formatDuration(atNs)}: JavaScript objects hold ${formatBytes(sum((row) => row.sizeBytes))} in native blocks: ${formatCount(sum((row) => row.blockCount))}`,
  );
  if (heap !== null)
    yield style.faint(
      `  V8's heap: ${formatBytes(heap.usedBytes)} used of ${formatBytes(heap.totalBytes)}; told of ${formatBytes(heap.externalBytes)} outside of it`,
    );
  const shown = rows.filter((row) => options.all === true || row.blockCount > 0);
  if (shown.length === 0) {
    const why =
      checkpoint.owners === 'none' && heap !== null
        ? ownersLeftOut
        : (whyNone[checkpoint.owners] ?? whyNone.none);
    yield `${why.replace(/^./, (letter) => letter.toUpperCase())}.`;
    return;
  }
  yield '';
  const right = (title: string) => ({ title, align: 'right' as const });
  const cells = shown
    .slice(0, options.limit)
    .map((row) => [
      formatBytes(row.sizeBytes),
      formatCount(row.blockCount),
      formatCount(row.objectCount),
      row.objectCount === 0 ? '' : formatBytes(Math.round(row.sizeBytes / row.objectCount)),
      row.jsBytes === null ? '' : formatBytes(row.jsBytes),
      escapeText(classText(row.className)),
    ]);
  yield* renderTable(
    [
      { ...right('native bytes'), paint: style.bytes },
      right('blocks'),
      right('objects'),
      right('an object'),
      right('JS sees'),
      { title: 'class', align: 'left', flexible: true },
    ],
    cells,
    { columns, heading: style.faint },
  );
  const rest = shown.length - cells.length;
  if (rest > 0) yield style.faint(`${formatCount(rest)} more: --limit all`);
  const hidden = rows.length - shown.length;
  if (hidden > 0)
    yield style.faint(
      `${formatCount(hidden)} classes whose objects hold no block of their own: --all`,
    );
  if (checkpoint.detail === null)
    yield style.faint('What JavaScript sees is kept of the last checkpoint only.');
}
