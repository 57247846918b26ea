// valgrind's suppression files: entries in braces, of which those of Memcheck:Leak are ours.
import type { FileLine, SuppressionLines } from './parse.js';
import type { FramePattern, LeakKind, SuppressionRule } from './rule.js';

const leakKinds: readonly LeakKind[] = ['definite', 'indirect', 'possible', 'reachable'];

export function readValgrindEntries(lines: SuppressionLines, first: FileLine): SuppressionRule[] {
  const rules: SuppressionRule[] = [];
  for (let brace: FileLine | null = first; brace !== null; brace = lines.next()) {
    if (brace.text !== '{') lines.fail(brace.line, '"{" at the start of an entry', brace.text);
    const name = inEntry(lines, brace, "the entry's name");
    if (name.text === '}') lines.fail(name.line, "the entry's name", name.text);
    const kind = inEntry(lines, brace, 'a kind such as Memcheck:Leak');
    const kindWords = /^([\w,]+):(\w+)$/.exec(kind.text);
    if (kindWords === null) lines.fail(kind.line, 'a kind such as Memcheck:Leak', kind.text);
    const isLeak = kindWords[1].split(',').includes('Memcheck') && kindWords[2] === 'Leak';
    const body: FileLine[] = [];
    let one = inEntry(lines, brace, '"}"');
    for (; one.text !== '}'; one = inEntry(lines, brace, '"}"')) {
      if (one.text === '{')
        lines.fail(one.line, `"}" of the entry that begins in line ${brace.line}`, one.text);
      body.push(one);
    }
    // Comments stand above an entry or in it.
    const place = lines.takePlace();
    if (!isLeak) continue;
    const kinds = body[0]?.text.startsWith('match-leak-kinds:')
      ? readKinds(lines, body.shift() as FileLine)
      : null;
    if (body.length === 0)
      lines.fail(one.line, 'at least one of fun:, obj:, src: and "..."', one.text);
    const frames = body.map((frame) => readFrame(lines, frame));
    const at = { file: lines.file, line: brace.line };
    rules.push({ format: 'valgrind', name: name.text, kinds, frames, ...at, ...place });
  }
  return rules;
}

function inEntry(lines: SuppressionLines, brace: FileLine, expected: string): FileLine {
  return (
    lines.next() ??
    lines.fail(lines.lastLine, `${expected} (the entry begins in line ${brace.line})`, '')
  );
}

function readKinds(lines: SuppressionLines, { text, line }: FileLine): ReadonlySet<LeakKind> {
  const found = new Set<LeakKind>();
  for (const word of text.slice('match-leak-kinds:'.length).split(',')) {
    const name = word.trim();
    const kind = leakKinds.find((one) => one === name);
    if (kind !== undefined) found.add(kind);
    else if (name === 'all') for (const one of leakKinds) found.add(one);
    else if (name !== 'none') lines.fail(line, `${leakKinds.join(', ')}, all or none`, text);
  }
  return found;
}

function readFrame(lines: SuppressionLines, { text, line }: FileLine): FramePattern {
  if (text === '...') return { is: 'any' };
  const [, is, glob] = /^(fun|obj|src):(.+)$/.exec(text) ?? [];
  if (is === 'fun' || is === 'obj') return { is, glob };
  if (is !== 'src') return lines.fail(line, '"...", fun:NAME, obj:FILE, src:FILE or "}"', text);
  const [, file, number] = /^(.*?)(?::(\d+))?$/.exec(glob) as RegExpExecArray;
  return { is, glob: file, line: number === undefined ? null : Number(number) };
}
