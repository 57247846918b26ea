// Debug files by build id from the servers that DEBUGINFOD_URLS names, kept in the cache that elfutils
// and gdb share: <cache>/<build id>/debuginfo, an empty file for "no server has it".
// Asks only where the user's environment says so, never waits without limit, and prints nothing.
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { cachesFolder } from '../cache-folder.js';
import { clockMs } from '../clock.js';
import { inspectExecutable } from '../native/index.js';

export interface DebuginfodOptions {
  urls: readonly string[];
  cacheFolder: string;
  /** A server that sends nothing for this long is not asked again. */
  stallMs: number;
  /** For all files together. */
  totalMs: number;
  largestBytes: number;
}

// As elfutils has it, but for the last two: there a download may take and be as long as it likes.
const defaultStallSeconds = 90;
const defaultMissSeconds = 600;
const defaultTotalSeconds = 300;
const defaultLargestBytes = 2 ** 31;

/** null: the user does not want any server asked. */
export function debuginfodOptions(environment: NodeJS.ProcessEnv): DebuginfodOptions | null {
  const urls = (environment['DEBUGINFOD_URLS'] ?? '').split(/\s+/).filter((url) => url !== '');
  if (urls.length === 0) return null;
  const number = (name: string): number | null => {
    const value = Number(environment[name] || Number.NaN);
    return value > 0 ? value : null;
  };
  return {
    urls,
    cacheFolder: cacheFolder(environment),
    stallMs: (number('DEBUGINFOD_TIMEOUT') ?? defaultStallSeconds) * 1000,
    totalMs: (number('DEBUGINFOD_MAXTIME') ?? defaultTotalSeconds) * 1000,
    largestBytes: number('DEBUGINFOD_MAXSIZE') ?? defaultLargestBytes,
  };
}

function cacheFolder(environment: NodeJS.ProcessEnv): string {
  if (environment['DEBUGINFOD_CACHE_PATH']) return environment['DEBUGINFOD_CACHE_PATH'];
  return join(cachesFolder(environment), 'debuginfod_client');
}

export class Debuginfod {
  /** A sentence for each server that failed, and one when time was up. */
  readonly warnings: string[] = [];
  readonly #options: DebuginfodOptions;
  readonly #servers: Set<string>;
  readonly #files = new Map<string, Promise<string | null>>();
  #leftMs: number;

  constructor(options: DebuginfodOptions) {
    this.#options = options;
    this.#servers = new Set(options.urls);
    this.#leftMs = options.totalMs;
  }

