// memprof-run --live: the view has the terminal while the program runs, so the program's own output goes to a
// file, and its input is empty, as far as they were that terminal.
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { isatty } from 'node:tty';
import { MemprofError } from '../errors.js';
import type { InheritedDescriptors } from '../record/launch-descriptors.js';
import type { Session } from '../record/session.js';
import { escapeText, formatBytes, shellQuote } from '../report/index.js';
import type { TextOutput } from '../text-output.js';
import { LiveSource } from './live-source.js';
import { LiveTerminal } from './live-terminal.js';
import { LiveView } from './live-view.js';

const followMs = 200;
const lastLines = 10;
const noteBytes = 400;
const pieceBytes = 1 << 16;

export class LiveRun {
  /** The program's. */
  readonly stdio: InheritedDescriptors;
  readonly #terminal: LiveTerminal;
  readonly #stderr: TextOutput;
  readonly #log: OutputLog | null;
  readonly #input: number | null;
  #view: LiveView | null = null;
  #following: NodeJS.Timeout | null = null;

  /** Throws where there is no terminal. Nothing is drawn yet. */
  constructor(descriptors: InheritedDescriptors, stderr: TextOutput) {
    this.#terminal = LiveTerminal.open(
      process.env,
      'Leave out --live, and run in a terminal: memprof live PID',
    );
    this.#stderr = stderr;
    const stdio = [...descriptors];
    const outputs = [1, 2].filter((descriptor) => isatty(descriptor));
    this.#log = outputs.length === 0 ? null : OutputLog.create();
    for (const descriptor of outputs) stdio[descriptor] = this.#log?.descriptor ?? 'inherit';
    this.#input = isatty(0) ? openSync('/dev/null', 'r') : null;
    if (this.#input !== null) stdio[0] = this.#input;
    this.stdio = stdio;
  }

  /** The program has been started. */
  begin(session: Session): void {
    this.#view = new LiveView({
      terminal: this.#terminal,
      pid: null,
      ask: new LiveSource(session).watcher(),
      note: () => this.#log?.note() ?? '',
      // As the terminal does it: to everybody in the foreground.
      onInterrupt: () => process.kill(0, 'SIGINT'),
    });
    this.#view.ended.then((how) => {
      if (how === 'left') this.#follow();
    });
  }

  /** The program has ended, or never began. */
  end(): void {
    const log = this.#log;
    const wasFollowing = this.#following !== null;
    if (this.#following !== null) clearInterval(this.#following);
    this.#view?.close('gone');
    this.#terminal.close();
    if (this.#input !== null) closeSync(this.#input);
    if (log === null) return;
    if (wasFollowing) this.#copyNew(log);
    else if (log.sizeBytes > 0) this.#showLast(log);
    log.close();
  }

  /** After q the terminal is the program's again, as far as it can be. */
  #follow(): void {
    const log = this.#log;
    if (log === null) {
      this.#say('the program goes on');
      return;
    }
    this.#say(
      `the program goes on. What it wrote so far is in ${log.shownPath}; what it writes from now on is shown here as well`,
    );
    log.skip();
    this.#following = setInterval(() => this.#copyNew(log), followMs);
  }

  #copyNew(log: OutputLog): void {
    for (let piece = log.next(); piece.length > 0; piece = log.next()) this.#stderr.write(piece);
  }

  #showLast(log: OutputLog): void {
    const { text, isAll } = log.last();
    this.#say(
      isAll
        ? `the program wrote, in ${log.shownPath}:`
        : `the program wrote ${formatBytes(log.sizeBytes)}, in ${log.shownPath}; its last lines:`,
    );
    this.#stderr.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  #say(sentence: string): void {
    this.#stderr.write(`memprof-run: ${sentence}\n`);
  }
}

/** What the program writes while the view has the terminal. */
class OutputLog {
  readonly descriptor: number;
  readonly #path: string;
  #at = 0;

  static create(): OutputLog {
    for (let number = 1; ; number++) {
      const path = `memprof-output.${process.pid}${number === 1 ? '' : `-${number}`}.log`;
      try {
        // Read as well: its end is shown.
        return new OutputLog(openSync(path, 'ax+'), path);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EEXIST') continue;
        throw new MemprofError(
          'ERR_MEMPROF_OUTPUT',
          `${path} cannot be written (${code}): the program's output goes there while the live view has the terminal. Send it elsewhere: memprof-run --live node app.js > app.log 2>&1`,
        );
      }
    }
  }

  private constructor(descriptor: number, path: string) {
    this.descriptor = descriptor;
    this.#path = path;
  }

  get shownPath(): string {
    return escapeText(shellQuote(this.#path));
  }

  get sizeBytes(): number {
    return fstatSync(this.descriptor).size;
  }

  note(): string {
    const { sizeBytes } = this;
    if (sizeBytes === 0) return `output goes to ${this.#path}`;
    const line = this.#text(Math.max(0, sizeBytes - noteBytes), noteBytes)
      .trimEnd()
      .split('\n')
      .at(-1);
    return `${formatBytes(sizeBytes)} in ${this.#path}: ${line}`;
  }

  last(): { text: string; isAll: boolean } {
    const { sizeBytes } = this;
    const from = Math.max(0, sizeBytes - pieceBytes);
    const lines = this.#text(from, pieceBytes).trimEnd().split('\n');
    return {
      text: lines.slice(-lastLines).join('\n'),
      isAll: from === 0 && lines.length <= lastLines,
    };
  }

  /** What is there already has been told of. */
  skip(): void {
    this.#at = this.sizeBytes;
  }

  next(): Buffer {
    const bytes = this.#bytes(this.#at, pieceBytes);
    this.#at += bytes.length;
    return bytes;
  }

  /** One that stayed empty is gone. */
  close(): void {
    if (this.sizeBytes === 0) rmSync(this.#path, { force: true });
    closeSync(this.descriptor);
  }

  #text(from: number, byteCount: number): string {
    return this.#bytes(from, byteCount).toString('utf8');
  }

  #bytes(from: number, byteCount: number): Buffer {
    const bytes = Buffer.alloc(byteCount);
    return bytes.subarray(0, readSync(this.descriptor, bytes, 0, byteCount, from));
  }
}
