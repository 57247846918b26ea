// Stack traces of our own errors, with the sources' lines in place of the bundle's. Loaded only when there
// is such a trace to print.
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';

const bundlePlace = /(\/[^\s():]+\.cjs):(\d+):(\d+)/g;

export function withSourceLines(stack: string): string {
  const maps = new Map<string, SourceMap | null>();
  const mapOf = (path: string): SourceMap | null => {
    let map = maps.get(path);
    if (map === undefined) maps.set(path, (map = readMap(path)));
    return map;
  };
  return stack.replace(bundlePlace, (place, path: string, line: string, column: string) => {
    // findEntry counts from 0, and answers {} where it knows nothing.
    const found = mapOf(path)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (found === undefined || !('originalSource' in found)) return place;
    const source = found.originalSource.replace(/^(?:\.\.\/)+/, '');
    return `${source}:${found.originalLine + 1}:${found.originalColumn + 1}`;
  });
}

function readMap(bundlePath: string): SourceMap | null {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${bundlePath}.map`, 'utf8')));
  } catch {
    // Not a file of ours, or without its map: the bundle's own place still says something.
    return null;
  }
}
