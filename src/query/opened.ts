// A trace that was opened: what it holds, and names for what is in it.
import { join } from 'node:path';
import { MemprofError } from '../errors.js';
import type { TraceModel } from '../model/index.js';
import { findSymbols } from '../native/index.js';
import { packageRoot } from '../paths.js';
import { readTraceFile } from '../record/index.js';
import type { StackContext } from '../report/index.js';
import { isNodeProcess } from '../symbols/index.js';
import type { TextOutput } from '../text-output.js';
import { nameData } from './data-names.js';
import { type StackNamer, stackNamer } from './naming.js';
import type { FindSymbols } from './private-allocators.js';
import { retainersIn } from './retainers.js';
import type { NameData, RetainersOf } from './root-names.js';

export interface OpenedTrace {
  model: TraceModel;
  /** As the user typed it. */
  tracePath: string;
  nameStacks: StackNamer['nameStacks'];
  findOwners: StackNamer['findOwners'];
  nameData: NameData;
  findSymbols: FindSymbols;
  /** Given where the checkpoint's heap snapshot is at hand. */
  retainersOf?: RetainersOf;
}

/** Memory grows with live blocks and sites. `output`: for what there is to say when stacks are named. */
export function openTraceFile(
  tracePath: string,
  output: TextOutput | ((sentence: string) => void),
): OpenedTrace {
  const model = readTraceFile(tracePath);
  const { nameStacks, findOwners } = stackNamer(output);
  return {
    model,
    tracePath,
    nameStacks,
    findOwners,
    nameData,
    findSymbols,
    retainersOf: retainersIn(tracePath, model),
  };
}

/** What is said of a trace that is readable but not whole; null: it is whole. */
export function cutText({ model, tracePath }: OpenedTrace): string | null {
  if (model.complete) return null;
  return `${tracePath} ends before its last part (the program or memprof-run was killed, or the file was cut). What follows is as of its last whole part.`;
}

/** What of memprof runs in the traced program. */
export const ownFolders: readonly string[] = ['src', 'dist/src', 'dist/cjs'].map((folder) =>
  join(packageRoot, folder),
);

export function stackContext(model: TraceModel): StackContext {
  return {
    isNode: isNodeProcess(model.process),
    executable: model.process.executable,
    cwd: model.process.cwd,
    ownFolders,
  };
}

/** What needs events and found none. */
export function noEvents(tracePath: string): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_NO_EVENTS',
    `${tracePath} has no events: it was recorded with --events none. What is live, and all totals, are there without them`,
  );
}
