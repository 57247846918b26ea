// Maps places of one process, script by script; each script and its map is read once.

import { dirname } from 'node:path/posix';
import { AnyMap, TraceMap, traceSegment } from '@jridgewell/trace-mapping';
import { decodeDataUrl, findMapUrl } from './map-url.js';
import { localPath, sourceName } from './paths.js';
import type { SourceFiles } from './source-files.js';

/** Lines and columns are from 1. */
export interface PlaceInScript {
  file: string;
  line: number;
  column: number;
}

export interface OriginalPlace extends PlaceInScript {
  /**
   * What the map calls the identifier that ends at this place, where V8 puts a function's place (at its
   * "("); null: it says nothing of it.
   */
  name: string | null;
}

export interface MapProblem {
  file: string;
  reason: 'changed' | 'missing' | 'unusable' | 'transformed';
}

const maxScriptBytes = 64 * 1024 * 1024;
const maxMapBytes = 128 * 1024 * 1024;
const maxSections = 10_000;
const longestWrapper = 100;

interface LoadedMap {
  map: TraceMap;
  /** Sources are relative to it. */
  folder: string;
  lines: readonly string[];
}

export class SourceMapper {
  readonly #files: SourceFiles;
  readonly #startedMs: number;
  readonly #loaded = new Map<string, LoadedMap | null>();
  readonly #problems: MapProblem[] = [];

  /** `startedMs`: files modified later are not what the program ran. */
  constructor(files: SourceFiles, startedMs: number) {
    this.#files = files;
    this.#startedMs = startedMs;
  }

  /** What could not be used although a script asked for it. */
  get problems(): readonly MapProblem[] {
    return this.#problems;
  }

  /** null: there is no map, or it says nothing about this place: then the script's own place counts. */
  original(place: PlaceInScript): OriginalPlace | null {
    if (!place.file.startsWith('/')) return null;
    const loaded = this.#load(place.file);
    if (loaded === null) return null;
    try {
      return originalIn(loaded, place);
    } catch {
      // Mappings are decoded at the first question: only now it shows that they are damaged.
      this.#loaded.set(place.file, null);
      this.#problems.push({ file: place.file, reason: 'unusable' });
      return null;
    }
  }

  /**
   * Is the text that ran another than the file's (a loader such as ts-node or tsx compiles in memory)?
   * `functions`: where V8 says that the script's functions start. Whole: one that cannot be there
   * makes every line of the script doubtful.
   */
  isTransformed(file: string, functions: readonly { line: number; column: number }[]): boolean {
    const script = file.startsWith('/') ? this.#files.read(file, maxScriptBytes) : null;
    // A file with a map is the compiler's output, and what changed since is told by the map's reader.
    if (script === null || findMapUrl(script.text) !== null) return false;
    const lines = script.text.split('\n');
    const mayStandAt = typescript.test(file) ? startsFunction : /(?:)/;
    const fits = functions.every(({ line, column }) => {
      const text = lines[line - 1];
      if (text === undefined) return false;
      // In front of the first line there may be a wrapper, such as Node's of CommonJS.
      if (line === 1) return column <= text.length + longestWrapper;
      return column <= text.length + 1 && mayStandAt.test(text.slice(column - 1));
    });
    if (!fits) this.#problems.push({ file, reason: 'transformed' });
    return !fits;
  }

  #load(file: string): LoadedMap | null {
    let loaded = this.#loaded.get(file);
    if (loaded !== undefined) return loaded;
    loaded = null;
    const found = this.#read(file);
    if (found !== null) {
      if ('reason' in found) this.#problems.push({ file, reason: found.reason });
      else loaded = found;
    }
    this.#loaded.set(file, loaded);
    return loaded;
  }

  #read(file: string): LoadedMap | Pick<MapProblem, 'reason'> | null {
    const script = this.#files.read(file, maxScriptBytes);
    if (script === null) return null;
    const url = findMapUrl(script.text);
    if (url === null) return null;
    if (script.modifiedMs > this.#startedMs) return { reason: 'changed' };
    let text = decodeDataUrl(url);
    let folder = dirname(file);
    if (text === null) {
      const path = localPath(withoutQuery(url), folder);
      const map = path === null ? null : this.#files.read(path, maxMapBytes);
      if (path === null || map === null) return { reason: 'missing' };
      if (map.modifiedMs > this.#startedMs) return { reason: 'changed' };
      text = map.text;
      folder = dirname(path);
    }
    const map = parseMap(text);
    return map === null ? { reason: 'unusable' } : { map, folder, lines: script.text.split('\n') };
  }
}

function originalIn({ map, folder, lines }: LoadedMap, place: PlaceInScript): OriginalPlace | null {
  const [line, column] = [place.line - 1, place.column - 1];
  const segment = traceSegment(map, line, column);
  if (segment === null || segment.length === 1) return null;
  const [start, sourceIndex, originalLine, originalColumn, nameIndex] = segment;
  const source = map.resolvedSources[sourceIndex] ?? map.sources[sourceIndex];
  if (typeof source !== 'string' || !(originalLine >= 0) || !(originalColumn >= 0)) return null;
  const name = nameIndex === undefined ? null : map.names[nameIndex];
  const isOfName = identifier.test(lines[line]?.slice(start, column) ?? '');
  return {
    file: sourceName(source, folder),
    line: originalLine + 1,
    column: originalColumn + 1,
    name: typeof name === 'string' && name !== '' && isOfName ? name : null,
  };
}

const typescript = /\.[cm]?tsx?$/;
/** V8's place of a function: its parameters, a name or keyword, or a body without either. */
const startsFunction = /^(?:[([{<=#"'\x60*]|[\p{ID_Start}\p{N}$_])/u;
const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** A map may be fetched with a version behind it. */
const withoutQuery = (url: string): string => url.replace(/[?#].*$/, '');

function parseMap(text: string): TraceMap | null {
  try {
    // Some servers' guard against being run as a script.
    const json: unknown = JSON.parse(text.replace(/^\)\]\}'?[^\n]*\n/, ''));
    if (typeof json !== 'object' || json === null) return null;
    const sections: unknown = Reflect.get(json, 'sections');
    if (Array.isArray(sections)) {
      // A section that has sections itself is not allowed, and could nest without end.
      const isFlat = sections.every(
        (one: unknown) =>
          !Array.isArray(Reflect.get(Reflect.get(Object(one), 'map') ?? {}, 'sections')),
      );
      if (sections.length > maxSections || !isFlat) return null;
      return new AnyMap(json as ConstructorParameters<typeof TraceMap>[0] as never) as TraceMap;
    }
    if (Reflect.get(json, 'version') !== 3) return null;
    return new TraceMap(json as never);
  } catch {
    // Not JSON, or not a map: the caller tells the user so.
    return null;
  }
}
