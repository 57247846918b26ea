// The command line of memprof: commands on a trace.
import { Command, CommanderError, Option } from 'commander';
import { ExitCode, MemprofError } from '../errors.js';
import { includePath } from '../paths.js';
import { cutText, openTraceFile } from '../query/index.js';
import { ownVersion } from '../version.js';
import { blocks } from './blocks.js';
import { checkpoint } from './checkpoint.js';
import { parseWith, quietCommander } from './commander-errors.js';
import type { TraceCommand } from './context.js';
import { type DiffOptions, diff, diffMeasures, grewTooMuch } from './diff.js';
import type { ExportOptions } from './export.js';
import { exportFormats, exportMeasures, exportRows, formatTools } from './export-names.js';
import { type FragmentationOptions, fragmentation } from './fragmentation.js';
import { type LeaksOptions, leaks } from './leaks.js';
import { napi } from './napi.js';
import { terminalOf, writeLines } from './output.js';
import { ownCommand } from './own-command.js';
import { owners } from './owners.js';
import {
  parseAgeRange,
  parseCount,
  parseGrowth,
  parseMoment,
  parseNumber,
  parsePercent,
  parsePort,
  parseSizeRange,
  parseTimeout,
} from './parse-options.js';
import { parseSettings, type ReplayOptions, replay, replayNames } from './replay.js';
import { type HtmlReportOptions, htmlReport } from './report-html.js';
import { type RssOptions, rss } from './rss.js';
import { type SitesOptions, siteSorts, sites } from './sites.js';
import { summary } from './summary.js';
import { tree } from './tree.js';
import { unfreed } from './unfreed.js';
import { type WhyOptions, why } from './why.js';

type Run<Options> = (command: TraceCommand, options: Options) => AsyncIterable<string>;

