// Serves pages that watch a program: the report's page, and data for it as they come. On 127.0.0.1 alone.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { versionHeader } from '../html/live-marks.js';
import { judgeRequest } from '../live/index.js';
import type { FedData } from './live-feed.js';

export interface LivePage {
  html: string;
  /** Content-Security-Policy. */
  policy: string;
}

export interface PageServerOptions {
  token: string;
  build: string;
  page: LivePage;
  /** Somebody waits. */
  onWanted(): void;
}

/** Each page has one request at most, and nothing of its own is kept for it. */
const mostPages = 16;
const mostConnections = 64;
/** Who waits longer hears that there is nothing new, and asks again. */
const holdMs = 10_000;
/** A page that did not ask for so long is gone; one that stops waiting is at once. */
const forgetMs = 10_000;
/** What pages have to take the last data. */
const handOverMs = 15_000;

interface Page {
  seen: number;
  askedMs: number;
  /** Waits for news. */
  held: { response: ServerResponse; timer: NodeJS.Timeout } | null;
}

export class LivePageServer {
  readonly #options: PageServerOptions;
  readonly #server: Server;
  readonly #pages = new Map<string, Page>();
  #latest: FedData | null = null;
  #onTaken: () => void = () => undefined;

  constructor(options: PageServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.maxConnections = mostConnections;
  }

  /** Resolves with the port; rejects with what the system says. */
  listen(port: number): Promise<number> {
    return new Promise((listening, failed) => {
      this.#server.once('error', failed);
      this.#server.listen({ port, host: '127.0.0.1' }, () => {
        this.#server.off('error', failed);
        const address = this.#server.address();
        listening(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Whether a page waits for more than this. */
  isWanted(version: number): boolean {
    for (const { held, seen } of this.#pages.values())
      if (held !== null && seen >= version) return true;
    return false;
  }

  get hasPages(): boolean {
    this.#forget();
    return this.#pages.size > 0;
  }

  publish(data: FedData): void {
    this.#latest = data;
    for (const page of this.#pages.values()) if (page.seen < data.version) this.#release(page);
  }

  /** Resolves when every page that is open has the latest data, or did not come for them in time. */
  async handOver(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((handedOver) => {
      timer = setTimeout(handedOver, handOverMs);
      this.#onTaken = () => {
        const version = this.#latest?.version ?? 0;
        if ([...this.#pages.values()].every(({ seen }) => seen >= version)) handedOver();
      };
      this.#onTaken();
    });
    clearTimeout(timer);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url } = request;
    const { page, token, build } = this.#options;
    const answer = judgeRequest({ method, url, host: request.headers.host }, { token, build });
    setHeaders(response, page.policy);
    switch (answer.kind) {
      case 'refused':
        if (answer.status === 405) response.setHeader('allow', 'GET');
        say(response, answer.status, answer.text);
        return;
      case 'page':
        response.setHeader('content-type', 'text/html; charset=utf-8');
        response.end(page.html);
        return;
      case 'data':
        this.#hold(answer.pageId, answer.seen, response);
    }
  }

  #hold(pageId: string, seen: number, response: ServerResponse): void {
    this.#forget();
    let page = this.#pages.get(pageId);
    if (page === undefined) {
      if (this.#pages.size >= mostPages) {
        say(
          response,
          503,
          `${mostPages} pages watch this program already. Close one of them, or hide it.`,
        );
        return;
      }
      this.#pages.set(pageId, (page = { seen, askedMs: 0, held: null }));
    }
    const held = page;
    this.#release(held);
    held.seen = seen;
    held.askedMs = performance.now();
    held.held = { response, timer: setTimeout(() => this.#release(held), holdMs) };
    response.on('close', () => {
      // It is closed, hidden or paused.
      if (held.held?.response !== response) return;
      this.#letGo(held);
      this.#pages.delete(pageId);
      this.#onTaken();
    });
    if (this.#latest !== null && this.#latest.version > seen) this.#release(held);
    else this.#options.onWanted();
  }

  /** Answers the request that waits, if one does: with news where there are some. */
  #release(page: Page): void {
    const { held } = page;
    if (held === null) return;
    this.#letGo(page);
    const { response } = held;
    const data = this.#latest;
    if (data === null || data.version <= page.seen) {
      response.statusCode = 204;
      response.end();
      return;
    }
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader('content-encoding', 'gzip');
    response.setHeader(versionHeader, String(data.version));
    response.on('finish', () => {
      page.seen = Math.max(page.seen, data.version);
      this.#onTaken();
    });
    response.end(data.gzipped);
  }

  #letGo(page: Page): void {
    clearTimeout(page.held?.timer);
    page.held = null;
    page.askedMs = performance.now();
  }

  #forget(): void {
    const now = performance.now();
    for (const [id, { held, askedMs }] of this.#pages)
      if (held === null && now - askedMs > forgetMs) this.#pages.delete(id);
  }
}

function setHeaders(response: ServerResponse, policy: string): void {
  const headers = {
    'content-security-policy': `${policy}; frame-ancestors 'none'`,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cache-control': 'no-store',
  };
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

function say(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`${text}\n`);
}
