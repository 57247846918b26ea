// memprof-run: starts the program with the recorder preloaded, records while it runs, reports, and ends as it ended.
import { existsSync } from 'node:fs';
import type { AskAgainCode, ErrorAnswer } from '../checks/index.js';
import { MemprofError } from '../errors.js';
import { exportedRanges, inspectExecutable } from '../native/index.js';
import { agentPath, shimPath } from '../paths.js';
// Past the door of record/ on purpose: what is imported here is loaded before the program starts.
import {
  adoptProgram,
  assertPreloadable,
  type InheritedDescriptors,
  inheritedDescriptors,
  type Launched,
  type ProgramEnd,
  resolveCommand,
  spawnProgram,
  takeLaunched,
  tracedEnvironment,
} from '../record/launch.js';
import type { QuestionHandler } from '../record/questions.js';
import { type Session, startSession } from '../record/session.js';
import { escapeText } from '../report/escape.js';
import { BlockClassifier } from '../symbols/block-classifier.js';
import type { TextOutput } from '../text-output.js';
import type { Check } from './check-setup.js';
import type { LivePages } from './live-pages.js';
import type { LiveServer } from './live-server.js';
import type { CheckpointTimes } from './parse-options.js';
import { assertReplaceable } from './replaceable.js';
import { giveRootItsName } from './root-name.js';
import type { CheckReport } from './run-check.js';
import {
  askEvery,
  checkpointBefore,
  checkpointFlags,
  growthIntervalMs,
} from './run-checkpoints.js';
import type { LiveRun } from './run-live.js';
import type { ExitReport } from './run-report.js';
import { traceNames } from './trace-names.js';

export interface RunOptions {
  output?: string;
  force?: boolean;
  events: 'full' | 'none';
  quiet?: boolean;
  depth: number;
  exactLines?: boolean;
  checkpoint: CheckpointTimes;
  retainers?: boolean;
  /** A view of the program while it runs: in this terminal, or in a browser. */
  live: 'terminal' | 'web' | null;
  /** Of 127.0.0.1, for browsers; 0: any that is free. */
  port: number;
  /** An HTML report as well; '': beside the trace. */
  report?: string;
  /** null: the run is not judged. */
  check: Check | null;
}

/** How the program ended, and the status to end with where that was a success. */
export interface RunOutcome {
  end: ProgramEnd;
  checkStatus: number;
}

export async function run(
  words: readonly string[],
  options: RunOptions,
  stderr: TextOutput,
): Promise<RunOutcome> {
  const launched = takeLaunched(process.env);
  // First of all: descriptors that we open must not be taken for the user's.
  const descriptors = inheritedDescriptors();
  const command = resolveCommand(words, process.env['PATH'], process.cwd());
  if (launched === null) {
    assertPreloadable(command.file, command.name, inspectExecutable);
    assertBuilt();
  }
  if ((options.report ?? '') !== '')
    assertReplaceable(options.report as string, options.force === true);
  const names = traceNames(options.output, options.force === true, process.cwd());
  let live: LiveRun | null = null;
  const pages = options.live === 'web' ? await livePages(options.port, stderr) : null;
  const watchers = new Watchers();
  const session = startSession({
    events: options.events,
    maxFrames: options.depth,
    overwrite: options.force === true,
    sessionFlags: checkpointFlags(options.checkpoint, options.retainers === true),
    tracePathFor: (traced) => {
      const path = names.pathFor(traced);
      if (path !== null && traced.isRoot) pages?.follow(path);
      return path;
    },
    ...(launched === null ? {} : { home: homeOf(launched) }),
    onQuestion: lateAnswers(),
    ...(options.quiet === true || options.check !== null
      ? {}
      : { onIdle: (model, isOver) => void report?.rehearse(model, isOver) }),
    onWatcher: (socketPath) => watchers.serve(socketPath, session),
    classesFor: ({ stacks, modules, isNode }) =>
      new BlockClassifier(stacks, modules, isNode, exportedRanges),
  });
  let end: ProgramEnd;
  let report: ExitReport | null = null;
  let judge: CheckReport | null = null;
  try {
    if (options.live === 'terminal') live = await liveRun(descriptors, stderr);
    const beforeSignal = (signal: NodeJS.Signals) =>
      checkpointBefore(signal, session, options.checkpoint);
    const program =
      launched === null
        ? spawnProgram(
            command,
            environmentFor(session, options),
            live?.stdio ?? descriptors,
            beforeSignal,
          )
        : adoptProgram(launched, beforeSignal);
    session.rootPid = program.pid ?? null;
    await program.started;
    live?.begin(session);
    // Loaded while the program runs.
    if (options.check !== null) {
      const { CheckReport } = await import('./run-check.js');
      judge = new CheckReport(options.check, stderr);
    } else if (options.quiet !== true) {
      const { ExitReport } = await import('./run-report.js');
      report = new ExitReport(stderr);
    }
    (judge ?? report)?.warm(command.file);
    const stopAsking = askEvery(intervalOf(options), session);
    end = await program.ended;
    stopAsking();
    live?.end();
    // From here on a signal is for us: the program is gone, and a second Ctrl-C ends the report.
    program.stopForwarding();
  } catch (error) {
    live?.end();
    watchers.close();
    await pages?.close();
    await session.abort();
    throw error;
  }
  const recorded = await session.finish(end);
  const pagesFinished = pages?.finish();
  watchers.close();
  giveRootItsName(recorded, end.pid, options.output);
  await report?.print(recorded, end.pid);
  if (options.report !== undefined) {
    const { writeRunReport } = await import('./run-html.js');
    await writeRunReport(recorded, end.pid, options, stderr);
  }
  const checkStatus = await judge?.judge({
    end,
    words,
    recorded,
    unrecorded: session.unrecorded,
    // What failed is looked at, and a failed expectNoLeaks has named its trace.
    mayDropTraces: options.output === undefined && end.code === 0,
    isQuiet: options.quiet === true,
  });
  await pagesFinished;
  await pages?.close();
  return { end, checkStatus: checkStatus ?? 0 };
}