/** warn gets one sentence about a trace that is readable but not whole. */
export async function memprofProgram(
  argv: readonly string[],
  warn: (sentence: string) => void,
): Promise<number> {
  const program = quietCommander(new Command('memprof'));
  program
    .description(
      'Reads a trace of memprof-run: where memory was allocated, who holds it, and what was never freed.',
    )
    .version(ownVersion(), '-V, --version', 'print the version')
    .option('--include-dir', 'print the folder of memprof.h')
    .on('option:include-dir', () => {
      process.stdout.write(`${includePath}\n`);
      throw new CommanderError(0, 'memprof.includeDir', 'printed');
    })
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText(
      'after',
      '\nExit statuses: 0 done, 2 wrong usage, 23 memory grew too much (diff --fail-above), 125 the trace cannot be read.',
    );

  const on = <Options>(name: string, description: string, run: Run<Options>): Command =>
    quietCommander(program.command(name))
      .description(description)
      .argument('<trace>', 'a .mprof file')
      .helpOption('-h, --help', 'print this help')
      .action(async (tracePath: string, options: Options) => {
        // Not kept here: a command may let go of the trace while it works.
        await writeLines(process.stdout, run(openTraceCommand(tracePath, warn), options));
      });

  quietCommander(program.command('checkpoint'))
    .description('take a checkpoint of a running program: who holds what now, and what is lost')
    .argument('<pid>', 'a Node.js process that memprof-run started', parseCount)
    .addOption(
      new Option('--timeout <time>', 'how long to wait for it: 5s, 1min')
        .argParser(parseTimeout)
        .default(10_000, '10s'),
    )
    .helpOption('-h, --help', 'print this help')
    .action((pid: number, { timeout }: { timeout: number }) =>
      writeLines(process.stdout, checkpoint(pid, timeout)),
    );
  quietCommander(program.command('live'))
    .description('watch a running program: what is live, what grows, how fast, by package and site')
    .argument('<pid>', 'a process that memprof-run started', parseCount)
    .option('--web', 'in a browser on this machine, as a report that goes on')
    .option('--port <number>', 'with --web: listen there (default: a port that is free)', parsePort)
    .helpOption('-h, --help', 'print this help')
    .action(async (pid: number, options: { web?: boolean; port?: number }) => {
      // Loaded when asked for: no other command needs it.
      if (options.web === true) {
        const { liveInBrowser } = await import('./live-browser.js');
        await writeLines(process.stdout, await liveInBrowser(pid, options.port ?? 0));
        return;
      }
      if (options.port !== undefined)
        throw new MemprofError(
          'ERR_MEMPROF_USAGE',
          '--port is for --web, which was not given. Add it',
          ExitCode.usage,
        );
      const { live } = await import('./live.js');
      await writeLines(process.stdout, await live(pid));
    });
  on('summary', 'totals, packages, calls and losses of one process', summary).option(
    '--json',
    'as JSON (memprof.summary/1)',
  );
  withFilters(on<SitesOptions>('sites', 'where memory was allocated, a row a site', sites))
    .addOption(
      new Option('--sort <column>', 'largest first; age: oldest first')
        .choices(siteSorts)
        .default('bytes'),
    )
    .addOption(momentOption())
    .option('--limit <count>', 'rows shown, or all', parseCount, 20)
    .option('--stacks', 'print the whole stack of each site')
    .option('--json', 'as JSON (memprof.sites/1)');
  withFilters(on('tree', 'call tree of live memory', tree))
    .option('--inverted', 'from the allocating function up to its callers')
    .addOption(momentOption())
    .option('--all-frames', "do not fold Node's internals and the standard library")
    .option('--min-percent <percent>', 'sum up what holds less than this', parsePercent, 1)
    .option('--json', 'as JSON (memprof.tree/1)');
  withFilters(
    on('blocks', 'every live block: address, size, age, thread, entry point, site', blocks),
  )
    .addOption(momentOption())
    .addOption(
      new Option('--limit <count>', 'rows shown, or all')
        .argParser(parseCount)
        .default(Number.POSITIVE_INFINITY, 'all'),
    )
    .option('--json', 'as JSON (memprof.blocks/1)');
  withFilters(
    on('unfreed', "what was live before Node's teardown and what was never freed", unfreed),
  )
    .addOption(momentOption('both'))
    .option('--limit <count>', 'sites shown at each moment, or all', parseCount, 10)
    .option('--json', 'as JSON with all sites (memprof.unfreed/1)');

  on<LeaksOptions>(
    'leaks',
    'what is lost, orphaned or grows, by package and site, worst first',
    leaks,
  )
    .option('--at <checkpoint>', 'at this checkpoint (default: the last)', parseNumber)
    .option('--all', "every site, Node's own and what is merely held as well")
    .option('--package <name>', 'only memory of this package (name or name@version)')
    .option('--module <file>', 'only stacks through this module (path or file name)')
    .option('--function <text>', 'only stacks with this text in a function name')
    .option('--limit <count>', 'sites shown, or all', parseCount, 10)
    .option('--json', 'as JSON with all of these sites (memprof.leaks/1)');
  on('owners', 'native memory by class of the JavaScript objects that hold it', owners)
    .option('--at <checkpoint>', 'at this checkpoint (default: the last)', parseNumber)
    .option('--all', 'classes without a block, too')
    .option('--limit <count>', 'classes shown, or all', parseCount, 20)
    .option('--json', 'as JSON with all classes (memprof.owners/1)');
  on<RssOptions>('rss', 'what resident memory consists of at a checkpoint, as a sum', rss)
    .option('--at <checkpoint>', 'at this checkpoint (default: the last)', parseNumber)
    .option('--limit <count>', 'packages and files shown of each part, or all', parseCount, 6)
    .option('--timeline', 'over time instead: resident, live, and what it consists of')
    .option('--json', 'as JSON with all rows (memprof.rss/1, memprof.rss-timeline/1)');
  on<ReplayOptions>(
    'replay',
    "what if: the program's allocations again, with other settings and allocators",
    replay,
  )
    .option(
      '--with <names>',
      `only these, beside glibc as it is; several with commas or several times: ${replayNames}`,
      parseSettings,
    )
    .option('--json', 'as JSON (memprof.replay/1)');
  on<FragmentationOptions>(
    'fragmentation',
    'how the heaps are filled, what keeps pages that are otherwise empty, and a verdict in words',
    fragmentation,
  )
    .option('--at <checkpoint>', 'at this checkpoint (default: the last)', parseNumber)
    .option('--limit <count>', 'arenas and sites shown, or all', parseCount, 10)
    .option('--map', 'draw the heaps, page by page')
    .option('--json', 'as JSON with all sites and pages (memprof.fragmentation/1)');
  on('napi', 'what addons got from Node-API and V8, gave back, and still hold', napi)
    .option('--package <name>', 'only this addon (name or name@version)')
    .option('--module <file>', 'only stacks through this module (path or file name)')
    .option('--function <text>', 'only stacks with this text in a function name')
    .option('--limit <count>', 'sites shown of each addon, or all', parseCount, 10)
    .option('--stacks', 'print the whole stack of each site')
    .option('--json', 'as JSON with all sites (memprof.napi/1)');
  quietCommander(program.command('why'))
    .description('what holds a block, or why nobody freed it, at the last checkpoint')
    .argument('<trace>', 'a .mprof file')
    .argument(
      '<block>',
      "an address (0x...), a site's number in leaks, or part of a function's name",
    )
    .helpOption('-h, --help', 'print this help')
    .option('--limit <count>', 'ways shown, or all', parseCount, 3)
    .option('--json', 'as JSON (memprof.why/1)')
    .action(async (tracePath: string, question: string, options: WhyOptions) => {
      const command = openTraceCommand(tracePath, warn);
      await writeLines(process.stdout, why(command, options, question));
    });

  let exitStatus = 0;
  withFilters(quietCommander(program.command('diff')))
    .description('what grew, shrank, is new or gone, between two traces or two moments of one')
    .argument('<trace>', 'a .mprof file')
    .argument('[other]', 'a later one, of the same program or of a rebuilt one')
    .helpOption('-h, --help', 'print this help')
    .option('--from <moment>', 'start, #2 (a checkpoint), the name of a mark, before-teardown, end')
    .option('--to <moment>', 'the same, of the other trace where there are two')
    .addOption(
      new Option('--measure <measure>', 'what is compared').choices(diffMeasures).default('live'),
    )
    .option(
      '--fail-above <growth>',
      `exit with status ${grewTooMuch} if memory grew by more: 64KiB, 5%`,
      parseGrowth,
    )
    .option('--limit <count>', 'sites shown of each kind, or all', parseCount, 10)
    .option('--stacks', 'print the whole stack of each site')
    .option('--all', 'unchanged sites, too')
    .option('--json', 'as JSON with all sites that changed (memprof.diff/1)')
    .action(async (tracePath: string, otherPath: string | undefined, options: DiffOptions) => {
      const first = openTraceCommand(tracePath, warn);
      const other = otherPath === undefined ? null : openTraceCommand(otherPath, warn);
      const result = await diff(first, other, options);
      await writeLines(process.stdout, result.lines);
      if (result.failure !== null) warn(result.failure);
      exitStatus = result.exitStatus;
    });

  on<HtmlReportOptions>('report', 'the trace as one HTML file to look at in a browser', htmlReport)
    .option('-o, --output <file>', "the file (default: the trace's name with .html)")
    .option('-f, --force', 'overwrite a file that is no report of memprof')
    .option('--open', 'open it in the browser (xdg-open)')
    .option(
      '--diff <earlier>',
      'compare with this trace: what grew and shrank, in sites and flame graph',
    );
  on<ExportOptions>('export', "the trace as another tool's file", async function* (...args) {
    // Loaded when asked for: no other command needs it.
    yield* (await import('./export.js')).exportTrace(...args);
  })
    .addOption(
      new Option('--format <format>', 'one of those below')
        .choices(exportFormats)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--measure <measure>',
        'what to add up by stack (default: live; pprof: live and allocated)',
      ).choices(exportMeasures),
    )
    .addOption(momentOption())
    .addOption(
      new Option('--rows <rows>', 'of csv and parquet (default: blocks)').choices(exportRows),
    )
    .option(
      '-o, --output <file>',
      "the file, or - for standard output (default: the trace's name with the format's ending)",
    )
    .option('-f, --force', 'overwrite the file if it exists')
    .addHelpText('after', () =>
      [
        '\nFormats, and what opens them (docs/exports.md has more):',
        ...exportFormats.map((name) => `  ${name.padEnd(13)}${formatTools[name]}`),
      ].join('\n'),
    );

  await parseWith(program, argv.length === 0 ? ['--help'] : argv, ExitCode.usage);
  return exitStatus;
}

function momentOption(whenNone = 'before-teardown where there is one'): Option {
  return new Option(
    '--moment <moment>',
    `before-teardown or at-end (default: ${whenNone})`,
  ).argParser(parseMoment);
}

function withFilters(command: Command): Command {
  return command
    .option(
      '--package <name>',
      'only memory of this package (name or name@version; node: Node itself)',
    )
    .option('--module <file>', 'only stacks through this module (path or file name)')
    .option('--function <text>', 'only stacks with this text in a function name')
    .option('--thread <name>', 'only blocks of this thread (main, name or id)')
    .option('--size <range>', 'only blocks of this size: 100, 4KiB..1MiB, ..64', parseSizeRange)
    .option('--age <range>', 'only blocks this old: 500ms, 1s..1min', parseAgeRange);
}

function openTraceCommand(tracePath: string, warn: (sentence: string) => void): TraceCommand {
  const opened = openTraceFile(tracePath, process.stderr);
  const cut = cutText(opened);
  if (cut !== null) warn(cut);
  const terminal = terminalOf(process.stdout, process.env);
  return {
    ...opened,
    columns: terminal.columns,
    style: terminal.style,
    memprofCommand: ownCommand(process.env['PATH'], process.cwd()),
  };
}
