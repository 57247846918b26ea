// Lines of source around a call, where the file was there when the report was made.
import type { PageData } from '../../html/page-data.js';
import type { SourceFacts } from '../../html/report-data.js';

const around = 3;

export function sourceAt(data: PageData, frame: number): SourceFacts | null {
  const file = data.head.strings[data.frames.file[frame]!]!;
  const line = data.frames.line[frame]!;
  if (file === '' || line === 0) return null;
  return (
    data.head.sources.find(
      (one) =>
        one.file === file && line >= one.firstLine && line < one.firstLine + one.lines.length,
    ) ?? null
  );
}

export function SourceLines({ source, line }: { source: SourceFacts; line: number }) {
  const first = Math.max(source.firstLine, line - around);
  const last = Math.min(source.firstLine + source.lines.length - 1, line + around);
  const rows = [];
  for (let at = first; at <= last; at++)
    rows.push(
      <div key={at} class={at === line ? 'called' : ''}>
        <span class="number">{at}</span>
        <code>{source.lines[at - source.firstLine]}</code>
      </div>,
    );
  return <div class="source">{rows}</div>;
}