const homeOf = ({ sessionFolder, lockDescriptor }: Launched) => ({
  path: sessionFolder,
  lockDescriptor,
});

function environmentFor(session: Session, { exactLines }: RunOptions): NodeJS.ProcessEnv {
  return tracedEnvironment(process.env, {
    shimPath,
    agentPath,
    sessionFolder: session.folder,
    session: { ...session.environment, ...(exactLines === true ? exactLinesEnvironment : {}) },
  });
}

async function livePages(port: number, stderr: TextOutput): Promise<LivePages> {
  const { LivePages } = await import('./live-pages.js');
  const say = (sentence: string) => stderr.write(`memprof-run: ${escapeText(sentence)}\n`);
  const pages = await LivePages.open(port, say);
  say(`watch the program in a browser: ${pages.url}`);
  return pages;
}

async function liveRun(descriptors: InheritedDescriptors, stderr: TextOutput): Promise<LiveRun> {
  const { LiveRun } = await import('./run-live.js');
  return new LiveRun(descriptors, stderr);
}

/** Those who watch from other terminals. What serves them is loaded with the first. */
class Watchers {
  #server: Promise<LiveServer> | null = null;
  #isClosed = false;

  serve(socketPath: string, session: Session): void {
    this.#server ??= import('./live-watchers.js').then(({ liveServer }) => liveServer(session));
    this.#server
      .then((server) => {
        if (!this.#isClosed) server.serve(socketPath);
      })
      // The program is not to suffer from it; the watcher hears that nobody answers.
      .catch(() => undefined);
  }

  close(): void {
    this.#isClosed = true;
    this.#server?.then((server) => server.close()).catch(() => undefined);
  }
}

function intervalOf({ checkpoint, check }: RunOptions): number | null {
  return checkpoint.everyMs ?? (check?.kinds.has('growth') === true ? growthIntervalMs : null);
}

/** Loaded with the first question, which is asked once more for it: what it looked at is past by then. */
function lateAnswers(): QuestionHandler {
  let answers: QuestionHandler | null = null;
  let loading: Promise<void> | null = null;
  return (view, text) => {
    if (answers !== null) return answers(view, text);
    loading ??= import('./answers.js').then(({ Answers }) => {
      const made = new Answers();
      answers = (asked, question) => made.answer(asked, question);
    });
    return loading.then(() => JSON.stringify(askAgain));
  };
}

const askAgain: ErrorAnswer = {
  error: {
    code: 'ERR_MEMPROF_ASK_AGAIN' satisfies AskAgainCode,
    message: 'memprof-run was not ready',
  },
};

/**
 * src/agent turns off what makes code without lines. Code from a cache has none either: the user's
 * caches are passed over (Node's own, and the v8-compile-cache package's).
 */
const exactLinesEnvironment = {
  MEMPROF_EXACT_LINES: '1',
  NODE_DISABLE_COMPILE_CACHE: '1',
  DISABLE_V8_COMPILE_CACHE: '1',
};

function assertBuilt(): void {
  for (const path of [shimPath, agentPath]) {
    if (!existsSync(path))
      throw new MemprofError(
        'ERR_MEMPROF_NOT_BUILT',
        `${path} is missing: memprof is not built. Build it: npm run build`,
      );
  }
}
