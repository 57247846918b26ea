// Paths as maps write them: relative to the map, file: URLs, or names that are no files at all.
import { posix } from 'node:path';

/** An absolute path, or null where `reference` is no local file. */
export function localPath(reference: string, baseFolder: string): string | null {
  if (reference === '' || reference.includes('\0')) return null;
  if (/^file:\/\/(?:localhost)?\//i.test(reference)) {
    const path = decoded(reference.replace(/^file:\/\/(?:localhost)?/i, ''));
    return path === null ? null : posix.normalize(path);
  }
  if (/^[a-z][a-z0-9+.-]+:/i.test(reference)) return null;
  return posix.resolve(baseFolder, reference);
}

/**
 * What a map calls a source, for people: the local path, else the name as it is. A bundler's names
 * (webpack://app/src/a.ts) count from a folder that the map does not tell.
 */
export function sourceName(reference: string, baseFolder: string): string {
  return localPath(reference, baseFolder) ?? reference;
}

function decoded(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch {
    // A % that encodes nothing: not a URL that anybody can follow.
    return null;
  }
}
