// memprof export: a trace as another tool's file.
import { closeSync, openSync, writeSync } from 'node:fs';
import { ExitCode, MemprofError } from '../errors.js';
import { heapSnapshotWithNative } from '../exporters/index.js';
import { type HeapSnapshot, HeapSnapshotParser } from '../heap/index.js';
import type { Checkpoint, CheckpointDetail, StackId, TraceModel } from '../model/index.js';
import { readHeapSnapshot } from '../record/index.js';
import { formatBytes, formatCount, frameText, shellQuote, siteFrame } from '../report/index.js';
import { stackContext, type TraceCommand } from './context.js';

export const exportFormats = ['heapsnapshot'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportOptions {
  format: ExportFormat;
  output?: string;
  force?: boolean;
}

export async function* exportTrace(
  command: TraceCommand,
  options: ExportOptions,
): AsyncGenerator<string> {
  const { model, tracePath } = command;
  const path = options.output ?? `${tracePath.replace(/\.mprof$/, '')}.${options.format}`;
  const { checkpoint, detail } = checkpointOf(model, tracePath);
  const snapshot = snapshotOf(tracePath, checkpoint);
  const names = await command.nameStacks(model, new Set(detail.live.stackId as Iterable<StackId>));
  const context = stackContext(model);
  const nameOf = (stackId: StackId): string => {
    const frame = siteFrame(names.stack(stackId), context);
    return frame === null ? 'native block' : frameText(frame);
  };
  const bytes = writeFile(
    path,
    heapSnapshotWithNative(snapshot, detail, nameOf),
    options.force === true,
  );
  yield `${path}: ${formatCount(snapshot.nodeCount)} JavaScript objects and ${formatCount(detail.live.count)} native blocks, ${formatBytes(bytes)}. Open it in Chrome DevTools (Memory, Load) or with memlab.`;
}

function checkpointOf(
  model: TraceModel,
  tracePath: string,
): { checkpoint: Checkpoint; detail: CheckpointDetail } {
  const checkpoint = model.checkpoints?.at(-1);
  if (checkpoint === undefined || checkpoint.detail === null)
    throw new MemprofError(
      'ERR_MEMPROF_NO_CHECKPOINT',
      `${tracePath} has no checkpoint, so nobody knows which object owns which block. Record it without --checkpoint none.`,
    );
  return { checkpoint, detail: checkpoint.detail };
}

function snapshotOf(tracePath: string, { number }: Checkpoint): HeapSnapshot {
  const parser = new HeapSnapshotParser();
  let isThere = false;
  for (const piece of readHeapSnapshot(tracePath, number)) {
    isThere = true;
    parser.push(piece);
  }
  if (!isThere)
    throw new MemprofError(
      'ERR_MEMPROF_NO_HEAP_SNAPSHOT',
      `${tracePath} holds no heap snapshot of its last checkpoint. Record it with memprof-run --retainers.`,
    );
  return parser.finish();
}

/** Returns how many bytes were written. */
function writeFile(path: string, pieces: Iterable<string>, mayOverwrite: boolean): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, mayOverwrite ? 'w' : 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new MemprofError(
        'ERR_MEMPROF_FILE_EXISTS',
        `${path} exists and is not overwritten. Choose another name with -o, or overwrite it with -f.`,
        ExitCode.usage,
      );
    const reason = error instanceof Error ? error.message : String(error);
    throw new MemprofError(
      'ERR_MEMPROF_FILE_NOT_WRITABLE',
      `${shellQuote(path)} cannot be written (${reason}). Choose another place with -o.`,
    );
  }
  let bytes = 0;
  try {
    for (const piece of pieces) {
      const text = Buffer.from(piece);
      for (let at = 0; at < text.length; ) at += writeSync(descriptor, text, at);
      bytes += text.length;
    }
  } finally {
    closeSync(descriptor);
  }
  return bytes;
}
