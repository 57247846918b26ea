// The command line of memprof-run. The first word that is not ours is the program's.
import { Command, Option } from 'commander';
import { ExitCode, MemprofError } from '../errors.js';
import { endLike } from '../record/launch-end.js';
import { ownVersion } from '../version.js';
import { type CheckWords, checkOf, withEmptyValues } from './check-words.js';
import { parseWith, quietCommander } from './commander-errors.js';
import {
  type CheckpointTimes,
  parseCheckpointTimes,
  parseDepth,
  parsePort,
} from './parse-options.js';

/** Resolves with the exit status; when a signal ended the program, the same signal ends us instead. */
export async function memprofRunProgram(argv: readonly string[]): Promise<number> {
  let status = 0;
  const command = quietCommander(new Command('memprof-run'));
  command
    .description('Runs a program, records every allocation, and reports what was not freed.')
    .configureHelp({ optionTerm: ({ flags }) => flags.replace(/ \[(\w+)\]$/, '[=$1]') })
    .usage('[options] [--] program [arguments...]')
    .argument('<program...>', 'the program to run, and its arguments')
    .option(
      '-o, --output <file>',
      'write the trace to this file; %p stands for the process id\n(default: memprof-<script>.<pid>.mprof in the current folder)',
    )
    .option('-f, --force', 'overwrite an existing trace')
    .addOption(
      new Option(
        '--events <which>',
        'keep every event in the trace, or only totals and live blocks',
      )
        .choices(['full', 'none'])
        .default('full'),
    )
    .option('--depth <frames>', 'deepest stack kept, 1 to 256', parseDepth, 256)
    .option(
      '--exact-lines',
      "JavaScript frames always show the call's own line: turns off the compilers of V8\nthat keep none (Sparkplug, Maglev, inlining) and code caches; the program is slower",
    )
    .addOption(
      new Option(
        '--checkpoint <when>',
        'find out who holds what and what is lost: at the end (exit), never (none),\nor every so often and at the end (30s)',
      )
        .argParser(parseCheckpointTimes)
        .default({ atExit: true, everyMs: null }, 'exit'),
    )
    .option(
      '--retainers',
      "with each checkpoint a snapshot of V8's heap, for the path to each owner;\nthe program stands still meanwhile",
    )
    .option(
      '--check [kinds]',
      'fail with status 23 if the program succeeds and leaks: any of lost, orphaned,\ngrowth, budgets (default: lost, orphaned, and budgets where there are some)',
    )
    .option(
      '--suppressions <file>',
      "with --check: faults to pass over, in LeakSanitizer's or valgrind's format",
      (file: string, files: string[] = []) => [...files, file],
    )
    .option(
      '--gen-suppressions [format]',
      'with --check: print suppressions for what was found (lsan or valgrind)',
    )
    .option('--sarif <file>', 'with --check: write the faults as SARIF 2.1.0')
    .option('--junit <file>', 'with --check: write them as JUnit XML')
    .option('--summary <file>', 'with --check: write a summary in Markdown')
    .option('--annotations', "with --check: print GitHub's annotations (default in its workflows)")
    .option(
      '--report [file]',
      'write an HTML report, too: of the program that was started\n(default: the name of its trace with .html)',
    )
    .option(
      '--live [where]',
      'watch the program in this terminal while it runs; its own output goes to a file\n(memprof-output.<pid>.log) as far as it would have gone to the terminal.\n--live=web: in a browser on this machine; the program keeps the terminal',
    )
    .option(
      '--port <number>',
      'with --live=web: listen there (default: a port that is free)',
      parsePort,
    )
    .option('-q, --quiet', 'no report at the end')
    .version(ownVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The program's own exit status is passed on. Statuses of memprof-run itself:
   23  --check found a fault, and the program itself succeeded
  125  memprof-run failed (bad option, output not writable, program that cannot be traced),
       or --check could not judge a process
  126  the program cannot be executed
  127  the program was not found`,
    )
    .action(
      async (
        words: string[],
        options: {
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
        } & CheckWords,
      ) => {
        const check = await checkOf(options, {
          hasCheckpoints: options.checkpoint.atExit,
          hasEvents: options.events === 'full' && options.output !== '/dev/null',
        });
        const view = viewOf(options);
        // Loaded late: --help must work where nothing was built yet.
        const { run } = await import('./run.js');
        const { end, checkStatus } = await run(
          words,
          { ...options, ...view, check },
          process.stderr,
        );
        const ended = endLike(end);
        status = ended === 0 ? checkStatus : ended;
      },
    );
  if (argv.length === 0)
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      'no program was given. Name one: memprof-run node app.js',
      ExitCode.failed,
    );
  await parseWith(command, withEmptyValues(argv, command.options), ExitCode.failed);
  return status;
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
