// What memprof-run answers to the questions of tests in the program (memprof/testing). Loaded with the first of them.
import {
  type ErrorAnswer,
  type FinishAnswer,
  type Question,
  type RoundAnswer,
  type TrackSite,
  type TrackStats,
  Watches,
  type WatchOptions,
} from '../checks/index.js';
import { MemprofError } from '../errors.js';
import { stackNamer } from '../query/index.js';
import type { QuestionView } from '../record/index.js';
import { LeakTest } from './answer-leaks.js';
import { Tracking } from './answer-track.js';
import { ProcessNames } from './process-names.js';

/** One watch, from begin to finish or stop. */
export interface Watched {
  round?(
    view: QuestionView,
    asked: Question & { ask: 'round' },
  ): RoundAnswer | Promise<RoundAnswer>;
  finish?(view: QuestionView): FinishAnswer | Promise<FinishAnswer>;
  stats?(view: QuestionView): TrackStats;
  sites?(view: QuestionView, limit: number): Promise<TrackSite[]>;
  /** Lets go of what it holds in the recorder. */
  end(view: QuestionView): void;
}

interface Traced {
  watches: Watches;
  running: Map<number, Watched>;
  names: ProcessNames;
}

type Answer = RoundAnswer | FinishAnswer | TrackStats | TrackSite[] | ErrorAnswer | { begun: true };

export class Answers {
  readonly #namer = stackNamer(() => undefined);
  readonly #processes = new Map<string, Traced>();

  /** As QuestionHandler: what is thrown becomes an error answer. */
  async answer(view: QuestionView, text: string): Promise<string> {
    return JSON.stringify(await this.#answer(view, JSON.parse(text) as Question));
  }

  // Everything of the view is read before the first await.
  async #answer(view: QuestionView, question: Question): Promise<Answer> {
    const traced = this.#processOf(view);
    if (question.ask === 'begin') return begin(view, question, traced);
    const watched = traced.running.get(question.watch);
    if (watched === undefined)
      throw new MemprofError(
        'ERR_MEMPROF_NO_WATCH',
        `nothing is being watched under the number ${question.watch}: it has ended, or belongs to another process`,
      );
    switch (question.ask) {
      case 'round':
        return known(watched.round, question).call(watched, view, question);
      case 'stats':
        return known(watched.stats, question).call(watched, view);
      case 'sites':
        return known(watched.sites, question).call(watched, view, question.limit);
      case 'finish':
        end(view, question.watch, traced);
        if (question.error !== undefined) return failed(view);
        return known(watched.finish, question).call(watched, view);
      case 'stop': {
        const stats = known(watched.stats, question).call(watched, view);
        end(view, question.watch, traced);
        return stats;
      }
    }
  }

  #processOf(view: QuestionView): Traced {
    const key = `${view.process.pid}.${view.process.generation}`;
    let traced = this.#processes.get(key);
    if (traced === undefined) {
      traced = { watches: new Watches(), running: new Map(), names: new ProcessNames(this.#namer) };
      this.#processes.set(key, traced);
    }
    return traced;
  }
}

function begin(view: QuestionView, question: Question & { ask: 'begin' }, traced: Traced): Answer {
  const { watches, running, names } = traced;
  const { watch, place, thread, options } = question;
  for (const left of watches.leftBy((index) => view.hasThreadEnded(index))) end(view, left, traced);
  const { threadIndex } = view;
  const refused = watches.begin({ watch, place, thread, threadIndex, kind: options.kind });
  if (refused !== null) return refused;
  try {
    running.set(watch, watchFor(view, question, names));
  } catch (error) {
    watches.end(watch);
    throw error;
  }
  return { begun: true };
}

function watchFor(
  view: QuestionView,
  { place, options }: { place: string; options: WatchOptions },
  names: ProcessNames,
): Watched {
  if (options.kind !== 'leaks') return new Tracking(view, place, options, names);
  view.prepareCheckpoints();
  return new LeakTest(view, place, options, names);
}

function end(view: QuestionView, watch: number, { watches, running }: Traced): void {
  running.get(watch)?.end(view);
  running.delete(watch);
  watches.end(watch);
}

function known<Method>(method: Method | undefined, { ask }: Question): Method {
  if (method !== undefined) return method;
  throw new MemprofError('ERR_MEMPROF_QUESTION', `a watch of this kind has no answer to ${ask}`);
}

/** The function under test threw: its error is what counts. */
function failed({ tracePath }: QuestionView): FinishAnswer {
  return {
    verdict: 'undecided',
    confidence: 0,
    roundCount: 0,
    iterationCount: 0,
    peakBytes: null,
    findings: [],
    text: 'the function failed',
    tracePath,
  };
}
