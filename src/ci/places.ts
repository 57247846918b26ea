// Where a file lies for a CI system: below the repository's root, elsewhere, or nowhere it can open. Pure.
import { posix } from 'node:path';
import type { CheckFinding } from '../checks/index.js';

export type Place =
  | { kind: 'inside' /** Relative to the root, without "./". */; path: string }
  | { kind: 'outside' /** Absolute. */; path: string }
  /** node:fs, evalmachine.<anonymous>, a path whose folder is not known. */
  | { kind: 'none' };

export function placeOf(file: string, root: string): Place {
  const path = file.startsWith('file:') ? pathOfUrl(file) : file;
  if (path === null || !path.startsWith('/')) return { kind: 'none' };
  const inside = posix.relative(posix.normalize(root), posix.normalize(path));
  // The root itself is no file.
  if (inside === '') return { kind: 'none' };
  if (inside === '..' || inside.startsWith('../'))
    return { kind: 'outside', path: posix.normalize(path) };
  return { kind: 'inside', path: inside };
}

/**
 * Where to show a finding: at its own place, or, where that is a file that the repository does not hold (an
 * installed package's), at the nearest call from one that it may hold.
 */
export function shownPlace(finding: CheckFinding, root: string): CheckFinding['place'] {
  const { place, stack } = finding;
  if (place !== null && isOfRepository(place.file, root)) return place;
  for (const { file, line, column } of stack) {
    if (file !== null && line !== null && isOfRepository(file, root)) return { file, line, column };
  }
  return place;
}

function isOfRepository(file: string, root: string): boolean {
  const place = placeOf(file, root);
  return place.kind === 'inside' && !/(?:^|\/)node_modules\//.test(place.path);
}

function pathOfUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== 'file:' || url.host !== '') return null;
  try {
    return decodeURIComponent(url.pathname);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

/** A path as part of a URI; what is no text (half a surrogate pair) becomes U+FFFD. */
export function uriPath(path: string): string {
  const encoded = path
    .split('/')
    .map((part) => encodeURIComponent(wellFormed(part)))
    .join('/');
  // "a:b" at the start of a relative reference would be a scheme; the colon is encoded already.
  return encoded;
}

/** As String.prototype.toWellFormed, which the language level here lacks. */
function wellFormed(text: string): string {
  return text.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    '\ufffd',
  );
}

export function fileUri(absolute: string): string {
  return `file://${uriPath(absolute)}`;
}
