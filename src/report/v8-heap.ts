// V8's heap by space, how that fits what is resident, and what went when V8 was made to collect. Pure: values in,
// lines out.
import type { V8Collected, V8Summary } from '../memory/index.js';
import type { V8Isolate } from '../model/index.js';
import { escapeText } from './escape.js';
import type { Style } from './style.js';
import { type Column, renderTable } from './table.js';
import { formatBytes, formatCount, formatDuration } from './units.js';
import { wrap } from './wrap.js';

const right = (title: string): Column => ({ title, align: 'right' });
const unknown = 'unknown';

export function* renderV8(
  v8: V8Summary,
  options: { columns: number; style: Style },
): Iterable<string> {
  const { style, columns } = options;
  const isCollected = v8.isolates.every((isolate) => isolate.isCollected);
  yield style.strong(
    `V8's heap by space, as V8 says${isCollected ? ', after garbage was collected' : ''}`,
  );
  const row = (name: string, one: V8Summary['total']) => [
    formatBytes(one.usedBytes),
    formatBytes(one.committedBytes),
    formatBytes(one.physicalBytes),
    formatBytes(one.availableBytes),
    name,
  ];
  yield* renderTable(
    [
      { ...right('used'), paint: style.bytes },
      right('committed'),
      right('physical'),
      right('available'),
      { title: 'space', align: 'left', flexible: true },
    ],
    [
      ...v8.spaces
        .filter((space) => space.committedBytes > 0 || space.usedBytes > 0)
        .map((space) => row(escapeText(space.name), space)),
      row('total', v8.total),
    ],
    { columns, heading: style.faint },
  );
  yield* paragraph(measuredText(v8), columns);
  yield '';
  yield* isolateTable(v8.isolates, options);
  const notCollected = v8NotCollectedText(v8.isolates);
  if (notCollected !== null) yield* paragraph(notCollected, columns);
  if (v8.collected === null) return;
  yield '';
  yield* paragraph(collectedText(v8.collected), columns);
}

/** What V8 says against what is there. */
export function measuredText({ resident }: V8Summary): string {
  const code = resident.codeBytes === 0 ? '' : `, ${formatBytes(resident.codeBytes)} of it code,`;
  const beside = `${formatBytes(Math.abs(resident.besideBytes))} ${resident.besideBytes < 0 ? 'that V8 counts and that is not there' : 'beside its spaces (tables, embedded code)'}`;
  return `Measured: ${formatBytes(resident.bytes)} resident in the mappings of V8 and Node${code} = ${formatBytes(resident.usedBytes)} used + ${formatBytes(resident.unusedBytes)} committed and unused ${resident.besideBytes < 0 ? '-' : '+'} ${beside}.`;
}

function* isolateTable(
  isolates: readonly V8Isolate[],
  { columns, style }: { columns: number; style: Style },
): Iterable<string> {
  const told = (bytes: number | null) => (bytes === null ? unknown : formatBytes(bytes));
  yield* renderTable(
    [
      right('used before'),
      { ...right('after'), paint: style.bytes },
      right('limit'),
      right('external'),
      right('told'),
      right('malloced'),
      right('contexts'),
      { title: 'isolate', align: 'left', flexible: true },
    ],
    isolates.map(({ isMain, isolate, before, after }) => [
      formatBytes(before.usedBytes),
      formatBytes(after.usedBytes),
      formatBytes(after.limitBytes),
      formatBytes(after.externalBytes),
      told(after.toldBytes),
      formatBytes(after.mallocedBytes),
      after.detachedContextCount === 0
        ? formatCount(after.contextCount)
        : `${formatCount(after.contextCount)} (${formatCount(after.detachedContextCount)} detached)`,
      isMain ? 'main' : `Worker ${isolate}`,
    ]),
    { columns, heading: style.faint },
  );
}

/** null: every isolate was made to collect. */
export function v8NotCollectedText(isolates: readonly V8Isolate[]): string | null {
  const left = isolates.filter((isolate) => !isolate.isCollected);
  if (left.length === 0) return null;
  const usedBytes = left.reduce((sum, { after }) => sum + after.usedBytes, 0);
  return `How much of the ${formatBytes(usedBytes)} that V8's heap uses is garbage is unknown: at the end of a program without addons a heap above 64 MiB is left alone, because it would take long. memprof checkpoint PID and --checkpoint 30s have V8 collect.`;
}

export interface V8Moment {
  checkpoint: number;
  atNs: number;
  usedBeforeBytes: number;
  usedBytes: number;
  committedBytes: number;
  externalBytes: number;
}

export function* renderV8AtCheckpoints(
  moments: readonly V8Moment[],
  { columns, style }: { columns: number; style: Style },
): Iterable<string> {
  yield style.strong("V8's heap at checkpoints: before V8 was made to collect, and after");
  yield* renderTable(
    [
      right('after'),
      right('used before'),
      { ...right('used'), paint: style.bytes },
      right('committed'),
      right('external'),
      { title: 'checkpoint', align: 'left' },
    ],
    moments.map((one) => [
      formatDuration(one.atNs),
      formatBytes(one.usedBeforeBytes),
      formatBytes(one.usedBytes),
      formatBytes(one.committedBytes),
      formatBytes(one.externalBytes),
      String(one.checkpoint),
    ]),
    { columns, heading: style.faint },
  );
}

export function collectedText(collected: V8Collected): string {
  const { residentBeforeBytes, residentAfterBytes, goneBytes, toldGoneBytes } = collected;
  const { pendingBytes, usedBeforeBytes, usedAfterBytes, beforeBytes, cameBytes } = collected;
  const resident =
    residentBeforeBytes === 0
      ? ''
      : ` It had ${formatBytes(residentBeforeBytes)} resident before, ${formatBytes(residentAfterBytes)} at the checkpoint.`;
  const told =
    toldGoneBytes === null
      ? '; what V8 had been told of them is unknown'
      : `, of which V8 had been told ${formatBytes(toldGoneBytes)}`;
  const pending =
    pendingBytes === 0 ? '' : ` ${formatBytes(pendingBytes)} more wait for their finalizers.`;
  return `The process was made to collect garbage for this checkpoint.${resident} Of ${formatBytes(beforeBytes)} in native blocks ${formatBytes(goneBytes)} went${told}; ${formatBytes(cameBytes)} came since.${pending} V8's own heap went from ${formatBytes(usedBeforeBytes)} used to ${formatBytes(usedAfterBytes)}.`;
}

function* paragraph(text: string, columns: number): Iterable<string> {
  yield* wrap(text, Math.max(columns, 40), '', '');
}
