// memprof replay: what if the program had another allocator, or other settings? Its calls, done again.
import { InvalidArgumentError } from 'commander';
import { explainMemory } from '../memory/index.js';
import type { Checkpoint, StackId } from '../model/index.js';
import { jsonLines, noEvents, processJson } from '../query/index.js';
import {
  type Compared,
  compare,
  type Recorded,
  recordedAt,
  type Setting,
  settings,
  TouchedShares,
  whole,
} from '../replay/index.js';
import { type Outcome, ownerText, renderReplay } from '../report/index.js';
import { isNodeProcess } from '../symbols/index.js';
import type { TraceCommand } from './context.js';
import { play, playerEnvironment, requirePlayer } from './replay-player.js';

export interface ReplayOptions {
  with?: string[];
  json?: boolean;
}

const names: readonly string[] = settings.map(({ name }) => name);
export const replayNames: string = names.join(', ');

/** "a,b" after those of an earlier --with. */
export function parseSettings(text: string, before: string[] = []): string[] {
  const chosen = text.split(',').map((name) => name.trim());
  for (const name of chosen)
    if (!names.includes(name)) throw new InvalidArgumentError(`There are: ${replayNames}.`);
  return [...before, ...chosen];
}

type PlayedOutcome = Outcome & { hasOwnWork: boolean };

/** What is kept of a trace while its calls are replayed: not its model, which may be as large as the replay. */
interface Prepared extends Pick<TraceCommand, 'tracePath' | 'style' | 'columns'> {
  process: ReturnType<typeof processJson>;
  peakLiveBytes: number;
  hasCheckpoint: boolean;
  recorded: Recorded | null;
  restBytes: number | null;
  shares: TouchedShares;
  lostEventCount: number;
}

/** No frame of this keeps the command, and with it the model, while the replay runs. */
export function replay(command: TraceCommand, options: ReplayOptions): AsyncGenerator<string> {
  return replayPrepared(prepare(command), options);
}

async function prepare(command: TraceCommand): Promise<Prepared> {
  const { model, tracePath, style, columns } = command;
  if (!model.hasEvents) throw noEvents(tracePath);
  requirePlayer();
  const checkpoint = model.checkpoints?.at(-1);
  const recorded = checkpoint === undefined ? null : recordedAt(checkpoint);
  const restBytes =
    checkpoint === undefined || recorded === null
      ? null
      : await restOf(command, checkpoint, recorded);
  return {
    tracePath,
    style,
    columns,
    process: processJson(model),
    peakLiveBytes: model.totals.peakBytes,
    hasCheckpoint: checkpoint !== undefined,
    recorded,
    restBytes,
    shares: new TouchedShares(checkpoint),
    lostEventCount: model.losses.lostEventCount,
  };
}

async function* replayPrepared(
  preparing: Promise<Prepared>,
  options: ReplayOptions,
): AsyncGenerator<string> {
  const prepared = await preparing;
  const { recorded, restBytes, shares, hasCheckpoint, lostEventCount } = prepared;
  const outcomes: PlayedOutcome[] = [];
  for (const setting of settings) {
    const isChosen = options.with === undefined || options.with.includes(setting.name);
    if (isChosen || setting.name === 'glibc') outcomes.push(await outcomeOf(prepared, setting));
  }
  const { honest, ownBytes } = await compareHonestly(prepared, outcomes);
  if (options.json !== true) {
    const touched = { calloc: shares.calloc, others: shares.others };
    yield* renderReplay(
      {
        outcomes,
        recorded,
        hasCheckpoint,
        restBytes,
        honest,
        ownBytes,
        touched,
        lostEventCount,
      },
      prepared,
    );
    return;
  }
  yield* jsonLines(
    {
      schema: 'memprof.replay/1',
      process: prepared.process,
      recorded,
      restBytes,
      honestyRatio: honest?.ratio ?? null,
      ownBytes,
      touchedShares: { calloc: shares.calloc / whole, others: shares.others / whole },
    },
    { replays: outcomes.map(outcomeJson) },
  );
}

/** With what memprof itself did at checkpoints, which is in the recorded memory: once more, as it is recorded. */
async function compareHonestly(
  { tracePath, shares, peakLiveBytes, recorded }: Prepared,
  [first]: readonly PlayedOutcome[],
): Promise<{ honest: Compared | null; ownBytes: number }> {
  const environment = first === undefined ? null : playerEnvironment(first.setting);
  if (first === undefined || first.answer === null || environment === null)
    return { honest: null, ownBytes: 0 };
  const plain = compare(first.answer, recorded);
  if (plain === null || !first.hasOwnWork) return { honest: plain, ownBytes: 0 };
  const options = { shares, withOwnWork: true };
  const { answer } = await play(tracePath, environment, options, peakLiveBytes);
  const honest = compare(answer, recorded);
  const ownBytes = honest === null ? 0 : Math.max(0, honest.replayedBytes - plain.replayedBytes);
  return { honest, ownBytes };
}

async function outcomeOf(
  { tracePath, shares, peakLiveBytes }: Prepared,
  setting: Setting,
): Promise<PlayedOutcome> {
  const environment = playerEnvironment(setting);
  if (environment === null)
    return { setting, answer: null, missing: missingText(setting), hasOwnWork: false };
  const options = { shares, withOwnWork: false };
  const played = await play(tracePath, environment, options, peakLiveBytes);
  return { setting, missing: null, ...played };
}

const missingText = ({ preload, debianPackage }: Setting): string =>
  `${preload} is not on this machine (Debian package ${debianPackage})`;

/** What of the process is neither its allocator's nor memprof's. */
async function restOf(
  { model, findOwners }: TraceCommand,
  checkpoint: Checkpoint,
  recorded: Recorded,
): Promise<number | null> {
  const ids = new Set<StackId>(checkpoint.memory?.mappings.map(({ stackId }) => stackId));
  const owners = await findOwners(model, ids);
  // Without its blocks: whose they are does not matter here.
  const explained = explainMemory({
    checkpoint: { ...checkpoint, detail: null },
    modules: model.modules,
    isNode: isNodeProcess(model.process),
    ownerOf: (id) => owners.owner(id),
    nameOf: ownerText,
  });
  if (explained === null) return null;
  const memprof = explained.parts.find(({ kind }) => kind === 'memprof')?.residentBytes ?? 0;
  return Math.max(0, explained.residentBytes - memprof - recorded.residentBytes);
}

function outcomeJson({ setting, answer, missing }: Outcome) {
  return {
    name: setting.name,
    what: setting.what,
    missing,
    ...(answer === null
      ? {}
      : {
          peakBytes: answer.peakBytes,
          finalBytes: answer.final?.residentBytes ?? null,
          checkpoints: [...answer.checkpoints].map(([number, one]) => ({ number, ...one })),
          playerBytes: answer.playerBytes,
          callNs: answer.callNs,
          cpuNs: answer.cpuNs,
          wallNs: answer.wallNs,
          operationCount: answer.operationCount,
          failedCount: answer.failedCount,
          unknownCount: answer.unknownCount,
        }),
  };
}
