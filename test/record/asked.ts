// Programs that ask the reader, each in a session of its own that answers as the test says.
import { type ChildProcess, spawn } from 'node:child_process';
import { exportedRanges } from '../../src/native/index.js';
import { agentAddonPath, agentPath, shimPath } from '../../src/paths.js';
import {
  type QuestionHandler,
  type RecordedProcess,
  type Session,
  startSession,
  tracedEnvironment,
} from '../../src/record/index.js';
import { BlockClassifier } from '../../src/symbols/index.js';

export interface Asked {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  recorded: RecordedProcess[];
}

export interface AskedOptions {
  onStart?: (child: ChildProcess, session: Session) => void;
  nodePath?: string;
}

/** In front of every script: the functions of the agent's addon, as `agent`. */
export const agentOf = (): string => `const agent = (() => {
  const holder = { exports: {} };
  process.dlopen(holder, ${JSON.stringify(agentAddonPath)});
  return holder.exports;
})();
`;

/** Runs a script with `agent` in it under a session of its own. No handler: nobody answers. */
export async function runAsked(
  script: string,
  onQuestion?: QuestionHandler,
  options: AskedOptions = {},
): Promise<Asked> {
  const session = startSession({
    events: 'none',
    overwrite: true,
    tracePathFor: () => null,
    classesFor: ({ stacks, modules, isNode }) =>
      new BlockClassifier(stacks, modules, isNode, exportedRanges),
    ...(onQuestion === undefined ? {} : { onQuestion }),
  });
  const env = tracedEnvironment(process.env, {
    shimPath,
    agentPath,
    sessionFolder: session.folder,
    session: session.environment,
  });
  const child = spawn(options.nodePath ?? process.execPath, ['-e', `${agentOf()}${script}`], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  session.rootPid = child.pid ?? null;
  const pieces = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece: Buffer) => {
    pieces.stdout += piece.toString();
  });
  child.stderr.on('data', (piece: Buffer) => {
    pieces.stderr += piece.toString();
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  options.onStart?.(child, session);
  const end = await ended;
  const recorded = await session.finish({ pid: child.pid ?? 0, ...end });
  return { ...end, ...pieces, recorded };
}
