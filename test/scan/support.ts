// Runs small programs under one session, and says what was lost in each, by memprof and by valgrind.
import { execFile, spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Checkpoint } from '../../src/model/index.js';
import { exportedRanges } from '../../src/native/index.js';
import { shimPath } from '../../src/paths.js';
import { startSession } from '../../src/record/index.js';
import { BlockClassifier } from '../../src/symbols/index.js';

const run = promisify(execFile);

/** Blocks and bytes. */
export type Sum = [blockCount: number, sizeBytes: number];

export interface Losses {
  lost: Sum;
  indirect: Sum;
}

/** `possible`: a word points into them, and none to their start. */
export interface ValgrindLosses extends Losses {
  possible: Sum;
}

export interface Case extends Losses {
  name: string;
  /** Why valgrind says something else; '': it says the same. */
  valgrind: string;
}

export interface Found extends Losses {
  checkpoints: Checkpoint[];
  warnings: string[];
}

export async function casesOf(program: string): Promise<Case[]> {
  const { stdout } = await run(program);
  return JSON.parse(stdout) as Case[];
}

/** Each command once, `width` at a time, in one session; sums over all processes that a command made. */
export async function scanAll(
  commands: readonly (readonly [string, ...string[]])[],
  width = 2,
): Promise<Found[]> {
  const session = startSession({
    events: 'none',
    overwrite: true,
    tracePathFor: () => null,
    classesFor: ({ stacks, modules, isNode }) =>
      new BlockClassifier(stacks, modules, isNode, exportedRanges),
  });
  const environment = { ...process.env, ...session.environment, LD_PRELOAD: shimPath };
  await eachOf(commands, width, async ([file, ...words]) => {
    await ended(file, words, environment);
  });
  const recorded = await session.finish({ pid: 0, code: 0, signal: null });
  const byCommand = new Map<string, Found>();
  for (const { model, warnings } of recorded) {
    const key = JSON.stringify(model.process.argv);
    const found = byCommand.get(key) ?? nothing();
    byCommand.set(key, found);
    found.warnings.push(...warnings);
    for (const checkpoint of model.checkpoints ?? []) {
      found.checkpoints.push(checkpoint);
      for (const { verdict, blockCount, sizeBytes } of checkpoint.tallies) {
        const sum =
          verdict === 'lost' ? found.lost : verdict === 'lost-indirect' ? found.indirect : null;
        if (sum === null) continue;
        sum[0] += blockCount;
        sum[1] += sizeBytes;
      }
    }
  }
  return commands.map((command) => byCommand.get(JSON.stringify(command)) ?? nothing());
}

function nothing(): Found {
  return { lost: [0, 0], indirect: [0, 0], checkpoints: [], warnings: [] };
}

function ended(file: string, words: string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, words, { env, stdio: 'ignore', timeout: 240_000 });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${file} ${words.join(' ')}: ${code ?? signal}`)),
    );
  });
}

async function eachOf<T>(
  items: readonly T[],
  width: number,
  work: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) await work(items[at]!, at);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** null: there is no valgrind here. */
export async function valgrindAll(
  commands: readonly (readonly [string, ...string[]])[],
  folder: string,
  width = 2,
): Promise<ValgrindLosses[] | null> {
  try {
    await run('valgrind', ['--version']);
  } catch {
    return null;
  }
  const answers: ValgrindLosses[] = [];
  await eachOf(commands, width, async (command, at) => {
    const log = join(folder, `valgrind.${at}.txt`);
    await run('valgrind', ['--leak-check=summary', `--log-file=${log}`, ...command], {
      timeout: 240_000,
    });
    answers[at] = parseValgrind(await readFile(log, 'utf8'));
    await rm(log);
  });
  return answers;
}

/** Of all processes in the log. */
export function parseValgrind(text: string): ValgrindLosses {
  const sum = (words: string): Sum => {
    const total: Sum = [0, 0];
    for (const [, bytes, blocks] of text.matchAll(
      new RegExp(`${words} lost: ([\\d,]+) bytes in ([\\d,]+) blocks`, 'g'),
    )) {
      total[0] += Number(blocks!.replaceAll(',', ''));
      total[1] += Number(bytes!.replaceAll(',', ''));
    }
    return total;
  };
  return {
    lost: sum('definitely'),
    indirect: sum('indirectly'),
    possible: sum('possibly'),
  };
}
