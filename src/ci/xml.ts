// Text into XML 1.0. Pure.
import { escapeText } from '../report/index.js';

/** Controls, half surrogate pairs and the like are shown as \x1b, for XML cannot hold most of them in any form. */
export function visibleText(text: string): string {
  return escapeText(text).replace(
    /[\ufffe\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16)}`,
  );
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Of text that visibleText() made, also inside of a double-quoted attribute. Line breaks are for elements only. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => entities[char] as string);
}

/** For an element's content: lines joined, each made visible. */
export const xmlLines = (lines: readonly string[]): string =>
  escapeXml(lines.map(visibleText).join('\n'));

/** For an attribute. */
export const xmlValue = (text: string): string => escapeXml(visibleText(text));
