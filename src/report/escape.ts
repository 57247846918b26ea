// Names and paths come from the traced program: on a terminal they must stay text. Must not import anything.

// C0 and C1 controls, line and paragraph separators, and the marks that reorder a line (CVE-2021-42574).
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

export function escapeText(text: string): string {
  return text.replace(unsafe, (char) => {
    const code = char.charCodeAt(0);
    if (code === 10) return '\\n';
    if (code === 9) return '\\t';
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

/** For a command that the reader may copy into a shell. */
export function shellQuote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (/[\u0000-\u001f\u007f]/.test(word)) {
    return `$'${escapeText(word.replaceAll('\\', '\\\\').replaceAll("'", "\\'"))}'`;
  }
  return `'${word.replaceAll("'", "'\\''")}'`;
}
