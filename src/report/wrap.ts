// Words into lines of at most so many columns. Must not import anything.

/** `first` stands before the first line, `next` before the others. A word that is too long stays whole. */
export function wrap(text: string, columns: number, first: string, next: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const room = columns - (lines.length === 0 ? first : next).length;
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push((lines.length === 0 ? first : next) + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push((lines.length === 0 ? first : next) + line);
  return lines;
}
