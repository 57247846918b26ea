// Names found before, by build id, so that the second report on a large module does not read its debug
// info again. Kept only for modules whose names took their time: others are read faster than looked up here.
// Whatever is wrong with a file of the cache, the names are found as if it were not there.
import { randomBytes } from 'node:crypto';
import { readFile as readFileThen, stat as statThen } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ownCacheFolder } from '../cache-folder.js';
import { clockMs } from '../clock.js';
import { crc32, type ResolvedModule } from '../native/index.js';
import {
  decodeCache,
  encodeCache,
  type KnownAddress,
  type KnownAddresses,
  type Source,
} from './symbol-cache-format.js';
import type { ModuleResolver } from './symbol-sources.js';

/** What every report needs does without fs/promises, which Node takes milliseconds to load. */
const readFile = promisify(readFileThen);
const stat = promisify(statThen);

/** Below this a module is not worth a file: reading one takes a tenth of it. Three addresses of glibc's loader take 7. */
const worthKeepingMs = 5;
const mostAddresses = 200_000;
const mostFolderBytes = 256 * 2 ** 20;
/** A part file this old is of a process that died. */
const deadPartMs = 3_600_000;

/** null: MEMPROF_NO_CACHE=1. */
export function symbolCacheFolder(environment: NodeJS.ProcessEnv): string | null {
  const folder = ownCacheFolder(environment);
  return folder === null ? null : join(folder, 'symbols');
}

interface Entry {
  file: string;
  sources: readonly Source[];
  hasSymbols: boolean;
  known: KnownAddresses;
  spentMs: number;
  isNew: boolean;
}

export class SymbolCache implements ModuleResolver {
  readonly #resolver: ModuleResolver;
  readonly #folder: string;
  readonly #worthKeepingMs: number;
  readonly #entries = new Map<string, Promise<Entry>>();

  constructor(resolver: ModuleResolver, folder: string, keepBeyondMs = worthKeepingMs) {
    this.#resolver = resolver;
    this.#folder = folder;
    this.#worthKeepingMs = keepBeyondMs;
  }

  /** Reads what is known of a module ahead of the first question. Resolves with whether anything is. */
  async warm(path: string, expectedBuildId: string): Promise<boolean> {
    if (!isBuildId(expectedBuildId)) return false;
    try {
      return (await this.#entryOf(path, expectedBuildId)).known.size > 0;
    } catch {
      // What fails now is told when names are asked for.
      return false;
    }
  }

  async resolve(
    path: string,
    expectedBuildId: string,
    addresses: Float64Array,
  ): Promise<ResolvedModule> {
    if (!isBuildId(expectedBuildId)) {
      return this.#resolver.resolve(path, expectedBuildId, addresses);
    }
    const entry = await this.#entryOf(path, expectedBuildId);
    const missing = addresses.filter((address) => !entry.known.has(address));
    if (missing.length > 0 || addresses.length === 0) {
      const startedMs = clockMs();
      const answers = await this.#resolver.resolve(path, expectedBuildId, missing);
      entry.spentMs += clockMs() - startedMs;
      const sources = answers.found ? await sourcesOf(answers.sources) : null;
      if (sources === null || !sameSources(sources, entry)) {
        // The known answers came from other files than these: all or nothing.
        entry.known.clear();
        entry.sources = sources ?? [];
        entry.isNew = sources !== null;
        if (missing.length < addresses.length) {
          return this.#resolver.resolve(path, expectedBuildId, addresses);
        }
        if (sources !== null) remember(entry, missing, answers);
        return answers;
      }
      remember(entry, missing, answers);
      if (missing.length === addresses.length) return answers;
    }
    return assemble(entry, addresses);
  }

  /** Writes what is worth it. Failing to is no failure: the next report takes its time again. */
  async save(): Promise<void> {
    for (const loading of this.#entries.values()) {
      const entry = await loading;
      if (!entry.isNew || entry.spentMs < this.#worthKeepingMs || entry.known.size === 0) continue;
      entry.isNew = false;
      const partPath = `${entry.file}.${randomBytes(6).toString('hex')}.part`;
      try {
        await mkdir(this.#folder, { recursive: true, mode: 0o700 });
        await writeFile(partPath, encodeCache(entry), { flag: 'wx', mode: 0o600 });
        // Two processes may write: each file is whole, the last one stays.
        await rename(partPath, entry.file);
        await this.#makeRoom();
      } catch {
        await rm(partPath, { force: true }).catch(() => {});
      }
    }
  }

  #entryOf(path: string, buildId: string): Promise<Entry> {
    const key = `${buildId}-${crc32(Buffer.from(path)).toString(16).padStart(8, '0')}`;
    let loading = this.#entries.get(key);
    if (loading === undefined) this.#entries.set(key, (loading = this.#load(key)));
    return loading;
  }

  async #load(key: string): Promise<Entry> {
    const file = join(this.#folder, key);
    const fresh = (): Entry => ({
      file,
      sources: [],
      hasSymbols: false,
      known: new Map(),
      spentMs: 0,
      isNew: false,
    });
    const bytes = await readFile(file).catch(() => null);
    const content = bytes === null ? null : decodeCache(bytes);
    if (content === null) return fresh();
    const now = await sourcesOf(content.sources.map(({ path }) => path));
    const entry = { ...fresh(), ...content };
    // It took long once, so what is added is worth keeping as well.
    entry.spentMs = this.#worthKeepingMs;
    return now !== null && sameSources(now, entry) ? entry : fresh();
  }

  /** Oldest first, until the folder is within its bounds. */
  async #makeRoom(): Promise<void> {
    const files: { path: string; sizeBytes: number; timeMs: number }[] = [];
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const found = await stat(path).catch(() => null);
      if (found === null || !found.isFile()) continue;
      const isDeadPart = name.endsWith('.part') && Date.now() - found.mtimeMs > deadPartMs;
      if (isDeadPart) await rm(path, { force: true });
      else files.push({ path, sizeBytes: found.size, timeMs: found.mtimeMs });
    }
    files.sort((a, b) => a.timeMs - b.timeMs);
    let total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { path, sizeBytes } of files) {
      if (total <= mostFolderBytes) break;
      await rm(path, { force: true });
      total -= sizeBytes;
    }
  }
}

