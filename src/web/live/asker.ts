// Asks memprof-run for new data, as long as the page is seen: at most twice a second, and no more often than the page can
// draw. What it got stays when nobody answers any more.
import { versionHeader } from '../../html/live-marks.js';
import { unpack } from '../../html/pack.js';
import { type PageData, pageData } from '../../html/page-data.js';
import type { ReportHead } from '../../html/report-data.js';

export type LiveStatus =
  /** Asking. */
  | { kind: 'running' }
  | { kind: 'paused' }
  /** The program has, and these are its last data. */
  | { kind: 'ended' }
  /** Nobody answers. */
  | { kind: 'gone' }
  /** It will be asked again. */
  | { kind: 'crowded'; text: string }
  | { kind: 'refused'; text: string };

const leastBetweenMs = 500;
const againMs = 3000;
/** Who does not answer so often in a row is gone. */
const mostFailures = 3;
const failureMs = 700;
/** Drawing may take one part in this many of the time. */
const drawingShare = 4;

export interface AskerOptions {
  /** Of this page. */
  build: string;
  onData(data: PageData): void;
  onStatus(status: LiveStatus): void;
}

export class Asker {
  readonly #options: AskerOptions;
  readonly #pageId = crypto.randomUUID();
  #seen = 0;
  #isPaused = false;
  #isOver = false;
  #failures = 0;
  #asking = new AbortController();
  #wake: () => void = () => undefined;

  constructor(options: AskerOptions) {
    this.#options = options;
    document.addEventListener('visibilitychange', this.#look);
    void this.#run();
  }

  setPaused(isPaused: boolean): void {
    if (this.#isOver) return;
    this.#isPaused = isPaused;
    this.#options.onStatus({ kind: isPaused ? 'paused' : 'running' });
    this.#look();
  }

  close(): void {
    this.#isOver = true;
    document.removeEventListener('visibilitychange', this.#look);
    this.#asking.abort();
    this.#wake();
  }

  get #isIdle(): boolean {
    return !this.#isOver && (this.#isPaused || document.hidden);
  }

  /** Who does not look does not wait: memprof-run has nothing to do then. */
  readonly #look = () => {
    if (this.#isIdle) this.#asking.abort();
    else this.#wake();
  };

  async #run(): Promise<void> {
    while (!this.#isOver) {
      if (this.#isIdle) {
        await new Promise<void>((wake) => {
          this.#wake = wake;
        });
        continue;
      }
      const beginMs = performance.now();
      const restMs = await this.#ask();
      const leftMs = beginMs + leastBetweenMs - performance.now();
      await new Promise((rested) => setTimeout(rested, Math.max(restMs, leftMs, 0)));
    }
  }

  /** Returns for how long to leave it at that. */
  async #ask(): Promise<number> {
    this.#asking = new AbortController();
    const words = new URLSearchParams(location.search);
    words.set('build', this.#options.build);
    words.set('page', this.#pageId);
    words.set('seen', String(this.#seen));
    let response: Response;
    let bytes: Uint8Array;
    try {
      response = await fetch(`data?${words}`, { signal: this.#asking.signal, cache: 'no-store' });
      bytes = new Uint8Array(await response.arrayBuffer());
    } catch {
      return this.#isIdle || this.#isOver ? 0 : this.#failed();
    }
    this.#failures = 0;
    switch (response.status) {
      case 200:
        return this.#take(bytes, Number(response.headers.get(versionHeader)));
      case 204:
        this.#tell({ kind: 'running' });
        return 0;
      case 503:
        this.#tell({ kind: 'crowded', text: new TextDecoder().decode(bytes).trim() });
        return againMs;
      default:
        this.#over({ kind: 'refused', text: new TextDecoder().decode(bytes).trim() });
        return 0;
    }
  }

  #take(bytes: Uint8Array, version: number): number {
    const beginMs = performance.now();
    let data: PageData;
    try {
      data = pageData(unpack<ReportHead>(bytes));
    } catch (error) {
      this.#over({ kind: 'refused', text: (error as Error).message });
      return 0;
    }
    this.#seen = version;
    // Somebody paused while it came.
    if (this.#isIdle) return 0;
    this.#options.onData(data);
    if (data.head.live?.isRunning === false) this.#over({ kind: 'ended' });
    else this.#tell({ kind: 'running' });
    return drawingShare * (performance.now() - beginMs);
  }

  #failed(): number {
    if (++this.#failures >= mostFailures) this.#over({ kind: 'gone' });
    return failureMs;
  }

  #tell(status: LiveStatus): void {
    if (!this.#isIdle && !this.#isOver) this.#options.onStatus(status);
  }

  #over(status: LiveStatus): void {
    this.close();
    this.#options.onStatus(status);
  }
}
