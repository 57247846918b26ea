// memprof replay: what if the program had another allocator, or other settings? Its calls, done again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode, MemprofError } from '../errors.js';
import { replayPath } from '../paths.js';
import { jsonLines, noEvents, processJson } from '../query/index.js';
import { readTraceEvents } from '../record/index.js';
import {
  type Answer,
  compare,
  OperationWriter,
  parseAnswer,
  recordedAt,
  type Setting,
  settings,
  touchShares,
} from '../replay/index.js';
import { formatBytes, formatDuration, formatPercent, renderTable } from '../report/index.js';
import type { TraceCommand } from './context.js';

export interface ReplayOptions {
  with?: string[];
  json?: boolean;
}

interface Outcome {
  setting: Setting;
  answer: Answer | null;
  /** Why there is none. */
  missing: string | null;
}

export const replayNames: readonly string[] = settings.map(({ name }) => name);

export async function* replay(
  command: TraceCommand,
  options: ReplayOptions,
): AsyncGenerator<string> {
  const { model, tracePath, style, columns } = command;
  if (!model.hasEvents) throw noEvents(tracePath);
  if (!existsSync(replayPath))
    throw new MemprofError(
      'ERR_MEMPROF_NOT_BUILT',
      `${replayPath} is missing: memprof is not built. Build it: npm run build`,
    );
  const checkpoint = model.checkpoints?.at(-1);
  const recorded = checkpoint === undefined ? null : recordedAt(checkpoint);
  const shares = touchShares(checkpoint);
  const chosen = settings.filter(
    ({ name }) => options.with === undefined || options.with.includes(name) || name === 'glibc',
  );
  const outcomes: Outcome[] = [];
  for (const setting of chosen) outcomes.push(await outcomeOf(tracePath, setting, shares));
  const own = outcomes[0]?.answer ?? null;
  const honesty = own === null ? { ratio: null, at: null } : compare(own, recorded);
  if (options.json === true) {
    yield* jsonLines(
      {
        schema: 'memprof.replay/1',
        process: processJson(model),
        recorded,
        honestyRatio: honesty.ratio,
        touchedShares: { calloc: shares[1] / 256, others: shares[0] / 256 },
      },
      { replays: outcomes.map(outcomeJson) },
    );
    return;
  }
  yield style.heading("The allocator's resident memory, recorded and replayed");
  yield '';
  const at = (answer: Answer) =>
    recorded === null ? null : (answer.checkpoints.get(recorded.checkpoint)?.residentBytes ?? null);
  const cells = outcomes.flatMap(({ setting, answer }) =>
    answer === null
      ? []
      : [
          [
            formatBytes(answer.peakBytes),
            sizeOr(at(answer)),
            sizeOr(answer.final?.residentBytes ?? null),
            formatDuration(answer.cpuNs),
            setting.what,
          ],
        ],
  );
  const right = (title: string) => ({ title, align: 'right' as const });
  yield* renderTable(
    [
      { ...right('peak'), paint: style.bytes },
      right(recorded === null ? 'at checkpoint' : `at checkpoint ${recorded.checkpoint}`),
      right('at the end'),
      right('CPU'),
      { title: 'with', align: 'left', flexible: true },
    ],
    recorded === null
      ? cells
      : [['', formatBytes(recorded.residentBytes), '', '', 'recorded'], ...cells],
    { columns, heading: style.faint },
  );
  yield '';
  for (const { setting, missing } of outcomes)
    if (missing !== null) yield `Not replayed with ${setting.name}: ${missing}.`;
  yield honestyText(honesty.ratio, recorded !== null, model.checkpoints !== undefined);
  yield style.faint(
    `Calls are done again in the recorded order, each by its own thread, without the time between them. What the program wrote is not recorded: large blocks are touched as far as its own were at the checkpoint (calloc ${formatPercent(shares[1], 256)}, others ${formatPercent(shares[0], 256)}), small ones wholly. CPU is the replay's, and says how the allocators compare, not how long the program would take.`,
  );
}

const sizeOr = (sizeBytes: number | null): string =>
  sizeBytes === null ? '' : formatBytes(sizeBytes);

function honestyText(ratio: number | null, isKnown: boolean, hasCheckpoint: boolean): string {
  if (ratio === null) {
    if (isKnown) return 'The replay did not come to the checkpoint: it cannot be compared.';
    return hasCheckpoint
      ? "How near this is to the recorded program is not known: its allocator was not glibc's, or its memory could not be looked at."
      : 'How near this is to the recorded program is not known: the trace has no checkpoint.';
  }
  const difference = Math.abs(ratio - 1);
  const word = ratio >= 1 ? 'more' : 'less';
  return `With the recorded settings the replay had ${formatPercent(difference, 1)} ${word} than the program itself.`;
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
          cpuNs: answer.cpuNs,
          wallNs: answer.wallNs,
          operationCount: answer.operationCount,
          failedCount: answer.failedCount,
        }),
  };
}

async function outcomeOf(
  tracePath: string,
  setting: Setting,
  shares: readonly number[],
): Promise<Outcome> {
  const environment: Record<string, string> = { ...setting.environment };
  const { preload, debianPackage } = setting;
  if (preload !== null) {
    const path = allocatorFolders.map((folder) => join(folder, preload)).find(existsSync);
    if (path === undefined) {
      const missing = `${preload} is not on this machine (Debian package ${debianPackage})`;
      return { setting, answer: null, missing };
    }
    environment['LD_PRELOAD'] = path;
  }
  return { setting, answer: await replayOnce(tracePath, environment, shares), missing: null };
}

const allocatorFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/local/lib',
  '/usr/lib',
];

async function replayOnce(
  tracePath: string,
  environment: Record<string, string>,
  shares: readonly number[],
): Promise<Answer> {
  const program = spawn(replayPath, shares.map(String), {
    env: environment,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let text = '';
  let complaint = '';
  program.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  program.stderr.setEncoding('utf8').on('data', (piece: string) => (complaint += piece));
  const ended = once(program, 'close') as Promise<[number | null, string | null]>;
  // A broken pipe is told by how the program ended.
  program.stdin.on('error', () => undefined);
  let isFull = false;
  const writer = new OperationWriter((piece) => {
    isFull = !program.stdin.write(piece);
  });
  for (const { batch } of readTraceEvents(tracePath)) {
    writer.add(batch);
    if (isFull && program.stdin.writable)
      await Promise.race([once(program.stdin, 'drain'), ended.catch(() => undefined)]);
    isFull = false;
    if (!program.stdin.writable) break;
  }
  writer.end();
  program.stdin.end();
  const [code, signal] = await ended;
  if (code !== 0) {
    throw new MemprofError(
      'ERR_MEMPROF_REPLAY_FAILED',
      `the replay ended with ${signal ?? `status ${code}`}${complaint === '' ? '' : `: ${complaint.trim()}`}`,
      ExitCode.failed,
    );
  }
  return parseAnswer(text);
}