/** Without one nothing says that it is the same file tomorrow. */
function isBuildId(text: string): boolean {
  return /^([0-9a-f]{2}){2,64}$/.test(text);
}

/** null: there are none, or one is gone. */
async function sourcesOf(paths: readonly string[]): Promise<Source[] | null> {
  const sources: Source[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => null);
    if (found === null) return null;
    sources.push({ path, sizeBytes: found.size, timeMs: found.mtimeMs, inode: found.ino });
  }
  return sources.length === 0 ? null : sources;
}

function sameSources(sources: readonly Source[], entry: Entry): boolean {
  return JSON.stringify(sources) === JSON.stringify(entry.sources);
}

function remember(entry: Entry, addresses: Float64Array, answers: ResolvedModule): void {
  entry.hasSymbols = answers.hasSymbols;
  addresses.forEach((address, at) => {
    if (entry.known.size >= mostAddresses) return;
    const frames: KnownAddress['frames'] = [];
    for (let row = answers.start[at]; row < answers.start[at + 1]; row++) {
      frames.push({
        functionName: answers.functionName[row],
        file: answers.file[row],
        line: answers.line[row],
        column: answers.column[row],
        inlined: answers.inlined[row],
      });
    }
    entry.known.set(address, {
      quality: answers.quality[at],
      symbolOffset: answers.symbolOffset[at],
      frames,
    });
    entry.isNew = true;
  });
}

function assemble(entry: Entry, addresses: Float64Array): ResolvedModule {
  const answers = Array.from(addresses, (address) => entry.known.get(address) as KnownAddress);
  const frames = answers.flatMap((answer) => answer.frames);
  let frameCount = 0;
  const start = new Uint32Array(answers.length + 1);
  answers.forEach((answer, at) => {
    frameCount += answer.frames.length;
    start[at + 1] = frameCount;
  });
  return {
    found: true,
    reason: 'ok',
    hasDebugInfo: true,
    hasSymbols: entry.hasSymbols,
    sources: entry.sources.map(({ path }) => path),
    start,
    functionName: frames.map((frame) => frame.functionName),
    file: frames.map((frame) => frame.file),
    line: Uint32Array.from(frames, (frame) => frame.line),
    column: Uint32Array.from(frames, (frame) => frame.column),
    inlined: frames.map((frame) => frame.inlined),
    quality: Uint8Array.from(answers, (answer) => answer.quality),
    symbolOffset: Float64Array.from(answers, (answer) => answer.symbolOffset),
  };
}
