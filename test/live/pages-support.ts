// A program that runs and is watched in pages: who it is, and what its pages are given.
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { get, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { unpack } from '../../src/html/pack.js';
import { type PageData, pageData } from '../../src/html/page-data.js';
import type { ReportHead } from '../../src/html/report-data.js';
import { buildAddon, fixturesFolder } from '../e2e/support/build.js';
import { memprofBin, runBin, scratchFolder } from '../e2e/support/run.js';

export const growApp: string = join(fixturesFolder, 'apps', 'grow.cjs');
export const shelfAddon: Promise<string> = buildAddon('shelf.cc');
/** For what comes some time: longer than any machine takes. */
const patienceMs = 120_000;

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** A command that serves pages, from its first line on. */
export class Served {
  readonly folder: string;
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  url = '';
  stdout = '';
  stderr = '';

  /** memprof-run with these options, of a program in a folder of its own. */
  static async run(
    t: ExecutionContext,
    options: readonly string[],
    command?: readonly string[],
  ): Promise<Served> {
    const words = command ?? [process.execPath, growApp, await shelfAddon];
    const folder = await scratchFolder(t);
    return Served.begin(t, [runBin, '--live=web', ...options, ...words], folder);
  }

  /** memprof live PID --web. */
  static watch(t: ExecutionContext, pid: number, folder: string): Promise<Served> {
    return Served.begin(t, [memprofBin, 'live', String(pid), '--web'], folder);
  }

  private static async begin(
    t: ExecutionContext,
    words: readonly string[],
    folder: string,
  ): Promise<Served> {
    const served = new Served(words, folder);
    t.teardown(() => served.#end());
    const found = await served.until(() => /http:\/\/\S+/.exec(served.stderr)?.[0] ?? null);
    served.url = found;
    return served;
  }

  private constructor(words: readonly string[], folder: string) {
    this.folder = folder;
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.child = spawn(process.execPath, words, { cwd: folder, env, stdio: 'pipe' });
    this.child.stdout?.on('data', (piece: Buffer) => {
      this.stdout += piece.toString();
    });
    this.child.stderr?.on('data', (piece: Buffer) => {
      this.stderr += piece.toString();
    });
    this.ended = new Promise((ended) => {
      this.child.on('close', (code, signal) => ended({ code, signal }));
    });
  }

  /** The program ends by itself. */
  stop(): void {
    writeFileSync(join(this.folder, 'stop'), '');
  }

  async until<T>(look: () => T | null): Promise<T> {
    for (const beginMs = performance.now(); performance.now() - beginMs < patienceMs; ) {
      const found = look();
      if (found !== null) return found;
      if (this.child.exitCode !== null) break;
      await sleep(20);
    }
    throw new Error(`it did not come:\n${this.stderr}`);
  }

  /** After a test that failed, too: the program first, for it outlives its recorder. */
  async #end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.stop();
    await Promise.race([this.ended, sleep(90_000, null, { ref: false })]);
    this.child.kill('SIGKILL');
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** As a browser asks, but for what is told otherwise. */
  ask(
    path: string,
    { headers = {}, method = 'GET' }: { headers?: OutgoingHttpHeaders; method?: string } = {},
  ): Promise<Answer> {
    return new Promise((answered, failed) => {
      const asked = request(
        { host: '127.0.0.1', port: this.port, path, method, headers, agent: false },
        (response) => answered(answerOf(response)),
      );
      asked.on('error', failed);
      asked.end();
    });
  }

  get token(): string {
    return new URL(this.url).searchParams.get('token') ?? '';
  }

  async build(): Promise<string> {
    const { body } = await this.ask(`/?token=${this.token}`);
    return /data-build="(\w+)"/.exec(body.toString())?.[1] ?? '';
  }

  /** Waits on, as a page does; returns a way to stop waiting. */
  hold(build: string, pageId: string, seen: number): () => void {
    const held = get({
      host: '127.0.0.1',
      port: this.port,
      path: this.dataPath(build, pageId, seen),
      agent: false,
    });
    held.on('error', () => undefined);
    return () => held.destroy();
  }

  dataPath(build: string, pageId: string, seen: number): string {
    return `/data?token=${this.token}&build=${build}&page=${pageId}&seen=${seen}`;
  }
}

async function answerOf(response: IncomingMessage): Promise<Answer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(pieces),
  };
}

/** A page without a browser: asks for what is newer than what it has. */
export class PlainPage {
  readonly #served: Served;
  readonly #build: string;
  #seen = 0;

  static async open(served: Served): Promise<PlainPage> {
    return new PlainPage(served, await served.build());
  }

  private constructor(served: Served, build: string) {
    this.#served = served;
    this.#build = build;
  }

  /** null: there is nothing new. */
  async next(): Promise<PageData | null> {
    const path = this.#served.dataPath(this.#build, 'plain', this.#seen);
    const { status, headers, body } = await this.#served.ask(path);
    if (status === 204) return null;
    if (status !== 200) throw new Error(`${status}: ${body}`);
    this.#seen = Number(headers['x-memprof-version']);
    return pageData(unpack<ReportHead>(gunzipSync(body)));
  }

  /** The first data that pass. */
  async until(passes: (data: PageData) => boolean): Promise<PageData> {
    for (const beginMs = performance.now(); performance.now() - beginMs < patienceMs; ) {
      const data = await this.next();
      if (data !== null && passes(data)) return data;
    }
    throw new Error('such data did not come');
  }
}

/** Live bytes of what was allocated through a function of this name. */
export function liveThrough({ nodes, frames, sites, cells, head }: PageData, name: string): number {
  const passes = Array.from(sites.node, (leaf) => {
    for (let node = leaf; node > 0; node = nodes.parent[node]!)
      if (head.strings[frames.name[nodes.frame[node]!]!]!.includes(name)) return true;
    return false;
  });
  let bytes = 0;
  const end = head.edges.length - 1;
  for (let row = 0; row < cells.site.length; row++)
    if (passes[cells.site[row]!] === true && cells.death[row] === end) bytes += cells.bytes[row]!;
  return bytes;
}
