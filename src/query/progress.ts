// One line on stderr that says what a long step is doing: on a terminal only, after a second, wiped at the end.
import { clockMs } from '../clock.js';
import { escapeText, truncateEnd } from '../report/index.js';
import type { TextOutput } from '../text-output.js';

export interface Progress {
  say(done: number, total: number, what: string): void;
  end(): void;
}

const quietMs = 1000;
const intervalMs = 100;

export function progressOn(stream: TextOutput, title: string): Progress {
  if (stream.isTTY !== true) return { say() {}, end() {} };
  const startedMs = clockMs();
  let text = '';
  let shown = false;
  const draw = () => {
    if (clockMs() - startedMs < quietMs) return;
    shown = true;
    stream.write(`\r\x1b[2K${truncateEnd(text, (stream.columns || 80) - 1)}`);
  };
  const timer = setInterval(draw, intervalMs);
  timer.unref();
  return {
    say(done, total, what) {
      text = `${title} ${done}/${total} ${escapeText(what)}`;
    },
    end() {
      clearInterval(timer);
      if (shown) stream.write('\r\x1b[2K');
    },
  };
}