  /** The path of the debug file with this build id (hex), or null. Never throws. */
  debugFile(buildId: string): Promise<string | null> {
    if (!/^([0-9a-f]{2}){2,64}$/.test(buildId)) return Promise.resolve(null);
    let file = this.#files.get(buildId);
    if (file === undefined) {
      file = this.#find(buildId).catch((error: unknown) => {
        // The message would name this one file; all of them fail alike.
        const reason = (error as NodeJS.ErrnoException).code ?? reasonOf(error);
        this.#warn(`debug files cannot be kept in ${this.#options.cacheFolder}: ${reason}`);
        return null;
      });
      this.#files.set(buildId, file);
    }
    return file;
  }

  async #find(buildId: string): Promise<string | null> {
    const folder = join(this.#options.cacheFolder, buildId);
    const path = join(folder, 'debuginfo');
    const known = await stat(path).catch(() => null);
    if (known !== null && known.size > 0) {
      if (hasBuildId(path, buildId)) return path;
      // Damaged: fetched anew.
      await rm(path, { force: true });
    } else if (known !== null) {
      if (Date.now() - known.mtimeMs < (await this.#missMs())) return null;
      await rm(path, { force: true });
    }
    if (this.#servers.size === 0) return null;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    let isAbsent = true;
    for (const server of [...this.#servers]) {
      const answer = await this.#ask(server, buildId, path);
      if (answer === 'found') return path;
      if (answer === 'failed') isAbsent = false;
    }
    // Only what every server denied is known to be nowhere.
    if (isAbsent && this.#servers.size === this.#options.urls.length) await writeFile(path, '');
    return null;
  }

  async #missMs(): Promise<number> {
    const text = await readFile(join(this.#options.cacheFolder, 'cache_miss_s'), 'utf8').catch(
      () => '',
    );
    const seconds = Number.parseInt(text, 10);
    return (Number.isNaN(seconds) ? defaultMissSeconds : seconds) * 1000;
  }

  async #ask(
    server: string,
    buildId: string,
    path: string,
  ): Promise<'found' | 'absent' | 'failed'> {
    const startedMs = clockMs();
    if (this.#leftMs <= 0) return this.#timeIsUp();
    const partPath = `${path}.${randomBytes(6).toString('hex')}`;
    const patience = new Patience(this.#options.stallMs, this.#leftMs);
    try {
      const found = await this.#download(server, buildId, partPath, patience);
      if (!found) return 'absent';
      if (!hasBuildId(partPath, buildId)) throw new Error(`its file for ${buildId} is another one`);
      await rename(partPath, path);
      return 'found';
    } catch (error) {
      if (patience.isTotalUp) return this.#timeIsUp();
      // The next one would fail as well, and each may take as long.
      this.#servers.delete(server);
      const reason = patience.isStalled
        ? `nothing came for ${this.#options.stallMs / 1000} s`
        : reasonOf(error);
      this.#warn(`no debug files from ${withoutSecrets(server)}: ${reason}`);
      return 'failed';
    } finally {
      patience.end();
      this.#leftMs -= clockMs() - startedMs;
      await rm(partPath, { force: true });
    }
  }

  /** False: the server has no such file. */
  async #download(
    server: string,
    buildId: string,
    partPath: string,
    patience: Patience,
  ): Promise<boolean> {
    const base = server.endsWith('/') ? server : `${server}/`;
    const url = new URL(`buildid/${buildId}/debuginfo`, base);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new Error('only http and https are supported');
    }
    const { username, password } = url;
    url.username = '';
    url.password = '';
    const headers: Record<string, string> = { 'user-agent': 'memprof' };
    if (username !== '') {
      const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
      headers['authorization'] = `Basic ${Buffer.from(login).toString('base64')}`;
    }
    const response = await fetch(url, { headers, signal: patience.signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      if (response.status === 404) return false;
      throw new Error(`HTTP status ${response.status}`);
    }
    const { largestBytes } = this.#options;
    let sizeBytes = 0;
    await pipeline(
      Readable.fromWeb(response.body as ReadableStream),
      async function* (parts: AsyncIterable<Uint8Array>) {
        for await (const part of parts) {
          patience.renew();
          sizeBytes += part.length;
          if (sizeBytes > largestBytes) throw new Error(`more than ${largestBytes} bytes came`);
          yield part;
        }
      },
      createWriteStream(partPath, { flags: 'wx', mode: 0o600 }),
      { signal: patience.signal },
    );
    return true;
  }

  #timeIsUp(): 'failed' {
    this.#servers.clear();
    const seconds = this.#options.totalMs / 1000;
    this.#warn(`fetching debug files took ${seconds} s, no more is fetched (DEBUGINFOD_MAXTIME)`);
    return 'failed';
  }

  #warn(warning: string): void {
    if (!this.warnings.includes(warning)) this.warnings.push(warning);
  }
}

/** Ends a download that stands still, or when no time is left for any. */
class Patience {
  isStalled = false;
  isTotalUp = false;
  readonly #controller = new AbortController();
  readonly #stall: NodeJS.Timeout;
  readonly #total: NodeJS.Timeout;

  constructor(stallMs: number, totalMs: number) {
    this.#stall = setTimeout(() => {
      this.isStalled = true;
      this.#controller.abort();
    }, stallMs);
    this.#total = setTimeout(() => {
      this.isTotalUp = true;
      this.#controller.abort();
    }, totalMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  renew(): void {
    this.#stall.refresh();
  }

  end(): void {
    clearTimeout(this.#stall);
    clearTimeout(this.#total);
  }
}

function hasBuildId(path: string, buildId: string): boolean {
  return inspectExecutable(path).buildId === buildId;
}

/** fetch says "fetch failed"; its cause says why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  // Several addresses of one name fail as one error without a message of its own.
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  return cause instanceof Error ? cause.message || code || error.message : error.message;
}

function withoutSecrets(server: string): string {
  if (!URL.canParse(server)) return server;
  const url = new URL(server);
  url.username = '';
  url.password = '';
  return url.href;
}
