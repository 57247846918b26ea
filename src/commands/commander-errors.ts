// commander's ways made ours: its usage errors become MemprofErrors, so that one place prints.
import { type Command, CommanderError } from 'commander';
import { MemprofError } from '../errors.js';

export function quietCommander(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ writeOut: sayHelp, writeErr: () => {}, outputError: () => {} });
}

/** Runs a parse; help and version were printed by then and are no errors. */
export async function parseWith(
  command: Command,
  argv: readonly string[],
  usageExitCode: number,
): Promise<void> {
  try {
    await command.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    // After `help` commander's status is that of the process so far, which is no success before its end.
    const isHelp = error.code === 'commander.help';
    const asked = command.commands.some((known) => known.name() === argv[1]) ? undefined : argv[1];
    if (isHelp && (asked === undefined || asked.startsWith('-'))) return;
    const fact = (isHelp ? `unknown command '${asked}'` : error.message)
      .replace(/^error: /, '')
      .replace(/\.?\s*$/, '')
      .replace(/\n\(Did you mean (.*?)\?\)$/, ' (did you mean $1?)');
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      `${fact}. See ${command.name()} --help`,
      usageExitCode,
    );
  }
}

/** Who reads may have had enough: `memprof help | head`. */
function sayHelp(text: string): void {
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  process.stdout.write(text);
}
