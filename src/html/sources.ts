// Lines of source around the calls on the stacks that a reader looks at first. Pure: files come in.
import type { SourceFacts } from './report-data.js';
import type { FramePlace } from './stack-index.js';
import { safeText } from './texts.js';

/** null: not there, or not to be read. */
export type ReadSource = (
  path: string,
  maxBytes: number,
) => { text: string; modifiedMs: number } | null;

const linesAround = 4;
const mostStacks = 120;
const mostFileBytes = 4 << 20;
const mostBytes = 384 << 10;
const mostLineChars = 240;

export function collectSources(
  stacks: readonly (readonly FramePlace[])[],
  read: ReadSource,
  startRealtimeMs: number,
): SourceFacts[] {
  const wanted = new Map<string, { file: string; lines: Set<number> }>();
  for (const stack of stacks.slice(0, mostStacks)) {
    for (const { path, file, line } of stack) {
      let entry = wanted.get(path);
      if (entry === undefined) wanted.set(path, (entry = { file, lines: new Set() }));
      for (let at = line - linesAround; at <= line + linesAround; at++)
        if (at >= 1) entry.lines.add(at);
    }
  }
  const found: SourceFacts[] = [];
  let bytes = 0;
  for (const [path, { file, lines }] of wanted) {
    const source = read(path.replace(/^file:\/\//, ''), mostFileBytes);
    // Changed since it ran: its lines would be other ones.
    if (source === null || source.modifiedMs > startRealtimeMs) continue;
    const all = source.text.split('\n');
    const numbers = [...lines].filter((line) => line <= all.length).sort((a, b) => a - b);
    for (let at = 0; at < numbers.length; ) {
      const firstLine = numbers[at]!;
      const piece: string[] = [];
      while (at < numbers.length && numbers[at] === firstLine + piece.length)
        piece.push(sourceLine(all[numbers[at++]! - 1]!));
      bytes += piece.reduce((sum, line) => sum + line.length + 4, 40);
      if (bytes > mostBytes) return found;
      found.push({ file, firstLine, lines: piece });
    }
  }
  return found;
}

const sourceLine = (line: string): string =>
  safeText(line.replace(/\r$/, '').replaceAll('\t', '  '), mostLineChars);
