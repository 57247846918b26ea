// What the words of memprof-run's command line ask for, done. Must not import commander: most runs do without.
import { ExitCode, MemprofError } from '../errors.js';
import { endLike } from '../record/launch-end.js';
import { type CheckWords, checkOf } from './check-words.js';
import { ownStderr } from './own-stderr.js';
import type { CheckpointTimes } from './parse-options.js';

/** The options, as commander gives them. */
export interface RunWords extends CheckWords {
  output?: string;
  force?: boolean;
  events: 'full' | 'none';
  depth: number;
  exactLines?: boolean;
  checkpoint: CheckpointTimes;
  retainers?: boolean;
  quiet?: boolean;
  report?: string;
  live?: string;
  port?: number;
}

export const runDefaults: Readonly<Pick<RunWords, 'events' | 'depth' | 'checkpoint'>> = {
  events: 'full',
  depth: 256,
  checkpoint: { atExit: true, everyMs: null },
};

/** Runs the program. Resolves with the status to end with. */
export async function runWords(words: readonly string[], options: RunWords): Promise<number> {
  const check = await checkOf(options, {
    hasCheckpoints: options.checkpoint.atExit,
    hasEvents: options.events === 'full' && options.output !== '/dev/null',
  });
  const view = viewOf(options);
  // Loaded late: --help must work where nothing was built yet.
  const { run } = await import('./run.js');
  const { end, checkStatus } = await run(words, { ...options, ...view, check }, ownStderr());
  const ended = endLike(end);
  return ended === 0 ? checkStatus : ended;
}

function viewOf(words: { live?: string; port?: number; output?: string }): {
  live: 'terminal' | 'web' | null;
  port: number;
} {
  const { live, port, output } = words;
  if (port !== undefined && live !== 'web')
    throw usage('--port is for --live=web, which was not given. Add it');
  if (live !== undefined && live !== '' && live !== 'terminal' && live !== 'web')
    throw usage(`--live=${live}: there are terminal (as with --live alone) and web`);
  if (live === 'web' && output === '/dev/null')
    throw usage(
      '--live=web shows what is in the trace, and with -o /dev/null there is none. Leave that out; --events none makes a small one',
    );
  if (live === undefined) return { live: null, port: 0 };
  return { live: live === 'web' ? 'web' : 'terminal', port: port ?? 0 };
}

const usage = (fact: string): MemprofError =>
  new MemprofError('ERR_MEMPROF_USAGE', fact, ExitCode.failed);
