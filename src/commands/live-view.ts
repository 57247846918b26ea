// A view at work: asks twice a second, draws what it got, does what keys say.
import {
  decodeKeys,
  drawScreen,
  firstState,
  type LiveAnswer,
  type LiveRequest,
  press,
  requestOf,
  type ViewState,
  withAnswer,
} from '../live/index.js';
import type { LiveTerminal } from './live-terminal.js';

const intervalMs = 500;

export interface LiveViewOptions {
  terminal: LiveTerminal;
  /** null: the program that was started. */
  pid: number | null;
  ask(request: LiveRequest): Promise<LiveAnswer>;
  /** Said at the bottom. */
  note(): string;
  /** For Ctrl-C; absent: it leaves the view. */
  onInterrupt?(): void;
}

/** left: by q; gone: the terminal is, or what was watched. */
export type ViewEnd = 'left' | 'gone';

export class LiveView {
  readonly ended: Promise<ViewEnd>;
  readonly #options: LiveViewOptions;
  readonly #timer: NodeJS.Timeout;
  #state: ViewState = firstState;
  #isAsking = false;
  #isAskedAgain = false;
  #end: (how: ViewEnd) => void = () => undefined;

  constructor(options: LiveViewOptions) {
    this.#options = options;
    this.ended = new Promise((end) => {
      this.#end = end;
    });
    this.#timer = setInterval(() => {
      if (this.#state.isPaused) this.#draw();
      else void this.#look();
    }, intervalMs);
    options.terminal.begin({
      onKeys: (text) => this.#take(text),
      onResize: () => {
        options.terminal.clear();
        this.#draw();
      },
      onGone: () => this.close('gone'),
    });
    void this.#look();
  }

  /** What was shown last. */
  get answer(): ViewState['answer'] {
    return this.#state.answer;
  }

  close(how: ViewEnd): void {
    clearInterval(this.#timer);
    this.#options.terminal.close();
    this.#end(how);
  }

  async #look(): Promise<void> {
    if (this.#isAsking) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isAsking = true;
    try {
      do {
        this.#isAskedAgain = false;
        const { pid, ask, terminal } = this.#options;
        const answer = await ask(requestOf(this.#state, pid, terminal.size));
        // Of a process that has ended: the other end says so, or our caller does.
        this.#state = withAnswer(this.#state, answer);
        if (answer.kind === 'none' && this.#state.answer !== null && pid !== null) {
          this.close('gone');
          return;
        }
      } while (this.#isAskedAgain);
      this.#draw();
    } finally {
      this.#isAsking = false;
    }
  }

  #take(text: string): void {
    for (const key of decodeKeys(text)) {
      const { state, wish } = press(this.#state, key);
      this.#state = state;
      switch (wish) {
        case 'leave':
          this.close('left');
          return;
        case 'interrupt':
          if (this.#options.onInterrupt === undefined) {
            this.close('left');
            return;
          }
          this.#options.onInterrupt();
          break;
        case 'quit':
          process.kill(0, 'SIGQUIT');
          break;
        case 'suspend':
          process.kill(0, 'SIGTSTP');
          break;
        case 'redraw':
          this.#options.terminal.clear();
          break;
        case 'look':
          void this.#look();
          break;
      }
    }
    this.#draw();
  }

  #draw(): void {
    const { terminal, note } = this.#options;
    terminal.draw(
      drawScreen(this.#state, { ...terminal.size, style: terminal.style, note: note() }),
    );
  }
}
