// What a command may know of the stream it writes to, and writing that survives `| head`.
import { colourStyle, plainStyle, type Style } from '../report/index.js';
import type { TextOutput } from '../text-output.js';

export interface Terminal {
  isTerminal: boolean;
  columns: number;
  style: Style;
}

const pipeColumns = 80;
const mostColumns = 200;

export function terminalOf(stream: TextOutput, environment: NodeJS.ProcessEnv): Terminal {
  const isTerminal = stream.isTTY === true;
  return {
    isTerminal,
    columns: isTerminal
      ? Math.min(Math.max(stream.columns || pipeColumns, 40), mostColumns)
      : pipeColumns,
    style: wantsColour(isTerminal, environment) ? colourStyle : plainStyle,
  };
}

/** FORCE_COLOR and NO_COLOR as Node reads them: the first wins, an empty NO_COLOR does not count. */
function wantsColour(isTerminal: boolean, environment: NodeJS.ProcessEnv): boolean {
  const force = environment['FORCE_COLOR'];
  if (force !== undefined) return force !== '0' && force !== 'false';
  if ((environment['NO_COLOR'] ?? '') !== '' || environment['NODE_DISABLE_COLORS'] !== undefined)
    return false;
  return isTerminal && environment['TERM'] !== 'dumb';
}

/** Writes line by line with back pressure; ends quietly when the reader of a pipe has gone. */
export async function writeLines(
  stream: TextOutput,
  lines: Iterable<string> | AsyncIterable<string>,
): Promise<void> {
  let failure: NodeJS.ErrnoException | null = null;
  let wake = () => {};
  const onError = (error: NodeJS.ErrnoException) => {
    failure ??= error;
    wake();
  };
  stream.on('error', onError);
  const flush = (text: string) =>
    new Promise<void>((done) => {
      wake = done;
      // The callback comes once the text is with the system, or with the error.
      stream.write(text, () => done());
    });
  let pending = '';
  for await (const line of lines) {
    pending += `${line}\n`;
    if (pending.length < 65536) continue;
    await flush(pending);
    pending = '';
    if (failure !== null) break;
  }
  if (failure === null && pending !== '') await flush(pending);
  // The error event follows the callback.
  await new Promise((done) => setImmediate(done));
  const seen = failure as NodeJS.ErrnoException | null;
  if (seen !== null && seen.code !== 'EPIPE') throw seen;
}
