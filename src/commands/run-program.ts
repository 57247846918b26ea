// The command line of memprof-run. The first word that is not ours is the program's.
import { Command, Option } from 'commander';
import { ExitCode, MemprofError } from '../errors.js';
import { ownVersion } from '../version.js';
import { withEmptyValues } from './check-words.js';
import { parseWith, quietCommander } from './commander-errors.js';
import { parseCheckpointTimes, parseDepth, parsePort } from './parse-options.js';
import { type RunWords, runDefaults, runWords } from './run-words.js';

/** Resolves with the exit status; when a signal ended the program, the same signal ends us instead. */
export async function memprofRunProgram(argv: readonly string[]): Promise<number> {
  let status = 0;
  const command = runCommand(async (words, options) => {
    status = await runWords(words, options);
  });
  if (argv.length === 0)
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      'no program was given. Name one: memprof-run node app.js',
      ExitCode.failed,
    );
  await parseWith(command, withEmptyValues(argv, command.options), ExitCode.failed);
  return status;
}

/** The command line; `act` gets what was given. */
export function runCommand(act: (words: string[], options: RunWords) => Promise<void>): Command {
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
        .default(runDefaults.events),
    )
    .option('--depth <frames>', 'deepest stack kept, 1 to 256', parseDepth, runDefaults.depth)
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
        .default(runDefaults.checkpoint, 'exit'),
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
    .action(act);
  return command;
}
