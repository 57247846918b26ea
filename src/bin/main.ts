// The one place that prints errors and ends the process.
import { ExitCode, MemprofError } from '../errors.js';
import { escapeText } from '../report/escape.js';

export async function main(
  name: string,
  run: (warn: (sentence: string) => void) => Promise<number>,
): Promise<void> {
  const say = (sentence: string) =>
    process.stderr.write(`${name}: ${sentence.split('\n').map(escapeText).join('\n')}\n`);
  // Should Node run out of things to do before run() is done, that is no success.
  process.exitCode = ExitCode.failed;
  try {
    process.exitCode = await run(say);
  } catch (error) {
    if (error instanceof MemprofError) {
      const sentence = error.message.trimEnd();
      say(/[.?!]$/.test(sentence) ? sentence : `${sentence}.`);
      process.exitCode = error.exitCode;
      return;
    }
    // A bug of ours: the stack is what a report of it needs.
    const { withSourceLines } = await import('./own-stack.js');
    const detail =
      error instanceof Error ? withSourceLines(error.stack ?? error.message) : String(error);
    say(`internal error. Please report it with this text:\n${detail}`);
    process.exitCode = ExitCode.failed;
  }
}
