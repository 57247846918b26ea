// The comment that names a script's source map, and what it names.

/** The last comment counts, and only near the end: text like it may stand in a string earlier on. */
const comment = /^[ \t]*\/\/[#@][ \t]*sourceMappingURL=([^\s'"]+)[ \t]*$/;

export function findMapUrl(text: string): string | null {
  let end = text.length;
  // Behind the comment only blank lines and comments may follow.
  for (let lines = 0; lines < 64 && end > 0; lines++) {
    const start = text.lastIndexOf('\n', end - 1) + 1;
    const line = text.slice(start, end).trimEnd();
    const found = comment.exec(line);
    if (found !== null) return found[1];
    if (line !== '' && !line.trimStart().startsWith('//')) return null;
    end = start - 1;
  }
  return null;
}

/** The text of a data: URL; null: it is none, or is not text. */
export function decodeDataUrl(url: string): string | null {
  const match = /^data:([^,]*),/i.exec(url);
  if (match === null) return null;
  const content = url.slice(match[0].length);
  if (/;base64$/i.test(match[1])) return Buffer.from(content, 'base64').toString('utf8');
  try {
    return decodeURIComponent(content);
  } catch {
    // Not percent-encoded after all: no text that anybody meant.
    return null;
  }
}
