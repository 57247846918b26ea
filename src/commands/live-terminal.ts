// The terminal that a live view has for itself: its other screen, keys as they are pressed, and all of it back
// on every way out that lets us do something.
import { closeSync, openSync, writeSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { MemprofError } from '../errors.js';
import type { ScreenSize } from '../live/index.js';
import { inForeground } from '../record/launch-spawn.js';
import type { Style } from '../report/index.js';
import { terminalOf } from './output.js';

/** Other screen, no cursor, no wrapping at the right edge. */
const enterText = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const leaveText = '\x1b[?7h\x1b[?25h\x1b[?1049l';

export interface TerminalEvents {
  onKeys(text: string): void;
  onResize(): void;
  /** It hung up. */
  onGone(): void;
}

export class LiveTerminal {
  readonly style: Style;
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #outputDescriptor: number;
  #isShown = false;
  #isClosed = false;
  #events: TerminalEvents | null = null;
  #size: ScreenSize;
  readonly #resize = () => {
    try {
      this.#size = terminalSize();
    } catch {
      // A hang-up comes with a SIGCONT: there is no terminal any more, and the input says so as well.
    }
    this.#events?.onResize();
  };
  readonly #restore = () => this.hide();
  readonly #show = () => this.show();

  /** Throws where there is no terminal that can show a picture. `instead`: what to do then. */
  static open(environment: NodeJS.ProcessEnv, instead: string): LiveTerminal {
    const name = environment['TERM'] ?? '';
    if (name === '' || name === 'dumb')
      throw new MemprofError(
        'ERR_MEMPROF_NO_TERMINAL',
        `the live view needs a terminal that can move its cursor, and TERM is ${name === '' ? 'not set' : name}. ${instead}`,
      );
    let descriptors: [number, number];
    try {
      descriptors = [openSync('/dev/tty', 'r'), openSync('/dev/tty', 'w')];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new MemprofError(
        'ERR_MEMPROF_NO_TERMINAL',
        `the live view needs a terminal, and there is none here (/dev/tty: ${code}). ${instead}`,
      );
    }
    if (!inForeground()) {
      for (const descriptor of descriptors) closeSync(descriptor);
      throw new MemprofError(
        'ERR_MEMPROF_NO_TERMINAL',
        `the live view needs the terminal, and runs in its background. ${instead}`,
      );
    }
    return new LiveTerminal(descriptors, environment);
  }

  private constructor([input, output]: [number, number], environment: NodeJS.ProcessEnv) {
    this.#input = new ReadStream(input);
    this.#output = new WriteStream(output);
    this.#outputDescriptor = output;
    this.#size = terminalSize();
    this.style = terminalOf(this.#output, environment).style;
  }

  get size(): ScreenSize {
    return this.#size;
  }

  begin(events: TerminalEvents): void {
    this.#events = events;
    // Whether it was the input or the output that failed: there is nobody to look any more.
    const gone = () => this.#events?.onGone();
    this.#input.on('error', gone).on('end', gone);
    this.#output.on('error', gone);
    this.#input.setEncoding('utf8');
    this.#input.on('data', (text) => this.#events?.onKeys(String(text)));
    process.on('exit', this.#restore);
    // Before whoever stops us for it.
    process.prependListener('SIGTSTP', this.#restore);
    process.on('SIGCONT', this.#show);
    process.on('SIGWINCH', this.#resize);
    this.show();
  }

  show(): void {
    if (this.#isShown || this.#isClosed) return;
    this.#isShown = true;
    this.#write(enterText);
    this.#input.setRawMode(true);
    this.#input.resume();
    this.#resize();
  }

  /** Everything as it was; show() comes back. */
  hide(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#input.setRawMode(false);
    this.#input.pause();
    this.#write(leaveText);
  }

  draw(lines: readonly string[]): void {
    if (!this.#isShown) return;
    // Erased first: behind a line that fills the width the cursor is still on its last character.
    this.#output.write(`\x1b[H${lines.map((line) => `\x1b[K${line}\x1b[0m`).join('\r\n')}`);
  }

  /** After a picture that something else has drawn over. */
  clear(): void {
    if (this.#isShown) this.#output.write('\x1b[2J');
  }

  close(): void {
    if (this.#isClosed) return;
    this.hide();
    this.#isClosed = true;
    this.#events = null;
    process.off('exit', this.#restore);
    process.off('SIGTSTP', this.#restore);
    process.off('SIGCONT', this.#show);
    process.off('SIGWINCH', this.#resize);
    this.#input.destroy();
    this.#output.destroy();
  }

  /** At once: the process may be about to end. */
  #write(text: string): void {
    try {
      writeSync(this.#outputDescriptor, text);
    } catch {
      // EIO, EAGAIN: the terminal hung up or is stopped; there is nobody to restore it for.
    }
  }
}

/** Node keeps the size of standard streams up to date alone, of others it knows the first. */
function terminalSize(): ScreenSize {
  const probe = new WriteStream(openSync('/dev/tty', 'w'));
  const { columns, rows } = probe;
  probe.destroy();
  return { columns: columns || 80, rows: rows || 24 };
}
