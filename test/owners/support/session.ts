// The agent in real Nodes with the stand-in for the shim (test/agent/native/fake_shim.cc) and a session's
// files, so that it takes checkpoints; what it hands over is in the log.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Magic, pageBytes, SessionFlag, SessionHeader, wireAbi } from '../../../src/record/wire.js';
import { agentPackage, fakeShim } from '../../agent/support/build.js';
import { inTurn } from '../../e2e/support/run.js';

export interface OwnerLine {
  address: string;
  sizeBytes: number;
  className: string;
  kind: number;
  object: number;
  isolate: number;
  snapshotId: number;
}

export interface CheckpointLine {
  reason: number;
  ownerState: number;
  hasHeapFigures: boolean;
  owners: OwnerLine[];
}

export interface Outcome {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
  folder: string;
  log: string[];
  checkpoints: CheckpointLine[];
}

export interface Options {
  flags?: number;
  withAgent?: boolean;
  onStart?: (child: ChildProcess) => void;
}

export function runInSession(
  t: ExecutionContext,
  nodePath: string,
  argv: readonly string[],
  options: Options = {},
): Promise<Outcome> {
  return inTurn(() => runNow(t, nodePath, argv, options));
}

function runNow(
  t: ExecutionContext,
  nodePath: string,
  argv: readonly string[],
  options: Options,
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-owners-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeSession(folder, options.flags ?? SessionFlag.checkpointExit);
  const log = join(folder, 'log');
  writeFileSync(log, '');
  const agent = join(agentPackage(), 'src', 'agent', 'agent.cjs');
  const traced =
    options.withAgent === false
      ? {}
      : {
          FAKE_SHIM_LOG: log,
          LD_PRELOAD: fakeShim(),
          MEMPROF_SESSION: folder,
          NODE_OPTIONS: `--require "${agent}"`,
        };
  const child = spawn(nodePath, argv, {
    env: { PATH: process.env['PATH'], HOME: folder, ...traced },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 240_000,
  });
  options.onStart?.(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (piece: Buffer) => {
    stdout += piece.toString();
  });
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString();
  });
  return new Promise((resolve) => {
    child.once('close', (status, signal) => {
      const lines = readFileSync(log, 'utf8').split('\n');
      resolve({
        status,
        signal,
        stdout,
        stderr: stderr.replaceAll(/\(node:\d+\)/g, '(node:PID)'),
        folder,
        log: lines,
        checkpoints: parseCheckpoints(lines),
      });
    });
  });
}

function writeSession(folder: string, flags: number): void {
  const bytes = new Uint8Array(pageBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(SessionHeader.magic, Magic.session, true);
  view.setUint32(SessionHeader.abi, wireAbi, true);
  view.setUint32(SessionHeader.flags, flags, true);
  writeFileSync(join(folder, 'session'), bytes);
}

function parseCheckpoints(lines: readonly string[]): CheckpointLine[] {
  const checkpoints: CheckpointLine[] = [];
  for (const line of lines) {
    const head = /^checkpoint \d+ reason=(\d+) owners=(\d+) rows=\d+ heap=(\d)$/.exec(line);
    if (head !== null) {
      const [, reason, ownerState, heap] = head.map(Number) as [number, number, number, number];
      checkpoints.push({ reason, ownerState, hasHeapFigures: heap === 1, owners: [] });
    }
    if (!line.startsWith('owner ')) continue;
    const [address, size, className, kind, object, isolate, id] = line.slice(6).split(' | ');
    checkpoints.at(-1)?.owners.push({
      address: address as string,
      sizeBytes: Number(size),
      className: className as string,
      kind: Number(kind),
      object: Number(object),
      isolate: Number(isolate),
      snapshotId: Number(id),
    });
  }
  return checkpoints;
}

/** Lines "expect label | class | kind | address" of test/fixtures/apps/owners.cjs. */
export function expectations(
  stdout: string,
): { label: string; className: string; kind: number; address: string }[] {
  return [...stdout.matchAll(/^expect (.+?) \| (.+?) \| (\d) \| ([0-9a-f]+)$/gm)].map(
    ([, label, className, kind, address]) => ({
      label: label as string,
      className: className as string,
      kind: Number(kind),
      address: address as string,
    }),
  );
}
